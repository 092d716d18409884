"""Targets as the store knows them: the present list, and those that are gone."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from observatory.model import Event, Instant, Level, Target, title
from observatory.store import events
from observatory.store.engine import Store
from observatory.store.schema import readings, targets
from observatory.store.sql import AnyRow, upsert
from observatory.store.topics import EVENTS, TARGETS, raise_revision, touch

DESCRIPTION = ("kind", "url", "origin", "interval_ms", "labels", "project", "paused", "simulated")


def replace(store: Store, wanted: Sequence[Target], now: Instant) -> dict[str, int]:
    """Make `wanted` the list of targets: new ones are added, missing ones are gone since `now`. Ids by name."""
    with store.write() as connection:
        known = {row.name: row for row in connection.execute(select(targets))}
        rows = [row_of(target, now, known.get(target.name)) for target in wanted]
        changed = [row for row in rows if differs(known.get(row["name"]), row)]
        departed = {row.name for row in known.values() if row.gone_ms is None} - {target.name for target in wanted}
        if changed or departed:
            revision = raise_revision(connection)
            upsert(connection, targets, changed, key=["name"], update=[*DESCRIPTION, "gone_ms"])
            connection.execute(update(targets).where(targets.c.name.in_(departed)).values(gone_ms=now))
            events.record(connection, [departure(name, now) for name in sorted(departed)])
            touch(connection, revision, {TARGETS, EVENTS} if departed else {TARGETS})
        return ids(connection)


def row_of(target: Target, now: Instant, known: AnyRow | None) -> dict[str, object]:
    return {
        "name": target.name,
        "kind": target.kind.value,
        "url": target.url.partition("?")[0],  # what follows may be a secret; it is shown to everybody
        "origin": target.origin.value,
        "interval_ms": round(target.interval * 1000),
        "labels": json.dumps(target.labels),
        "project": target.project,
        "paused": target.paused,
        # What its last answer said of itself stays true while it is asked at the same address.
        "simulated": target.simulated or (known is not None and known.simulated and known.url == target.url),
        "added_ms": now,
        "gone_ms": None,
    }


def mark_simulated(connection: Connection, target: int, simulated: bool) -> bool:
    """Note whether the target's last answer said that it is simulated; says whether that is news."""
    other = (targets.c.id == target) & (targets.c.simulated.is_not(simulated))
    return connection.execute(update(targets).where(other).values(simulated=simulated)).rowcount > 0


def differs(known: AnyRow | None, row: dict[str, object]) -> bool:
    return known is None or any(getattr(known, name) != row[name] for name in (*DESCRIPTION, "gone_ms"))


def departure(name: str, now: Instant) -> Event:
    return Event(now, "target.gone", Level.INFO, f"{title(name)} is no longer watched.", target=name)


def ids(connection: Connection) -> dict[str, int]:
    return {row.name: row.id for row in connection.execute(select(targets.c.name, targets.c.id))}


def project_of(store: Store, name: str) -> str:
    """The project a target belongs to; "" when it belongs to none, or there is no such target."""
    with store.read() as connection:
        return str(connection.execute(select(targets.c.project).where(targets.c.name == name)).scalar() or "")


def current(store: Store) -> Sequence[AnyRow]:
    """Each target with what is known of it now (its row of `readings` for no project, or nulls), gone ones last."""
    query = (
        select(targets, *(column for column in readings.c if column.name not in {"interval_ms", "project", "points"}))
        .outerjoin(readings, (readings.c.target_id == targets.c.id) & (readings.c.project == ""))
        .order_by(targets.c.gone_ms.is_not(None), targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()
