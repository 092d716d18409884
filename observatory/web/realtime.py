"""Live: one thread a process follows the store and tells every open browser what is new over one stream each.

A stream hastens; it is never the only way. A lost message costs a moment of age: the page's base beat asks again.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson
from flask import Blueprint, Response, current_app, request, stream_with_context

from observatory import log
from observatory.context import actor, services
from observatory.errors import StoreError
from observatory.model import Actor, Instant
from observatory.store import accounts, samples, scrapes, topics
from observatory.store.engine import Store
from observatory.store.topics import Position

LOOK_SECONDS = 0.025  # how often the store is asked for its revision
PUBLICATIONS = 4  # at most this many messages a second reach a browser, but the first ones at once
BEAT_SECONDS = 5.0  # a sign of life, and the session is looked at again
SERIES_LIMIT = 500

logger = log.get(__name__)
blueprint = Blueprint("realtime", __name__)


@dataclass(eq=False)
class Listener:
    """One open stream, and what waits to be sent on it."""

    series: frozenset[int]
    waiting: deque[bytes] = field(default_factory=deque)
    ready: threading.Event = field(default_factory=threading.Event)

    def put(self, message: bytes) -> None:
        self.waiting.append(message)
        self.ready.set()


@dataclass(eq=False)
class Audience:
    """All who want the same series: viewers of one page share one message, and one share of messages a second."""

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

    def __init__(self, store: Store, clock: Callable[[], Instant]) -> None:
        self.store, self.clock = store, clock
        self.audiences: dict[frozenset[int], Audience] = {}
        self.lock = threading.Lock()  # of the audiences
        self.closing = False  # set from a signal handler: no lock is taken there
        self.down_since: Instant | None = None
        self.position = Position("", 0)
        self.thread: threading.Thread | None = None

    def join(self, series: frozenset[int]) -> Listener:
        listener = Listener(series)
        with self.lock:
            if self.thread is None:  # here and not at import: threads do not survive the fork of a worker
                self.position = topics.position(self.store)
                self.thread = threading.Thread(target=self.follow, name="tail", daemon=True)
                self.thread.start()
            self.audiences.setdefault(series, Audience()).listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        with self.lock:
            audience = self.audiences[listener.series]
            audience.listeners.discard(listener)
            if not audience.listeners:
                del self.audiences[listener.series]

    def everybody(self) -> list[Listener]:
        with self.lock:
            return [listener for audience in self.audiences.values() for listener in audience.listeners]

    def follow(self) -> None:
        pause = threading.Event()
        while not self.closing:
            try:
                self.look()
                self.report_up()
            except StoreError as error:
                self.report_down(error)
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
        points: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for scrape in appended:
            columns = (scrape.points[name].tolist() for name in ("series", "at", "value"))
            for series, at, value in zip(*columns, strict=True):
                points[series].append((at, value))
        with self.lock:
            for wanted, audience in self.audiences.items():
                audience.topics |= changed
                for series in wanted & points.keys():
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


@blueprint.get("/api/stream")
def stream() -> Response:
    """Server-sent events: first `hello` with the newest points of the wanted series, then what is new as it comes.

    `series` are ids, separated by commas; those the caller may not see, and those past the 500th, are left out.
    """
    who = actor()
    wanted = visible(who, series_ids(request.args.get("series", "")))
    hub: Hub = current_app.extensions["observatory_hub"]
    body = stream_with_context(messages(hub, wanted, who))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(body, mimetype="text/event-stream", headers=headers)


def series_ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",")[:SERIES_LIMIT] if part.isdecimal() and len(part) < 10]


def visible(who: Actor, ids: Sequence[int]) -> frozenset[int]:
    owners = samples.owners(services().store, ids)
    return frozenset(key for key, (own, of_target) in owners.items() if who.sees(own) and who.sees(of_target))


def messages(hub: Hub, wanted: frozenset[int], who: Actor) -> Iterator[bytes]:
    listener = hub.join(wanted)
    try:
        newest = {str(key): [point] for key, point in samples.newest(hub.store, sorted(wanted)).items()}
        yield b"retry: 1000\n" + hub.message({"hello": hub.position.epoch, "points": newest, "topics": []})
        looked = time.monotonic()
        while not hub.closing:
            # The session is looked at on its own beat, however often something arrives.
            arrived = listener.ready.wait(max(0.0, looked + BEAT_SECONDS - time.monotonic()))
            if time.monotonic() - looked >= BEAT_SECONDS:
                looked = time.monotonic()
                if not still_signed_in(hub, who):
                    yield b"event: ended\ndata: {}\n\n"
                    return
            listener.ready.clear()
            while listener.waiting:
                yield listener.waiting.popleft()
            if not arrived:
                yield hub.message({})
    finally:
        hub.leave(listener)


def still_signed_in(hub: Hub, who: Actor) -> bool:
    """Whether the session the stream was opened with still holds; a database that is away ends nobody's stream."""
    try:
        return accounts.session_actor(hub.store, who.session, now=hub.clock()) is not None
    except StoreError:
        return True
