"""Agents as they were last reported."""

import pandas as pd

from observatory.model import Actor
from observatory.store import agents
from observatory.store.engine import Store

CURRENT = {
    "project": "str", "id": "str", "name": "str", "type": "str", "status": "str", "since": "Int64", "task": "str",
    "progress": "float64", "last_activity": "Int64", "tasks_completed": "float64", "tasks_failed": "float64",
    "measured": "Int64", "interval": "float64", "target": "str", "simulated": "bool", "error": "str",
}  # fmt: skip


def current(store: Store, actor: Actor) -> pd.DataFrame:
    """Every agent of the actor's projects that is not gone, by project, then name. Empty with all columns if none.

    Columns: project, id, name, type, status, task, target, error str; since (when the status began), last_activity,
    measured Int64 ms; progress float64 percent; tasks_completed, tasks_failed float64, NaN where not reported; interval
    float64 s; simulated bool.
    """
    records = [
        {
            "project": row.project, "id": row.id, "name": row.name, "type": row.type, "status": row.status,
            "since": row.since_ms, "task": row.task, "progress": row.task_progress,
            "last_activity": row.last_activity_ms, "tasks_completed": row.tasks_completed,
            "tasks_failed": row.tasks_failed, "measured": row.measured_ms, "interval": row.interval_ms / 1000,
            "target": row.target, "simulated": row.simulated, "error": row.error,
        }
        for row in agents.current(store)
        if actor.sees(row.project)
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(CURRENT)).astype(CURRENT)
