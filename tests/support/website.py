"""The real dashboard over Flask's client, with four people: viewer, operator, admin, and an outsider (no project)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import dash
from dash import Dash, html
from flask import Blueprint, Response
from flask.testing import FlaskClient

from observatory.auth.passwords import hash_password
from observatory.auth.roles import requires
from observatory.context import Services
from observatory.model import Role
from observatory.store import accounts
from observatory.store.engine import Store, migrate, open_store
from observatory.web import create_app
from tests.support.clock import Clock

PAGES = Path(__file__).parent / "pages"
ASSETS = Path(__file__).parents[2] / "assets"
PASSWORD = "Correct-Horse-7"
KEY, OLD_KEY, METRICS = "k1" + "0123456789abcdef" * 2, "k0" + "fedcba9876543210" * 2, "m" + "0123456789abcdef" * 2
PEOPLE = {
    "victor": (Role.VIEWER, ("loom",)),
    "olga": (Role.OPERATOR, ("loom", "kiln")),
    "ada": (Role.ADMIN, ()),
    "otto": (Role.VIEWER, ()),
}


@cache
def password_hash() -> str:
    return hash_password(PASSWORD)


def extra_routes() -> Blueprint:
    """Views of the kinds the guard must tell apart and that the product itself does not have yet."""
    extra = Blueprint("extra", __name__)

    @extra.post("/api/extra")
    @requires(Role.ADMIN)
    def only_admins() -> Response:
        return Response("done")

    @extra.get("/broken")
    def broken() -> Response:
        raise RuntimeError("the secret detail")

    return extra


class Client(FlaskClient):
    """Reads and closes each answer at once, as a browser does."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return super().open(*args, **{"buffered": True, **kwargs})


class Website:
    """A dashboard with its own database and clock. `cache` may be shared: what is in it is named by content."""

    def __init__(
        self,
        folder: Path,
        cache: Path,
        *,
        blueprints: Sequence[Blueprint] = (),
        people: bool = True,
        **settings: Any,
    ) -> None:
        """`people` False: they are there already, this is another process on the same database."""
        self.clock = Clock()
        self.store: Store = open_store(f"sqlite:///{folder / 'observatory.sqlite3'}")
        migrate(self.store)
        for name, (role, projects) in PEOPLE.items() if people else ():
            accounts.create_user(self.store, name, password_hash(), role, projects=projects, now=self.clock())
        services = Services(store=self.store, secrets=(KEY,), session_secret=METRICS, clock=self.clock)
        self.app: Dash = create_app(
            replace(services, **settings),
            pages_folder=PAGES,
            assets_folder=ASSETS,
            cache_folder=cache,
            layout=lambda: html.Div([dash.page_container]),
            blueprints=[extra_routes(), *blueprints],
        )
        self.server = self.app.server
        self.server.test_client_class = Client

    def anonymous(self) -> FlaskClient:
        return self.server.test_client()

    def signed_in(self, name: str) -> FlaskClient:
        """A browser with a session, on one of our own pages."""
        client = self.server.test_client()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        answer = client.post("/api/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    def token(self, name: str) -> str:
        answer = self.anonymous().post("/api/auth/login", json={"username": name, "password": PASSWORD})
        return str(answer.get_json()["token"])

    def close(self) -> None:
        self.store.close()


def callback_body(output: str, prop: str, source: str, source_prop: str = "n_clicks") -> dict[str, Any]:
    """What the browser sends to run the callback that fills `output`.`prop`."""
    return {
        "output": f"{output}.{prop}",
        "outputs": {"id": output, "property": prop},
        "inputs": [{"id": source, "property": source_prop, "value": 1}],
        "changedPropIds": [f"{source}.{source_prop}"],
    }
