"""A token that died once never works again, by any way in; and one that lives opens what the database says now.

Hypothesis plays users and administrators: they sign in and out, change passwords, roles and projects, disable, erase
and end, make tokens and revoke them, while time passes and keys are rotated. A small model says which tokens live;
after every step the real application is asked about each of them.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from werkzeug.test import TestResponse

from observatory import audit
from observatory.api import targets as targets_api
from observatory.auth import passwords
from observatory.auth.roles import permissions
from observatory.context import Services
from observatory.model import DAY, AuditRecord, Role, Subject
from observatory.people import Administration
from observatory.store import accounts, api_tokens, sessions, targets
from observatory.store import audit as audit_store
from observatory.store.engine import Store
from tests.support.clock import NOON
from tests.support.scraped import a_target
from tests.support.website import PASSWORD, PEOPLE, Website, callback_body, password_hash

CALLBACK, PRESS, READ = (
    "/_dash-update-component",
    callback_body("press", "children", "press"),  # takes an operator
    callback_body("out", "children", "read"),
)
ROOT = "root"  # the administrator who does what administrators do, and to whom nothing is done
NONE = "nobody can guess what is not there"
GOOD = ("Correct.Horse.7", "Right.Stable.88")  # to choose
LIFE, OVERLAP = DAY, 60_000  # of a session's token, and of one that was renewed
PROJECTS = ("loom", "kiln")
OURS = {"": "everybodys", "loom": "of-loom", "kiln": "of-kiln"}  # services by their project
ROLES = list(Role)
MOST = 16  # tokens of an example: each is asked about after every step

DEATHS = {
    "signed out", "expired", "password changed", "password reset", "role changed", "disabled", "ended", "all ended",
    "erased", "revoked", "key dropped",
}  # fmt: skip

people = st.sampled_from(sorted(PEOPLE))
roles = st.sampled_from(ROLES)
projects = st.lists(st.sampled_from(PROJECTS), unique=True).map(lambda found: tuple(sorted(found)))
which = st.integers(0, 10_000)  # of the tokens that there are


@dataclass
class Person:
    role: Role
    projects: tuple[str, ...]
    password: str = PASSWORD
    disabled: bool = False


@dataclass
class Token:
    """A token as the model knows it. `person` is who it was made for: a person of the same name later is another."""

    secret: str
    name: str
    person: Person
    expires: int
    session: str = ""  # "" for an API token
    key: str = ""  # which signed it
    newest: bool = True
    born: int = 0
    id: int = 0
    scope: Role = Role.ADMIN
    cut: tuple[str, ...] | None = None
    death: str = ""  # what it died of; "" while it lives
    tried: bool = False  # by every way in, since it died

    @property
    def role(self) -> Role:
        return min(self.person.role, self.scope, key=ROLES.index)

    @property
    def projects(self) -> tuple[str, ...]:
        if self.cut is None:
            return self.person.projects
        return tuple(one for one in self.cut if self.person.role is Role.ADMIN or one in self.person.projects)

    @property
    def visible(self) -> set[str]:
        """The services it shows."""
        everything = self.person.role is Role.ADMIN and self.cut is None
        return {name for project, name in OURS.items() if not project or everything or project in self.projects}


@dataclass
class Seen:
    """What all examples came to."""

    examples: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    questions: Counter[str] = field(default_factory=Counter)


class Life(RuleBasedStateMachine):
    def __init__(self, cache: Path, seen: Seen) -> None:
        super().__init__()
        self.seen = seen
        self.folder = TemporaryDirectory()
        limits = dict.fromkeys(("auth", "auth_address", "anonymous", "global", "ui", "commands"), "100000 per minute")
        self.site = Website(Path(self.folder.name), cache, blueprints=[targets_api.blueprint], limits=limits)
        self.clock = self.site.clock
        self.people = {name: Person(role, tuple(sorted(own))) for name, (role, own) in PEOPLE.items()}
        self.tokens: list[Token] = []
        self.root = ""  # a session of the administrator, confirmed at most ten minutes ago
        self.confirmed = 0
        self.turn = itertools.count()

    def teardown(self) -> None:
        self.site.close()
        self.folder.cleanup()
        self.seen.examples += 1
        self.seen.deaths.update(token.death for token in self.tokens if token.death)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def client(self, token: Token | None = None, *, cookie: bool = False) -> FlaskClient:
        client = self.site.anonymous()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        if token is not None and cookie:
            client.set_cookie("auth-token", token.secret)
        elif token is not None:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token.secret}"
        return client

    def sign_in(self, name: str, password: str) -> TestResponse:
        return self.client().post("/api/auth/login", json={"username": name, "password": password})

    def as_root(self) -> FlaskClient:
        """The administrator's client, whose password was given just now."""
        if not self.root or self.clock() - self.confirmed > 9 * 60_000:
            self.root = self.sign_in(ROOT, PASSWORD).get_json()["token"]
            self.confirmed = self.clock()
        client = self.site.anonymous()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.root}"
        return client

    # ── the model ────────────────────────────────────────────────────────────────────────────────────────────────────

    def living(self, *, api: bool | None = None) -> list[Token]:
        return [one for one in self.tokens if not one.death and (api is None or api != bool(one.session))]

    def one_of(self, number: int, tokens: list[Token]) -> Token:
        return tokens[number % len(tokens)]

    def keep(self, secret: str, name: str, session: str = "") -> Token:
        """A session's token that was given just now. It says by itself of which session's line it is, and till when."""
        body = jwt.decode(secret, options={"verify_signature": False})
        born = body["iat"] * 1000
        key = self.services.secrets[0]
        token = Token(secret, name, self.people[name], body["exp"] * 1000, session or body["jti"], key=key, born=born)
        assert token.expires == born + LIFE
        self.tokens.append(token)
        return token

    def end(self, tokens: list[Token], cause: str) -> None:
        for token in tokens:
            token.death = token.death or cause

    def sessions_of(self, name: str) -> list[Token]:
        return [token for token in self.living(api=False) if token.person is self.people[name]]

    def pass_away(self) -> None:
        """Time ends tokens by itself."""
        self.end([token for token in self.living() if token.expires <= self.clock()], "expired")

    @property
    def services(self) -> Services:
        found: Services = self.site.server.extensions["observatory"]
        return found

    def done(self, step: str) -> None:
        self.seen.steps[step] += 1

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

    @initialize()
    def begin(self) -> None:
        accounts.create_user(self.site.store, ROOT, password_hash(), Role.ADMIN, now=self.clock())
        listed = [a_target(name, project=project) for project, name in OURS.items()]
        targets.replace(self.site.store, listed, self.clock())
        for name in ("ada", "olga", "victor"):
            self.signs_in(name)
            self.a_token_is_made(name, self.people[name].role, None, 2)

    @precondition(lambda self: len(self.tokens) < MOST)
    @rule(name=people)
    def signs_in(self, name: str) -> None:
        answer = self.sign_in(name, self.people[name].password)
        assert answer.status_code == (401 if self.people[name].disabled else 200)
        if answer.status_code == 200:
            self.keep(answer.get_json()["token"], name)
        self.done("sign in")

    def signs_in_with_a_former_password(self, name: str) -> None:
        former = GOOD[self.people[name].password == GOOD[0]]
        assert self.sign_in(name, former).status_code == 401
        self.done("sign in with a wrong password")

    @precondition(lambda self: self.tokens)
    @rule(number=which, cookie=st.booleans(), page=st.booleans())
    def signs_out(self, number: int, cookie: bool, page: bool) -> None:
        token = self.one_of(number, self.tokens)
        answer = self.client(token, cookie=cookie).post("/logout" if page else "/api/auth/logout")
        if token.death:
            assert answer.status_code == 401
        elif not token.session:
            assert answer.status_code == 403, "an API token has no session to end"
        else:
            assert answer.status_code == (303 if page else 200)
            self.end([one for one in self.tokens if one.session == token.session], "signed out")
        self.done("sign out")

    @precondition(lambda self: self.living(api=False))
    @rule(number=which)
    def browses_past_half_a_life(self, number: int) -> None:
        token = self.one_of(number, self.living(api=False))
        self.clock.set(max(self.clock(), (token.born + token.expires) // 2))
        self.pass_away()
        self.browse(token)

    @precondition(lambda self: self.tokens)
    @rule(number=which)
    def browses(self, number: int) -> None:
        self.browse(self.one_of(number, self.tokens))

    def browse(self, token: Token) -> None:
        """With a cookie, a token past half its life is exchanged for another; the old one goes on for a minute."""
        answer = self.client(token, cookie=True).get("/_dash-layout")
        assert answer.status_code == (401 if token.death else 200)
        given = [value for value in answer.headers.getlist("Set-Cookie") if value.startswith("auth-token=")]
        due = not token.death and token.session and token.newest and 2 * self.clock() >= token.born + token.expires
        assert len(given) == bool(due)
        if given:
            token.newest = False
            self.keep(given[0].split("=", 1)[1].split(";")[0], token.name, token.session)
            token.expires = min(token.expires, self.clock() // 1000 * 1000 + OVERLAP)
        self.done("renew" if given else "browse")

    @precondition(lambda self: self.living(api=False) and len(self.tokens) < MOST)
    @rule(number=which)
    def changes_the_password(self, number: int) -> None:
        token = self.one_of(number, self.living(api=False))
        new = GOOD[token.person.password == GOOD[0]]
        body = {"current": token.person.password, "new": new}
        answer = self.client(token, cookie=True).post("/api/auth/password", json=body)
        assert answer.status_code == 200
        token.person.password = new
        self.end(self.sessions_of(token.name), "password changed")
        given = [value for value in answer.headers.getlist("Set-Cookie") if value.startswith("auth-token=")]
        self.keep(given[-1].split("=", 1)[1].split(";")[0], token.name)
        self.done("change the password")

    # ── what the administrator does ──────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.living())
    @rule(number=which, step=st.integers(1, len(ROLES) - 1))
    def a_role_is_changed(self, number: int, step: int) -> None:
        name = self.one_of(number, self.living()).name
        person = self.people[name]
        role = ROLES[(ROLES.index(person.role) + step) % len(ROLES)]
        self.change(name, {"role": role})
        self.end(self.sessions_of(name), "role changed")
        person.role = role
        self.done("change a role")

    @rule(name=people, own=projects)
    def projects_are_changed(self, name: str, own: tuple[str, ...]) -> None:
        """Or set to what they are: neither ends anything, nor does the role that it is already."""
        self.change(name, {"projectIds": own, "role": self.people[name].role})
        self.people[name].projects = own
        self.done("change projects")

    @precondition(lambda self: self.living())
    @rule(number=which)
    def a_user_is_disabled(self, number: int) -> None:
        name = self.one_of(number, self.living()).name
        self.change(name, {"disabled": True})
        self.end([token for token in self.living() if token.person is self.people[name]], "disabled")
        self.people[name].disabled = True
        self.done("disable a user")

    @precondition(lambda self: any(person.disabled for person in self.people.values()))
    @rule()
    def the_disabled_are_let_in_again(self) -> None:
        for name, person in self.people.items():
            if person.disabled:
                self.change(name, {"disabled": False})
                person.disabled = False
                if person.password == NONE:
                    self.a_password_is_reset(name)
        self.done("enable users")

    def change(self, name: str, body: dict[str, object]) -> None:
        assert self.as_root().patch(f"/api/admin/users/{name}", json=body).status_code == 200

    @precondition(lambda self: self.living(api=False))
    @rule(number=which)
    def a_session_is_ended(self, number: int) -> None:
        token = self.one_of(number, self.living(api=False))
        assert self.as_root().delete(f"/api/admin/sessions/{token.session}").status_code == 200
        self.end([one for one in self.tokens if one.session == token.session], "ended")
        assert self.as_root().delete(f"/api/admin/sessions/{token.session}").status_code == 404
        self.done("end a session")

    @rule(name=people, what=st.integers(0, 3))
    def something_rare_happens(self, name: str, what: int) -> None:
        rare = (
            self.signs_in_with_a_former_password,
            self.all_sessions_are_ended,
            self.a_password_is_reset,
            self.a_user_is_erased_and_another_gets_the_name,
        )
        rare[what](name)

    def all_sessions_are_ended(self, name: str) -> None:
        assert self.as_root().delete(f"/api/admin/users/{name}/sessions").status_code == 200
        self.end(self.sessions_of(name), "all ended")
        self.done("end all sessions")

    def a_password_is_reset(self, name: str) -> None:
        link = self.as_root().post(f"/api/admin/users/{name}/reset").get_json()["link"]
        self.end(self.sessions_of(name), "password reset")
        self.chooses(name, link)
        self.done("reset a password")

    def a_user_is_erased_and_another_gets_the_name(self, name: str) -> None:
        former = self.people[name]
        assert self.as_root().delete(f"/api/admin/users/{name}").status_code == 200
        self.end([token for token in self.living() if token.person is former], "erased")
        body = {"name": name, "role": former.role, "projectIds": former.projects}
        answer = self.as_root().post("/api/admin/users", json=body)
        assert answer.status_code == 201
        self.people[name] = Person(former.role, former.projects)
        self.chooses(name, answer.get_json()["link"])
        self.done("erase a user")

    def chooses(self, name: str, link: str) -> None:
        """A password by the link, once; who is disabled cannot."""
        form, path = {"new": GOOD[0], "again": GOOD[0]}, link.removeprefix("http://localhost")
        taken = self.client().post(path, data=form)
        assert taken.status_code == (410 if self.people[name].disabled else 303)
        if self.people[name].disabled:
            self.people[name].password = NONE
        else:
            self.people[name].password = GOOD[0]
            assert self.client().post(path, data=form).status_code == 410

    @precondition(lambda self: len(self.tokens) < MOST)
    @rule(name=people, role=roles, cut=st.none() | projects, days=st.integers(1, 3))
    def a_token_is_made(self, name: str, role: Role, cut: tuple[str, ...] | None, days: int) -> None:
        person = self.people[name]
        body = {"owner": name, "name": f"t{next(self.turn)}", "role": role, "projectIds": cut, "days": days}
        answer = self.as_root().post("/api/admin/tokens", json=body)
        refused = person.disabled or ROLES.index(role) > ROLES.index(person.role)
        assert answer.status_code == (400 if refused else 201)
        if not refused:
            made = answer.get_json()
            assert made["expiresAt"] == self.clock() + days * DAY
            self.tokens.append(
                Token(made["token"], name, person, made["expiresAt"], id=made["id"], scope=role, cut=cut)
            )
        self.done("make a token")

    @precondition(lambda self: self.living(api=True))
    @rule(number=which)
    def a_token_is_revoked(self, number: int) -> None:
        token = self.one_of(number, self.living(api=True))
        assert self.as_root().delete(f"/api/admin/tokens/{token.id}").status_code == 200
        self.end([token], "revoked")
        assert self.as_root().delete(f"/api/admin/tokens/{token.id}").status_code == 404
        self.done("revoke a token")

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=st.sampled_from([0.4, 30, 61, 3600, 6 * 3600, 13 * 3600, 25 * 3600]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pass_away()
        self.done("let time pass")

    @rule(keep=st.sampled_from([True, True, False]))
    def the_key_is_rotated(self, keep: bool) -> None:
        """The new key signs, the one before goes on verifying or not; what older ones signed is worth nothing."""
        fresh = f"key {next(self.turn)} 0123456789abcdef0123456789abcdef"
        secrets = (fresh, *self.services.secrets[:keep])
        self.site.server.extensions["observatory"] = replace(self.services, secrets=secrets)
        self.root = ""
        self.end([token for token in self.living(api=False) if token.key not in secrets], "key dropped")
        self.done("rotate the key" if keep else "drop the keys")

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_dead_stay_dead_and_the_living_may_what_they_may(self) -> None:
        turn = next(self.turn)
        for place, token in enumerate(self.tokens):
            if token.death:
                self.is_refused(token, turn + place)
            else:
                self.is_served(token, turn + place)

    def is_refused(self, token: Token, turn: int) -> None:
        """By every way in when it has just died, by one after another from then on."""
        ways: list[Callable[[], TestResponse]] = [
            lambda: self.client(token).get("/api/auth/check"),
            lambda: self.client(token).get("/api/targets"),
            lambda: self.client(token, cookie=True).get("/api/targets"),
            lambda: self.client(token).post(CALLBACK, json=READ),
            lambda: self.client(token, cookie=True).post(CALLBACK, json=PRESS),
            lambda: self.client(token, cookie=True).get("/api/auth/check"),
            lambda: self.client(token).post("/api/extra"),
            lambda: self.client(token, cookie=True).get("/_dash-layout"),
            lambda: self.client(token).post("/api/auth/confirm", json={"password": token.person.password}),
            lambda: self.client(token).get("/metrics"),
            lambda: self.client(token, cookie=True).get("/things/x"),
        ]
        asked = [turn % len(ways)] if token.tried else range(len(ways))
        for way in asked:
            answer = ways[way]()
            page = way == len(ways) - 1
            assert answer.status_code == (303 if page else 401), f"a token that {token.death} got in by way {way}"
            assert not answer.headers.getlist("Set-Cookie"), "nothing is given to the dead"
        self.is_gone(token)
        token.tried = True
        self.seen.questions["dead"] += len(asked)

    def is_gone(self, token: Token) -> None:
        """For the streams that are open already: they look at the session, or the token, itself."""
        now = self.clock()
        if not token.session:
            assert api_tokens.holder(self.site.store, token.id, now=now) is None
            return
        of_session = [one for one in self.tokens if one.session == token.session]
        if all(one.death not in {"", "key dropped"} for one in of_session):  # without its key, a session is still there
            assert sessions.holder(self.site.store, token.session, now=now) is None

    def is_served(self, token: Token, turn: int) -> None:
        """As what the database says now, and never as more than its owner."""
        told = self.client(token).get("/api/auth/check")
        assert told.status_code == 200, f"{token} should live"
        user = told.get_json()["user"]
        assert (user["userId"], user["permissions"]) == (token.name, list(permissions(token.role)))
        assert user["projectIds"] == list(token.projects)
        assert set(user["permissions"]) <= set(permissions(token.person.role))
        match turn % 4:
            case 0:
                allowed = 200 if token.role is Role.ADMIN else 403
                assert self.client(token).post("/api/extra").status_code == allowed
            case 1:
                allowed = 403 if token.role is Role.VIEWER else 200
                assert self.client(token).post(CALLBACK, json=PRESS).status_code == allowed
            case 2:
                shown = self.client(token).get("/api/targets").get_json()["targets"]
                assert {one["name"] for one in shown} == token.visible
            case _:
                assert self.client(token).post(CALLBACK, json=READ).status_code == 200
        self.seen.questions["living"] += 2


@pytest.fixture
def seen(capsys: pytest.CaptureFixture[str]) -> Iterator[Seen]:
    found = Seen()
    yield found
    with capsys.disabled():
        print(f"\n{found.examples} examples, {found.steps.total()} steps, {found.questions.total()} questions")
        for what in (found.steps, found.deaths, found.questions):
            print("  " + ", ".join(f"{name}: {count}" for name, count in what.most_common()))


@pytest.mark.timeout(1200)
def test_a_dead_token_never_works_again(static_cache: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )  # it signs in often
    full = os.environ.get("TEST_SIZE") == "full"
    steps = settings(
        max_examples=400 if full else 40,
        stateful_step_count=40,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(lambda: Life(static_cache, seen), settings=steps)

    assert seen.examples >= 40
    assert seen.steps.total() >= 1000
    assert seen.steps["renew"] >= 20
    assert set(seen.deaths) == DEATHS


def test_the_numbers_of_the_erased_are_not_given_again(store: Store) -> None:
    """Limits, the audit log and open streams know a token by its number, and the log a person."""

    def record(event: str, **what: Any) -> AuditRecord:
        return audit.entry(event, Subject(user=1, name="ada"), at=NOON, **what)

    desk = Administration(store, "secret", "http://here", lambda: NOON, record)
    desk.add("ada", GOOD[0], Role.ADMIN, production=False)
    desk.add("mira", GOOD[0], Role.VIEWER, production=False)
    mira, token = desk.known("mira").id, desk.make_token("mira", "export", Role.VIEWER, days=1)
    did = audit.entry("auth.logout", Subject(mira, "mira"), at=NOON)
    with store.write() as connection:
        audit_store.record(connection, did)

    desk.erase("mira")
    desk.add("ines", GOOD[0], Role.VIEWER, production=False)

    assert desk.known("ines").id > mira
    assert desk.make_token("ines", "export", Role.VIEWER, days=1).id > token.id
