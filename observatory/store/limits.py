"""What requests are counted by, for all processes together: how often within a window, and who came near a limit."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from observatory.model import DAY, HOUR, Instant
from observatory.store.engine import Store
from observatory.store.schema import limit_counts, limit_marks
from observatory.store.sql import AnyRow

MARKS_KEPT = 7 * DAY


@cache
def _counting(dialect: str) -> ReturningInsert[Any]:
    """Count on while the window is open, and begin a new one when it is over; the count is answered."""
    insert = sqlite.insert(limit_counts) if dialect == "sqlite" else postgresql.insert(limit_counts)
    new, old = insert.excluded, limit_counts.c
    over = old.expires_ms <= bindparam("at")
    again = {
        "used": case((over, new.used), else_=old.used + new.used),
        "expires_ms": case((over, new.expires_ms), else_=old.expires_ms),
    }
    return insert.on_conflict_do_update(index_elements=["key"], set_=again).returning(limit_counts.c.used)


def count(store: Store, key: str, amount: int, *, now: Instant, expires: Instant) -> int:
    """Add `amount` (negative to give something back) to the window of `key`, which ends at `expires` if it begins now.
    Answers the new count. Windows that are over are dropped on the way."""
    row = {"key": key, "used": amount, "expires_ms": expires, "at": now}
    with store.write() as connection:
        found = int(connection.execute(_counting(connection.dialect.name), row).scalar_one())
        if found == amount:  # a window began
            connection.execute(delete(limit_counts).where(limit_counts.c.expires_ms <= now))
    return found


def window(store: Store, key: str, *, now: Instant) -> tuple[int, Instant]:
    """How often so far, and when the window ends; (0, now) when none is open."""
    query = select(limit_counts.c.used, limit_counts.c.expires_ms)
    with store.read() as connection:
        row = connection.execute(query.where(limit_counts.c.key == key, limit_counts.c.expires_ms > now)).first()
    return (row.used, row.expires_ms) if row else (0, now)


def clear(store: Store, key: str = "") -> int:
    """Forget the window of `key`, or all. Answers how many there were."""
    query = delete(limit_counts)
    with store.write() as connection:
        return int(connection.execute(query.where(limit_counts.c.key == key) if key else query).rowcount)


def mark(store: Store, group: str, who: str, *, met: int, allowed: int, now: Instant) -> None:
    """Note that `who` was turned away `met` times by the limit of `group`; 0: came near it."""
    hour = now // HOUR * HOUR
    row = {
        "group": group,
        "who": who,
        "hour_ms": hour,
        "near": int(not met),
        "met": met,
        "allowed": allowed,
        "last_ms": now,
    }
    with store.write() as connection:
        dialect = connection.dialect.name
        insert = sqlite.insert(limit_marks) if dialect == "sqlite" else postgresql.insert(limit_marks)
        new, old = insert.excluded, limit_marks.c
        again = {
            "near": old.near + new.near,
            "met": old.met + new.met,
            "allowed": new.allowed,
            "last_ms": new.last_ms,
        }
        connection.execute(insert.on_conflict_do_update(index_elements=["group", "who", "hour_ms"], set_=again), row)
        connection.execute(delete(limit_marks).where(limit_marks.c.hour_ms < now - MARKS_KEPT))


def marks(store: Store, since: Instant) -> Sequence[AnyRow]:
    """Who met or came near a limit since then, the newest first: the columns of `limit_marks`."""
    query = select(limit_marks).where(limit_marks.c.last_ms >= since).order_by(limit_marks.c.last_ms.desc())
    with store.read() as connection:
        return connection.execute(query).all()
