"""What the guard costs a request: CPU of finding out whose token it is, and of everything that stands before the view:
who asks, the limits, who may. In a database of many sessions that ended, many that are open, and many API tokens.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import jwt
from flask import Flask, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from sqlalchemy import insert

from bench import stand
from bench.measure import Result, Spread, cpu_each, main, scaled, spread
from observatory import config
from observatory.auth import tokens
from observatory.context import Services
from observatory.model import DAY, MINUTE, Instant, Role
from observatory.store import accounts, api_tokens, schema, sessions
from observatory.store.engine import Store, migrate, open_store
from observatory.web.application import application
from tests.support import postgres

ENDED, OPEN, TOKENS, USERS = 100_000, 10_000, 1_000, 100
TIMES, ROUNDS = 500, 7  # 3500 calls a number
TOKEN_BUDGET, GUARD_BUDGET = 0.3, 0.5  # ms
KEY = "jwt-0123456789abcdef0123456789abcdef"
BEFORE, AFTER = ("observatory.web.guard", "observatory.limits", "flask_limiter", __name__), "observatory.limits"
PEER_TOKEN, PEER_GUARD = "jwt.decode alone", "Flask with jwt.decode and Flask-Limiter in memory"
CALLBACK = {
    "output": "overview-cards.children",
    "outputs": {"id": "overview-cards", "property": "children"},
    "inputs": [{"id": "live", "property": "data", "value": {"why": "beat", "at": 1}}],
    "changedPropIds": ["live.data"],
}


class Keys(NamedTuple):
    """What callers bring: of each kind many, one after another and round again."""

    cookies: Iterator[str]
    api: Iterator[str]
    now: Instant


def run() -> Sequence[Result]:
    peers = Peers()
    found = []
    with stand.folder() as at:
        found += measured("SQLite", {"OBSERVATORY_DATA": str(at)}, peers)
        with answering_postgres() as url:
            if url:
                found += measured("PostgreSQL", {"OBSERVATORY_DATA": str(at), "DATABASE_URL": url}, peers)
    return found


@contextmanager
def answering_postgres() -> Iterator[str]:
    try:
        server = postgres.server("bench-guard")
    except postgres.NoPostgres as error:
        print(f"guard: {error}")
        yield ""
        return
    with postgres.database(server) as url:
        yield url


def measured(where: str, env: dict[str, str], peers: "Peers") -> list[Result]:
    settings = config.load({**env, "JWT_SECRET": KEY, "SESSION_SECRET": KEY[::-1]})
    prepare(settings)
    server = application(settings).server
    services: Services = server.extensions["observatory"]
    store = services.store
    keys = fill(store)
    server.extensions["observatory"] = replace(services, clock=lambda: keys.now)  # nothing comes due while we measure

    def session() -> None:
        claims = tokens.verify(next(keys.cookies), [KEY], now=keys.now)
        assert sessions.actor(store, claims.jti, now=keys.now)

    def api_token() -> None:
        assert api_tokens.actor(store, tokens.api_token_hash(next(keys.api)), now=keys.now)

    def asking(path: str, *, api: bool = False, body: Any = None) -> Callable[[], dict[str, Any]]:
        def request_of() -> dict[str, Any]:
            presented = (
                {"Authorization": f"Bearer {next(keys.api)}"} if api else {"Cookie": f"auth-token={next(keys.cookies)}"}
            )
            content = {"method": "POST", "json": body} if body is not None else {}
            return {"path": path, "headers": {**presented, "Sec-Fetch-Site": "same-origin"}, **content}

        return request_of

    for _ in range(TOKENS):
        api_token()  # the first use in a minute is written down
    whole = {
        "a read of the API": asking("/api/targets"),
        "the same with an API token": asking("/api/targets", api=True),
        "a callback of a page": asking("/_dash-update-component", body=CALLBACK),
    }
    found = [
        Result(f"{where}: token check", milliseconds(session), "ms CPU", TOKEN_BUDGET, PEER_TOKEN, peers.token),
        Result(f"{where}: API token check", milliseconds(api_token), "ms CPU", TOKEN_BUDGET),
        *(
            Result(f"{where}: whole guard, {what}", guard(server, one), "ms CPU", GUARD_BUDGET, PEER_GUARD, peers.guard)
            for what, one in whole.items()
        ),
        Result(
            f"{where}: whole guard, a command, counted in the database",
            guard(server, asking("/api/targets/nobody/probe", body={})), "ms CPU",
        ),
    ]  # fmt: skip
    store.close()
    return found


def prepare(settings: config.Settings) -> None:
    store = open_store(settings.store_url)
    migrate(store)
    store.close()


def milliseconds(act: Callable[[], object]) -> Spread:
    return scaled(cpu_each(act, times=TIMES, repeats=ROUNDS), 1000)


def guard(server: Flask, request_of: Callable[[], dict[str, Any]]) -> Spread:
    """CPU milliseconds of what stands before the view and tells of the limits after it. Making the request is not
    counted."""
    hooks = server.before_request_funcs[None]
    before = [hook for hook in hooks if (hook.__module__ or "").startswith(BEFORE)]
    after = [hook for hook in server.after_request_funcs.get(None, []) if hook.__module__ == AFTER]
    assert len(before) == (3 if after else 2), hooks

    def once() -> float:
        with server.test_request_context(environ_overrides={"REMOTE_ADDR": "127.0.0.1"}, **request_of()):
            response = server.response_class()
            began = time.process_time()
            for hook in before:
                hook()
            for tell in after:
                tell(response)
            return time.process_time() - began

    once()
    return scaled(spread([sum(once() for _ in range(TIMES)) / TIMES for _ in range(ROUNDS)]), 1000)


class Peers:
    """The plain ways, measured in this run: a token that is believed without asking anybody, and its usual limit."""

    def __init__(self) -> None:
        now = time.time_ns() // 1_000_000
        some = cycle([signed("somebody", now)[0] for _ in range(1000)])
        decode = lambda: jwt.decode(next(some), KEY, algorithms=["HS256"])  # noqa: E731
        self.token = milliseconds(decode).middle
        plain = Flask("plain")
        Limiter(get_remote_address, app=plain, default_limits=["1000000 per minute"], storage_uri="memory://")
        plain.before_request(believe)
        plain.add_url_rule("/api/targets", "targets", lambda: "")
        cookie = lambda: {"path": "/api/targets", "headers": {"Cookie": f"auth-token={next(some)}"}}  # noqa: E731
        self.guard = guard(plain, cookie).middle


def believe() -> None:
    g.claims = jwt.decode(request.cookies["auth-token"], KEY, algorithms=["HS256"])


def signed(user: str, now: Instant) -> tuple[str, tokens.Claims]:
    claims = tokens.claims_for(user, Role.OPERATOR, ("loom", "kiln", "lathe"), now=now, lifetime=86_400)
    return tokens.sign(claims, [KEY]), claims


def fill(store: Store) -> Keys:
    """Users of three projects each, with their sessions and tokens. What callers bring are all the open ones."""
    now = time.time_ns() // 1_000_000
    users = [
        accounts.create_user(store, f"u{n}", "none", Role.OPERATOR, projects=("loom", "kiln", "lathe"), now=now)
        for n in range(USERS)
    ]
    opened = [signed(f"u{n % USERS}", now) for n in range(OPEN)]
    past = [
        session_row(users[n % USERS], secrets.token_urlsafe(18), now - DAY // 2, ended=now - MINUTE)
        for n in range(ENDED)
    ]
    present = [session_row(users[n % USERS], claims.jti, claims.issued) for n, (_, claims) in enumerate(opened)]
    keys = [tokens.new_api_token() for _ in range(TOKENS)]
    made = [
        {"user_id": users[n % USERS], "name": f"t{n}", "hash": tokens.api_token_hash(key), "role": "operator",
         "created_ms": now, "expires_ms": now + 30 * DAY}
        for n, key in enumerate(keys)
    ]  # fmt: skip
    with store.write() as connection:
        for table, rows in ((schema.sessions, past + present), (schema.api_tokens, made)):
            connection.execute(insert(table), rows)
    return Keys(cycle([token for token, _ in opened]), cycle(keys), now)


def session_row(user: int, jti: str, issued: Instant, *, ended: Instant | None = None) -> dict[str, Any]:
    return {
        "jti": jti, "session": jti, "user_id": user, "issued_ms": issued, "expires_ms": issued + DAY,
        "ended_ms": ended, "confirmed_ms": issued, "address": "127.0.0.1", "user_agent": "bench",
    }  # fmt: skip


if __name__ == "__main__":
    main("guard", run)
