"""Agents and projects as a Bridge last reported them, and what changed of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from observatory.model import Agent, AgentStatus, Event, Instant, LastCommand, Level, Project, Scrape
from observatory.store import runs
from observatory.store.engine import Store
from observatory.store.schema import agents, projects, readings, targets
from observatory.store.sql import AnyRow, storable, upsert

REPORTED = [column.name for column in agents.c if not column.primary_key]
# The stream knows four words where REST knows more: "stopped" contradicts none of these.
COARSE = {"stopped": {AgentStatus.IDLE, AgentStatus.PAUSED, AgentStatus.COMPLETED}}
DESCRIPTION = (
    "name", "path", "description", "icon", "color", "ws_url", "bridge_url", "mcp_url", "has_mcp", "dashboards",
    "telemetry_map",
)  # fmt: skip
OBJECT_LIMIT = 20_000  # characters of what a project says of its dashboards or of its metrics
SHOWN = ("name", "status", "since_ms", "task", "error", "gone_ms")
LEVELS = {AgentStatus.FAILED: Level.ERROR, AgentStatus.PAUSED: Level.WARNING}

# Made once: a stream brings many of these a second, and SQLAlchemy takes longer to put one together than to run it.
KNOWN = select(agents).where(
    agents.c.target_id == bindparam("in_target"), agents.c.project == bindparam("in_project")
)  # fmt: skip
NAMED = KNOWN.where(agents.c.id.in_(bindparam("ids", expanding=True)))


def store_agents(connection: Connection, target: int, scrape: Scrape) -> tuple[list[Event], bool]:
    """Write what `scrape` says of agents; answers what happened, and whether anything changed that pages show.

    An older word about an agent never replaces a newer one.
    """
    told = {"in_target": target, "in_project": scrape.project, "ids": [storable(a.id) for a in scrape.agents or ()]}
    query = KNOWN if scrape.agents_complete else NAMED
    known = {row.id: row._asdict() for row in connection.execute(query, told)}
    there = {name for name, row in known.items() if row["gone_ms"] is None}
    happened: list[Event] = []
    rows: dict[str, dict[str, Any]] = {}
    changed = False
    for agent in scrape.agents or ():
        row = row_of(agent, target, scrape)
        before = known.get(row["id"])
        if before is not None and before["measured_ms"] > row["measured_ms"]:
            continue
        if before is not None and scrape.pushed:
            row = update_only(row, before)  # a pushed frame carries the status and little else
        row["since_ms"] = since(row, before)
        rows[row["id"]] = known[row["id"]] = row  # what is told of an agent twice has changed twice
        changed = changed or before is None or any(before[name] != row[name] for name in SHOWN)
        if before is not None and before["status"] != row["status"]:
            happened.append(transition(agent, row, scrape))
    upsert(connection, agents, list(rows.values()), update=REPORTED)
    if scrape.agents_complete:
        departed = there - {storable(agent.id) for agent in scrape.agents or ()}
        if departed:
            changed = True
            mine = (agents.c.target_id == target) & (agents.c.project == scrape.project)
            connection.execute(update(agents).where(mine, agents.c.id.in_(departed)).values(gone_ms=scrape.started))
    return happened, changed


def row_of(agent: Agent, target: int, scrape: Scrape) -> dict[str, Any]:
    told = agent.measured_at if agent.measured_at is not None else scrape.measured or scrape.started
    measured = min(told, scrape.received)  # a clock that is ahead must not hold up later words
    return {
        "target_id": target,
        "project": scrape.project,
        "id": storable(agent.id),
        "name": storable(agent.name or agent.id),
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
        **command_of(agent.last_command, scrape.received),
        "error": agent.error,
        "received_ms": scrape.received,
        "gone_ms": None,
    }


def command_of(last: LastCommand | None, received: Instant) -> dict[str, Any]:
    told = last or LastCommand("")
    return {
        "command": told.type,
        "command_ms": None if told.at is None else min(told.at, received),
        "command_source": told.source,
        "command_result": told.result,
    }


def since(row: dict[str, Any], before: dict[str, Any] | None) -> Instant:
    """When the status began: when we saw it change; for one that rests when first seen, its last activity."""
    if before is None and row["status"] != AgentStatus.RUNNING and row["last_activity_ms"] is not None:
        return int(min(row["last_activity_ms"], row["measured_ms"]))
    same = before is not None and before["status"] == row["status"]
    return int(before["since_ms"] if before is not None and same else row["measured_ms"])


def update_only(row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """`row` with what it does not speak of taken from `before`."""
    if row["reported_status"] in COARSE and before["status"] in COARSE[row["reported_status"]]:
        row = {**row, "status": before["status"], "reported_status": before["reported_status"]}
    unsaid = {name for name, value in row.items() if value in (None, "")} - {"error", "gone_ms"}
    kept = {name: before[name] for name in unsaid}
    named = {"name": before["name"]} if row["name"] == row["id"] else {}
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
    told = {storable(project.id): described(project) for project in reported}
    changed = [
        {"target_id": target, "id": id, "seen_ms": now, "gone_ms": None, **facts}
        for id, facts in told.items()
        if (row := known.get(id)) is None
        or row.gone_ms is not None
        or any(getattr(row, name) != value for name, value in facts.items())
    ]
    departed = {id for id, row in known.items() if row.gone_ms is None} - set(told)
    upsert(connection, projects, changed, update=[*DESCRIPTION, "seen_ms", "gone_ms"])
    if departed:
        theirs = (agents.c.target_id == target) & agents.c.project.in_(departed) & agents.c.gone_ms.is_(None)
        connection.execute(
            update(projects).where(projects.c.target_id == target, projects.c.id.in_(departed)).values(gone_ms=now)
        )
        connection.execute(update(agents).where(theirs).values(gone_ms=now))
        runs.end_of_projects(connection, target, departed, now)
    return bool(changed or departed)


def described(project: Project) -> dict[str, Any]:
    """The columns of a project that its Bridge tells."""
    facts: dict[str, Any] = {name: getattr(project, name) for name in DESCRIPTION}
    texts = {name: storable(value) for name, value in facts.items() if isinstance(value, str)}
    objects = {name: as_json(value) for name, value in facts.items() if isinstance(value, Mapping)}
    return {**facts, **texts, **objects}


def as_json(value: Mapping[str, object]) -> str:
    """What a stranger put there, as long as it is of a size that such a thing has."""
    text = storable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= OBJECT_LIMIT else "{}"


def current(store: Store) -> Sequence[AnyRow]:
    """Every agent that is not gone, with what is known of its target: name `target`, `simulated`, `paused`.

    `interval_ms` is that of the readings of its project, `tried_ms` when the last of them began, `cause` why it failed.
    """
    own = (readings.c.target_id == agents.c.target_id) & (readings.c.project == agents.c.project)
    query = (
        select(
            agents,
            targets.c.name.label("target"),
            targets.c.simulated,
            targets.c.paused,
            func.coalesce(readings.c.interval_ms, targets.c.interval_ms).label("interval_ms"),
            readings.c.started_ms.label("tried_ms"),
            func.coalesce(readings.c.cause, "").label("cause"),
        )
        .join(targets, targets.c.id == agents.c.target_id)
        .outerjoin(readings, own)
        .where(agents.c.gone_ms.is_(None), targets.c.gone_ms.is_(None))
        .order_by(agents.c.project, agents.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()
