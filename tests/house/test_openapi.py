"""The API's description of itself against the API: nothing missing, nothing more, and what it says is so."""

from collections.abc import Iterator
from typing import Any

import pytest
from dash import Dash
from flask.testing import FlaskClient
from jsonschema_rs import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from observatory import audit, config
from observatory.auth import tokens
from observatory.context import wall_clock
from observatory.model import AuditRecord, Cause, Role, Subject
from observatory.people import Administration
from observatory.processes import ready_store
from observatory.store import accounts, limits, sessions, targets
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from observatory.web.application import application
from tests.support.scraped import a_bridge, a_failure, a_full_agent, a_scrape, a_target, told_by_a_bridge

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PEOPLE = {"ada": Role.ADMIN, "olga": Role.OPERATOR, "victor": Role.VIEWER}
NOWHERE = "/api/<rest:rest>"  # answers what no route takes
NAMED = {"name": "nobody", "session": "none", "token": 1, "project": "loom"}  # in paths
Json = dict[str, Any]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dash]:
    folder = tmp_path_factory.mktemp("described")
    settings = config.load({"OBSERVATORY_DATA": str(folder), "JWT_SECRET": SECRET, "SESSION_SECRET": SECRET})
    ready_store(settings).close()
    app = application(settings)
    yield app
    app.server.extensions["observatory"].store.close()


@pytest.fixture(scope="module")
def store(product: Dash) -> Store:
    """The product's store, with something in it of everything that the API tells."""
    found: Store = product.server.extensions["observatory"].store
    now = wall_clock()
    for name, role in PEOPLE.items():
        accounts.create_user(found, name, "no password", role, projects=["loom"], now=now)
    watched = [a_target("well"), a_target("ill", project="loom"), a_target("new"), a_bridge()]
    targets.replace(found, watched, now)
    Recorder(found).append([a_scrape(now, 1.0, target="well"), a_failure(now, Cause.TIMEOUT, target="ill")])
    Recorder(found).append(told_by_a_bridge(now, loom=[a_full_agent(now)]))

    def record(event: str, **what: Any) -> AuditRecord:
        return audit.entry(event, Subject(name="ada"), at=now, **what)

    desk = Administration(found, SECRET, "http://here", wall_clock, record)
    desk.invite("ines", Role.VIEWER)
    desk.make_token("ada", "nightly", Role.VIEWER, days=1, projects=["loom"])
    desk.make_token("ada", "whole", Role.ADMIN, days=1)
    limits.mark(found, "global", "victor", met=1, allowed=10, now=now)
    return found


@pytest.fixture(scope="module")
def clients(product: Dash, store: Store) -> dict[str, FlaskClient]:
    made = {"stranger": product.server.test_client()}
    for name, role in PEOPLE.items():
        account = accounts.find_user(store, name)
        assert account is not None
        claims = tokens.claims_for(name, role, (), now=wall_clock(), lifetime=3600)
        sessions.open_session(store, account.id, claims.jti, issued=claims.issued, expires=claims.expires)
        made[name] = product.server.test_client()
        made[name].environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens.sign(claims, [SECRET])}"
    return made


@pytest.fixture(scope="module")
def description(clients: dict[str, FlaskClient]) -> Json:
    answer = clients["victor"].get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: Json = answer.get_json()
    return found


def operations(description: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolved(description: Json, part: Json) -> Json:
    """What a reference names; any other part as it is."""
    while "$ref" in part:
        found: Any = description
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def faults(description: Json, schema: Json, value: Any) -> list[str]:
    """What is wrong with `value`, by a schema that may refer to others of the description."""
    whole = {"components": description["components"], "allOf": [schema]}
    return [f"{error.instance_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def contents(description: Json) -> Iterator[tuple[str, str, Json]]:
    """Every body that is sent or answered: where, its media type, what is said of it."""
    for method, path, operation in operations(description):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{method} {path}", media, content
        for status, answer in operation["responses"].items():
            for media, content in resolved(description, answer).get("content", {}).items():
                yield f"{method} {path} {status}", media, content


def test_every_route_is_described_and_every_description_has_a_route(product: Dash, description: Json) -> None:
    routes = {
        (method, "/".join(plain(part) for part in rule.rule.split("/")))
        for rule in product.server.url_map.iter_rules()
        if rule.rule.startswith("/api") and rule.rule != NOWHERE
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in operations(description)} == routes
    assert ("POST", "/api/targets/{name}/probe") in routes


def plain(part: str) -> str:
    """`<path:name>` as OpenAPI writes it."""
    return f"{{{part.strip('<>').split(':')[-1]}}}" if part.startswith("<") else part


def test_it_is_openapi(description: Json) -> None:
    assert description["openapi"].startswith("3.1.")
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(description)] == []


def test_every_reference_leads_somewhere(description: Json) -> None:
    def references(part: Any) -> Iterator[Json]:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = list(references(description))
    assert len(found) > 50
    assert all(resolved(description, part) for part in found)


def test_an_operation_has_a_name_of_its_own_and_says_what_it_is_for(description: Json) -> None:
    named = [operation["operationId"] for _, _, operation in operations(description)]

    assert len(set(named)) == len(named)
    assert all(name.isidentifier() for name in named)
    assert all(operation["summary"] and operation["description"] for _, _, operation in operations(description))


def test_every_json_has_an_example_that_its_schema_allows(description: Json) -> None:
    wrong, seen = [], 0
    for where, media, content in contents(description):
        if not media.endswith("json") or content.get("schema") == {"type": "object"}:
            continue
        seen += 1
        assert "example" in content, where
        wrong += [f"{where}: {fault}" for fault in faults(description, content["schema"], content["example"])]

    assert seen > 100
    assert wrong == []


def test_every_example_of_a_parameter_and_a_field_is_allowed(description: Json) -> None:
    shown = [
        (f"{method} {path} {parameter['name']}", parameter["schema"], parameter["example"])
        for method, path, operation in operations(description)
        for parameter in operation["parameters"]
        if "example" in parameter
    ]
    shown += [
        (f"{name}.{field}", schema, example)
        for name, model in description["components"]["schemas"].items()
        for field, schema in model.get("properties", {}).items()
        for example in schema.get("examples", ())
    ]

    assert len(shown) > 40
    assert [where for where, schema, example in shown if faults(description, schema, example)] == []


def test_the_variables_of_a_path_are_its_parameters(description: Json) -> None:
    for method, path, operation in operations(description):
        stated = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert stated == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, (method, path)


@pytest.mark.parametrize("who", ["ada", "olga", "victor", "stranger"])
def test_what_a_read_answers_is_what_is_stated(description: Json, clients: dict[str, FlaskClient], who: str) -> None:
    seen = set()
    for method, path, operation in operations(description):
        if method != "GET":
            continue
        answer = clients[who].get(path.format(**NAMED))
        stated = operation["responses"].get(str(answer.status_code))
        assert stated is not None, (path, answer.status_code)
        content = resolved(description, stated)["content"][answer.mimetype]
        if "json" in answer.mimetype:
            assert faults(description, content.get("schema", {}), answer.get_json()) == [], path
        for name, header in resolved(description, stated).get("headers", {}).items():
            assert resolved(description, header)["required"] <= (name in answer.headers), (path, name)
        seen.add(answer.status_code)
        answer.close()

    assert seen >= {"ada": {200}, "olga": {200, 403}, "victor": {200, 403}, "stranger": {401}}[who]


def test_the_lists_that_were_compared_were_not_empty(clients: dict[str, FlaskClient]) -> None:
    """The control of the test above: an empty list has any shape."""
    lists = {"targets": "targets", "admin/users": "users", "admin/sessions": "sessions", "admin/tokens": "tokens"}
    lists |= {"admin/audit": "lines", "admin/limits": "marks", "projects": "projects", "mcp/context": "servers"}
    lists |= {"agents/status": "agents", "projects/loom/agents": "agents"}

    assert [path for path, name in lists.items() if not clients["ada"].get(f"/api/{path}").get_json()[name]] == []


def test_the_role_that_is_named_is_the_one_it_takes(description: Json, clients: dict[str, FlaskClient]) -> None:
    above = {Role.OPERATOR: ["victor"], Role.ADMIN: ["victor", "olga"]}
    for method, path, operation in operations(description):
        called = path.format(**NAMED)
        if "x-required-role" not in operation:
            assert {} in operation["security"], (method, path)
            continue
        assert clients["stranger"].open(called, method=method).status_code == 401, (method, path)
        for who in above.get(operation["x-required-role"], []):
            assert clients[who].open(called, method=method, json={}).status_code == 403, (method, path, who)


def test_a_wrong_shape_would_be_found(description: Json) -> None:
    """The control of the comparisons: each of these breaks what is stated."""
    users = {"$ref": "#/components/schemas/Users"}
    right = next(
        content["example"] for where, _, content in contents(description) if where == "GET /api/admin/users 200"
    )
    one = right["users"][0]

    assert faults(description, users, right) == []
    for wrong in ({**one, "more": 1}, {**one, "role": "king"}, {k: v for k, v in one.items() if k != "disabled"}):
        assert faults(description, users, {"users": [wrong]}) != []
