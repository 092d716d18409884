"""Who met a limit of requests or came near one, as an administrator reads it."""

import pandas as pd
from dash import html
from dash.development.base_component import Component

from observatory.components import states, status, tables, values
from observatory.components.attributes import Row, records

GROUPS = {
    "auth": "Wrong passwords for a name",
    "auth_address": "Wrong passwords from an address",
    "anonymous": "API, not signed in",
    "global": "API",
    "projects": "API, projects",
    "agents": "API, agents",
    "telemetry": "API, telemetry",
    "commands": "Commands",
    "reports": "Reports of browsers",
    "ui": "Pages",
}
COLUMNS = (
    ("Limit", ""),
    ("Who", ""),
    ("Turned away", "num"),
    ("Came near", "num"),
    ("Allowed", "num"),
    ("Last", "num"),
)


def table(frame: pd.DataFrame) -> Component:
    """`frames.people.marks`."""
    if frame.empty:
        return states.empty(
            "Nobody came near a limit in the last day.", "Who meets one, or uses four fifths of it, appears here."
        )
    return tables.table("Limits", COLUMNS, [mark(row) for row in records(frame)], extra="stacked")


def mark(row: Row) -> Component:
    met, near = int(row["met"]), int(row["near"])
    group = str(row["group"])
    state = status.state_mark("down" if met else "late", word="met" if met else "near")
    return html.Tr(
        [
            html.Th([GROUPS.get(group, group), tables.below(html.Code(group))], scope="row"),
            tables.named("Who", [str(row["who"])]),
            tables.named("Turned away", [state if met else None, f" {met}" if met else "0"], "num"),
            tables.named("Came near", [f"{near} ×" if near else "0"], "num"),
            tables.named("Allowed", [str(row["allowed"])], "num"),
            tables.named("Last", [values.ago(int(row["last"]))], "num"),
        ]
    )


def note(frame: pd.DataFrame) -> str:
    met, near = int((frame["met"] > 0).sum()), int(((frame["met"] == 0) & (frame["near"] > 0)).sum())
    if not met and not near:
        return "The last 24 hours."
    return f"In the last 24 hours {met or 'nobody'} met a limit and {near or 'nobody'} came near one."
