"""The one HTML document Dash's pages live in, and the Dash that serves it."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import dash
from flask import Response, make_response, render_template, request
from markupsafe import Markup

from observatory.context import asset_url, services
from observatory.web.assets import Assets, chunk_addresses

BOOTSTRAP, PLOTLY, BASE = "public/lib/bootstrap.css", "public/lib/plotly.js", "public/base.css"
BOOT, THEME = "csp/boot.js", "theme.js"  # these two run before anything is drawn, our other scripts before Dash
# Dash tells every visitor which versions run here, and asks a foreign host whether there are newer ones.
UNTOLD = ("dash_version", "python_version", "dash_version_url", "ddk_version", "plotly_version")
SCRIPT = re.compile(r"<script(?=[\s>])")
TABLE_SCRIPT = re.compile(r'<script src="[^"]*/dash_table/[^"]*"></script>\s*')


class Document(dash.Dash):
    """Dash with our document, a nonce on every script, and a true status for pages that do not exist."""

    observatory_assets: Assets

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]  # as Dash documents it
        nonce = getattr(request, "csp_nonce", "")
        # Nothing here uses dash_table; the polyfill beside it must stay, later scripts expect it.
        scripts = TABLE_SCRIPT.sub("", str(parts["scripts"]))
        assets = self.observatory_assets
        return render_template(
            "document.html",
            title=parts["title"],
            nonce=nonce,
            now=services().clock(),
            boot=asset_url(BOOT),
            chunks=self.observatory_chunks,
            plotly=asset_url(PLOTLY),
            icon=asset_url("public/favicon.svg") if assets.path("public/favicon.svg") else "",
            styles=[asset_url(name) for name in shell_styles(assets)],
            theme=asset_url(THEME) if assets.path(THEME) else "",
            own_scripts=[asset_url(name) for name in assets.names("*.js") if name != THEME],
            dash_styles=trusted(parts["css"]),
            app_entry=trusted(parts["app_entry"]),
            config=with_nonce(str(parts["config"]), nonce),
            scripts=with_nonce(scripts, nonce),
            renderer=with_nonce(str(parts["renderer"]), nonce),
        )

    @cached_property
    def observatory_chunks(self) -> dict[str, str]:
        """Known once Dash has put its scripts together, which it does before it asks for the document."""
        return chunk_addresses(self.registered_paths)

    def _config(self) -> dict[str, Any]:
        return {key: value for key, value in super()._config().items() if key not in UNTOLD}

    def index(self, *args: Any, **kwargs: Any) -> Response:
        status = 200 if is_registered(request.path, dash.page_registry) else 404
        return make_response(super().index(*args, **kwargs), status)


def shell_styles(assets: Assets) -> list[str]:
    """The style sheets of the signed-in document: Bootstrap, what the public pages share, then our own."""
    return [name for name in (BOOTSTRAP, BASE, *assets.names("*.css")) if assets.path(name)]


def with_nonce(html: str, nonce: str) -> Markup:
    return trusted(SCRIPT.sub(f'<script nonce="{nonce}"', html))


def trusted(html: object) -> Markup:
    """Markup that Dash wrote; nothing of it comes from a visitor."""
    return Markup(str(html))  # noqa: S704


def is_registered(path: str, pages: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a page answers `path`. A variable of a template stands for one segment."""
    wanted = path.strip("/")
    return any(
        wanted == str(page["path"]).strip("/") or bool(page["path_template"] and fits(wanted, page["path_template"]))
        for page in pages.values()
    )


def fits(path: str, template: str) -> bool:
    parts = re.split(r"<[^>]+>", template.strip("/"))
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) is not None
