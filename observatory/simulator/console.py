"""The Nexus Console: N1 to N5 and the terminal's WebSocket (contract §2.4, §7.3)."""

import socket
from html import escape
from typing import Any

from observatory.simulator.access import COOKIE, USERS
from observatory.simulator.failure import Failure
from observatory.simulator.noise import DAY
from observatory.simulator.prompt import Prompt
from observatory.simulator.service import HTML_TYPE, HttpService
from observatory.simulator.terminal import PROTOCOL, Terminals, TerminalSession
from observatory.simulator.universe import Universe
from observatory.simulator.validation import document, text
from observatory.simulator.websocket import check_handshake, handshake
from observatory.simulator.wire import Headers, Request, Response, Takeover

VERSION = "1.0.0"
SOCKETS = ("/terminal/ws", "/ws", "/ws/console")
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
REFUSED: Headers = (("X-Frame-Options", "DENY"), ("Content-Security-Policy", "frame-ancestors 'none'"))
IN_OPEN_MODE = "developer"  # whom a token is for when nobody had to say who he is


class Console(HttpService):
    name = "nexus-console"
    limited = ("auth",)

    def __init__(self, universe: Universe) -> None:
        super().__init__(universe)
        self.terminals = Terminals()
        self.sessions: set[TerminalSession] = set()
        self.route("GET", "/health", self.health)
        self.route("GET", "/", self.page)
        self.route("POST", "/api/terminal/auth", self.exchange, "R")
        self.route("POST", "/api/auth/token", self.exchange, "R")
        self.route("POST", "/auth/login", self.login)
        self.route("POST", "/auth/refresh", self.refresh)
        self.route("GET", "/api/console/terminals", self.listed, "R")
        Prompt(self).mount_default("/api/console/commands")
        for path in SOCKETS:
            self.upgrade(path, self.terminal)

    def health(self, _request: Request, _t: int) -> Response:
        return self.healthy({"status": "healthy", "version": VERSION})

    def page(self, request: Request, _t: int) -> Response:
        """It may be framed by anybody (C12), for the dashboard stands on another port; or by nobody, as switched."""
        theme = "light" if request.query.get("theme") == "light" else "dark"
        page = PAGE.format(theme=theme, cwd=escape(request.query.get("cwd", "~")))
        return self.plain(200, page.encode(), HTML_TYPE, REFUSED if self.dialect.framing == "refused" else ())

    # signing in

    def login(self, request: Request, t: int) -> Response:
        body = document(request)
        name, password = text(body, "username", 50), text(body, "password", 200)
        self.universe.access.login(name, password)
        return self.signed_in(name, t)

    def refresh(self, request: Request, t: int) -> Response:
        """A new pair of tokens for a refresh token that is still good."""
        claims = self.universe.access.claims(text(document(request), "refreshToken", 4096), t)
        if claims.get("use") != "refresh":
            raise Failure(401, "Invalid authentication token")
        return self.signed_in(str(claims["userId"]), t)

    def signed_in(self, name: str, t: int) -> Response:
        """The tokens, or as switched: only a cookie, or the first under its other name (§9, Q17)."""
        access, user = self.universe.access, USERS.get(name)
        token = access.issue(name, t)
        refresh = access.issue(name, t, lifetime=7 * DAY, permissions=[], use="refresh")
        rights = {
            "permissions": list(user.permissions) if user else [],
            "projectIds": list(user.projects) if user else [],
        }
        if self.dialect.login == "cookie":
            cookie = ("Set-Cookie", f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400")
            return self.json({"user": {"userId": name, **rights}}, headers=(cookie,))
        first = "accessToken" if self.dialect.login == "access-token" else "token"
        body: dict[str, Any] = {first: token, "refreshToken": refresh, "user": {"id": name, **rights}}
        return self.json(body)

    def exchange(self, request: Request, t: int) -> Response:
        """N3: a token for the terminal, for whoever is signed in."""
        access, name = self.universe.access, IN_OPEN_MODE
        if self.dialect.auth == "jwt":
            name = str(access.of(request, t)["userId"])
        return self.json({"token": access.issue(name, t)})

    # terminals

    def listed(self, _request: Request, _t: int) -> Response:
        terminals = [
            {"id": pty.id, "projectId": "devkit", "cols": pty.cols, "rows": pty.rows, "cwd": pty.cwd}
            for pty in list(self.terminals.open.values())
        ]
        return self.json(self.dialect.wrapped("terminals", {"terminals": self.dialect.some(terminals)}))

    def terminal(self, request: Request, headers: Headers) -> Takeover:
        if self.dialect.auth == "jwt":
            access, t, given = self.universe.access, self.clock.now(), request.query.get("token")
            access.permit(access.claims(given, t) if given else access.of(request, t), "W")
        check_handshake(request)
        return Takeover(lambda sock: self.converse(sock, request, headers))

    def converse(self, sock: socket.socket, request: Request, headers: Headers) -> None:
        session = TerminalSession(self.universe, self.terminals, sock)
        sock.sendall(handshake(request, headers, protocol=PROTOCOL))
        self.sessions.add(session)
        session.hello()
        try:
            session.run()
        finally:
            self.sessions.discard(session)
            session.end()
