"""Agents and projects as a Bridge last reported them, and what changed of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from observatory.model import Agent, AgentStatus, Event, Instant, Level, Project, Scrape
from observatory.store.engine import Store
from observatory.store.schema import agents, projects, targets
from observatory.store.sql import AnyRow, upsert

REPORTED = [column.name for column in agents.c if not column.primary_key]
# The stream knows four words where REST knows more: "stopped" contradicts none of these.
COARSE = {"stopped": {AgentStatus.IDLE, AgentStatus.PAUSED, AgentStatus.COMPLETED}}
SHOWN = ("name", "status", "since_ms", "task", "error", "gone_ms")
LEVELS = {AgentStatus.FAILED: Level.ERROR, AgentStatus.PAUSED: Level.WARNING}


def store_agents(connection: Connection, target: int, scrape: Scrape) -> tuple[list[Event], bool]:
    """Write what `scrape` says of agents; answers what happened, and whether anything changed that pages show.

    An older word about an agent never replaces a newer one.
    """
    mine = (agents.c.target_id == target) & (agents.c.project == scrape.project)
    known = {row.id: row for row in connection.execute(select(agents).where(mine))}
    happened: list[Event] = []
    rows: list[dict[str, Any]] = []
    changed = False
    for agent in scrape.agents or ():
        row = row_of(agent, target, scrape)
        before = known.get(agent.id)
        if before is not None and before.measured_ms > row["measured_ms"]:
            continue
        if before is not None and scrape.pushed:
            row = update_only(row, before)  # a pushed frame carries the status and little else
        row["since_ms"] = since(row, before)
        rows.append(row)
        changed = changed or before is None or any(getattr(before, name) != row[name] for name in SHOWN)
        if before is not None and before.status != row["status"]:
            happened.append(transition(agent, row, scrape))
    upsert(connection, agents, rows, update=REPORTED)
    if scrape.agents_complete:
        departed = {name for name, row in known.items() if row.gone_ms is None} - {a.id for a in scrape.agents or ()}
        if departed:
            changed = True
            connection.execute(update(agents).where(mine, agents.c.id.in_(departed)).values(gone_ms=scrape.started))
    return happened, changed


def row_of(agent: Agent, target: int, scrape: Scrape) -> dict[str, Any]:
    told = agent.measured_at if agent.measured_at is not None else scrape.measured or scrape.started
    measured = min(told, scrape.received)  # a clock that is ahead must not hold up later words
    return {
        "target_id": target,
        "project": scrape.project,
        "id": agent.id,
        "name": agent.name or agent.id,
        "type": agent.type,
        "status": agent.status.value,
        "reported_status": agent.reported_status,
        "measured_ms": measured,
        "last_activity_ms": None if agent.last_activity is None else min(agent.last_activity, scrape.received),
        "task": agent.task or "",
        "task_progress": agent.task_progress,
        "task_started_ms": agent.task_started,
        "task_due_ms": agent.task_due,
        "tasks_completed": agent.tasks_completed,
        "tasks_failed": agent.tasks_failed,
        "average_duration": agent.average_duration,
        "uptime": agent.uptime,
        "can_start": agent.can_start,
        "can_stop": agent.can_stop,
        "can_pause": agent.can_pause,
        "error": agent.error,
        "gone_ms": None,
    }


def since(row: dict[str, Any], before: AnyRow | None) -> Instant:
    """When the status began: when we saw it change; for one that rests when first seen, its last activity."""
    if before is None and row["status"] != AgentStatus.RUNNING and row["last_activity_ms"] is not None:
        return int(min(row["last_activity_ms"], row["measured_ms"]))
    return int(before.since_ms if before is not None and before.status == row["status"] else row["measured_ms"])


def update_only(row: dict[str, Any], before: AnyRow) -> dict[str, Any]:
    """`row` with what it does not speak of taken from `before`."""
    if row["reported_status"] in COARSE and before.status in COARSE[row["reported_status"]]:
        row = {**row, "status": before.status, "reported_status": before.reported_status}
    unsaid = {name for name, value in row.items() if value in (None, "")} - {"error", "gone_ms"}
    kept = {name: getattr(before, name) for name in unsaid}
    named = {"name": before.name} if row["name"] == row["id"] else {}
    return {**row, **kept, **named}


def transition(agent: Agent, row: dict[str, Any], scrape: Scrape) -> Event:
    why = f": {agent.error}" if agent.error else "."
    return Event(
        at=row["measured_ms"],
        kind=f"agent.{row['status']}",
        level=LEVELS.get(agent.status, Level.INFO),
        text=f"{row['name']} is {row['status']}{why}",
        target=scrape.target,
        project=scrape.project,
        agent=agent.id,
        simulated=scrape.simulated,
    )


def store_projects(connection: Connection, target: int, reported: Sequence[Project], now: Instant) -> bool:
    """Make `reported` the projects of a target; says whether the list changed."""
    known = {row.id: row for row in connection.execute(select(projects).where(projects.c.target_id == target))}
    described = ("name", "path", "description", "icon", "color")
    changed = [
        {"target_id": target, "id": p.id, "seen_ms": now, "gone_ms": None, **{k: getattr(p, k) for k in described}}
        for p in reported
        if (row := known.get(p.id)) is None
        or row.gone_ms is not None
        or any(getattr(row, k) != getattr(p, k) for k in described)
    ]
    departed = {name for name, row in known.items() if row.gone_ms is None} - {p.id for p in reported}
    upsert(connection, projects, changed, update=[*described, "seen_ms", "gone_ms"])
    if departed:
        connection.execute(
            update(projects).where(projects.c.target_id == target, projects.c.id.in_(departed)).values(gone_ms=now)
        )
    return bool(changed or departed)


def current(store: Store) -> Sequence[AnyRow]:
    """Every agent that is not gone, with the name, interval and simulation mark of its target."""
    query = (
        select(agents, targets.c.name.label("target"), targets.c.interval_ms, targets.c.simulated)
        .join(targets, targets.c.id == agents.c.target_id)
        .where(agents.c.gone_ms.is_(None), targets.c.gone_ms.is_(None))
        .order_by(agents.c.project, agents.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()
