"""The product's own routes and callbacks against everybody who may come: a new one that is not in the table fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from dash import Dash
from flask.testing import FlaskClient

from observatory import config
from observatory.auth import tokens
from observatory.context import services, wall_clock
from observatory.model import Role
from observatory.processes import ready_store
from observatory.store import accounts
from observatory.web.application import application

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PEOPLE = {"outsider": Role.VIEWER, "viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
CALLBACKS = {
    "overview-standing.children": Role.VIEWER,
    "overview-cards.children": Role.VIEWER,
    "overview-system.figure": Role.VIEWER,
    "overview-events.children": Role.VIEWER,
    "services-table.children": Role.VIEWER,
    "service-head.children": Role.VIEWER,
    "service-latency.figure": Role.VIEWER,
    "service-series.children": Role.VIEWER,
    "service-probe.children": Role.OPERATOR,
    "shell-user.children": Role.VIEWER,
    "_pages_content.children": Role.VIEWER,
}
POSTS = {
    "/api/auth/logout": Role.VIEWER,
    "/logout": Role.VIEWER,
    "/_dash-update-component": Role.VIEWER,
    "/api/targets/<path:name>/probe": Role.OPERATOR,
}
VALUES = {"range.value": "24h", "theme.data": "light", "_pages_location.pathname": "/services/nobody"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dash]:
    folder = tmp_path_factory.mktemp("matrix")
    settings = config.load({"OBSERVATORY_DATA": str(folder), "JWT_SECRET": SECRET, "SESSION_SECRET": SECRET})
    ready_store(settings).close()
    app = application(settings)
    yield app
    app.server.extensions["observatory"].store.close()


@pytest.fixture(scope="module")
def clients(product: Dash) -> dict[str, FlaskClient]:
    """A browser for each kind of person, signed in; and one for a stranger."""
    made = {"stranger": product.server.test_client()}
    with product.server.app_context():
        store = services().store
    for name, role in PEOPLE.items():
        projects = () if name == "outsider" else ("loom",)
        user = accounts.create_user(store, name, "no password", role, projects=projects, now=wall_clock())
        claims = tokens.claims_for(name, role, projects, now=wall_clock(), lifetime=3600)
        accounts.open_session(store, user, claims.jti, issued=claims.issued, expires=claims.expires)
        made[name] = product.server.test_client()
        made[name].set_cookie("auth-token", tokens.sign(claims, [SECRET]))
    return made


def server_callbacks(product: Dash) -> dict[str, dict[str, Any]]:
    return {first_output(key): entry for key, entry in product.callback_map.items() if "callback" in entry}


def first_output(key: str) -> str:
    return key.strip(".").split("...")[0]


def body(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    def named(dependency: dict[str, str]) -> dict[str, Any]:
        name = f"{dependency['id']}.{dependency['property']}"
        return {**dependency, "value": VALUES.get(name)}

    outputs = [dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in key.strip(".").split("...")]
    return {
        "output": key,
        "outputs": outputs if key.startswith("..") else outputs[0],
        "inputs": [named(one) for one in entry["inputs"]],
        "state": [named(one) for one in entry.get("state", [])],
        "changedPropIds": [],
    }


def test_every_callback_stands_in_the_table(product: Dash) -> None:
    assert set(server_callbacks(product)) == set(CALLBACKS)


@pytest.mark.parametrize("who", ["stranger", *PEOPLE])
@pytest.mark.parametrize("output", CALLBACKS)
def test_a_callback_answers_those_who_may_ask(
    product: Dash, clients: dict[str, FlaskClient], who: str, output: str
) -> None:
    key = next(key for key in product.callback_map if first_output(key) == output)

    answer = clients[who].post(
        "/_dash-update-component", json=body(key, product.callback_map[key]), headers={"Sec-Fetch-Site": "same-origin"}
    )

    if who == "stranger":
        assert answer.status_code == 401
    elif list(Role).index(PEOPLE[who]) < list(Role).index(CALLBACKS[output]):
        assert answer.status_code == 403
    else:
        assert answer.status_code in {200, 204}


def test_every_route_that_changes_something_stands_in_the_table(product: Dash) -> None:
    public = {"/login", "/api/auth/login", "/api/csp-reports"}
    posts = {str(rule) for rule in product.server.url_map.iter_rules() if "POST" in (rule.methods or set())}

    nowhere = {"/<path:path>", "/api/<path:rest>"}  # what answers 404
    assert posts - nowhere - public == set(POSTS)


@pytest.mark.parametrize(("who", "status"), [("stranger", 401), ("viewer", 403), ("operator", 404), ("admin", 404)])
def test_asking_for_a_reading_takes_an_operator(clients: dict[str, FlaskClient], who: str, status: int) -> None:
    answer = clients[who].post("/api/targets/nobody/probe", headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == status
