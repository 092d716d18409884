"""Signing in and out: the API's bodies, the cookie, the form, and where it may lead."""

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher

from observatory.model import Role
from observatory.store import accounts, sessions
from observatory.store.engine import Store
from observatory.web.login import safe_next
from tests.support.clock import NOON
from tests.support.told import a_record
from tests.support.website import PASSWORD, Website, password_hash

Make = Callable[..., Website]

GOOD = {"username": "olga", "password": PASSWORD}


def test_a_login_answers_in_the_contracts_shape(website: Website):
    answer = website.anonymous().post("/api/auth/login", json=GOOD)

    assert answer.status_code == 200
    body = answer.get_json()
    assert body["user"] == {"id": "olga", "permissions": ["read", "write"], "projectIds": ["kiln", "loom"]}
    assert body["token"].count(".") == 2
    assert answer.headers["Cache-Control"] == "no-store, max-age=0"


@pytest.mark.parametrize("credentials", [{**GOOD, "password": "wrong"}, {**GOOD, "username": "nobody"}])
def test_wrong_credentials_are_all_answered_alike(website: Website, credentials: dict[str, str]):
    answer = website.anonymous().post("/api/auth/login", json=credentials)

    assert (answer.status_code, answer.get_json()["error"]) == (401, "Invalid credentials")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, ["username", "password"]),
        ({**GOOD, "username": "x" * 51}, ["username"]),
        ({**GOOD, "password": "x" * 201}, ["password"]),
        ({**GOOD, "password": ""}, ["password"]),
        ({"username": 1, "password": ["x"]}, ["username", "password"]),
        (["olga"], [""]),
    ],
)
def test_a_faulty_body_is_refused_with_every_fault(website: Website, body: object, faults: list[str]):
    answer = website.anonymous().post("/api/auth/login", json=body)

    assert (answer.status_code, answer.get_json()["error"]) == (400, "Invalid request")
    assert [fault["path"] for fault in answer.get_json()["details"]] == faults


def test_malformed_json_is_the_callers_fault(website: Website):
    answer = website.anonymous().post("/api/auth/login", data="{", content_type="application/json")

    assert answer.status_code == 400


def test_check_tells_who_is_signed_in(website: Website):
    assert website.anonymous().get("/api/auth/check").get_json()["error"] == "Not authenticated"
    bad = website.anonymous().get("/api/auth/check", headers={"Authorization": "Bearer x"})
    assert (bad.status_code, bad.get_json()["error"]) == (401, "Invalid token")

    body = website.signed_in("ada").get("/api/auth/check").get_json()

    assert body["authenticated"] is True
    assert body["user"]["userId"] == "ada"
    assert body["user"]["permissions"] == ["read", "write", "admin"]
    assert body["user"]["exp"] - body["user"]["iat"] == 86_400


def test_logout_ends_the_session_and_clears_the_cookie(website: Website):
    client = website.signed_in("olga")

    answer = client.post("/api/auth/logout")

    assert answer.get_json() == {"success": True, "message": "Logged out successfully"}
    assert "auth-token=;" in answer.headers["Set-Cookie"]
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert client.get("/api/auth/check").status_code == 401


def cookie_flags(header: str) -> set[str]:
    return {part.strip() for part in header.split(";")[1:] if not part.strip().startswith("Expires")}


def test_on_http_the_cookie_has_its_plain_name_and_no_secure(website: Website):
    header = website.anonymous().post("/api/auth/login", json=GOOD).headers["Set-Cookie"]

    assert header.startswith("auth-token=")
    assert cookie_flags(header) == {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=86400"}


def test_behind_a_trusted_proxy_https_makes_the_cookie_secure(make_website: Make):
    website = make_website(trusted_proxies=1)
    https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    client = website.anonymous()

    answer = client.post("/api/auth/login", json=GOOD, headers=https)

    assert answer.headers["Set-Cookie"].startswith("__Host-auth-token=")
    assert cookie_flags(answer.headers["Set-Cookie"]) == {
        "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=86400", "Secure",
    }  # fmt: skip
    other = website.anonymous()
    other.set_cookie("auth-token", answer.get_json()["token"])
    assert other.get("/api/auth/check", headers=https).status_code == 401, "on https only the protected name counts"
    with website.store.read() as connection:
        addresses = connection.exec_driver_sql("SELECT address FROM sessions").scalars().all()
    assert addresses == ["203.0.113.9"]


def test_without_a_trusted_proxy_nobody_believes_forwarded_headers(website: Website):
    forged = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=203.0.113.9;proto=https",
    }

    answer = website.anonymous().post("/api/auth/login", json=GOOD, headers=forged)

    assert answer.headers["Set-Cookie"].startswith("auth-token=")
    assert "Strict-Transport-Security" not in answer.headers
    with website.store.read() as connection:
        assert connection.exec_driver_sql("SELECT address FROM sessions").scalar_one() == "127.0.0.1"


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_form_signs_in_and_leads_on(website: Website):
    client = website.anonymous()
    assert client.get("/things/x?a=b%26c").headers["Location"] == "/login?next=/things/x%3Fa%3Db%2526c"
    assert 'name="next" value="/things/x?a=b%26c"' in client.get("/login?next=/things/x%3Fa%3Db%2526c").text

    answer = client.post("/login", data={**GOOD, "next": "/things/x"})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/things/x")
    assert client.get("/things/x").status_code == 200
    assert client.get("/login").headers["Location"] == "/"


def test_a_wrong_password_keeps_the_name_and_says_so(website: Website):
    answer = website.anonymous().post("/login", data={"username": 'ol"ga<', "password": "x", "next": "/things/x"})

    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert 'value="ol&#34;ga&lt;"' in answer.text
    assert 'value="/things/x"' in answer.text


def test_the_forms_logout_leads_back_to_the_form(website: Website):
    client = website.signed_in("olga")

    answer = client.post("/logout")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/login",
        "/logout",
    ],
)
def test_next_leads_nowhere_but_here(website: Website, address: str):
    assert safe_next(address) == "/"
    assert website.anonymous().post("/login", data={**GOOD, "next": address}).headers["Location"] == "/"


def test_next_keeps_a_path_of_ours():
    assert safe_next("/agents/loom/w-07?tab=events#last") == "/agents/loom/w-07?tab=events#last"


# ── accounts, on both databases ──────────────────────────────────────────────────────────────────────────────────────


def test_the_first_administrator_is_made_once(store: Store):
    assert not accounts.has_admin(store)
    assert accounts.ensure_admin(store, password_hash(), now=NOON, told=a_record("user.first_admin"))
    assert accounts.has_admin(store)
    assert not accounts.ensure_admin(store, password_hash(), now=NOON, told=a_record("user.first_admin"))

    admin = accounts.find_user(store, "admin")

    assert admin is not None
    assert (admin.role, admin.projects, admin.disabled) == (Role.ADMIN, (), False)


def test_a_session_is_found_until_it_ends(store: Store):
    user = accounts.create_user(store, "mira", password_hash(), Role.VIEWER, projects=["Loom"], now=NOON)
    sessions.open_session(store, user, "one", issued=NOON, expires=NOON + 1000)

    held = sessions.actor(store, "one", now=NOON)

    assert held is not None
    found = held.actor
    assert (found.user, found.name, found.role, found.projects) == (user, "mira", Role.VIEWER, ("loom",))
    assert sessions.actor(store, "one", now=NOON + 1000) is None
    assert sessions.end(store, "one", now=NOON)
    assert not sessions.end(store, "one", now=NOON)
    assert sessions.actor(store, "one", now=NOON) is None


def test_an_old_hash_is_replaced_at_the_next_login(website: Website):
    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    accounts.create_user(website.store, "old", weak, Role.VIEWER, now=NOON)

    answer = website.anonymous().post("/api/auth/login", json={"username": "old", "password": PASSWORD})

    kept = accounts.find_user(website.store, "old")
    assert answer.status_code == 200
    assert kept is not None
    assert kept.password_hash != weak
