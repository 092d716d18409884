"""Requests to read a target now. The web process asks, the collector takes."""

from sqlalchemy import delete, select

from observatory.model import AuditRecord, Event, Instant
from observatory.store import audit, events
from observatory.store.engine import Store
from observatory.store.schema import probes, targets
from observatory.store.sql import upsert
from observatory.store.topics import EVENTS, raise_revision, touch


def ask(store: Store, target: str, now: Instant, told: Event, audited: AuditRecord) -> bool:
    """Ask for a reading of `target` and note who did; False when there is no such target. Asking twice asks once."""
    with store.write() as connection:
        wanted = select(targets.c.id).where(targets.c.name == target, targets.c.gone_ms.is_(None))
        known = connection.execute(wanted).scalar()
        if known is None:
            return False
        revision = raise_revision(connection)
        upsert(connection, probes, [{"target_id": known, "asked_ms": now}], update=["asked_ms"])
        events.record(connection, [told])
        audit.record(connection, audited)
        touch(connection, revision, {EVENTS})
    return True


def waiting(store: Store) -> bool:
    with store.read() as connection:
        return connection.execute(select(probes.c.target_id).limit(1)).first() is not None


def take(store: Store) -> list[str]:
    """The names of the targets that were asked for, each handed out once."""
    with store.write() as connection:
        taken = connection.execute(delete(probes).returning(probes.c.target_id)).scalars().all()
        return list(connection.execute(select(targets.c.name).where(targets.c.id.in_(taken))).scalars())
