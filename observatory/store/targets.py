"""Targets as the store knows them: the present list, and those that are gone."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from observatory.model import Event, Instant, Level, Target, title
from observatory.store import events, runs
from observatory.store.engine import Store
from observatory.store.schema import agents, contexts, projects, readings, targets
from observatory.store.sql import AnyRow, upsert
from observatory.store.topics import AGENTS, EVENTS, PROJECTS, TARGETS, raise_revision, touch

DESCRIPTION = ("kind", "url", "origin", "interval_ms", "labels", "project", "paused", "simulated", "also", "forgotten")
REST_MS = 10_000  # how long a pause is noted ahead; the collector notes it as often


def replace(store: Store, wanted: Sequence[Target], now: Instant) -> dict[str, int]:
    """Make `wanted` the list of targets: new ones are added, missing ones are gone since `now`. Ids by name.

    One that comes back goes on with the id, and so with the series, that it had.
    """
    with store.write() as connection:
        known = {row.name: row for row in connection.execute(select(targets))}
        rows = [row_of(target, now, known.get(target.name)) for target in wanted]
        changed = [row for row in rows if differs(known.get(row["name"]), row)]
        present = {row.name for row in known.values() if row.gone_ms is None}
        departed = present - {target.name for target in wanted}
        if changed or departed:
            revision = raise_revision(connection)
            upsert(connection, targets, changed, key=["name"], update=[*DESCRIPTION, "gone_ms"])
            leave = {"gone_ms": now, "paused": False}
            connection.execute(update(targets).where(targets.c.name.in_(departed)).values(leave))
            turn(connection, [known[name].id for name in departed], changed, known, now)
            returned = {str(row["name"]) for row in changed} & (set(known) - present)
            told = [
                *(departure(name, now) for name in sorted(departed)),
                *(back(name, now) for name in sorted(returned)),
            ]
            events.record(connection, told)
            topics = {TARGETS, EVENTS, AGENTS, PROJECTS} if told else {TARGETS}
            touch(connection, revision, topics)
        return ids(connection)


def turn(
    connection: Connection,
    departed: Sequence[int],
    changed: Sequence[dict[str, object]],
    known: dict[str, AnyRow],
    now: Instant,
) -> None:
    """End the runs of what departs, is paused, goes on or comes back: from now on something else is the case."""
    turned = [known[str(row["name"])].id for row in changed if turns(known.get(str(row["name"])), row)]
    runs.end(connection, [*departed, *turned], now)
    connection.execute(update(readings).where(readings.c.target_id.in_(turned)).values(since_ms=now))
    paused = select(targets.c.id).where(targets.c.name.in_([row["name"] for row in changed if row["paused"]]))
    runs.pause(connection, connection.execute(paused).scalars().all(), now, REST_MS)


def turns(known: AnyRow | None, row: dict[str, object]) -> bool:
    return known is not None and (known.paused != row["paused"] or known.gone_ms is not None)


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
        "also": json.dumps(target.also),
        "forgotten": False,
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


def back(name: str, now: Instant) -> Event:
    return Event(now, "target.back", Level.INFO, f"{title(name)} is watched again.", target=name)


def forget(store: Store, before: Instant) -> None:
    """Let those that are gone since `before` leave the pages: nothing is kept of them any more.

    Their rows stay, since their ids must not be given to another target.
    """
    old = (targets.c.gone_ms < before) & targets.c.forgotten.is_(False)
    with store.read() as connection:
        if connection.execute(select(targets.c.id).where(old).limit(1)).first() is None:
            return
    with store.write() as connection:
        known = connection.execute(update(targets).where(old).values(forgotten=True).returning(targets.c.id))
        ids_ = known.scalars().all()
        for table in (readings, agents, projects, contexts):
            connection.execute(delete(table).where(table.c.target_id.in_(ids_)))
        touch(connection, raise_revision(connection), {TARGETS})


def ids(connection: Connection) -> dict[str, int]:
    return {row.name: row.id for row in connection.execute(select(targets.c.name, targets.c.id))}


def project_of(store: Store, name: str) -> str:
    """The project a target belongs to; "" when it belongs to none, or there is no such target."""
    with store.read() as connection:
        return str(connection.execute(select(targets.c.project).where(targets.c.name == name)).scalar() or "")


def current(store: Store) -> Sequence[AnyRow]:
    """Each target with what is known of it now (its row of `readings` for no project, or nulls), gone ones last.
    Those that are forgotten are absent."""
    query = (
        select(targets, *(column for column in readings.c if column.name not in {"interval_ms", "project", "points"}))
        .outerjoin(readings, (readings.c.target_id == targets.c.id) & (readings.c.project == ""))
        .where(targets.c.forgotten.is_(False))
        .order_by(targets.c.gone_ms.is_not(None), targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()


class Rhythm(NamedTuple):
    """Since when a target is not watched any more, None while it is; and how often it, or a project of it, is read."""

    gone: Instant | None
    interval_ms: int


def rhythm(store: Store, name: str, project: str = "") -> Rhythm:
    """Of what was never known nothing is expected."""
    query = (
        select(targets.c.gone_ms, func.coalesce(readings.c.interval_ms, targets.c.interval_ms))
        .outerjoin(readings, (readings.c.target_id == targets.c.id) & (readings.c.project == project))
        .where(targets.c.name == name)
    )
    with store.ask() as connection:
        row = connection.execute(query).first()
    return Rhythm(None, 0) if row is None else Rhythm(*row)
