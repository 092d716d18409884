"""How the WebSockets of Bridges are, as the collector last saw it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, select

from observatory.model import Instant, StreamStatus
from observatory.store.engine import Store
from observatory.store.schema import streams, targets
from observatory.store.sql import AnyRow, upsert
from observatory.store.topics import TARGETS, raise_revision, touch

HEARD_STEP = 2_000  # milliseconds: a stream that goes on being heard is written down no more often
CHECKED_STEP = 10_000  # the same for one of which nothing is new
SHOWN = ("state", "since_ms", "cause", "partial")  # what people are told of at once
COLUMNS = [column.name for column in streams.c if not column.primary_key]


class StreamNotes:
    """Writes down how streams are, one a collector. It remembers what it wrote, so that it seldom has to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.written: dict[str, StreamStatus] | None = None  # nothing is known of what another collector wrote
        self.at: Instant = 0

    def note(self, found: Mapping[str, StreamStatus], now: Instant) -> None:
        """Make `found`, by target, the streams there are, when that is news. Raises StoreError."""
        if not self.is_news(found, now):
            return
        with self.store.write() as connection:
            ids = {row.name: row.id for row in connection.execute(select(targets.c.id, targets.c.name))}
            rows = [row_of(ids[name], status, now) for name, status in found.items() if name in ids]
            if changed(connection, rows):
                touch(connection, raise_revision(connection), {TARGETS})
            connection.execute(delete(streams).where(streams.c.target_id.not_in([r["target_id"] for r in rows])))
            upsert(connection, streams, rows, update=COLUMNS)
        self.written, self.at = dict(found), now

    def is_news(self, found: Mapping[str, StreamStatus], now: Instant) -> bool:
        if self.written is None or self.written.keys() != found.keys():
            return True
        passed = now - self.at
        if not found or not 0 <= passed < CHECKED_STEP:
            return bool(found)
        if any(apart(status) != apart(self.written[name]) for name, status in found.items()):
            return True
        return passed >= HEARD_STEP and any(s.heard != self.written[name].heard for name, s in found.items())


def apart(status: StreamStatus) -> StreamStatus:
    """What is news at once: not that one more frame was heard."""
    return replace(status, heard=None, counts={}, unused={}, detail="")


def row_of(target: int, status: StreamStatus, now: Instant) -> dict[str, Any]:
    return {
        "target_id": target,
        "state": status.state.value,
        "since_ms": status.since,
        "heard_ms": status.heard,
        "cause": status.cause or "",
        "detail": status.detail,
        "partial": status.partial,
        "opened": status.opened,
        "counts": json.dumps(dict(status.counts)),
        "unused": json.dumps(dict(status.unused)),
        "checked_ms": now,
    }


def changed(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is something that people should be told of."""
    known = {row.target_id: row for row in connection.execute(select(streams))}
    return known.keys() != {row["target_id"] for row in rows} or any(
        getattr(known[row["target_id"]], name) != row[name] for row in rows for name in SHOWN
    )


def current(store: Store) -> Sequence[AnyRow]:
    """Every stream of a target that is not gone, with the target's name and project."""
    query = (
        select(streams, targets.c.name.label("target"), targets.c.project)
        .join(targets, targets.c.id == streams.c.target_id)
        .where(targets.c.gone_ms.is_(None), targets.c.paused.is_(False))
        .order_by(targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()
