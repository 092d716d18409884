"""Scripts of other sites: nobody's, unless the settings name the site; and then only with a bearer token."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.website import PASSWORD, Website

Make = Callable[..., Website]
TOOL, OTHER = "https://tool.example", "http://localhost:3000"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def named(make_website: Make) -> Website:
    """A dashboard whose settings name two other sites."""
    return make_website(allowed_origins=(TOOL, OTHER))


def granted(answer: TestResponse) -> set[str]:
    """What another site's script is allowed. Which headers it could read were it allowed anything, is told always."""
    sent = {name.lower() for name, _ in answer.headers if name.lower().startswith("access-control-")}
    return sent - {"access-control-expose-headers"}


def ask(client: FlaskClient, origin: str, path: str = "/api/targets") -> TestResponse:
    return client.options(path, headers={"Origin": origin, **ASKS})


@pytest.mark.parametrize("origin", [TOOL, OTHER])
@pytest.mark.parametrize("path", ["/api/targets", "/api/nothing/yet", "/api/auth/check"])
def test_a_named_site_may_ask_without_a_token(named: Website, origin: str, path: str):
    answer = ask(named.anonymous(), origin, path)

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert not answer.data


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "*", "", "http://tool.example", "https://tool.example:444",
        "https://tool.example.evil.example", "https://eviltool.example", "https://tool.example/", "HTTPS://tool.example",
    ],
)  # fmt: skip
def test_any_other_site_is_asked_for_a_session_and_told_nothing(named: Website, origin: str):
    answer = ask(named.anonymous(), origin)

    assert answer.status_code == 401
    assert not granted(answer)


@pytest.mark.parametrize("path", ["/", "/login", "/_dash-update-component", "/assets/app.css", "/metrics", "/apis"])
def test_nothing_but_the_api_is_ever_opened(named: Website, path: str):
    bearer = {"Authorization": f"Bearer {named.token('victor')}", "Origin": TOOL}

    assert not granted(ask(named.anonymous(), TOOL, path))
    assert not granted(named.anonymous().get(path, headers=bearer))


def test_what_a_token_gets_may_be_read_by_a_named_site(named: Website):
    bearer = {"Authorization": f"Bearer {named.token('victor')}", "Origin": TOOL}

    answer = named.anonymous().get("/api/auth/check", headers=bearer)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == TOOL
    assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "token", "status"), [("/api/auth/check", "x", 401), ("/api/no", "", 404), ("/api/extra", "", 403)]
)
def test_a_named_site_may_read_why_it_was_refused(named: Website, path: str, token: str, status: int):
    bearer = {"Authorization": f"Bearer {token or named.token('victor')}", "Origin": TOOL}

    answer = named.anonymous().open(path, method="POST" if status == 403 else "GET", headers=bearer)

    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == TOOL


def test_what_a_cookie_gets_is_shown_to_no_other_site(named: Website):
    answer = named.signed_in("victor").get("/api/auth/check", headers={"Origin": TOOL, "Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 200
    assert not granted(answer)


@pytest.mark.parametrize("origin", [TOOL, "https://evil.example"])
def test_a_change_with_a_cookie_from_another_site_stays_refused(named: Website, origin: str):
    client = named.signed_in("ada")

    answer = client.post("/api/extra", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert not granted(answer)


def test_a_named_site_cannot_sign_a_browser_in(named: Website):
    credentials = {"username": "victor", "password": PASSWORD}

    answer = named.anonymous().post(
        "/api/auth/login", json=credentials, headers={"Origin": TOOL, "Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_an_answer_without_an_origin_says_that_it_depends_on_one(named: Website):
    answer = named.anonymous().get("/api/health")

    assert "Origin" in answer.headers["Vary"]
    assert not granted(answer)


def test_nobody_is_named_unless_the_settings_do(website: Website):
    bearer = {"Authorization": f"Bearer {website.token('victor')}", "Origin": TOOL}

    asked, got = ask(website.anonymous(), TOOL), website.anonymous().get("/api/auth/check", headers=bearer)

    assert (asked.status_code, got.status_code) == (401, 200)
    assert not granted(asked) | granted(got)
    assert "Origin" not in got.headers.get("Vary", "")
