"""Broadcasts that became events."""

from sqlalchemy import delete, select

from observatory.model import Event, Instant
from observatory.store import events
from observatory.store.engine import Store
from observatory.store.schema import broadcasts
from observatory.store.sql import insert_new
from observatory.store.topics import EVENTS, raise_revision, touch

REMEMBERED = 1000


def tell(store: Store, type: str, at: Instant, event: Event, now: Instant) -> bool:
    """Add `event`, unless the broadcast of that type and time was told before; says whether it was added."""
    row = {"type": type, "at_ms": at, "seen_ms": now}
    with store.write() as connection:
        if not insert_new(connection, broadcasts, row, key=["type", "at_ms"]):
            return False
        revision = raise_revision(connection)
        events.record(connection, [event])
        touch(connection, revision, {EVENTS})
        last = select(broadcasts.c.seen_ms).order_by(broadcasts.c.seen_ms.desc()).offset(REMEMBERED).limit(1)
        connection.execute(delete(broadcasts).where(broadcasts.c.seen_ms <= last.scalar_subquery()))
    return True
