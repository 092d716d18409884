"""Accounts: who there is, and the dialogs in which an administrator changes one."""

from collections.abc import Mapping, Sequence

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import forms, status, tables, values
from observatory.components.administration import number
from observatory.components.attributes import Child, Row, records
from observatory.model import Instant, Role

PAGE, PATH = "admin-people", "/admin"
STATES = {"active": "live", "invited": "idle", "disabled": "gone"}
COLUMNS = (
    ("Name", ""), ("State", ""), ("Role", ""), ("Projects", ""), ("Sessions", "num"), ("API tokens", "num"),
    ("Added", "num"), ("", "end"),
)  # fmt: skip
ACTIONS = {"disable": "Disable", "enable": "Enable", "reset": "Reset password", "erase": "Erase for good"}


def table(frame: pd.DataFrame, me: str) -> Component:
    """`frames.people.everybody`."""
    return tables.table("People", COLUMNS, [person(row, me) for row in records(frame)], extra="stacked")


def person(row: Row, me: str) -> Component:
    name = str(row["name"])
    you = html.Span("you", className="pill") if name == me else None
    return html.Tr(
        [
            html.Th([html.A(name, href=forms.to("change", name)), you], scope="row"),
            tables.named("State", [status.state_mark(STATES[row["state"]], word=str(row["state"]))]),
            tables.named("Role", [str(row["role"])]),
            tables.named("Projects", [projects(row)]),
            tables.named("Sessions", [sessions(name, int(row["sessions"]))], "num"),
            tables.named("API tokens", [str(row["tokens"])], "num"),
            tables.named("Added", [values.ago(int(row["created"]))], "num"),
            action("Change", "change", name),
        ]
    )


def action(word: str, what: str, whom: str, label: str = "") -> Component:
    """The last cell of a row: the way to its dialog. Its name tells a screen reader which row it is of."""
    more = html.Span(f" {label or whom}", className="visually-hidden")
    return html.Td(html.A([word, more], href=forms.to(what, whom), className="button small"), className="end")


def projects(row: Row) -> Child:
    if row["role"] == Role.ADMIN:
        return "all"
    return ", ".join(row["projects"]) or html.Span("none", className="muted")


def sessions(name: str, count: int) -> Child:
    return dcc.Link(str(count), href=f"/admin/sessions?user={name}") if count else "0"


def note(frame: pd.DataFrame) -> str:
    """ "4 people: 1 admin, 2 viewers, 1 disabled. 1 has not chosen a password yet." """
    counts = frame.loc[frame["state"] != "disabled", "role"].value_counts()
    parts = [number(int(counts[role]), role.value) for role in reversed(Role) if role in counts]
    off, new = (int((frame["state"] == state).sum()) for state in ("disabled", "invited"))
    said = f"{number(len(frame), 'person', 'people')}: {', '.join([*parts, *([f'{off} disabled'] if off else [])])}."
    return f"{said} {number(new, 'has', 'have')} not chosen a password yet." if new else said


# ── dialogs ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def adding(count: int, known: Sequence[str], until: Instant) -> list[Component]:
    """The form for somebody new. What was typed is kept until there is one account more than `count`."""
    keep = f"add {count}"
    fields = [
        html.P("You get a link to pass on. Whoever opens it chooses a password; you never see one."),
        forms.line(PAGE, "name", "Name", keep=keep, maxlength=50, autofocus=True, hint="What they sign in with."),
        forms.role(PAGE, value=Role.VIEWER, keep=keep),
        project_line((), known, keep),
    ]
    return forms.opened(PAGE, "Add a person", forms.form(PAGE, fields, "Add person", until=until))


def project_line(present: Sequence[str], known: Sequence[str], keep: str) -> Component:
    offered = f" Known here: {', '.join(known)}." if known else ""
    hint = f"Ids with commas between them.{offered}"
    return forms.line(PAGE, "projects", "Projects", value=", ".join(present), keep=keep, hint=hint)


def changing(row: Row, known: Sequence[str], until: Instant, me: str) -> list[Component]:
    """Role and projects of an account, and the way to everything that is more than that."""
    name, keep = str(row["name"]), f"change {row['name']} {row['role']}"
    hint = "Another role ends your own session." if name == me else "Another role ends every session."
    fields = [
        forms.role(PAGE, value=Role(row["role"]), keep=keep, hint=hint),
        project_line(row["projects"], known, keep),
    ]
    offered = ("enable", "reset", "erase") if row["state"] == "disabled" else ("reset", "disable", "erase")
    more = [html.A(f"{ACTIONS[what]}…", href=forms.to(what, name), className="button small") for what in offered]
    rest = html.Div([html.H3("More"), html.Div(more, className="more-ways")], className="form-more")
    return forms.opened(PAGE, name, [forms.form(PAGE, fields, "Save", until=until), rest])


def asking(what: str, row: Row, until: Instant, me: str) -> list[Component]:
    """Asks once more, and says what will happen."""
    name = str(row["name"])
    titles = {"reset": f"Reset the password of {name}?", "erase": f"Erase {name} for good?"}
    you = [html.P("This is you. You are signed out at once.", className="notice warning")] if name == me else []
    told = html.Ul([html.Li(one) for one in consequences(what, row)], className="consequences")
    form = forms.form(PAGE, [*you, told], ACTIONS[what], until=until, danger=what != "enable")
    return forms.opened(PAGE, titles.get(what, f"{ACTIONS[what]} {name}?"), form)


def consequences(what: str, row: Mapping[str, object]) -> tuple[str, ...]:
    name, tokens = row["name"], int(str(row["tokens"]))
    signed_in = number(int(str(row["sessions"])), "open session")
    keys = f"{number(tokens, 'API token')} of {name} {'ends' if tokens == 1 else 'end'} for good."
    return {
        "disable": (
            f"{name} cannot sign in, and is signed out at once ({signed_in}).",
            *((keys,) if tokens else ()),
            "Name, role and projects stay. You can enable the account again.",
        ),
        "enable": (
            f"{name} can sign in again, with the password from before.",
            "API tokens and links that ended stay ended.",
        ),
        "reset": (
            f"The password of {name} stops working, and {name} is signed out at once ({signed_in}).",
            "You get a link with which another one is chosen.",
            *((f"API tokens of {name} go on working.",) if tokens else ()),
        ),
        "erase": (
            f"The account goes, and {name} is signed out at once ({signed_in}).",
            *((keys,) if tokens else ()),
            "The audit log forgets the name, the addresses and the browsers. What was done stays, done by nobody.",
            "This cannot be undone.",
        ),
    }[what]
