"""Live: one thread a process follows the store and tells every open browser what is new over one stream each.

A stream hastens; it is never the only way. A message that is lost costs a moment of age: the page's base beat asks again.
"""

import threading
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
PUBLICATIONS = 4  # at most this many messages a second reach a browser
BEAT_SECONDS = 5.0  # a sign of life, and the session is looked at again
SERIES_LIMIT = 500

logger = log.get(__name__)
blueprint = Blueprint("realtime", __name__)


@dataclass(eq=False)
class Listener:
    """One open stream: what it wants, and what waits to be sent."""

    series: frozenset[int]
    waiting: deque[bytes] = field(default_factory=deque)
    ready: threading.Event = field(default_factory=threading.Event)

    def put(self, message: bytes) -> None:
        self.waiting.append(message)
        self.ready.set()


class Hub:
    """Follows the store in a thread of its own and hands each listener what it asked for."""

    def __init__(self, store: Store, clock: Callable[[], Instant]) -> None:
        self.store, self.clock = store, clock
        self.listeners: set[Listener] = set()
        self.lock = threading.Lock()
        self.closing = False  # set from a signal handler: no lock is taken there
        self.down_since: Instant | None = None
        self.position = Position("", 0)
        self.published: deque[Instant] = deque(maxlen=PUBLICATIONS)
        self.thread: threading.Thread | None = None

    def join(self, series: frozenset[int]) -> Listener:
        listener = Listener(series)
        with self.lock:
            if self.thread is None:  # here and not at import: threads do not survive the fork of a worker
                self.position = topics.position(self.store)
                self.thread = threading.Thread(target=self.follow, name="tail", daemon=True)
                self.thread.start()
            self.listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        with self.lock:
            self.listeners.discard(listener)

    def follow(self) -> None:
        pause = threading.Event()
        while not self.closing:
            try:
                self.look()
                self.down_since = None
            except StoreError as error:
                self.report_down(error)
            pause.wait(LOOK_SECONDS)
        self.tell(list(self.listeners), b"event: closing\ndata: {}\n\n")

    def look(self) -> None:
        """Publish what is new, unless this second's share is used up: then it waits and goes out as one."""
        with self.lock:
            anybody = bool(self.listeners)
        found = topics.position(self.store)
        if found.epoch != self.position.epoch or not anybody:
            self.position = found  # another database, or nobody to tell: there is nothing to carry on from
            return
        now = self.clock()
        spent = len(self.published) == PUBLICATIONS and now - self.published[0] < 1000
        if found.revision > self.position.revision and not spent:
            self.published.append(now)
            self.publish(self.position.revision)
            self.position = found

    def publish(self, seen: int) -> None:
        appended = scrapes.since(self.store, seen)
        changed = sorted(topics.touched_since(self.store, seen))
        points: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for scrape in appended:
            columns = (scrape.points[name].tolist() for name in ("series", "at", "value"))
            for series, at, value in zip(*columns, strict=True):
                points[series].append((at, value))
        groups: dict[frozenset[int], list[Listener]] = defaultdict(list)
        with self.lock:
            for listener in self.listeners:
                groups[listener.series].append(listener)
        for wanted, group in groups.items():  # viewers of one page share one message
            mine = {str(key): points[key] for key in wanted & points.keys()}
            if mine or changed:
                self.tell(group, self.message({"points": mine, "topics": changed}))

    def message(self, content: dict[str, object]) -> bytes:
        return b"data: " + orjson.dumps({"now": self.clock(), **content}) + b"\n\n"

    def report_down(self, error: StoreError) -> None:
        if self.down_since is None:
            self.down_since = self.clock()
            logger.warning("store_down", error=str(error))
            with self.lock:
                everybody = list(self.listeners)
            self.tell(everybody, self.message({"storeDown": self.down_since}))

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
        looked = hub.clock()
        while not hub.closing:
            arrived = listener.ready.wait(BEAT_SECONDS)
            if hub.clock() - looked >= BEAT_SECONDS * 1000:
                looked = hub.clock()
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
