"""Everything the product answers, against everybody who may come: what is not in the tables fails, and so does a row
for what is not there any more.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import pytest
from dash import Dash
from flask.testing import FlaskClient

from observatory import config
from observatory.auth import tokens
from observatory.context import wall_clock
from observatory.model import DAY, MINUTE, Role
from observatory.processes import ready_store, told_by_command
from observatory.store import accounts, api_tokens, sessions
from observatory.store.engine import Store
from observatory.web.application import application
from tests.support.website import PASSWORD, Client, password_hash

Needs: TypeAlias = Role | tuple[Role, bool]  # with True: a password given within the last ten minutes, too

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PUBLIC = None  # answers everybody
# Output of the callback → who may call it.
CALLBACKS: dict[str, Needs] = {
    "overview-standing.children": Role.VIEWER,
    "overview-cards.children": Role.VIEWER,
    "overview-system.figure": Role.VIEWER,
    "overview-events.children": Role.VIEWER,
    "services-table.children": Role.VIEWER,
    "services-dialog.children": Role.ADMIN,
    "services-said.children": Role.ADMIN,
    "service-dialog.children": Role.ADMIN,
    "service-said.children": Role.ADMIN,
    "service-head.children": Role.VIEWER,
    "service-latency.figure": Role.VIEWER,
    "service-series.children": Role.VIEWER,
    "service-probe.children": Role.OPERATOR,
    "admin-people-table.children": Role.ADMIN,
    "admin-people-dialog.children": Role.ADMIN,
    "admin-people-said.children": (Role.ADMIN, True),
    "admin-sessions-table.children": Role.ADMIN,
    "admin-sessions-dialog.children": Role.ADMIN,
    "admin-sessions-said.children": Role.ADMIN,
    "admin-tokens-table.children": Role.ADMIN,
    "admin-tokens-dialog.children": Role.ADMIN,
    "admin-tokens-said.children": (Role.ADMIN, True),
    "admin-revoke-said.children": Role.ADMIN,
    "admin-audit-table.children": Role.ADMIN,
    "admin-limits-table.children": Role.ADMIN,
    "shell-user.children": Role.VIEWER,
    "_pages_content.children": Role.VIEWER,
}
# Method and rule → who may ask. HEAD goes with GET; what is not named here is for nobody who is not known.
ROUTES: dict[str, Needs | None] = {
    "GET /": Role.VIEWER,
    "GET /<path:path>": Role.VIEWER,
    "GET /_dash-component-suites/<string:package_name>/<path:fingerprinted_path>": PUBLIC,
    "GET /_dash-dependencies": Role.VIEWER,
    "GET /_dash-layout": Role.VIEWER,
    "POST /_dash-update-component": Role.VIEWER,
    "GET /_favicon.ico": PUBLIC,
    "GET /_no-assets/<path:filename>": Role.VIEWER,
    "GET /_reload-hash": Role.VIEWER,
    "ANY /api/<rest:rest>": Role.VIEWER,  # what no other rule takes: not found
    "GET /api/admin/audit": Role.ADMIN,
    "GET /api/admin/audit/export": Role.ADMIN,
    "GET /api/admin/limits": Role.ADMIN,
    "GET /api/admin/sessions": Role.ADMIN,
    "DELETE /api/admin/sessions/<session>": Role.ADMIN,
    "GET /api/admin/tokens": Role.ADMIN,
    "POST /api/admin/tokens": (Role.ADMIN, True),
    "DELETE /api/admin/tokens/<int:token>": Role.ADMIN,
    "GET /api/admin/users": Role.ADMIN,
    "POST /api/admin/users": (Role.ADMIN, True),
    "PATCH /api/admin/users/<name>": (Role.ADMIN, True),
    "DELETE /api/admin/users/<name>": (Role.ADMIN, True),
    "POST /api/admin/users/<name>/reset": (Role.ADMIN, True),
    "DELETE /api/admin/users/<name>/sessions": Role.ADMIN,
    "GET /api/agents/status": Role.VIEWER,
    "GET /api/auth/check": Role.VIEWER,  # public, and answers a stranger 401
    "POST /api/auth/confirm": Role.VIEWER,
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/logout": Role.VIEWER,
    "POST /api/auth/password": Role.VIEWER,
    "POST /api/csp-reports": PUBLIC,
    "GET /api/health": PUBLIC,
    "GET /api/mcp/context": Role.VIEWER,
    "GET /api/mcp/contexts": Role.VIEWER,
    "GET /api/openapi.json": Role.VIEWER,
    "GET /api/projects": Role.VIEWER,
    "GET /api/projects/<project>": Role.VIEWER,
    "GET /api/projects/<path:project>/agents": Role.VIEWER,
    "GET /api/projects/<path:project>/agents/status": Role.VIEWER,
    "GET /api/stream": Role.VIEWER,
    "GET /api/query": Role.VIEWER,
    "GET /api/series": Role.VIEWER,
    "GET /api/services/<path:name>/uptime": Role.VIEWER,
    "GET /api/targets": Role.VIEWER,
    "POST /api/targets": Role.ADMIN,
    "PATCH /api/targets/<service:name>": Role.ADMIN,
    "DELETE /api/targets/<service:name>": Role.ADMIN,
    "POST /api/targets/<path:name>/pause": Role.ADMIN,
    "POST /api/targets/<path:name>/resume": Role.ADMIN,
    "POST /api/targets/<path:name>/probe": Role.OPERATOR,
    "GET /assets/<path:name>": Role.VIEWER,
    "GET /confirm": Role.VIEWER,
    "POST /confirm": Role.VIEWER,
    "GET /favicon.ico": PUBLIC,
    "GET /healthz": PUBLIC,
    "GET /login": PUBLIC,
    "POST /login": PUBLIC,
    "POST /logout": Role.VIEWER,
    "GET /metrics": Role.VIEWER,
    "GET /password": Role.VIEWER,
    "POST /password": Role.VIEWER,
    "GET /privacy": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /setup/<secret>": PUBLIC,
    "POST /setup/<secret>": PUBLIC,
    "GET /terms": PUBLIC,
}
# These are about one's own session, which a token has not.
OF_A_SESSION = {"POST /logout", "POST /api/auth/logout", "POST /confirm", "POST /api/auth/confirm"}
# Here both are wanted well formed, before anybody asks whether there is a session.
FORMS = {"POST /confirm": {"password": PASSWORD}, "POST /password": {"new": "short"}}
BODIES = {"POST /api/auth/confirm": {"password": PASSWORD}}
NOT_READY = {"GET /api/health", "GET /readyz"}  # say 503: nobody collects here
VALUES = {"range.value": "24h", "theme.data": "light", "_pages_location.pathname": "/services/nobody"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
CALLBACK = "/_dash-update-component"


class Caller(NamedTuple):
    """Somebody at the door. `role` None: what he brings says nothing to us."""

    role: Role | None
    sure: bool = False  # gave the password within ten minutes
    token: bool = False


CALLERS = {
    "stranger": Caller(None),
    "outsider": Caller(Role.VIEWER, sure=True),  # sees no project
    "viewer": Caller(Role.VIEWER, sure=True),
    "operator": Caller(Role.OPERATOR, sure=True),
    "admin": Caller(Role.ADMIN, sure=True),
    "admin since long": Caller(Role.ADMIN),
    "viewer's token": Caller(Role.VIEWER, token=True),
    "operator's token": Caller(Role.OPERATOR, token=True),
    "admin's token": Caller(Role.ADMIN, token=True),
    "admin's token of a viewer": Caller(Role.VIEWER, token=True),
    "admin's token of a project": Caller(Role.ADMIN, token=True),
    "session of a disabled": Caller(None),
    "token of a disabled": Caller(None),
    "ended session": Caller(None),
    "expired session": Caller(None),
    "revoked token": Caller(None),
    "expired token": Caller(None),
}
PEOPLE = {"outsider": Role.VIEWER, "viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}


class House:
    """The product, and the keys that people bring."""

    def __init__(self, app: Dash) -> None:
        self.app, self.server = app, app.server
        self.server.test_client_class = Client
        self.store: Store = self.server.extensions["observatory"].store
        self.users = {name: self.user(name, role) for name, role in {**PEOPLE, "disabled": Role.ADMIN}.items()}
        accounts.change(self.store, "disabled", now=wall_clock(), told=told_by_command("test"), disabled=True)
        self.keys = {
            "viewer's token": self.token("viewer"),
            "operator's token": self.token("operator"),
            "admin's token": self.token("admin"),
            "admin's token of a viewer": self.token("admin", role=Role.VIEWER),
            "admin's token of a project": self.token("admin", projects=["loom"]),
            "token of a disabled": self.token("disabled"),
            "revoked token": self.token("admin", revoked=True),
            "expired token": self.token("admin", days=-1),
        }
        with_cookie = set(CALLERS) - set(self.keys) - {"stranger"}
        self.cookies = {who: self.session(who) for who in with_cookie}

    def user(self, name: str, role: Role) -> int:
        projects = () if name == "outsider" else ("loom",)
        return accounts.create_user(self.store, name, password_hash(), role, projects=projects, now=wall_clock())

    def token(
        self, owner: str, *, role: Role | None = None, projects: list[str] | None = None, days: int = 1,
        revoked: bool = False,
    ) -> str:  # fmt: skip
        secret, now = tokens.new_api_token(), wall_clock()
        scope = role or PEOPLE.get(owner, Role.ADMIN)
        made = api_tokens.create(
            self.store, self.users[owner], secret, tokens.api_token_hash(secret), scope,
            projects=projects, now=now, expires=now + days * DAY, told=told_by_command("test"),
        )  # fmt: skip
        if revoked:
            api_tokens.revoke(self.store, made, now=now, told=told_by_command("test"))
        return secret

    def session(self, who: str) -> str:
        """A new one, as its cookie."""
        ages = {"admin since long": 11 * MINUTE, "expired session": DAY}
        name = "disabled" if who == "session of a disabled" else "admin" if who not in PEOPLE else who
        issued = wall_clock() - ages.get(who, 0)
        claims = tokens.claims_for(name, PEOPLE.get(name, Role.ADMIN), (), now=issued, lifetime=3600)
        sessions.open_session(self.store, self.users[name], claims.jti, issued=claims.issued, expires=claims.expires)
        if who == "ended session":
            sessions.end(self.store, claims.jti, now=wall_clock())
        return tokens.sign(claims, [SECRET])

    def client(self, who: str, row: str = "") -> FlaskClient:
        """A browser or program with what `who` brings. What a row does to a session, it does to one of its own."""
        client = self.server.test_client()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        if who in self.keys:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.keys[who]}"
        elif who != "stranger":
            client.set_cookie("auth-token", self.session(who) if row in OF_A_SESSION else self.cookies[who])
        return client

    def found(self, who: str, method: str, row: str, **content: Any) -> str:
        """What became of the request that a row stands for."""
        with self.client(who, row).open(path_of(row), method=method, buffered=False, **content) as answer:
            status, place = answer.status_code, answer.headers.get("Location", "")
            refused = answer.get_json() if status == 403 and answer.is_json and method != "HEAD" else {}
        if status == 401 or (status == 303 and method in {"GET", "HEAD"} and place.startswith("/login")):
            return "closed"
        if status == 403:
            return "unconfirmed" if refused.get("code") == "confirmation_required" else "forbidden"
        return "open" if status < 500 or (status == 503 and row in NOT_READY) else f"broken: {status}"


def path_of(row: str) -> str:
    """The rule's path with harmless ids: of nobody and nothing."""
    return re.sub(r"<(int:)?[^>]*>", lambda found: "0" if found[1] else "nobody", row.split(" ")[1])


def expected(needs: Needs | None, caller: Caller, *, of_a_session: bool = False) -> str:
    if needs is PUBLIC:
        return "open"
    role, confirmed = needs if isinstance(needs, tuple) else (needs, False)
    if caller.role is None:
        return "closed"
    if list(Role).index(caller.role) < list(Role).index(role) or (caller.token and (confirmed or of_a_session)):
        return "forbidden"
    return "unconfirmed" if confirmed and not caller.sure else "open"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    without_end = {f"OBSERVATORY_LIMIT_{name.upper()}": "1000000 per minute" for name in config.DEFAULT_LIMITS}
    folder = str(tmp_path_factory.mktemp("matrix"))
    keys = {"JWT_SECRET": SECRET, "SESSION_SECRET": SECRET}
    settings = config.load({"OBSERVATORY_DATA": folder, **keys, **without_end})
    ready_store(settings).close()
    made = House(application(settings))
    yield made
    made.server.extensions["observatory_hub"].closing = True
    made.store.close()


# ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_route_stands_in_the_table(house: House) -> None:
    there = {
        f"{method} {rule.rule}"
        for rule in house.server.url_map.iter_rules()
        for method in (rule.methods or {"ANY"}) - {"HEAD", "OPTIONS"}
    }

    assert there == set(ROUTES)


@pytest.mark.parametrize("row", ROUTES)
def test_a_route_answers_those_who_may_ask(house: House, row: str) -> None:
    form = {"data": FORMS[row]} if row in FORMS else {"json": BODIES.get(row, {})}
    wanted = {who: expected(ROUTES[row], caller, of_a_session=row in OF_A_SESSION) for who, caller in CALLERS.items()}

    for method in methods(row):
        content = {} if method in {"GET", "HEAD"} else form
        assert (method, {who: house.found(who, method, row, **content) for who in CALLERS}) == (method, wanted)


@pytest.mark.parametrize("rule", sorted({row.split(" ")[1] for row in ROUTES}))
def test_a_method_that_stands_in_no_row_is_closed_to_strangers(house: House, rule: str) -> None:
    others = METHODS.difference(*(methods(row) for row in ROUTES if row.split(" ")[1] == rule))
    unknown = [who for who, caller in CALLERS.items() if caller.role is None]

    for method in others:
        row = f"{method} {rule}"
        assert (method, {who: house.found(who, method, row) for who in unknown}) == (
            method,
            dict.fromkeys(unknown, "closed"),
        )
        assert house.found("admin", method, row) == "open"


def methods(row: str) -> set[str]:
    """The methods that a row stands for."""
    method = row.split(" ", maxsplit=1)[0]
    return {"GET": {"GET", "HEAD"}, "ANY": METHODS}.get(method, {method})


def test_a_token_of_a_project_sees_that_project_alone(house: House) -> None:
    def seen(who: str) -> list[str]:
        return list(house.client(who).get("/api/auth/check").get_json()["user"]["projectIds"])

    assert seen("admin's token of a project") == ["loom"]
    assert seen("outsider") == []


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def server_callbacks(app: Dash) -> dict[str, dict[str, Any]]:
    return {first_output(key): {"key": key, **entry} for key, entry in app.callback_map.items() if "callback" in entry}


def first_output(key: str) -> str:
    return key.strip(".").split("...")[0]


def body(entry: dict[str, Any]) -> dict[str, Any]:
    """What a browser sends that shows none of the things a callback may be about."""

    def named(dependency: dict[str, str]) -> Any:
        name = f"{dependency['id']}.{dependency['property']}"
        return [] if '["ALL"]' in name else {**dependency, "value": VALUES.get(name)}

    key = entry["key"]
    parts = key.strip(".").split("...")
    outputs = [
        [] if '["ALL"]' in part else dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in parts
    ]
    return {
        "output": key,
        "outputs": outputs if key.startswith("..") else outputs[0],
        "inputs": [named(one) for one in entry["inputs"]],
        "state": [named(one) for one in entry.get("state", [])],
        "changedPropIds": [],
    }


def test_every_callback_stands_in_the_table(house: House) -> None:
    assert set(server_callbacks(house.app)) == set(CALLBACKS)


@pytest.mark.parametrize("output", CALLBACKS)
def test_a_callback_answers_those_who_may_ask(house: House, output: str) -> None:
    asked = body(server_callbacks(house.app)[output])

    found = {who: house.found(who, "POST", f"POST {CALLBACK}", json=asked) for who in CALLERS}

    assert found == {who: expected(CALLBACKS[output], caller) for who, caller in CALLERS.items()}
