"""Events: what happened. Only ever added; retention is the one thing that removes them."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from observatory.model import Event
from observatory.store.engine import Store
from observatory.store.schema import events, targets
from observatory.store.sql import AnyRow, printable
from observatory.store.topics import EVENTS, raise_revision, touch


def record(connection: Connection, happened: Sequence[Event]) -> None:
    """Add events inside a transaction that already holds its revision (and touches the topic)."""
    if happened:
        connection.execute(
            insert(events),
            [
                printable(
                    {
                        "at_ms": event.at,
                        "kind": event.kind,
                        "level": event.level.value,
                        "text": event.text,
                        "target": event.target,
                        "project": event.project,
                        "agent": event.agent,
                        "simulated": event.simulated,
                    }
                )
                for event in happened
            ],
        )


def add(store: Store, *happened: Event) -> None:
    with store.write() as connection:
        now = raise_revision(connection)
        record(connection, happened)
        touch(connection, now, {EVENTS})


def recent(store: Store, limit: int, *, target: str = "", projects: Sequence[str] | None = None) -> Sequence[AnyRow]:
    """The newest events first. `projects` cuts to those and to what belongs to none; None means all.

    An event of a target belongs to the target's project, too.
    """
    query = select(events).order_by(events.c.at_ms.desc(), events.c.id.desc()).limit(limit)
    if target:
        query = query.where(events.c.target == target)
    if projects is not None:
        of_others = select(targets.c.name).where(func.lower(targets.c.project).not_in(["", *projects]))
        query = query.where(func.lower(events.c.project).in_(["", *projects]), events.c.target.not_in(of_others))
    with store.read() as connection:
        return connection.execute(query).all()
