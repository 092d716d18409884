"""What happened."""

import pandas as pd

from observatory.model import Actor
from observatory.store import events
from observatory.store.engine import Store

COLUMNS = {
    "at": "int64", "kind": "str", "level": "str", "text": "str", "target": "str", "project": "str", "agent": "str",
    "simulated": "bool",
}  # fmt: skip


def recent(store: Store, actor: Actor, limit: int = 20, target: str = "") -> pd.DataFrame:
    """The newest events the actor may see first.

    Columns: at int64 ms; kind, level, text, target, project, agent str; simulated bool.
    """
    projects = None if actor.sees_all else actor.projects
    rows = events.recent(store, limit, target=target, projects=projects)
    records = [
        (row.at_ms, row.kind, row.level, row.text, row.target, row.project, row.agent, row.simulated) for row in rows
    ]
    return pd.DataFrame(records, columns=list(COLUMNS)).astype(COLUMNS)
