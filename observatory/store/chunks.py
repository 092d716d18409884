"""Compaction: whole hours of packed scrapes become one compressed chunk a series, whole days of those one again, with
their roll-ups; and retention.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from observatory.model import DAY, HOUR, Instant, Window
from observatory.store import rollups, samples
from observatory.store.buckets import NOTHING
from observatory.store.engine import Store
from observatory.store.points import Points, compress, decompress, last_of_each, unpack
from observatory.store.samples import merged
from observatory.store.schema import chunks, day_chunks, events, runs, scrapes
from observatory.store.schema import rollups as rolled_up
from observatory.store.sql import upsert

REST = HOUR + HOUR // 6  # an hour is packed up ten minutes after its end, when stragglers have come in
DAY_REST = 2 * HOUR
FAILURES_KEPT = 7 * DAY
SERIES_AT_ONCE, ROWS_AT_ONCE = 20, 500


def compact(store: Store, now: Instant) -> bool:
    """Pack the oldest unpacked hour of one target, else some series of the oldest day that is over; False when there
    is nothing to do.

    Small bites: one transaction writes what is packed and empties what it was made of, so a reader sees each sample
    once, and a crash in between leaves everything as it was.
    """
    return compact_hour(store, now) or compact_day(store, now)


def compact_hour(store: Store, now: Instant) -> bool:
    with store.read() as connection:
        oldest = connection.execute(
            select(scrapes.c.target_id, scrapes.c.project, scrapes.c.started_ms)
            .where(scrapes.c.count > 0, scrapes.c.started_ms < now - REST)
            .order_by(scrapes.c.started_ms)
            .limit(1)
        ).first()
    if oldest is None:
        return False
    hour = oldest.started_ms // HOUR * HOUR
    with store.write() as connection:
        pack_hour(connection, oldest.target_id, oldest.project, hour)
    return True


def compact_day(store: Store, now: Instant) -> bool:
    over = (now - DAY_REST) // DAY * DAY
    with store.read() as connection:
        oldest = connection.execute(select(func.min(chunks.c.hour_ms)).where(chunks.c.hour_ms < over)).scalar()
    if oldest is None:
        return False
    with store.write() as connection:
        pack_day(connection, oldest // DAY * DAY)
    return True


def pack_day(connection: Connection, day: Instant) -> None:
    """Put the hours of some series into their day. What came for a day whose samples are forgotten is dropped: it
    would stand in the roll-ups for all that they were made of."""
    window = Window(day, day + DAY)
    of_day = (chunks.c.hour_ms >= day) & (chunks.c.hour_ms < window.until)
    some = select(chunks.c.series_id).where(of_day).distinct().order_by(chunks.c.series_id).limit(SERIES_AT_ONCE)
    ids = connection.execute(some).scalars().all()
    there, rolled = samples.days(connection, ids, window), rollups.around(connection, ids, day)
    kept = {
        key: samples.column([*(blob for _, blob in there.get(key, [])), *hours], samples.SILENT, window)
        for key, hours in samples.hours(connection, ids, window).items()
        if key in there or not rollups.holds(rolled.get((key, rollups.COARSE), NOTHING), day)
    }
    rows = [
        {"series_id": key, "day_ms": day, "count": len(found.at), "points": compress(*found)}
        for key, found in kept.items()
    ]
    upsert(connection, day_chunks, rows, key=["series_id", "day_ms"], update=["count", "points"])
    rollups.store_day(connection, day, kept, rolled)
    connection.execute(delete(chunks).where(of_day, chunks.c.series_id.in_(ids)))


def pack_hour(connection: Connection, target: int, project: str, hour: Instant) -> None:
    of_hour = (
        (scrapes.c.target_id == target)
        & (scrapes.c.project == project)
        & (scrapes.c.started_ms >= hour)
        & (scrapes.c.started_ms < hour + HOUR)
    )
    query = select(scrapes.c.points).where(of_hour).order_by(scrapes.c.received_ms, scrapes.c.id)
    points = last_of_each(unpack(*connection.execute(query).scalars()))
    for start, part in by_hour(points).items():
        store_chunks(connection, start, part)
    connection.execute(delete(scrapes).where(of_hour, scrapes.c.cause == ""))
    connection.execute(update(scrapes).where(of_hour).values(count=0, points=b""))


def by_hour(points: Points) -> dict[Instant, Points]:
    hours = points["at"] // HOUR * HOUR
    return {int(hour): points[hours == hour] for hour in np.unique(hours)}


def store_chunks(connection: Connection, hour: Instant, points: Points) -> None:
    ids, first = np.unique(points["series"], return_index=True)
    parts = dict(zip(ids.tolist(), np.split(points, first[1:]), strict=True))
    there: dict[int, bytes] = defaultdict(bytes)
    query = select(chunks.c.series_id, chunks.c.points).where(
        chunks.c.hour_ms == hour, chunks.c.series_id.in_(ids.tolist())
    )
    for row in connection.execute(query):
        there[row.series_id] = row.points
    rows = []
    for series, part in parts.items():
        at, value = part["at"], part["value"]
        if there[series]:
            old_at, old_value = decompress(there[series])
            at, value = merged(np.concatenate([old_at, at]), np.concatenate([old_value, value]))
        rows.append({"series_id": series, "hour_ms": hour, "count": len(at), "points": compress(at, value)})
    upsert(connection, chunks, rows, key=["series_id", "hour_ms"], update=["count", "points"])


class Keep(NamedTuple):
    """How long what is kept, in milliseconds: samples, and their roll-ups, which outlive what they were made of.
    Outcomes and events stay as long as anything."""

    raw: int
    fine: int
    coarse: int

    @classmethod
    def of_seconds(cls, *ages: float) -> "Keep":
        return cls(*(round(age * 1000) for age in ages))

    @property
    def ages(self) -> "Keep":
        """The same, none shorter than the one before."""
        return Keep(self.raw, max(self.raw, self.fine), max(self))


def forget(store: Store, now: Instant, keep: Keep) -> bool:
    """Remove a bite of what is past its retention, and of failed scrapes' answers after a week; False when nothing
    is left to remove."""
    raw, fine, coarse = (now - age for age in keep.ages)
    failed = now - min(keep.raw, FAILURES_KEPT)
    rolled = rolled_up.c
    return any([
        remove(store, day_chunks, day_chunks.c.day_ms <= raw - DAY),
        remove(store, rolled_up, (rolled.step_ms == rollups.FINE) & (rolled.since_ms <= fine - rollups.WEEK)),
        remove(store, rolled_up, (rolled.step_ms == rollups.COARSE) & (rolled.since_ms <= coarse - 31 * DAY)),
        remove(store, scrapes, (scrapes.c.count == 0) & (scrapes.c.started_ms < failed)),
        remove(store, runs, runs.c.until_ms < coarse),
        remove(store, events, events.c.at_ms < coarse),
    ])  # fmt: skip


def remove(store: Store, table: Table, old: ColumnElement[bool]) -> bool:
    with store.read() as connection:
        ids = connection.execute(select(table.c.id).where(old).limit(ROWS_AT_ONCE)).scalars().all()
    if not ids:
        return False
    with store.write() as connection:
        connection.execute(delete(table).where(table.c.id.in_(ids), old))
    return True
