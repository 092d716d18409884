"""What the API takes in at its edge: methods, names in paths, queries and bodies, each refused in plain words."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from observatory.api import targets as targets_api
from observatory.store import targets
from tests.support.clock import NOON
from tests.support.scraped import a_target
from tests.support.website import Website

ODD = ("a/b", "a//b", "with space", "ünïcode ☃", "50%", "a?b#c", "..dots", "a..b", "tail.", "x" * 100)


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    website = make_website(blueprints=[targets_api.blueprint])
    targets.replace(website.store, [a_target(name) for name in ODD], NOON)
    return website


@pytest.fixture
def ada(site: Website) -> FlaskClient:
    return site.signed_in("ada")


def paths_of_faults(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.text
    assert answer.mimetype == "application/problem+json"
    return [fault["path"] for fault in answer.get_json()["details"]]


# ── methods ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/admin/sessions", "GET, HEAD, OPTIONS"),
        ("POST", "/api/health", "GET, HEAD, OPTIONS"),
        ("GET", "/api/auth/logout", "POST, OPTIONS"),
        ("HEAD", "/api/auth/login", "POST, OPTIONS"),
        ("PUT", "/api/admin/users/mira", "PATCH, DELETE, OPTIONS"),
        ("GET", "/api/targets/a/probe", "POST, OPTIONS"),
        ("PATCH", "/api/admin/users", "GET, HEAD, POST, OPTIONS"),
        ("TRACE", "/api/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/targets/a/probe", "POST, OPTIONS"),
        ("DELETE", "/api/targets/a/b/pause", "POST, OPTIONS"),
        ("GET", "/api/targets/a/b", "PATCH, DELETE, OPTIONS"),
        ("QUERY", "/api/admin/tokens/1", "DELETE, OPTIONS"),
        ("BREW", "/api/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_which_are_right(ada: FlaskClient, method: str, path: str, allow: str):
    answer = ada.open(path, method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api//targets", "/api/targets/", "/api/admin/users/a/b/c"])
def test_an_unknown_path_is_not_found_by_any_method(ada: FlaskClient, method: str, path: str):
    answer = ada.open(path, method=method)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "unknown_path")
    assert "Allow" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/auth/logout", "/api/admin/users/mira"])
def test_a_stranger_learns_of_no_path_and_no_method(site: Website, method: str, path: str):
    answer = site.anonymous().open(path, method=method)

    assert answer.status_code == 401
    assert "Allow" not in answer.headers


def test_options_name_the_methods_and_change_nothing(ada: FlaskClient):
    answer = ada.options("/api/admin/users")

    assert (answer.status_code, answer.headers["Allow"], answer.data) == (204, "GET, HEAD, POST, OPTIONS", b"")


def test_head_tells_what_get_would(ada: FlaskClient):
    got, headed = ada.get("/api/targets"), ada.head("/api/targets")

    assert headed.data == b""
    assert {name: headed.headers[name] for name in ("Content-Type", "Content-Length")} == {
        name: got.headers[name] for name in ("Content-Type", "Content-Length")
    }


def test_a_page_refuses_a_wrong_method_with_the_right_ones(ada: FlaskClient):
    answer = ada.delete("/login")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


# ── names in paths ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ODD)
def test_a_service_of_any_name_is_reached_percent_encoded(ada: FlaskClient, name: str):
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())

    answer = ada.post(f"/api/targets/{encoded}/probe")

    assert (answer.status_code, answer.get_json()) == (202, {"target": name, "asked": True})


@pytest.mark.parametrize(
    "name", ["..", ".", "a/..", "../a", "a/../b", "%2e%2e", "a%2F..%2Fb", "..%5Cb", "a%00b", "a%1Fb", "x" * 101]
)
def test_a_name_that_leads_upwards_or_cannot_be_one_is_refused(ada: FlaskClient, name: str):
    assert paths_of_faults(ada.post(f"/api/targets/{name}/probe")) == ["name"]


def test_an_unknown_service_is_not_found(ada: FlaskClient):
    assert ada.post("/api/targets/nobody/probe").status_code == 404
    assert ada.post("/api/targets/%ff/probe").status_code == 404  # no UTF-8
    assert ada.post("/api/targets/a%0Ab/probe").get_json()["code"] == "unknown_path"  # no path holds a line break


@pytest.mark.parametrize("name", ["-mira", "mira%0A", "m%00", "x" * 51, "mi%20ra", "..", "%E2%98%83"])
def test_a_user_name_that_cannot_be_one_is_refused(ada: FlaskClient, name: str):
    assert paths_of_faults(ada.delete(f"/api/admin/users/{name}/sessions")) == ["name"]


def test_a_user_is_never_behind_a_slash(ada: FlaskClient):
    assert ada.delete("/api/admin/users/a%2Fb").status_code == 404


@pytest.mark.parametrize(("session", "status"), [("none", 404), ("x" * 65, 400), ("a.b", 400), ("a%00", 400)])
def test_a_session_is_named_by_its_id(ada: FlaskClient, session: str, status: int):
    assert ada.delete(f"/api/admin/sessions/{session}").status_code == status


@pytest.mark.parametrize(("token", "status"), [("0", 404), ("-1", 404), ("x", 404), (str(2**53), 404), ("9" * 30, 400)])
def test_a_token_is_named_by_a_number_that_a_database_can_hold(ada: FlaskClient, token: str, status: int):
    assert ada.delete(f"/api/admin/tokens/{token}").status_code == status


# ── queries and bodies ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("user=%00", "user"),
        ("text=a%0Ab", "text"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("since=-1", "since"),
        ("before=99999999999999999999", "before"),
        ("limit=1&limit=2", "limit"),
        ("unknown=1", "unknown"),
    ],
)
def test_a_query_is_checked(ada: FlaskClient, query: str, fault: str):
    assert paths_of_faults(ada.get(f"/api/admin/audit?{query}")) == [fault]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "mira\n"}, "name"),
        ({"name": "mira", "role": "king"}, "role"),
        ({"name": "mira", "role": None}, "role"),
        ({"name": "mira", "projectIds": "loom"}, "projectIds"),
        ({"name": "mira", "projectIds": ["loom", "x"]}, "projectIds.1"),
        ({"name": "mira", "project_ids": ["loom"]}, "project_ids"),
        ({"name": "mira", "more": 1}, "more"),
        ({}, "name"),
    ],
)
def test_a_body_is_checked(ada: FlaskClient, body: dict[str, object], fault: str):
    assert paths_of_faults(ada.post("/api/admin/users", json=body)) == [fault]


@pytest.mark.parametrize("days", ["5", 5.5, True, [5], 10**30, None])
def test_no_type_is_taken_for_another(ada: FlaskClient, days: object):
    body = {"owner": "ada", "name": "nightly", "days": days}

    assert paths_of_faults(ada.post("/api/admin/tokens", json=body)) == ["days"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"name": "\\ud800"}', b'{"name": NaN}', b"\xff", b'"x"'])
def test_what_is_no_json_object_is_refused(ada: FlaskClient, body: bytes):
    assert paths_of_faults(ada.post("/api/admin/users", data=body)) == [""]


def test_a_body_over_a_megabyte_is_refused(ada: FlaskClient):
    answer = ada.post("/api/admin/users", data=b'{"name": "' + b"x" * 1024 * 1024 + b'"}')

    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_a_name_to_sign_in_with_holds_no_control_characters(site: Website):
    body = {"username": "ada\0", "password": "x"}

    assert paths_of_faults(site.anonymous().post("/api/auth/login", json=body)) == ["username"]
