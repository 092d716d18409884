"""How much anybody may ask: groups of requests, for whom each is counted, and where.

Flask-Limiter counts, in Redis for everything where there is one. Without it, what must hold over all processes
(signing in, commands) is counted in our database, and reads in the memory of the process. It does so between the
guard's two steps: who asks is known by then, and who tries doors meets the limit too.
"""

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter, RequestLimit
from limits import RateLimitItem, parse
from limits.storage import Storage

from observatory import audit, log
from observatory.config import DEFAULT_LIMITS
from observatory.context import actor_or_none, record, services
from observatory.errors import StoreError, Throttled, Unavailable
from observatory.model import SECOND, Actor, Instant, iso
from observatory.store import limits as counts
from observatory.store.engine import Store

SHARED = {"auth", "auth_address", "commands"}
EXEMPT = re.compile(
    r"/api/health|/healthz|/readyz|/metrics|/favicon\.ico|/_favicon\.ico|/assets/.*|/_dash-component-suites/.*"
)
SIGN_IN = {"/login", "/api/auth/login"}
GROUPS = (  # the first that fits
    ("reports", "", re.compile(r"/api/csp-reports")),
    ("ui", "", re.compile(r"/api/stream")),
    ("commands", "change", re.compile(r"/api/(targets|agents|console|terminals|mcp)(/.*)?")),
    ("commands", "change", re.compile(r"/api/projects/(scan|[^/]+/(agents|console)/.*)")),
    ("agents", "", re.compile(r"/api/(agents|projects/[^/]+/agents)(/.*)?")),
    ("telemetry", "", re.compile(r"/api/(telemetry|series|metrics|projects/[^/]+/telemetry)(/.*)?")),
    ("projects", "", re.compile(r"/api/projects(/.*)?")),
    ("global", "", re.compile(r"/api/.*")),
)
READS = {"GET", "HEAD", "OPTIONS"}
NEAR = 5  # near is, when less than one in so many is left
REMEMBERED = 1000

logger = log.get(__name__)


class Limit(NamedTuple):
    """What a request is counted by."""

    group: str
    who: str  # the key: a session, a token or an address
    allowed: str  # as Flask-Limiter reads it


class Told(NamedTuple):
    """What the caller is told in the headers."""

    allowed: int
    remaining: int
    reset: float  # seconds since 1970


class Counts(Storage):
    """A storage of the `limits` package on our database for the groups in SHARED, in memory for all others."""

    STORAGE_SCHEME = ["observatory"]  # noqa: RUF012 — as the base class has it

    def __init__(self, uri: str, *, store: Store, clock: Callable[[], Instant], **options: Any) -> None:
        super().__init__(uri, **options)
        self.store, self.clock = store, clock
        self.lock = threading.Lock()
        self.here: OrderedDict[str, tuple[int, Instant]] = OrderedDict()  # by the end of the window, roughly

    @property
    def base_exceptions(self) -> type[Exception]:
        return StoreError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self.clock()
        if is_shared(key):
            return counts.count(self.store, key, amount, now=now, expires=now + expiry * SECOND)
        with self.lock:
            count, until = self.here.get(key, (0, 0))
            if until <= now:
                count, until = 0, now + expiry * SECOND
                self.drop_over(now)
            self.here[key] = (count + amount, until)
        return count + amount

    def drop_over(self, now: Instant) -> None:
        """Called with the lock, whenever a window begins: the oldest few that are over go."""
        for key in [key for key, _ in zip(self.here, range(4), strict=False)]:
            if self.here[key][1] <= now:
                del self.here[key]

    def window(self, key: str) -> tuple[int, Instant]:
        now = self.clock()
        if is_shared(key):
            return counts.window(self.store, key, now=now)
        count, until = self.here.get(key, (0, 0))
        return (count, until) if until > now else (0, now)

    def get(self, key: str) -> int:
        return self.window(key)[0]

    def get_expiry(self, key: str) -> float:
        return self.window(key)[1] / SECOND

    def check(self) -> bool:
        return self.window("LIMITER/auth")[0] >= 0

    def reset(self) -> int:
        with self.lock:
            gone = len(self.here)
            self.here.clear()
        return gone + counts.clear(self.store)

    def clear(self, key: str) -> None:
        with self.lock:
            self.here.pop(key, None)
        if is_shared(key):
            counts.clear(self.store, key)


def is_shared(key: str) -> bool:
    """Whether the windows of a key, `LIMITER/<who>/<group>/…`, count for all processes."""
    return key.rsplit("/", 4)[-4] in SHARED if key.count("/") >= 4 else True


@dataclass(eq=False)
class Limits:
    """The limits of this process: Flask-Limiter, and who was noted already."""

    limiter: Limiter
    allowed: Mapping[str, str]
    its_own_way: Callable[[], Any]  # Flask-Limiter's through a request
    noted: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)
    turned_away: OrderedDict[tuple[str, str], list[float]] = field(default_factory=OrderedDict)

    @property
    def away(self) -> bool:
        """Whether the store of the counts failed, so that Flask-Limiter counts in memory until it is back."""
        return self.limiter.limiter.storage is not self.limiter.storage


def install(server: Flask) -> None:
    """Make the limits of the services that the server was made with. They look at each request after the guard knows
    who asks, and before it says who may."""
    here = server.extensions["observatory"]
    options: dict[str, Any] = {"store": here.store, "clock": here.clock}
    if here.limits_url:
        options = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    limiter = Limiter(
        key_func=lambda: g.limit.who,
        application_limits=[
            ApplicationLimit(
                limit_provider=lambda: g.limit.allowed if g.get("limit") else "", scope=lambda _: g.limit.group
            )
        ],
        storage_uri=here.limits_url or "observatory://",
        storage_options=options,
        strategy="fixed-window",
        headers_enabled=False,  # ours tell the end of the window as the contract does
        in_memory_fallback_enabled=True,  # the store is away: reads are counted here until it is back
        request_identifier=lambda: request.endpoint or "nowhere",
        on_breach=exceeded,
    )
    limiter.init_app(server)
    its_own_way = server.before_request_funcs[None].pop()
    server.before_request(count)
    server.extensions["observatory_limits"] = Limits(limiter, {**DEFAULT_LIMITS, **here.limits}, its_own_way)
    server.after_request(tell)


def limits() -> Limits:
    return cast(Limits, current_app.extensions["observatory_limits"])


def prepare(*, command: bool) -> None:
    """Say by what this request is counted. The guard calls it as soon as it knows who asks; whether it is a command
    that a page sends, only the guard can tell."""
    found = limit_of(request.method, request.path)
    g.limit = Limit("commands", found.who, limits().allowed["commands"]) if found and command else found


def count() -> None:
    """Count the request by Flask-Limiter's strategy and storage. Its own way through a request finds out anew each time
    what applies, which costs more than asking the database who it is; it is left for when the storage is away.
    Raises Throttled, RateLimitExceeded."""
    found, here = g.limit, limits()
    if found is None:
        return
    if here.away:
        here.its_own_way()
        return
    item = parsed(found.allowed)
    try:
        within = here.limiter.limiter.hit(item, found.who, found.group)
        told = window(item, found)
    except here.limiter.storage.base_exceptions:
        here.its_own_way()  # meets the same, and counts in memory from then on
        return
    if not within:
        raise turn_away(found, told)
    g.limit_told = told
    note_near(found, told)


def require_counted() -> None:
    """Raise Unavailable for a command that could not be counted for all processes; reads pass."""
    found: Limit | None = g.limit
    if found is not None and found.group in SHARED and limits().away:
        raise Unavailable("Requests cannot be counted right now, so nothing was sent. Try again in a moment.")


def limit_of(method: str, path: str) -> Limit | None:
    """The group that counts a request, and for whom. None when it is not counted here."""
    group, who = group_of(method, path), actor_or_none()
    if not group:
        return None
    if who is None and group not in {"ui", "reports"}:
        group = "anonymous"
    return Limit(group, key_of(who), limits().allowed[group])


@lru_cache(256)
def group_of(method: str, path: str) -> str:
    """The group of a request by somebody who is known; "" for what is not counted here."""
    if EXEMPT.fullmatch(path) or (path in SIGN_IN and method not in READS):
        return ""
    kind = "read" if method in READS else "change"
    return next((name for name, of, pattern in GROUPS if of in {"", kind} and pattern.fullmatch(path)), "ui")


def key_of(who: Actor | None) -> str:
    if who is None:
        return f"address:{request.remote_addr}"
    return f"session:{who.session}" if who.token is None else f"token:{who.token}"


# ── signing in: what fails counts ────────────────────────────────────────────────────────────────────────────────────

parsed = cache(parse)
Attempt: TypeAlias = "list[tuple[RateLimitItem, Limit]]"


def count_attempt(name: str) -> Attempt:
    """Count an attempt to sign in before it is looked at, so that many at once are no way around; `give_back` undoes
    it when the password was right. Raises Throttled, and Unavailable when it cannot be counted."""
    here, address = limits(), f"address:{request.remote_addr}"
    wanted = (
        Limit("auth_address", address, here.allowed["auth_address"]),
        Limit("auth", f"{address} name:{name.lower()}", here.allowed["auth"]),
    )
    counted: Attempt = []
    with counting(here):
        for limit in wanted:
            item = parsed(limit.allowed)
            if not here.limiter.limiter.hit(item, limit.who, limit.group):
                give_back(counted)  # it is not looked at: only the limit that was met has counted it
                raise turn_away(limit, window(item, limit))
            counted.append((item, limit))
        g.limit_told = min((window(*one) for one in counted), key=lambda told: told.remaining)
    return counted


def give_back(attempt: Attempt) -> None:
    """The attempt was no failure."""
    with counting(limits()):
        for item, limit in attempt:
            limits().limiter.storage.incr(item.key_for(limit.who, limit.group), item.get_expiry(), -1)


def window(item: RateLimitItem, limit: Limit) -> Told:
    stats = limits().limiter.limiter.get_window_stats(item, limit.who, limit.group)
    return Told(item.amount, stats.remaining, stats.reset_time)


@contextmanager
def counting(here: Limits) -> Iterator[None]:
    """What is counted for all processes or not at all. Raises Unavailable when the store of the counts is away."""
    away = Unavailable("Nobody can sign in right now: attempts cannot be counted. Try again in a moment.")
    if here.away:
        raise away
    try:
        yield
    except here.limiter.storage.base_exceptions as error:
        logger.warning("limits_store_down", error=str(error))
        raise away from error


# ── who met a limit, or came near ────────────────────────────────────────────────────────────────────────────────────


def exceeded(breached: RequestLimit) -> None:
    """Flask-Limiter found the request over its limit, and raises RateLimitExceeded after this."""
    g.throttled = turn_away(g.limit, Told(breached.limit.amount, 0, breached.window.reset_time))


def turn_away(limit: Limit, told: Told) -> Throttled:
    """Note it, and what to raise. A caller who goes on and on is written down once a second, with the number."""
    g.limit_told = told
    here, now = limits(), services().clock()
    waiting = here.turned_away.setdefault((limit.group, limit.who), [0, 0.0])
    waiting[0] += 1
    if time.monotonic() - waiting[1] >= 1:
        number, waiting[:] = int(waiting[0]), [0, time.monotonic()]
        trim(here.turned_away)
        details = {"group": limit.group, "limit": limit.allowed}
        audit.note(services().store, record("rate_limit.exceeded", reason=limit.group, details=details, times=number))
        mark(limit, met=number, allowed=told.allowed, now=now)
    return Throttled(limit.group, max(1, math.ceil(told.reset - now / SECOND)))


def note_near(limit: Limit, told: Told) -> None:
    """Note, once a window, that four fifths are used."""
    here, key = limits(), (limit.group, limit.who)
    if told.remaining * NEAR <= told.allowed and here.noted.get(key) != told.reset:
        here.noted[key] = told.reset
        trim(here.noted)
        mark(limit, met=0, allowed=told.allowed, now=services().clock())


def trim(kept: "OrderedDict[tuple[str, str], Any]") -> None:
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def mark(limit: Limit, *, met: int, allowed: int, now: Instant) -> None:
    try:
        counts.mark(services().store, limit.group, label(limit), met=met, allowed=allowed, now=now)
    except StoreError as error:
        logger.warning("limit_mark_not_written", group=limit.group, error=str(error))


def label(limit: Limit) -> str:
    """How an administrator knows who it was."""
    who = actor_or_none()
    if who is None:
        return limit.who.replace("address:", "").replace(" name:", " as ")
    return who.name if who.token is None else f"{who.name}, by token {who.token}"


def tell(response: Response) -> Response:
    """The contract's headers on every limited answer."""
    told: Told | None = g.get("limit_told")
    now = limits().limiter.current_limit if told is None else None
    if now is not None and not now.breached:
        try:
            stats = now.window
            told = Told(now.limit.amount, stats.remaining, stats.reset_time)
            note_near(g.limit, told)
        except limits().limiter.storage.base_exceptions as error:
            logger.warning("limits_store_down", error=str(error))
    if told is not None:
        headers = response.headers
        headers["X-RateLimit-Limit"] = str(told.allowed)
        headers["X-RateLimit-Remaining"] = str(max(0, told.remaining))
        headers["X-RateLimit-Reset"] = iso(round(told.reset * SECOND))
        headers["Access-Control-Expose-Headers"] = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
    return response
