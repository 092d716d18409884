"""The collector: reads every target on its interval, writes what came, and keeps the lease while it does."""

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from observatory import log
from observatory.clients.addresses import rule_of
from observatory.clients.resolver import SYSTEM, Resolve
from observatory.collector.broadcast import Broadcasts
from observatory.collector.circuit import Circuit
from observatory.collector.scrape import Reader, open_reader
from observatory.collector.stream import BridgeStream
from observatory.errors import StoreError, StoreRefused
from observatory.model import Event, Instant, Kind, Level, Scrape, Target
from observatory.store import audit, chunks, events, leases, probes, runs, targets
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from observatory.store.streams import StreamNotes

LEASE = "collector"
LEASE_SECONDS = 10.0  # after a kill another collector is at work within 15 s
RENEW_SECONDS = 3.0
LIST_SECONDS = 30.0  # discovery's own beat
TIDY_SECONDS = 15.0
PROBE_SECONDS = 0.5
BROADCAST_SECONDS = 30.0
STREAM_SECONDS = 1.0
FOLLOW_SECONDS = 0.5  # what somebody adds or pauses holds within a second
REST_SECONDS = targets.REST_MS / 1000
READERS = 64  # threads, made when needed: a target that hangs keeps one, and no other waits for it
BUFFER = 20_000  # scrapes kept while the database is away
BEHIND = 200  # readings that wait: from here on streams gather further

logger = log.get(__name__)


def ticks() -> int:
    """Milliseconds that only ever go on."""
    return time.monotonic_ns() // 1_000_000


@dataclass(order=True)
class Due:
    """A place in the schedule. It is kept in ticks: setting the clock of the machine moves nothing."""

    at: int
    order: int
    watched: "Watched" = field(compare=False)
    turn: int = field(compare=False)


@dataclass(eq=False)
class Watched:
    """A target being watched, with what reading it needs and has shown."""

    target: Target
    reader: Reader
    stream: BridgeStream | None = None
    circuit: Circuit = field(init=False)
    dropped: bool = False
    turn: int = 0  # counts its places in the schedule: only the last one holds
    under_way: bool = False
    projects_under_way: bool = False

    def __post_init__(self) -> None:
        self.circuit = Circuit(self.target.interval, ticks)

    def told(self, project: str) -> bool:
        """Whether the Bridge's stream tells of a project."""
        return self.stream is not None and self.stream.tells_of(project)


class Writer(threading.Thread):
    """The one thread that writes. What cannot be written waits in a bounded buffer, the oldest going first."""

    def __init__(self, store: Store, clock: Callable[[], Instant] | None = None) -> None:
        super().__init__(name="writer", daemon=True)
        self.recorder = Recorder(store, clock)
        self.waiting: queue.Queue[Sequence[Scrape] | None] = queue.Queue(BUFFER)
        self.ending = threading.Event()
        self.lost = 0

    def put(self, read: Sequence[Scrape] | None) -> None:
        while True:
            try:
                self.waiting.put_nowait(read)
                return
            except queue.Full:
                self.drop_oldest()

    def keeps_up(self) -> bool:
        return self.waiting.qsize() < BEHIND

    def drop_oldest(self) -> None:
        try:
            self.lost += len(self.waiting.get_nowait() or ())
        except queue.Empty:
            return
        logger.warning("scrapes_lost", lost=self.lost)

    def close(self) -> None:
        """Write what is left and end. While the database is away that is one more try."""
        self.put(None)
        self.ending.set()
        self.join(timeout=10)

    def run(self) -> None:
        open_for_more = True
        while open_for_more:
            batch, open_for_more = self.next_batch()
            self.write(batch)

    def next_batch(self) -> tuple[list[Scrape], bool]:
        """Wait for one reading and take what stands behind it, too."""
        first = self.waiting.get()
        if first is None:
            return [], False
        batch = list(first)
        while len(batch) < 200:
            try:
                more = self.waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, False
            batch += more
        return batch, True

    def write(self, batch: list[Scrape]) -> None:
        """Write until it is written. What can never be written goes, and takes nothing else with it."""
        wait = 0.1
        while batch:
            try:
                self.recorder.append(batch)
                return
            except StoreRefused as error:
                self.write_one_by_one(batch, error)
                return
            except StoreError as error:
                logger.warning("store_down", error=str(error), waiting=self.waiting.qsize())
                if self.ending.is_set():
                    self.lost += len(batch)
                    logger.warning("scrapes_lost", lost=self.lost)
                    return
                self.ending.wait(wait)
                wait = min(wait * 2, 5.0)
            except Exception as error:
                self.write_one_by_one(batch, error)
                return

    def write_one_by_one(self, batch: list[Scrape], why: Exception) -> None:
        if len(batch) > 1:
            for scrape in batch:
                self.write([scrape])
            return
        self.lost += 1
        logger.error("scrape_refused", target=batch[0].target, lost=self.lost, exc_info=why)


class Collector:
    """Watches the targets that `wanted` names for as long as it holds the lease.

    `news` says, often and at once, whether `wanted` may answer otherwise than before; `explore` may take its time to
    find out more.
    """

    def __init__(
        self,
        store: Store,
        wanted: Callable[[], Sequence[Target]],
        *,
        clock: Callable[[], Instant],
        holder: str,
        keep: chunks.Keep,
        news: Callable[[], bool] = lambda: False,
        explore: Callable[[], None] = lambda: None,
        audit_retention: float = 90 * 86400.0,
        telemetry: bool = True,
        private_targets: bool = False,
        resolve: Resolve = SYSTEM,
        shared_state: Path | None = None,
    ) -> None:
        self.store, self.wanted, self.clock, self.holder = store, wanted, clock, holder
        self.news, self.explore = news, explore
        self.keep, self.audit_retention, self.telemetry = keep, audit_retention, telemetry
        self.private_targets, self.resolve = private_targets, resolve
        self.broadcasts = None if shared_state is None else Broadcasts(store, shared_state, clock)
        self.stopping = threading.Event()
        self.lost_lease = threading.Event()
        self.over = threading.Event()  # either of the two
        self.started = False
        self.watched: dict[str, Watched] = {}
        self.schedule: list[Due] = []
        self.changed = threading.Condition()
        self.bringing_in_line = threading.Lock()
        self.order = itertools.count()
        self.writer = Writer(store, clock)
        self.streams = StreamNotes(store)

    def run(self, beside: Callable[["Collector"], None] | None = None) -> None:
        """Wait for the lease, then work until `stop`. `beside` runs in a thread of its own each time we get it."""
        while not self.stopping.is_set():
            if self.hold():
                self.work(beside)
            self.stopping.wait(1.0)

    def stop(self) -> None:
        self.stopping.set()
        self.over.set()
        with self.changed:
            self.changed.notify_all()

    def hold(self) -> bool:
        """Take or keep the lease. A database that does not answer leaves it with whoever has it."""
        try:
            return leases.take(self.store, LEASE, self.holder, self.clock(), LEASE_SECONDS) is not None
        except StoreError as error:
            logger.warning("lease_not_taken", error=str(error))
            return False

    def work(self, beside: Callable[["Collector"], None] | None) -> None:
        logger.info("collector_started", holder=self.holder)
        self.lost_lease, self.over, self.started = threading.Event(), threading.Event(), False
        if self.stopping.is_set():  # just now, and for the event before
            self.over.set()
        self.writer = Writer(self.store, self.clock)
        self.writer.start()
        self.streams = StreamNotes(self.store)
        beats = [
            threading.Thread(target=self.every, args=(seconds, beat), name=beat.__name__, daemon=True)
            for beat, seconds in (
                (self.renew, RENEW_SECONDS),
                (self.refresh, LIST_SECONDS),
                (self.tidy, TIDY_SECONDS),
                (self.answer_probes, PROBE_SECONDS),
                (self.look_at_broadcast, BROADCAST_SECONDS),
                (self.follow, FOLLOW_SECONDS),
                (self.rest, REST_SECONDS),
                (self.note_streams, STREAM_SECONDS),
            )
        ]
        beats[0].start()  # probing for targets may take longer than the lease
        self.refresh()
        self.tell_start()
        self.look_at_broadcast()
        pool = ThreadPoolExecutor(READERS, "reader")
        self.started = True
        self.start(list(self.watched.values()))
        for thread in beats[1:]:
            thread.start()
        if beside is not None:
            threading.Thread(target=beside, args=(self,), name="beside", daemon=True).start()
        self.dispatch(pool)
        for watched in list(self.watched.values()):  # before the pool: what hangs is let go
            self.drop(watched)
        for watched in list(self.watched.values()):  # what they still have to tell is written
            if watched.stream is not None:
                watched.stream.join(timeout=3)
        pool.shutdown(cancel_futures=True)
        for thread in beats:  # before the end: it would not notice what they still begin
            thread.join(timeout=5)
        self.end()

    def tell_start(self) -> None:
        try:
            events.add(self.store, Event(self.clock(), "collector.started", Level.INFO, "The collector started."))
        except StoreError as error:
            logger.warning("event_not_stored", error=str(error))

    def working(self) -> bool:
        return not self.stopping.is_set() and not self.lost_lease.is_set()

    def every(self, seconds: float, beat: Callable[[], None]) -> None:
        over = self.over  # ours: the next time we get the lease there is another one, and other beats
        while not over.wait(seconds):
            try:
                beat()
            except Exception:
                logger.exception("beat_failed", beat=beat.__name__)

    def renew(self) -> None:
        try:
            held = leases.take(self.store, LEASE, self.holder, self.clock(), LEASE_SECONDS) is not None
        except StoreError as error:
            logger.warning("lease_not_renewed", error=str(error))
            return  # whoever else could take it needs the same database
        if not held:
            logger.warning("lease_lost", holder=self.holder)
            self.lost_lease.set()
            self.over.set()
            with self.changed:
                self.changed.notify_all()

    def tidy(self) -> None:
        """Pack up old hours and days in small bites, and forget what is past its retention."""
        try:
            while self.working() and chunks.compact(self.store, self.clock()):
                self.stopping.wait(0.02)
            while self.working() and chunks.forget(self.store, self.clock(), self.keep):
                self.stopping.wait(0.02)
            targets.forget(self.store, self.clock() - self.keep.raw)
            audit.retain(self.store, self.clock() - round(self.audit_retention * 1000))
        except StoreError as error:
            logger.warning("compaction_failed", error=str(error))

    def look_at_broadcast(self) -> None:
        try:
            if self.broadcasts is not None:
                self.broadcasts.look()
        except StoreError as error:
            logger.warning("broadcast_not_stored", error=str(error))

    def answer_probes(self) -> None:
        """Read at once what somebody asked for; a reading under way is an answer already."""
        try:
            names = probes.take(self.store) if probes.waiting(self.store) else []
        except StoreError as error:
            logger.warning("probes_not_taken", error=str(error))
            return
        for name in names:
            watched = self.watched.get(name)
            if watched is not None and not watched.under_way:
                self.put(watched, ticks())

    def refresh(self) -> None:
        """Find out what there is to watch, and watch that."""
        try:
            self.explore()
        except StoreError as error:
            logger.warning("targets_not_explored", error=str(error))
        self.bring_in_line()

    def follow(self) -> None:
        """Watch what somebody has just said is to be watched."""
        try:
            if not self.news():
                return
        except StoreError as error:
            logger.warning("targets_not_followed", error=str(error))
            return
        self.bring_in_line()

    def rest(self) -> None:
        """Note that what is paused is not asked: otherwise it would look as if we had been away."""
        try:
            runs.rest(self.store, self.clock(), targets.REST_MS)
        except StoreError as error:
            logger.warning("pauses_not_noted", error=str(error))

    def bring_in_line(self) -> None:
        """Bring the watched targets in line with the wanted ones."""
        with self.bringing_in_line:
            try:
                wanted = {target.name: target for target in self.wanted()}
                targets.replace(self.store, list(wanted.values()), self.clock())
            except StoreError as error:
                logger.warning("targets_not_stored", error=str(error))
                return
            kept = {name for name, watched in self.watched.items() if wanted.get(name) == watched.target}
            for name in set(self.watched) - kept:
                self.drop(self.watched.pop(name))
            if not self.working():
                return
            fresh = [
                Watched(target, self.reader(target))
                for name, target in wanted.items()
                if name not in self.watched and not target.paused
            ]
            self.watched |= {watched.target.name: watched for watched in fresh}
            if self.started:
                self.start(fresh)

    def reader(self, target: Target) -> Reader:
        rule = rule_of(target, private=self.private_targets)
        return open_reader(target, clock=self.clock, telemetry=self.telemetry, rule=rule, resolve=self.resolve)

    def stream(self, target: Target) -> BridgeStream:
        rule = rule_of(target, private=self.private_targets)
        writer = self.writer
        return BridgeStream(
            target, emit=writer.put, ready=writer.keeps_up, clock=self.clock, rule=rule, resolve=self.resolve
        )

    def start(self, fresh: Sequence[Watched]) -> None:
        """Put targets into the schedule, a few milliseconds apart so that many do not start as one."""
        for place, item in enumerate(fresh):
            if item.target.kind is Kind.BRIDGE and item.target.ws_url:
                item.stream = self.stream(item.target)
                item.stream.start()
            self.put(item, ticks() + place * 5)

    def put(self, watched: Watched, at: int) -> None:
        with self.changed:
            watched.turn += 1
            heapq.heappush(self.schedule, Due(at, next(self.order), watched, watched.turn))
            self.changed.notify()

    def drop(self, watched: Watched) -> None:
        watched.dropped = True
        if watched.stream is not None:
            watched.stream.stop()
        watched.reader.close()

    def dispatch(self, pool: ThreadPoolExecutor) -> None:
        """Hand out what is due, until there is no more work for us."""
        while self.working():
            with self.changed:
                wait = (self.schedule[0].at - ticks()) / 1000 if self.schedule else 1.0
                if wait > 0:
                    self.changed.wait(min(wait, 1.0))
                    continue
                due = heapq.heappop(self.schedule)
                if due.watched.dropped or due.turn != due.watched.turn:
                    continue
                due.watched.under_way = True
            pool.submit(self.read, due.watched, due.at)

    def read(self, watched: Watched, due: int) -> None:
        """One reading of one target, its next place in the schedule, and then its projects."""
        wait, projects = watched.target.interval, None
        try:
            own, projects = watched.reader.begin(told=watched.told)
            if watched.dropped:
                return  # its session was closed under it: that is no failure of the target's
            self.note(watched, own)
            wait = watched.circuit.wait()
            self.writer.put([replace(own, holds=max(wait, own.interval))])
        except Exception:
            logger.exception("read_failed", target=watched.target.name)
        watched.under_way = False
        if not watched.dropped and self.working():
            # The next beat of the target's own rhythm, never a burst to catch up.
            self.put(watched, max(due + round(wait * 1000), ticks() + 1))
        if projects is not None and not watched.projects_under_way and not watched.circuit.holds_projects():
            self.read_projects(watched, projects, wait)
        if not watched.dropped:
            self.read_context(watched)

    def read_projects(self, watched: Watched, projects: Callable[[], Sequence[Scrape]], wait: float) -> None:
        """The target does not wait for its projects; while they take longer than its beat, they miss a turn."""
        watched.projects_under_way = True
        try:
            read = projects()
            watched.circuit.note_projects(read)
            self.writer.put([replace(s, holds=max(wait, s.interval, s.retry_after or 0.0)) for s in read])
        except Exception:
            logger.exception("read_failed", target=watched.target.name)
        finally:
            watched.projects_under_way = False

    def read_context(self, watched: Watched) -> None:
        try:
            told = watched.reader.read_context()
        except Exception:
            logger.exception("read_failed", target=watched.target.name)
            return
        if told is not None and not watched.dropped:
            self.writer.put([told])

    def note(self, watched: Watched, own: Scrape) -> None:
        before = watched.circuit.cause
        watched.circuit.note(own)
        cause, wait = watched.circuit.cause, watched.circuit.wait()
        if cause is not before:
            logger.info("circuit_opened" if cause else "circuit_closed", target=own.target, cause=cause, wait=wait)
        if watched.stream is not None and own.projects is not None:
            watched.stream.projects(own.projects)

    def note_streams(self) -> None:
        """Keep in the store how the streams are, as far as that is news."""
        found = {name: w.stream.status() for name, w in list(self.watched.items()) if w.stream is not None}
        try:
            self.streams.note({name: status for name, status in found.items() if status is not None}, self.clock())
        except StoreError as error:
            logger.warning("streams_not_stored", error=str(error))

    def end(self) -> None:
        for watched in self.watched.values():
            self.drop(watched)
        self.watched.clear()
        self.schedule.clear()
        self.writer.close()
        if not self.lost_lease.is_set():
            try:
                leases.release(self.store, LEASE, self.holder, self.clock())
            except StoreError as error:
                logger.warning("lease_not_released", error=str(error))
        logger.info("collector_stopped", holder=self.holder)


def backfill(
    writer: Writer,
    wanted: Sequence[Target],
    *,
    set_clock: Callable[[Instant], None],
    steps: Sequence[Instant],
    elapsed: Callable[[], float],
) -> None:
    """Read `wanted` once a step with the services' clock set to it, as if we had been there.

    `elapsed` is a monotonic clock in seconds: durations are the true ones of these readings.
    """
    if len(steps) < 2:
        return
    step = (steps[1] - steps[0]) / 1000
    base, since = steps[0], elapsed()

    def clock() -> Instant:
        return base + round((elapsed() - since) * 1000)

    readers = [open_reader(replace(target, interval=step), clock=clock) for target in wanted]
    for at in steps:
        set_clock(at)
        base, since = at, elapsed()
        for reader in readers:
            writer.put(reader.read())
    for reader in readers:
        reader.close()
