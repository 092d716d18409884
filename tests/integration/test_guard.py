"""Who gets through the door: every route and callback, every kind of caller, every kind of bad token."""

import base64
import json
from collections.abc import Callable, Iterator

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from observatory.auth.tokens import metrics_token
from observatory.store import sessions
from observatory.web.guard import PUBLIC, is_public
from tests.support.website import KEY, METRICS, OLD_KEY, PASSWORD, Website, callback_body

Make = Callable[..., Website]

READ, PRESS = callback_body("out", "children", "read"), callback_body("press", "children", "press")
CALLBACK = "/_dash-update-component"


def test_the_public_list_is_the_decided_one():
    assert set(PUBLIC) == {
        ("GET", "/login"),
        ("POST", "/login"),
        ("POST", "/api/auth/login"),
        ("GET", "/api/auth/check"),
        ("GET", "/api/health"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/favicon.ico"),
        ("GET", "/_favicon.ico"),
        ("GET", "/assets/public/*"),
        ("GET", "/_dash-component-suites/*"),
        ("POST", "/api/csp-reports"),
        ("GET", "/setup/*"),
        ("POST", "/setup/*"),
        ("GET", "/privacy"),
        ("GET", "/terms"),
    }


def addresses(rules: Iterator[Rule]) -> Iterator[tuple[str, str]]:
    """Every method of every rule, with something well-formed for each variable of its path."""
    for rule in rules:
        path = "".join(f"xxx{i}" if dynamic else part for i, (dynamic, part) in enumerate(rule._trace[1:]))
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            yield method, path.replace("|", "")


def test_every_route_is_closed_to_strangers_except_the_public_ones(website: Website):
    stranger, seen = website.anonymous(), 0
    for method, path in addresses(website.server.url_map.iter_rules()):
        if is_public(method, path):
            continue
        seen += 1
        answer = stranger.open(path, method=method)
        person = not path.startswith(("/api/", "/_", "/assets/", "/metrics"))
        assert answer.status_code == (303 if person and method == "GET" else 401), (method, path, answer.status_code)
        if answer.status_code == 303:
            assert answer.headers["Location"].startswith("/login")
        elif person:
            assert "You are signed out" in answer.text
        else:
            assert answer.get_json()["error"] == "Authentication required"
    assert seen > 15


def test_every_public_address_answers_a_stranger(website: Website):
    stranger = website.anonymous()
    suite = next(p for p in website.app.registered_paths["dash"] if p.endswith("dash_renderer.min.js"))
    expected = {
        "/login": 200,
        "/api/auth/check": 401,
        "/assets/public/*": 200,
        "/_dash-component-suites/*": 200,
        "/favicon.ico": 200,
        "/healthz": 200,
        "/readyz": 200,
        "/api/health": 200,
        "/privacy": 200,
        "/terms": 200,
        "/_favicon.ico": 200,
        "/setup/*": 410,
    }
    paths = {
        "/assets/public/*": "/assets/public/favicon.svg",
        "/setup/*": "/setup/spent",
        "/_dash-component-suites/*": f"/_dash-component-suites/dash/{suite}",
    }
    for method, pattern in PUBLIC:
        if method == "GET":
            answer = stranger.get(paths.get(pattern, pattern))
            assert answer.status_code == expected[pattern], pattern
    assert stranger.post("/api/csp-reports", json={}).status_code == 204
    assert stranger.post("/api/auth/login", json={}).status_code == 400
    assert stranger.post("/login").status_code == 400


@pytest.mark.parametrize("path", ["/assets/public/../app.css", "/assets/public/%2e%2e/app.css", "/login/../metrics"])
def test_a_detour_over_a_public_folder_leads_nowhere(website: Website, path: str):
    assert website.anonymous().get(path).status_code in {303, 404}


@pytest.mark.parametrize(("name", "status"), [("otto", 403), ("victor", 403), ("olga", 200), ("ada", 200)])
def test_a_marked_callback_runs_for_its_role_and_above(website: Website, name: str, status: int):
    answer = website.signed_in(name).post(CALLBACK, json=PRESS)

    assert answer.status_code == status
    if status == 403:
        assert answer.get_json()["error"] == "Insufficient permissions"
    else:
        assert "pressed 1" in answer.text


@pytest.mark.parametrize("name", ["otto", "victor", "olga", "ada"])
def test_an_unmarked_callback_runs_for_everybody_signed_in(website: Website, name: str):
    assert "read 1" in website.signed_in(name).post(CALLBACK, json=READ).text


@pytest.mark.parametrize("body", [{}, [], None, {"output": 1}, {"output": "nobody.children"}])
def test_a_callback_that_does_not_exist_is_not_found(website: Website, body: object):
    assert website.signed_in("ada").post(CALLBACK, json=body).status_code == 404


@pytest.mark.parametrize(("name", "status"), [("otto", 403), ("victor", 403), ("olga", 403), ("ada", 200)])
def test_a_marked_view_answers_its_role(website: Website, name: str, status: int):
    assert website.signed_in(name).post("/api/extra").status_code == status


def forged(website: Website, kind: str) -> str:
    token = website.token("ada")
    body = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    if kind == "another key":
        return jwt.encode(body, OLD_KEY, algorithm="HS256")
    if kind == "no algorithm":
        return jwt.encode(body, "", algorithm="none")
    if kind == "changed":
        head, _, signature = token.split(".")
        changed = base64.urlsafe_b64encode(json.dumps({**body, "exp": body["exp"] + 9}).encode()).rstrip(b"=").decode()
        return f"{head}.{changed}.{signature}"
    if kind == "unknown session":
        return jwt.encode({**body, "jti": "made-up"}, KEY, algorithm="HS256")
    return "nonsense"


@pytest.mark.parametrize("kind", ["another key", "no algorithm", "changed", "unknown session", "nonsense"])
def test_a_forged_token_is_refused(website: Website, kind: str):
    answer = website.anonymous().get("/_dash-layout", headers={"Authorization": f"Bearer {forged(website, kind)}"})

    assert (answer.status_code, answer.get_json()["error"]) == (401, "Invalid authentication token")


def test_a_token_works_as_bearer_and_as_cookie(website: Website):
    token, client = website.token("victor"), website.anonymous()

    assert client.get("/_dash-layout", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    client.set_cookie("auth-token", token)
    assert client.get("/_dash-layout").status_code == 200


def test_a_bad_bearer_is_not_saved_by_a_good_cookie(website: Website):
    client = website.signed_in("victor")

    assert client.get("/_dash-layout", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_session_ends_with_its_length(website: Website):
    bearer = {"Authorization": f"Bearer {website.token('victor')}"}

    website.clock.advance(86_399)
    assert website.anonymous().get("/_dash-layout", headers=bearer).status_code == 200
    website.clock.advance(1)
    assert website.anonymous().get("/_dash-layout", headers=bearer).status_code == 401


def test_an_ended_session_ends_at_once_everywhere(website: Website):
    token = website.token("victor")
    bearer = {"Authorization": f"Bearer {token}"}
    one, other = website.anonymous(), website.anonymous()
    assert other.get("/_dash-layout", headers=bearer).status_code == 200

    assert one.post("/api/auth/logout", headers=bearer).status_code == 200

    assert other.get("/_dash-layout", headers=bearer).status_code == 401


def test_a_token_of_a_rotated_key_is_believed_while_the_key_is_listed(make_website: Make):
    before = make_website(secrets=(OLD_KEY,))
    bearer = {"Authorization": f"Bearer {before.token('victor')}"}
    session_store = before.store

    for keys, status in (((KEY, OLD_KEY), 200), ((KEY,), 401)):
        services = before.server.extensions["observatory"]
        before.server.extensions["observatory"] = type(services)(
            store=session_store, secrets=keys, session_secret=METRICS, clock=before.clock
        )
        assert before.anonymous().get("/_dash-layout", headers=bearer).status_code == status


# ── requests that another site made the browser send ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "https://localhost"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 403),
    ],
)
def test_with_a_cookie_a_change_must_come_from_our_own_pages(website: Website, headers: dict[str, str], status: int):
    client = website.signed_in("victor")
    del client.environ_base["HTTP_SEC_FETCH_SITE"]

    assert client.post(CALLBACK, json=READ, headers=headers).status_code == status


def test_a_bearer_token_is_exempt(website: Website):
    headers = {"Authorization": f"Bearer {website.token('victor')}", "Origin": "http://tool.example"}

    assert website.anonymous().post(CALLBACK, json=READ, headers=headers).status_code == 200


def test_another_site_cannot_sign_a_browser_in(website: Website):
    credentials = {"username": "victor", "password": PASSWORD}

    for path in ("/login", "/api/auth/login"):
        answer = website.anonymous().post(path, json=credentials, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


# ── our own metrics, and the database away ───────────────────────────────────────────────────────────────────────────


def test_the_metrics_open_to_a_session_or_to_the_derived_token(website: Website):
    def status(token: str) -> int:
        return website.anonymous().get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code

    assert status(metrics_token(METRICS)) == 200
    assert status(METRICS) == status(metrics_token(KEY)) == 401
    assert website.signed_in("otto").get("/metrics").status_code == 200


def test_the_metrics_token_opens_nothing_else(website: Website):
    bearer = {"Authorization": f"Bearer {metrics_token(METRICS)}"}

    assert website.anonymous().get("/_dash-layout", headers=bearer).status_code == 401


@pytest.fixture
def client_without_store(website: Website) -> FlaskClient:
    """A viewer whose session was seen a moment ago, and then the sessions can no longer be read."""
    client = website.signed_in("olga")
    assert client.get("/_dash-layout").status_code == 200
    with website.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME TO sessions_away")
    return client


def test_without_the_database_a_known_session_reads_on_and_changes_nothing(
    website: Website, client_without_store: FlaskClient
):

    assert client_without_store.get("/_dash-layout").status_code == 200
    assert client_without_store.post(CALLBACK, json=READ).status_code == 200
    assert client_without_store.post(CALLBACK, json=PRESS).status_code == 503
    assert client_without_store.post("/logout").status_code == 503
    assert client_without_store.get("/_dash-layout").status_code == 503  # signing out is not undone by the outage


def test_without_the_database_a_session_seen_long_ago_is_not_believed(
    website: Website, client_without_store: FlaskClient
):
    website.clock.advance(601)

    assert client_without_store.get("/_dash-layout").status_code == 503


def test_a_disabled_user_is_out_at_once(website: Website):
    client = website.signed_in("victor")
    with website.store.write() as connection:
        connection.exec_driver_sql("UPDATE users SET disabled_ms = 1 WHERE name = 'victor'")

    assert client.get("/_dash-layout").status_code == 401
    answer = website.anonymous().post("/api/auth/login", json={"username": "victor", "password": PASSWORD})
    assert answer.status_code == 401


def test_a_session_knows_its_projects(website: Website):
    client = website.signed_in("olga")
    with website.store.read() as connection:
        jti = connection.exec_driver_sql("SELECT jti FROM sessions ORDER BY rowid DESC LIMIT 1").scalar_one()

    held = sessions.actor(website.store, str(jti), now=website.clock())

    assert held is not None
    assert (held.actor.name, held.actor.projects) == ("olga", ("kiln", "loom"))
    assert client.get("/api/auth/check").get_json()["user"]["projectIds"] == ["kiln", "loom"]
