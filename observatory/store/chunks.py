"""Compaction: whole hours of packed scrapes become one compressed chunk a series; and retention."""

from collections import defaultdict

import numpy as np
from sqlalchemy import Connection, delete, select, update

from observatory.model import HOUR, Instant
from observatory.store.engine import Store
from observatory.store.points import Points, compress, decompress, last_of_each, unpack
from observatory.store.samples import merged
from observatory.store.schema import chunks, events, runs, scrapes
from observatory.store.sql import upsert

REST = HOUR + HOUR // 6  # an hour is packed up ten minutes after its end, when stragglers have come in
FAILURES_KEPT = 7 * 24 * HOUR


def compact(store: Store, now: Instant) -> bool:
    """Pack the oldest unpacked hour of one target; False when there is nothing to do.

    Small bites: one transaction writes the chunks and empties the rows, so a reader sees each sample once, and a
    crash in between leaves everything as it was.
    """
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


def forget(store: Store, now: Instant, retention_ms: int) -> None:
    """Remove what is older than the retention, and failed scrapes' answers after a week."""
    with store.write() as connection:
        connection.execute(delete(chunks).where(chunks.c.hour_ms < now - retention_ms - HOUR))
        connection.execute(delete(scrapes).where(scrapes.c.started_ms < now - min(retention_ms, FAILURES_KEPT)))
        connection.execute(delete(runs).where(runs.c.until_ms < now - retention_ms))
        connection.execute(delete(events).where(events.c.at_ms < now - retention_ms))
