"""Agents as they were last reported."""

import pandas as pd

from observatory.model import Actor, Cause
from observatory.store import agents
from observatory.store.engine import Store
from observatory.store.sql import AnyRow

CURRENT = {
    "project": "str", "id": "str", "name": "str", "type": "str", "status": "str", "reported": "str", "since": "Int64",
    "task": "str", "progress": "float64", "task_started": "Int64", "task_due": "Int64", "last_activity": "Int64",
    "tasks_completed": "float64", "tasks_failed": "float64", "average_duration": "float64", "uptime": "float64",
    "can_start": "boolean", "can_stop": "boolean", "can_pause": "boolean", "command": "str", "command_at": "Int64",
    "command_source": "str", "command_result": "str", "error": "str", "measured": "Int64", "received": "Int64",
    "interval": "float64", "target": "str", "cause": "str", "simulated": "bool",
}  # fmt: skip


def current(store: Store, actor: Actor) -> pd.DataFrame:
    """Every agent of the actor's projects that is not gone, by project, then name. Empty with all columns if none.

    Columns: project, id, name, type, status (ours), reported (the service's own word for it), task, target, error str;
    since (when the status began), task_started, task_due, last_activity, measured, received Int64 ms; progress float64
    percent; tasks_completed, tasks_failed float64; average_duration, uptime float64 s; can_start, can_stop, can_pause
    boolean; command, command_source, command_result str and command_at Int64 ms of the last command; interval float64
    s; cause str: why nothing newer came, "" when it did; simulated bool. What was not told is null, or "".
    """
    records = [current_record(row) for row in agents.current(store) if actor.sees(row.project)]
    return pd.DataFrame(records, columns=list(CURRENT)).astype(CURRENT)


def current_record(row: AnyRow) -> dict[str, object]:
    return {
        "project": row.project, "id": row.id, "name": row.name, "type": row.type, "status": row.status,
        "reported": row.reported_status, "since": row.since_ms, "task": row.task, "progress": row.task_progress,
        "task_started": row.task_started_ms, "task_due": row.task_due_ms, "last_activity": row.last_activity_ms,
        "tasks_completed": row.tasks_completed, "tasks_failed": row.tasks_failed,
        "average_duration": row.average_duration, "uptime": row.uptime, "can_start": row.can_start,
        "can_stop": row.can_stop, "can_pause": row.can_pause, "command": row.command, "command_at": row.command_ms,
        "command_source": row.command_source, "command_result": row.command_result, "error": row.error,
        "measured": row.measured_ms, "received": row.received_ms, "interval": row.interval_ms / 1000,
        "target": row.target, "cause": cause_of(row), "simulated": row.simulated,
    }  # fmt: skip


def cause_of(row: AnyRow) -> str:
    """Why an agent is not newer: its project's last reading failed, and was begun after the agent was told of."""
    if row.paused:
        return Cause.PAUSED
    heard_since = row.tried_ms is not None and row.received_ms is not None and row.received_ms >= row.tried_ms
    return "" if heard_since else str(row.cause)
