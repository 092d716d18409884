"""The front door: everything that was read comes in through `Recorder.append`, and is told on by `since`."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from observatory.freshness import LATE_INTERVALS
from observatory.model import Cause, Event, Instant, Labels, Level, Scrape, title
from observatory.store import agents, contexts, events, runs
from observatory.store.engine import Store
from observatory.store.points import Points, newest, pack, unpack
from observatory.store.schema import readings, scrapes, series, targets
from observatory.store.sql import AnyRow, insert_new, upsert
from observatory.store.targets import mark_simulated
from observatory.store.topics import AGENTS, EVENTS, PROJECTS, TARGETS, raise_revision, touch

SeriesKey = tuple[int, str, str, Labels]
KNOWN = select(readings).where(
    readings.c.target_id == bindparam("in_target"), readings.c.project == bindparam("in_project")
)
READING = [column.name for column in readings.c if not column.primary_key]
GONE = select(targets.c.id).where(targets.c.gone_ms.is_not(None))
FORGOTTEN_MS = 86_400_000  # a series silent this long leaves the latest values

WORDS = {
    Cause.UNREACHABLE: "cannot be reached",
    Cause.TIMEOUT: "does not answer in time",
    Cause.HTTP_ERROR: "answers with an error",
    Cause.REJECTED: "refuses us",
    Cause.THROTTLED: "throttles us",
    Cause.MALFORMED: "answers something that cannot be read",
}


class Recorder:
    """The writing side of the store: one a collector, used by one thread.

    It remembers the ids of series it has met; the database decides what they are.
    """

    def __init__(self, store: Store, clock: Callable[[], Instant] | None = None) -> None:
        """With `clock`, what is known from after its time counts for nothing: it was written before it was set back."""
        self.store, self.clock = store, clock
        self.series: dict[SeriesKey, int] = {}
        self.targets: dict[str, int] = {}

    def append(self, read: Sequence[Scrape]) -> int:
        """Write scrapes in one transaction; answers the revision it got, 0 when there was nothing to write.

        A scrape whose (target, project, started) is there already is a no-op. Scrapes of unknown targets are left
        out, and of gone ones: they were removed while they were under way. Raises StoreError and then has written
        nothing.
        """
        if not read:
            return 0
        met: dict[SeriesKey, int] = {}
        with self.store.write() as connection:
            revision = raise_revision(connection)
            touched: set[str] = set()
            happened: list[Event] = []
            gone = set(connection.execute(GONE).scalars())
            for scrape in read:
                target = self.target_id(connection, scrape.target)
                if target is not None and target not in gone:
                    self.write(connection, revision, target, scrape, met, touched, happened)
            events.record(connection, happened)
            if happened:
                touched.add(EVENTS)
            touch(connection, revision, touched)
        self.series |= met  # only what was committed is remembered
        return revision

    def target_id(self, connection: Connection, name: str) -> int | None:
        if name not in self.targets:
            self.targets = {row.name: row.id for row in connection.execute(select(targets.c.name, targets.c.id))}
        return self.targets.get(name)

    def write(
        self,
        connection: Connection,
        revision: int,
        target: int,
        scrape: Scrape,
        met: dict[SeriesKey, int],
        touched: set[str],
        happened: list[Event],
    ) -> None:
        at = min(scrape.started if scrape.measured is None else scrape.measured, scrape.received)
        ids = self.series_ids(connection, target, scrape, met)
        # Nothing is measured after we received it: a service whose clock is ahead must not hold up what comes later.
        times = [at if s.at is None else min(s.at, scrape.received) for s in scrape.samples]
        points = pack(ids, times, [s.value for s in scrape.samples])
        row: dict[str, Any] = {
            "revision": revision,
            "target_id": target,
            "project": scrape.project,
            "started_ms": scrape.started,
            "received_ms": scrape.received,
            "interval_ms": round(scrape.interval * 1000),
            "cause": scrape.cause or "",
            "detail": scrape.detail,
            "pushed": scrape.pushed,
            "count": len(points),
            "points": points.tobytes(),
        }
        if not insert_new(connection, scrapes, row, key=["target_id", "project", "pushed", "started_ms"]):
            return
        event = outcome_change(connection, target, scrape)
        if event is not None:
            happened.append(event)
            touched.add(TARGETS)
        if scrape.cause is None and not scrape.pushed and mark_simulated(connection, target, scrape.simulated):
            touched.add(TARGETS)
        happened += scrape.events
        if len(points) or not scrape.pushed:
            now = None if self.clock is None else self.clock()
            if update_reading(connection, target, scrape, points, now):
                touched.add(TARGETS)
        if scrape.agents is not None:
            told, changed = agents.store_agents(connection, target, scrape)
            happened += told
            touched |= {AGENTS} if changed else set()
        if contexts.store_context(connection, target, scrape):
            touched.add(PROJECTS)
        if scrape.projects is not None and agents.store_projects(connection, target, scrape.projects, scrape.started):
            touched.add(PROJECTS)

    def series_ids(self, connection: Connection, target: int, scrape: Scrape, met: dict[SeriesKey, int]) -> list[int]:
        keys = [(target, scrape.project, sample.name, sample.labels) for sample in scrape.samples]
        missing = {key for key in keys if key not in self.series and key not in met}
        if missing:
            upsert(connection, series, [series_row(key) for key in missing], key=SERIES_KEY)
            mine = (series.c.target_id == target) & (series.c.project == scrape.project)
            for row in connection.execute(select(series).where(mine)):
                met[target, scrape.project, row.name, labels_of(row.labels)] = row.id
        return [self.series[key] if key in self.series else met[key] for key in keys]


def outcome_change(connection: Connection, target: int, scrape: Scrape) -> Event | None:
    """Keep the outcome; answers the event when it changed. A project's silence while its target is silent is none."""
    if scrape.pushed:
        return None
    holds_ms = round((scrape.holds or scrape.interval) * 1000)
    news = runs.extend(connection, target, scrape.project, scrape.started, holds_ms, scrape.cause or "")
    if news is None or (scrape.project and runs.failed_within(connection, target, news)):
        return None
    return outcome_event(scrape)


def update_reading(connection: Connection, target: int, scrape: Scrape, points: Points, now: Instant | None) -> bool:
    """Bring the row of `readings` forward; the past, read late, leaves it alone. Says whether that changes the state of
    the target: it was not asked before, or not for a while.

    What stands there from after `now` was written before our clock was set back, and gives way.
    """
    before = connection.execute(KNOWN, {"in_target": target, "in_project": scrape.project}).first()
    set_back = before is not None and now is not None and before.started_ms > now + scrape.interval * 1000
    if before is None or before.started_ms <= scrape.started or scrape.pushed or set_back:
        upsert(connection, readings, [reading_row(target, scrape, before, points)], update=READING)
    stale = before is None or scrape.started - before.started_ms > LATE_INTERVALS * scrape.interval * 1000
    return stale and not scrape.project and not scrape.pushed


SERIES_KEY = ["target_id", "project", "name", "labels"]


def series_row(key: SeriesKey) -> dict[str, object]:
    return dict(zip(SERIES_KEY, (*key[:3], json.dumps(key[3])), strict=True))


def labels_of(text: str) -> Labels:
    return tuple((name, value) for name, value in json.loads(text))


def reading_row(target: int, scrape: Scrape, before: AnyRow | None, points: Points) -> dict[str, Any]:
    """The new row of `readings`: a pushed frame adds points and nothing else to a row that is there."""
    if scrape.pushed and before is not None:
        kept = {name: getattr(before, name) for name in READING}
        return {"target_id": target, "project": scrape.project, **kept, "points": latest_of(before, points, scrape)}
    good = scrape.cause is None
    changed = before is None or before.cause != (scrape.cause or "")
    was: Any = before if before is not None else NOTHING
    return {
        "target_id": target,
        "project": scrape.project,
        "started_ms": scrape.started,
        "received_ms": scrape.received,
        "interval_ms": round(scrape.interval * 1000),
        "duration_ms": scrape.received - scrape.started,
        "measured_ms": min(scrape.measured or scrape.started, scrape.received) if good else was.measured_ms,
        "answered_ms": scrape.received if good else was.answered_ms,
        "since_ms": scrape.started if changed else was.since_ms,
        "cause": scrape.cause or "",
        "detail": scrape.detail,
        "health": scrape.health or ("" if good else was.health),
        "version": scrape.version or was.version,
        "skew": scrape.skew if good or scrape.skew is not None else was.skew,
        "points": latest_of(before, points, scrape),
    }


class Nothing(NamedTuple):
    """What a target that was never read is known by."""

    measured_ms: int | None = None
    answered_ms: int | None = None
    since_ms: int | None = None
    health: str = ""
    version: str = ""
    skew: float | None = None


NOTHING = Nothing()


def latest_of(before: AnyRow | None, points: Points, scrape: Scrape) -> bytes:
    """The newest point of every series, those read now laid over those known before, none from the future."""
    known = unpack(before.points if before is not None else b"")
    possible = known[known["at"] <= scrape.received + scrape.interval * 1000]
    latest = newest(unpack(possible.tobytes(), points.tobytes()))
    return latest[latest["at"] >= scrape.received - FORGOTTEN_MS].tobytes()


def outcome_event(scrape: Scrape) -> Event:
    name = f"{title(scrape.target)} ({scrape.project})" if scrape.project else title(scrape.target)
    subject = "project" if scrape.project else "target"
    if scrape.cause is None:
        text, kind, level = f"{name} answers.", f"{subject}.up", Level.INFO
    else:
        text = f"{name} {WORDS.get(scrape.cause, 'is not observed')} ({scrape.cause})."
        kind, level = f"{subject}.down", Level.ERROR
    return Event(
        scrape.started, kind, level, text, target=scrape.target, project=scrape.project, simulated=scrape.simulated
    )


class Appended(NamedTuple):
    """One scrape as readers are told of it. `points` are records of `points.POINT`."""

    revision: int
    target: str
    project: str
    points: Points


def since(store: Store, seen: int, until: int | None = None) -> list[Appended]:
    """What was appended after revision `seen`, up to and with revision `until`, oldest first."""
    query = (
        select(scrapes.c.revision, targets.c.name, scrapes.c.project, scrapes.c.points)
        .join(targets, targets.c.id == scrapes.c.target_id)
        .where(scrapes.c.revision > seen)
        .order_by(scrapes.c.revision, scrapes.c.id)
    )
    if until is not None:
        query = query.where(scrapes.c.revision <= until)
    with store.read() as connection:
        return [Appended(r.revision, r.name, r.project, unpack(r.points)) for r in connection.execute(query)]


LOGGED = ("project", "started_ms", "received_ms", "cause", "detail", "count")


def log(store: Store, target: str, limit: int, *, projects: Sequence[str] | None = None) -> Sequence[AnyRow]:
    """The newest scrapes of a target first: project, started_ms, received_ms, cause, detail, count.

    `projects` cuts to those of the target itself and of these projects; None means all.
    """
    query = (
        select(*(scrapes.c[name] for name in LOGGED))
        .join(targets, targets.c.id == scrapes.c.target_id)
        .where(targets.c.name == target, scrapes.c.pushed.is_(False))
        .order_by(scrapes.c.started_ms.desc())
        .limit(limit)
    )
    if projects is not None:
        query = query.where(scrapes.c.project.in_(["", *projects]))
    with store.read() as connection:
        return connection.execute(query).all()
