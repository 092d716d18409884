"""The Nexus Console's HTTP side: N1 and N2 (contract §2.4)."""

from html import escape

from observatory.simulator.service import HttpService, Universe
from observatory.simulator.wire import Request, Response

VERSION = "1.0.0"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Nexus Console (simulated)</title>
<style>
body {{ margin: 0; padding: 12px; font: 14px/1.5 "JetBrains Mono", monospace; background: #0A0A0A; color: #E4E4E4 }}
body.light {{ background: #FFFFFF; color: #1A1A1A }}
.prompt {{ color: #00D4AA }} .light .prompt {{ color: #007ACC }}
</style></head>
<body class="{theme}">
<p>Nexus Console, simulated. No shell stands behind this page.</p>
<p><span class="prompt">{cwd} $</span> _</p>
<script>if (parent !== window) parent.postMessage({{ type: "console-ready" }}, "*");</script>
</body></html>
"""


class Console(HttpService):
    name = "nexus-console"

    def __init__(self, universe: Universe) -> None:
        super().__init__(universe)
        self.route("GET", "/health", self.health)
        self.route("GET", "/", self.page)

    def health(self, _request: Request, _t: int) -> Response:
        return self.json({"status": "healthy", "version": VERSION})

    def page(self, request: Request, _t: int) -> Response:
        """It may be framed by anybody (C12): the dashboard stands on another port."""
        theme = "light" if request.query.get("theme") == "light" else "dark"
        page = PAGE.format(theme=theme, cwd=escape(request.query.get("cwd", "~")))
        return self.plain(200, page.encode(), "text/html; charset=utf-8")
