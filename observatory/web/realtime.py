"""Live: one thread a process follows the store and tells every open browser what is new over one stream each.

A stream hastens; it is never the only way. A lost message costs a moment of age: the page's base beat asks again.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from flask import Blueprint, Response, current_app, request, stream_with_context
from pydantic import Field

from observatory import log
from observatory.api.edge import Lenient, operation
from observatory.api.problem import problem
from observatory.context import actor, services
from observatory.errors import StoreError
from observatory.limits import key_of
from observatory.model import Actor, Instant
from observatory.store import api_tokens, samples, scrapes, sessions, targets, topics
from observatory.store.engine import Store
from observatory.store.topics import Position

LOOK_SECONDS = 0.025  # how often the store is asked for its revision
PUBLICATIONS = 4  # at most this many messages a second reach a browser, but the first ones at once
BEAT_SECONDS = 5.0  # a sign of life, and the session is looked at again
SERIES_LIMIT = 500
WAITING_LIMIT = 100  # messages for a browser that does not take them
ALL = "all"  # whose every stream is
SERIES = "series"  # the topic that says: points of a target came that you compute something from

logger = log.get(__name__)
blueprint = Blueprint("realtime", __name__)


class Caps(NamedTuple):
    """How many streams may be open at once: each holds a thread, and pages need some too."""

    all: int = 250
    session: int = 12
    address: int = 200


class Wanted(NamedTuple):
    """What a page asks to be told of: the points of series, and that something came from a target."""

    series: frozenset[int] = frozenset()
    targets: frozenset[str] = frozenset()


@dataclass(eq=False)
class Listener:
    """One open stream, and what waits to be sent on it."""

    wanted: Wanted
    of: tuple[str, ...] = ()  # whose it is: the session or token, and the address; each may have so many
    waiting: deque[bytes] = field(default_factory=deque)
    ready: threading.Event = field(default_factory=threading.Event)
    overrun: bool = False  # its browser takes nothing any more; when it comes back it asks for the whole

    def put(self, message: bytes) -> None:
        if len(self.waiting) < WAITING_LIMIT:
            self.waiting.append(message)
        else:
            self.overrun = True
        self.ready.set()


@dataclass(eq=False)
class Audience:
    """All who want the same: viewers of one page share one message, and one share of messages a second."""

    listeners: set[Listener] = field(default_factory=set)
    points: dict[int, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    topics: set[str] = field(default_factory=set)
    told: deque[Instant] = field(default_factory=lambda: deque(maxlen=PUBLICATIONS))

    def may_be_told(self, now: Instant) -> bool:
        """Whether there is something to tell and this second's share is not used up."""
        spent = len(self.told) == PUBLICATIONS and 0 <= now - self.told[0] < 1000
        return bool(self.points or self.topics) and not spent

    def news(self, now: Instant) -> dict[str, object]:
        """What has gathered; nothing is left of it here."""
        self.told.append(now)
        content: dict[str, object] = {
            "points": {str(key): found for key, found in self.points.items()},
            "topics": sorted(self.topics),
        }
        self.points.clear()
        self.topics.clear()
        return content


class Hub:
    """Follows the store in a thread of its own and hands each listener what it asked for."""

    def __init__(self, store: Store, clock: Callable[[], Instant], caps: Caps = Caps()) -> None:  # noqa: B008 — frozen
        self.store, self.clock, self.caps = store, clock, caps
        self.open: Counter[str] = Counter()  # streams by whose they are
        self.audiences: dict[Wanted, Audience] = {}
        self.looked_at = 0.0  # monotonic: a tail that stopped must not be covered up by signs of life
        self.lock = threading.Lock()  # of the audiences
        self.closing = False  # set from a signal handler: no lock is taken there
        self.down_since: Instant | None = None
        self.position = Position("", 0)
        self.thread: threading.Thread | None = None

    def join(self, wanted: Wanted, *, person: str = "", address: str = "") -> Listener | None:
        """A new listener of a person (a session or token) at an address; None when there are too many already, in all
        or of theirs."""
        listener = Listener(wanted, (ALL, person, address))
        with self.lock:
            most = zip(listener.of, self.caps, strict=True)
            if any(whose and self.open[whose] >= cap for whose, cap in most):
                return None
            self.open.update(filter(None, listener.of))
            if self.thread is None:  # here and not at import: threads do not survive the fork of a worker
                self.position = topics.position(self.store)
                self.thread = threading.Thread(target=self.follow, name="tail", daemon=True)
                self.thread.start()
            self.audiences.setdefault(wanted, Audience()).listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        with self.lock:
            audience = self.audiences.get(listener.wanted)
            if audience is not None and listener in audience.listeners:
                self.open.subtract(filter(None, listener.of))
                self.open += Counter()  # whoever has none is forgotten
                audience.listeners.discard(listener)
                if not audience.listeners:
                    del self.audiences[listener.wanted]

    def alive(self) -> bool:
        """Whether the tail has looked at the store within the last beat, or knows that the store is away."""
        return time.monotonic() - self.looked_at < BEAT_SECONDS or self.down_since is not None

    def everybody(self) -> list[Listener]:
        with self.lock:
            return [listener for audience in self.audiences.values() for listener in audience.listeners]

    def follow(self) -> None:
        pause = threading.Event()
        while not self.closing:
            try:
                self.look()
                self.looked_at = time.monotonic()
                self.report_up()
            except StoreError as error:
                self.report_down(error)
            except Exception:
                logger.exception("tail_failed")
            pause.wait(LOOK_SECONDS)
        self.tell(self.everybody(), b"event: closing\ndata: {}\n\n")

    def look(self) -> None:
        """Gather what is new, and tell each audience unless its second's share is used up: then it waits and goes
        out as one. A message that says nothing to an audience takes nothing of its share."""
        found = topics.position(self.store)
        with self.lock:
            anybody = bool(self.audiences)
        if anybody and found.epoch == self.position.epoch and found.revision > self.position.revision:
            self.gather(self.position.revision, found.revision)
        self.position = found  # with nobody to tell, or another database, there is nothing to carry on from
        self.publish()

    def gather(self, seen: int, until: int) -> None:
        appended = scrapes.since(self.store, seen, until)
        changed = topics.touched_since(self.store, seen)
        heard = {scrape.target for scrape in appended}
        points: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for scrape in appended:
            columns = (scrape.points[name].tolist() for name in ("series", "at", "value"))
            for series, at, value in zip(*columns, strict=True):
                points[series].append((at, value))
        with self.lock:
            for wanted, audience in self.audiences.items():
                audience.topics |= changed
                if wanted.targets & heard:
                    audience.topics.add(SERIES)
                for series in wanted.series & points.keys():
                    audience.points[series] += points[series]

    def publish(self) -> None:
        now = self.clock()
        with self.lock:
            due = [audience for audience in self.audiences.values() if audience.may_be_told(now)]
            told = [(list(audience.listeners), self.message(audience.news(now))) for audience in due]
        for listeners, message in told:
            self.tell(listeners, message)

    def message(self, content: dict[str, object]) -> bytes:
        return b"data: " + orjson.dumps({"now": self.clock(), **content}) + b"\n\n"

    def report_down(self, error: StoreError) -> None:
        if self.down_since is None:
            self.down_since = self.clock()
            logger.warning("store_down", error=str(error))
            self.tell(self.everybody(), self.message({"storeDown": self.down_since}))

    def report_up(self) -> None:
        """The first word after `storeDown`, even if nothing new was written: what is shown is current again."""
        if self.down_since is not None:
            self.down_since = None
            self.tell(self.everybody(), self.message({"points": {}, "topics": []}))

    @staticmethod
    def tell(listeners: Sequence[Listener], message: bytes) -> None:
        for listener in listeners:
            listener.put(message)


class StreamQuery(Lenient):
    series: str = Field("", max_length=4000, examples=["12,13"])
    target: tuple[str, ...] = ()


@blueprint.get("/api/stream")
@operation(
    "Live: what is new, as it comes",
    ("text/event-stream",),
    query=StreamQuery,
    also={503: "Too many streams are open, or the database is away."},
)
def stream(query: StreamQuery) -> Response:
    """Server-sent events: first `hello` with the newest points of the wanted series, then what is new as it comes.

    `series` are ids, separated by commas; those the caller may not see, and those past the 500th, are left out.
    `target`, which may be repeated, names targets whose every scrape is told as the topic `series`. 503 when too many
    streams are open, in all or of this session or address: the page then asks by itself.
    """
    who = actor()
    series = visible(who, series_ids(query.series))
    wanted = Wanted(series, seen_targets(who, query.target))
    hub: Hub = current_app.extensions["observatory_hub"]
    listener = hub.join(wanted, person=key_of(who), address=f"address:{request.remote_addr}")
    if listener is None:
        refused = problem(503, "Too many open streams")
        refused.headers["Retry-After"] = "15"
        return refused
    body = stream_with_context(messages(hub, listener, who))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = Response(body, mimetype="text/event-stream", headers=headers)
    response.call_on_close(lambda: hub.leave(listener))  # also when the browser left before the first word
    return response


def seen_targets(who: Actor, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in names[:10] if who.sees(targets.project_of(services().store, name)))


def series_ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",")[:SERIES_LIMIT] if part.isdecimal() and len(part) < 10]


def visible(who: Actor, ids: Sequence[int]) -> frozenset[int]:
    owners = samples.owners(services().store, ids)
    return frozenset(key for key, (own, of_target) in owners.items() if who.sees(own) and who.sees(of_target))


def messages(hub: Hub, listener: Listener, who: Actor) -> Iterator[bytes]:
    series = sorted(listener.wanted.series)
    newest = {str(key): [point] for key, point in samples.newest(hub.store, series).items()}
    yield b"retry: 1000\n" + hub.message({"hello": hub.position.epoch, "points": newest, "topics": []})
    looked = time.monotonic()
    while not hub.closing and not listener.overrun:
        # The session is looked at on its own beat, however often something arrives.
        arrived = listener.ready.wait(max(0.0, looked + BEAT_SECONDS - time.monotonic()))
        if time.monotonic() - looked >= BEAT_SECONDS:
            looked = time.monotonic()
            ending = ending_of(hub, who)
            if ending:
                yield b"event: " + ending + b"\ndata: {}\n\n"
                return
        listener.ready.clear()
        while listener.waiting:
            yield listener.waiting.popleft()
        if not arrived and hub.alive():
            yield hub.message({})


def ending_of(hub: Hub, who: Actor) -> bytes:
    """Why the stream must end: `ended` with its session, `closing` to be opened anew with other rights; else nothing.

    A database that is away ends nobody's stream.
    """
    try:
        found = present(hub, who)
    except StoreError:
        return b""
    if found is None:
        return b"ended"
    return b"" if found == who else b"closing"


def present(hub: Hub, who: Actor) -> Actor | None:
    """Who the stream is open for, as things stand now; None when the session or the token is over."""
    if who.token is not None:
        return api_tokens.holder(hub.store, who.token, now=hub.clock())
    return sessions.holder(hub.store, who.session, now=hub.clock())
