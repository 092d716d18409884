"""API tokens and links: shown once, kept as hashes, good for what they were made for and no longer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from observatory.auth.tokens import api_token_hash
from observatory.errors import Conflict
from observatory.model import DAY, Role
from observatory.people import Administration
from observatory.store import accounts, api_tokens
from observatory.store.engine import Store
from tests.support.clock import NOON
from tests.support.told import a_record
from tests.support.website import PASSWORD, Website, callback_body, password_hash

Make = Callable[..., Website]
SECRET = "s" + "0123456789abcdef" * 2
NEW_PASSWORD = "Another!Mule-8"
PRESS = callback_body("press", "children", "press")


@pytest.fixture
def desk(website: Website) -> Administration:
    key = website.server.extensions["observatory"].session_secret
    return Administration(website.store, key, "http://here", website.clock, a_record)


def get(website: Website, token: str, path: str = "/api/auth/check") -> Any:
    return website.anonymous().get(path, headers={"Authorization": f"Bearer {token}"})


# ── API tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_speaks_for_its_owner(website: Website, desk: Administration):
    made = desk.make_token("olga", "script", Role.VIEWER, days=1)

    user = get(website, made.secret).get_json()["user"]

    assert made.secret.startswith("obs_")
    assert (user["userId"], user["permissions"], user["projectIds"]) == ("olga", ["read"], ["kiln", "loom"])


def test_only_a_hash_of_it_is_kept(website: Website, desk: Administration):
    made = desk.make_token("olga", "script", Role.VIEWER, days=1)

    with website.store.read() as connection:
        everything = connection.exec_driver_sql("SELECT * FROM api_tokens").all()
        everything += connection.exec_driver_sql("SELECT * FROM audit").all()
    assert made.secret not in repr(everything)
    assert made.secret.removeprefix("obs_") not in repr(everything)


@pytest.mark.parametrize(
    ("owner", "role", "projects", "permissions", "seen"),
    [
        ("olga", Role.OPERATOR, None, ["read", "write"], ["kiln", "loom"]),
        ("olga", Role.OPERATOR, ("Loom",), ["read", "write"], ["loom"]),
        ("olga", Role.VIEWER, ("secret-one",), ["read"], []),
        ("ada", Role.ADMIN, None, ["read", "write", "admin"], []),
        ("ada", Role.VIEWER, ("loom",), ["read"], ["loom"]),
    ],
)
def test_it_may_what_it_was_made_for_and_never_more_than_its_owner(
    website: Website,
    desk: Administration,
    owner: str,
    role: Role,
    projects: tuple[str, ...] | None,
    permissions: list[str],
    seen: list[str],
):
    made = desk.make_token(owner, "script", role, days=1, projects=projects)

    user = get(website, made.secret).get_json()["user"]

    assert (user["permissions"], user["projectIds"]) == (permissions, seen)


def test_an_administrators_token_sees_all_unless_it_is_cut(website: Website, desk: Administration):
    def sees(projects: tuple[str, ...] | None) -> tuple[bool, bool]:
        made = desk.make_token("ada", f"for {projects}", Role.VIEWER, days=1, projects=projects)
        actor = api_tokens.actor(website.store, api_token_hash(made.secret), now=website.clock())
        assert actor is not None
        return actor.sees("loom"), actor.sees("kiln")

    assert sees(None) == (True, True)
    assert sees(("loom",)) == (True, False)


def test_when_its_owner_may_less_so_may_the_token(website: Website, desk: Administration):
    made = desk.make_token("olga", "script", Role.OPERATOR, days=1)
    bearer = {"Authorization": f"Bearer {made.secret}"}
    assert website.anonymous().post("/_dash-update-component", json=PRESS, headers=bearer).status_code == 200

    desk.change("olga", role=Role.VIEWER, projects=["loom"])

    assert website.anonymous().post("/_dash-update-component", json=PRESS, headers=bearer).status_code == 403
    assert get(website, made.secret).get_json()["user"]["projectIds"] == ["loom"]


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled", "erased"])
def test_it_ends(website: Website, desk: Administration, end: str):
    made = desk.make_token("olga", "script", Role.VIEWER, days=1)
    assert get(website, made.secret).status_code == 200

    if end == "revoked":
        desk.revoke(made.id)
    elif end == "expired":
        website.clock.set(made.expires)
    elif end == "disabled":
        desk.change("olga", disabled=True)
    else:
        desk.erase("olga")

    assert get(website, made.secret).status_code == 401


def test_enabled_again_a_user_has_no_old_tokens(website: Website, desk: Administration):
    made = desk.make_token("olga", "script", Role.VIEWER, days=1)
    desk.change("olga", disabled=True)
    desk.change("olga", disabled=False)

    assert get(website, made.secret).status_code == 401


def test_its_last_use_is_known_to_the_minute(website: Website, desk: Administration):
    made = desk.make_token("olga", "script", Role.VIEWER, days=1)
    client = website.signed_in("ada")

    def used() -> int | None:
        return next(one["usedAt"] for one in client.get("/api/admin/tokens").get_json()["tokens"])

    assert used() is None
    get(website, made.secret)
    first = used()
    website.clock.advance(30)
    get(website, made.secret)
    assert used() == first == website.clock() - 30_000
    website.clock.advance(30)
    get(website, made.secret)
    assert used() == website.clock()


@pytest.mark.parametrize(
    ("body", "status", "paths"),
    [
        ({"owner": "nobody", "name": "x", "days": 1}, 404, []),
        ({"owner": "olga", "name": "", "days": 1}, 400, ["name"]),
        ({"owner": "olga", "name": "x", "days": 0}, 400, ["days"]),
        ({"owner": "olga", "name": "x", "days": 366}, 400, ["days"]),
        ({"owner": "olga", "name": "x", "days": 1, "role": "admin"}, 400, ["role"]),
        ({"owner": "olga", "name": "x", "days": 1, "role": "king"}, 400, ["role"]),
        ({"owner": "olga", "name": "x", "days": 1, "projectIds": ["../etc"]}, 400, ["projectIds.0"]),
        ({"owner": "olga", "name": "x", "days": 1, "color": "red"}, 400, ["color"]),
        ({"owner": "olga"}, 400, ["name"]),
    ],
)
def test_a_faulty_token_is_refused_and_why(website: Website, body: dict[str, Any], status: int, paths: list[str]):
    answer = website.signed_in("ada").post("/api/admin/tokens", json=body)

    assert answer.status_code == status
    assert [fault["path"] for fault in answer.get_json().get("details", [])] == paths


def test_a_name_is_taken_once_and_free_after_the_end(website: Website, desk: Administration):
    client, body = website.signed_in("ada"), {"owner": "olga", "name": "script", "days": 1}
    first = client.post("/api/admin/tokens", json=body).get_json()["id"]

    assert client.post("/api/admin/tokens", json=body).status_code == 409
    client.delete(f"/api/admin/tokens/{first}")
    assert client.post("/api/admin/tokens", json=body).status_code == 201


def test_a_token_makes_no_tokens_and_has_no_session(website: Website, desk: Administration):
    made = desk.make_token("ada", "script", Role.ADMIN, days=1)
    bearer = {"Authorization": f"Bearer {made.secret}"}
    client = website.anonymous()

    assert client.get("/api/admin/users", headers=bearer).status_code == 200
    body = {"owner": "ada", "name": "child", "days": 1}
    assert client.post("/api/admin/tokens", json=body, headers=bearer).status_code == 403
    assert client.post("/api/auth/logout", headers=bearer).status_code == 403
    assert client.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer).status_code == 403


def test_a_token_in_a_cookie_is_a_token_too_but_never_renewed(website: Website, desk: Administration):
    client = website.anonymous()
    client.set_cookie("auth-token", desk.make_token("olga", "script", Role.VIEWER, days=2).secret)
    website.clock.advance(DAY / 1000)

    answer = client.get("/api/auth/check")

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(website: Website, path: str, new: str = NEW_PASSWORD, again: str | None = None) -> Any:
    return website.anonymous().post(path, data={"new": new, "again": new if again is None else again})


def sign_in(website: Website, name: str, password: str) -> int:
    answer = website.anonymous().post("/api/auth/login", json={"username": name, "password": password})
    return int(answer.status_code)


def test_who_is_invited_chooses_a_password_once(website: Website, desk: Administration):
    path = desk.invite("mira", Role.VIEWER, ["loom"]).url.removeprefix("http://here")
    assert sign_in(website, "mira", "") == 400
    assert "mira" in website.anonymous().get(path).text

    answer = choose(website, path)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?set=1")
    assert sign_in(website, "mira", NEW_PASSWORD) == 200
    assert choose(website, path, "Stolen!Mule-9").status_code == 410
    assert sign_in(website, "mira", "Stolen!Mule-9") == 401


def test_a_bad_choice_uses_nothing_up(website: Website, desk: Administration):
    path = desk.invite("mira", Role.VIEWER).url.removeprefix("http://here")

    short, differing, common = (
        choose(website, path, "short"),
        choose(website, path, again="x"),
        choose(website, path, "Password1!"),
    )

    assert [answer.status_code for answer in (short, differing, common)] == [400] * 3
    assert short.text.count("<li>") == 4
    assert "The two passwords are not the same." in differing.text
    assert "most common" in common.text
    assert choose(website, path).status_code == 303


@pytest.mark.parametrize("end", ["day", "another link", "disabled", "made up"])
def test_a_link_that_is_not_good_any_more_says_so(website: Website, desk: Administration, end: str):
    path = desk.invite("mira", Role.VIEWER).url.removeprefix("http://here")
    if end == "day":
        website.clock.advance(86_400)
    elif end == "another link":
        desk.reset("mira")
    elif end == "disabled":
        desk.change("mira", disabled=True)
    else:
        path += "x"

    assert website.anonymous().get(path).status_code == 410
    assert choose(website, path).status_code == 410
    assert "Ask an administrator" in website.anonymous().get(path).text


def test_only_a_keyed_hash_of_a_link_is_kept(website: Website, desk: Administration):
    link = desk.invite("mira", Role.VIEWER)
    other = Administration(website.store, "another key " * 3, "http://here", website.clock, a_record)

    with website.store.read() as connection:
        kept = connection.exec_driver_sql("SELECT hash FROM links").scalar_one()
    assert link.url.rpartition("/")[2] not in kept
    assert other.secret != desk.secret


def test_a_reset_takes_the_password_and_the_sessions_away(website: Website, desk: Administration):
    client = website.signed_in("victor")

    path = desk.reset("victor").url.removeprefix("http://here")

    assert client.get("/api/auth/check").status_code == 401
    assert sign_in(website, "victor", PASSWORD) == 401
    choose(website, path)
    assert sign_in(website, "victor", NEW_PASSWORD) == 200


# ── administrators ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "take",
    [
        lambda desk: desk.change("ada", role=Role.OPERATOR),
        lambda desk: desk.change("ada", disabled=True),
        lambda desk: desk.reset("ada"),
        lambda desk: desk.erase("ada"),
    ],
    ids=["role", "disabled", "reset", "erased"],
)
def test_the_last_administrator_cannot_be_taken_away(
    website: Website, desk: Administration, take: Callable[[Administration], object]
):
    with pytest.raises(Conflict, match="last administrator"):
        take(desk)

    assert website.signed_in("ada").get("/api/admin/users").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Victor"}, 409),
        ({"name": "victor"}, 409),
        ({"name": ""}, 400),
        ({"name": "-x"}, 400),
        ({"name": "a/b"}, 400),
        ({"name": "ünal"}, 400),
        ({"name": "x" * 51}, 400),
        ({"name": "mira", "role": "king"}, 400),
        ({"name": "mira", "projectIds": ["ab"]}, 400),
        ({"name": "mira", "projectIds": "loom"}, 400),
        ({}, 400),
    ],
)
def test_a_faulty_user_is_refused(website: Website, body: dict[str, Any], status: int):
    before = len(accounts.all_users(website.store))

    assert website.signed_in("ada").post("/api/admin/users", json=body).status_code == status
    assert len(accounts.all_users(website.store)) == before


def test_two_administrators_who_take_each_other_away_at_once_are_not_both_gone(store: Store):
    for name in ("ada", "adam"):
        accounts.create_user(store, name, password_hash(), Role.ADMIN, now=NOON)
    desk = Administration(store, SECRET, "http://here", lambda: NOON, a_record)

    def take(name: str) -> bool:
        try:
            desk.change(name, disabled=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(take, ["ada", "adam"]))

    assert sorted(taken) == [False, True]
    assert accounts.has_admin(store)
