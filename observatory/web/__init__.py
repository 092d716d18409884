"""The web process: one Flask, one Dash in it, one guard before both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dash
from dash import Dash
from dash.development.base_component import Component
from flask import Blueprint, Flask, Request
from flask.sessions import NullSession, SessionInterface

from observatory import api
from observatory.api.sessions import set_renewed
from observatory.auth.tokens import derive
from observatory.context import Services
from observatory.web import account, errors, guard, login
from observatory.web import assets as static
from observatory.web.document import BASE, Document
from observatory.web.security import secure

NAME = "Happy Observatory"
LARGEST_BODY = 1024 * 1024
SUITE_VIEW = "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"  # Dash's name for it


def create_app(
    services: Services,
    *,
    pages_folder: Path,
    assets_folder: Path,
    cache_folder: Path,
    layout: Callable[[], Component] | None = None,
    blueprints: Sequence[Blueprint] = (),
) -> Dash:
    """The dashboard. `layout` makes what stands around the pages and holds `dash.page_container`; the product's
    own shell unless a test brings another.

    The order matters: routes, Dash, guard, headers, and then one request of our own, which makes Dash do what it
    otherwise does during the first visitor's.
    """
    server = create_server(services)
    packed = static.Cache(cache_folder)
    ours = static.Assets(assets_folder, packed, static.libraries(cache_folder))
    static.register(server, ours)
    api.register(server, guard.is_public)
    for blueprint in (login.routes, account.routes, *blueprints):
        server.register_blueprint(blueprint)
    errors.register(server)
    server.jinja_env.globals.update(asset_url=ours.url, product=NAME, public_styles=lambda: public_styles(ours))

    app = create_dash(server, pages_folder)
    app.observatory_assets = ours
    app.layout = layout if layout is not None else default_shell()
    suites = static.Suites(packed, app.registered_paths)
    server.view_functions[SUITE_VIEW] = suites.serve
    guard.install(server, app.callback_map)
    server.after_request(set_renewed)
    secure(server, console_origin=services.console_origin, trusted_proxies=services.trusted_proxies)
    server.test_client().get("/healthz")
    static.prepare(ours, suites)
    return app


class NoSession(SessionInterface):
    """Ours are rows in the database. Flask's own would be looked for in the cookies of every request."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return NullSession()


class Server(Flask):
    """Flask without what nothing here uses: it asks of every function of every request whether it is a coroutine."""

    session_interface = NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_server(services: Services) -> Flask:
    server = Server(__name__, static_folder=None)
    server.extensions["observatory"] = services
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    server.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # Flask's own would list what only our catch-all takes
    server.secret_key = derive(services.session_secret, "flask")  # Dash signs with it; workers must agree
    return server


def create_dash(server: Flask, pages_folder: Path) -> Document:
    dash.page_registry.clear()  # it is global: several apps may live one after another in a process
    return Document(
        "app",  # under another name the machine's path leaks into the names of page modules
        server=server,  # type: ignore[arg-type]  # Dash annotates another type than it takes
        use_pages=True,
        pages_folder=str(pages_folder.resolve()),
        assets_url_path="_no-assets",  # we serve our own, see assets.py
        assets_folder=str(pages_folder.resolve() / "no-assets"),
        include_assets_files=False,
        use_async=False,
        enable_mcp=False,
        compress=False,
        suppress_callback_exceptions=True,
        update_title=None,  # type: ignore[arg-type]
        health_endpoint=None,
        include_pages_meta=False,
        title=NAME,
    )


def default_shell() -> Callable[[], Component]:
    from observatory.components.shell import shell

    return shell


def public_styles(ours: static.Assets) -> list[str]:
    """The style sheets of the pages that need no session."""
    return [ours.url(name) for name in (BASE, "public/login.css") if ours.path(name)]
