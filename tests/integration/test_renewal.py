"""A session's tokens: renewed with use, good together for a minute, dead together for ever. And the password again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from observatory.model import Role
from observatory.people import Administration
from observatory.store import accounts, sessions
from tests.support.told import a_record
from tests.support.website import PASSWORD, Website

Make = Callable[..., Website]
HALF = 43_200  # seconds: half of a session's 24 hours
NEW_PASSWORD = "Another!Mule-8"


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("auth-token")
    return found.value if found else ""


def administration(website: Website) -> Administration:
    return Administration(website.store, "s" * 32, "http://here", website.clock, a_record)


def status(website: Website, token: str) -> int:
    return website.anonymous().get("/api/auth/check", headers={"Authorization": f"Bearer {token}"}).status_code


def test_before_half_its_life_a_token_stays(website: Website):
    client = website.signed_in("victor")
    before = cookie(client)

    website.clock.advance(HALF - 1)
    client.get("/api/auth/check")

    assert cookie(client) == before


def test_after_half_its_life_a_token_is_renewed_and_the_old_one_lasts_a_minute(website: Website):
    client = website.signed_in("victor")
    before = cookie(client)
    website.clock.advance(HALF)

    answer = client.get("/api/auth/check")
    after = cookie(client)

    assert after != before
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
    assert (status(website, before), status(website, after)) == (200, 200)
    website.clock.advance(60)
    assert (status(website, before), status(website, after)) == (401, 200)


def test_with_use_a_session_goes_on_for_ever(website: Website):
    client = website.signed_in("victor")

    for _ in range(10):
        website.clock.advance(HALF)
        assert client.get("/api/auth/check").status_code == 200


def test_of_many_tabs_one_renews(website: Website):
    client = website.signed_in("victor")
    old = cookie(client)
    website.clock.advance(HALF)

    def ask(_: int) -> str:
        tab = website.anonymous()
        tab.set_cookie("auth-token", old)
        assert tab.get("/api/auth/check").status_code == 200
        return cookie(tab)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(12)))

    assert len(set(found) - {old}) == 1
    with website.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 2


def test_a_renewed_token_arrives_also_with_an_answer_that_tells_of_a_fault(website: Website):
    client = website.signed_in("victor")
    before = cookie(client)
    website.clock.advance(HALF)

    assert client.get("/api/nothing-here").status_code == 404

    assert cookie(client) != before


def test_a_password_changed_at_the_moment_of_renewal_leaves_a_good_token(website: Website):
    client = website.signed_in("victor")
    website.clock.advance(HALF)

    client.post("/api/auth/password", json={"current": PASSWORD, "new": NEW_PASSWORD})

    assert client.get("/api/auth/check").status_code == 200


def test_a_program_with_a_bearer_token_is_not_renewed(website: Website):
    token = website.token("victor")
    website.clock.advance(HALF)

    answer = website.anonymous().get("/api/auth/check", headers={"Authorization": f"Bearer {token}"})

    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "end",
    [
        lambda website, client: client.post("/api/auth/logout"),
        lambda website, client: administration(website).change("victor", role=Role.OPERATOR),
        lambda website, client: administration(website).change("victor", disabled=True),
        lambda website, client: administration(website).reset("victor"),
        lambda website, client: administration(website).erase("victor"),
        lambda website, client: administration(website).end_sessions("victor"),
        lambda website, client: client.post(
            "/api/auth/password", json={"current": PASSWORD, "new": NEW_PASSWORD}, headers={}
        ),
    ],
    ids=["logout", "role", "disabled", "reset", "erased", "ended", "password"],
)
def test_the_end_of_a_session_is_the_end_of_all_its_tokens(
    website: Website, end: Callable[[Website, FlaskClient], object]
):
    client = website.signed_in("victor")
    before = cookie(client)
    website.clock.advance(HALF)
    client.get("/api/auth/check")
    after = cookie(client)
    assert (status(website, before), status(website, after)) == (200, 200)

    end(website, client)

    assert (status(website, before), status(website, after)) == (401, 401)


def test_a_session_ends_on_every_process_and_stays_ended_after_a_restart(make_website: Make):
    one, other = make_website(), make_website(people=False)
    token = one.token("victor")
    assert status(other, token) == 200

    one.anonymous().post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})

    assert status(other, token) == 401
    assert status(make_website(people=False), token) == 401


def test_after_a_new_password_only_this_browser_is_signed_in(website: Website):
    here, there = website.signed_in("victor"), website.signed_in("victor")

    answer = here.post("/api/auth/password", json={"current": PASSWORD, "new": NEW_PASSWORD})

    assert answer.status_code == 200
    assert here.get("/api/auth/check").status_code == 200
    assert there.get("/api/auth/check").status_code == 401
    login = {"username": "victor", "password": PASSWORD}
    assert website.anonymous().post("/api/auth/login", json=login).status_code == 401
    assert website.anonymous().post("/api/auth/login", json={**login, "password": NEW_PASSWORD}).status_code == 200


def test_a_new_password_must_keep_every_rule_and_the_current_one_be_right(website: Website):
    client = website.signed_in("victor")

    weak = client.post("/api/auth/password", json={"current": PASSWORD, "new": "short"})
    wrong = client.post("/api/auth/password", json={"current": "wrong", "new": NEW_PASSWORD})

    assert weak.status_code == 400
    assert len(weak.get_json()["details"]) == 4
    assert (wrong.status_code, wrong.get_json()["error"]) == (401, "The password is wrong.")
    assert client.get("/api/auth/check").status_code == 200


def test_production_asks_for_longer_passwords(make_website: Make):
    client = make_website(production=True).signed_in("victor")

    answer = client.post("/api/auth/password", json={"current": PASSWORD, "new": "Mule!Mu1e"})

    assert [fault["message"] for fault in answer.get_json()["details"]] == [
        "Password must have at least 12 characters."
    ]


# ── the password again, before something dangerous ───────────────────────────────────────────────────────────────────

NEW_USER = {"name": "mira", "role": "viewer", "projectIds": ["loom"]}


def test_a_fresh_sign_in_counts_for_ten_minutes(website: Website):
    client = website.signed_in("ada")

    website.clock.advance(600)
    assert client.post("/api/admin/users", json=NEW_USER).status_code == 201
    website.clock.advance(1)
    refused = client.post("/api/admin/users", json={**NEW_USER, "name": "lea"})

    assert (refused.status_code, refused.get_json()["code"]) == (403, "confirmation_required")
    assert accounts.find_user(website.store, "lea") is None


def test_the_password_opens_it_again_and_only_the_own(website: Website):
    client = website.signed_in("ada")
    website.clock.advance(3600)

    assert client.post("/api/auth/confirm", json={"password": "wrong"}).status_code == 401
    assert client.post("/api/admin/users", json=NEW_USER).status_code == 403
    assert client.post("/api/auth/confirm", json={"password": PASSWORD}).status_code == 200
    assert client.post("/api/admin/users", json=NEW_USER).status_code == 201


def test_a_confirmation_is_of_this_session_and_outlives_a_renewal(website: Website):
    here, there = website.signed_in("ada"), website.signed_in("ada")
    website.clock.advance(HALF - 60)
    here.post("/api/auth/confirm", json={"password": PASSWORD})
    website.clock.advance(60)
    old = cookie(here)

    here.get("/api/auth/check")

    assert cookie(here) != old
    assert here.post("/api/admin/users", json=NEW_USER).status_code == 201
    assert there.post("/api/admin/users", json={**NEW_USER, "name": "lea"}).status_code == 403


def test_guessing_a_colleagues_password_at_an_unlocked_screen_is_limited(website: Website):
    client = website.signed_in("ada")

    statuses = [client.post("/api/auth/confirm", json={"password": "wrong"}).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]


def test_the_confirm_page_leads_on(website: Website):
    client = website.signed_in("ada")
    website.clock.advance(3600)

    assert 'name="next" value="/admin"' in client.get("/confirm?next=/admin").text
    wrong = client.post("/confirm", data={"password": "wrong", "next": "/admin"})
    right = client.post("/confirm", data={"password": PASSWORD, "next": "/admin"})

    assert (wrong.status_code, "The password is wrong." in wrong.text) == (401, True)
    assert (right.status_code, right.headers["Location"]) == (303, "/admin")
    assert client.post("/confirm", data={"password": PASSWORD, "next": "//evil.example"}).headers["Location"] == "/"


def test_sessions_are_listed_once_each_whatever_their_tokens(website: Website):
    client = website.signed_in("victor")
    website.signed_in("olga")
    website.clock.advance(HALF)
    client.get("/api/auth/check")

    found = sessions.current(website.store, now=website.clock())

    assert sorted(row.user for row in found) == ["olga", "victor"]
    victor = next(row for row in found if row.user == "victor")
    assert victor.expires_ms > victor.since_ms + 86_400_000
