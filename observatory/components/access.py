"""Sessions of people and API tokens of programs: who is let in, for how long, and the dialogs that end it."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qs

import pandas as pd
from dash import html
from dash.development.base_component import Component

from observatory.components import forms, people, states, status, tables, values
from observatory.components.administration import number
from observatory.components.attributes import Child, Row, data, records
from observatory.model import Instant, Role

SESSIONS_PAGE, TOKENS_PAGE, REVOKE_PAGE = "admin-sessions", "admin-tokens", "admin-revoke"
TOKENS_PATH = "/admin/tokens"
DAYS = 90
SESSIONS = (("Who", ""), ("Browser", ""), ("From", ""), ("Signed in", "num"), ("Ends", "num"), ("", "end"))
TOKENS = (
    ("Token", ""), ("State", ""), ("Role", ""), ("Projects", ""), ("Last used", "num"), ("Ends", "num"), ("", "end"),
)  # fmt: skip
TOKEN_STATES = {"valid": ("live", "valid"), "expiring": ("late", "ends soon"), "expired": ("gone", "expired")}
BROWSERS = (
    (r"Edg(?:e|A|iOS)?/", "Edge"), (r"OPR/", "Opera"), (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chrom(?:e|ium)/|HeadlessChrome/|CriOS/", "Chrome"), (r"Version/.*Safari/", "Safari"),
)  # fmt: skip
SYSTEMS = (
    (r"iPhone|iPad", "iOS"), (r"Android", "Android"), (r"Windows", "Windows"), (r"Mac OS X", "macOS"),
    (r"Linux", "Linux"),
)  # fmt: skip


def browser(agent: str) -> str:
    """ "Firefox on Windows"; the first word of what is no browser, "curl 8.5"."""
    found = next((word for pattern, word in BROWSERS if re.search(pattern, agent)), "")
    system = next((word for pattern, word in SYSTEMS if re.search(pattern, agent)), "")
    if found:
        return f"{found} on {system}" if system else found
    first = agent.partition(" ")[0].replace("/", " ", 1)[:40]
    return first if first and first != "unknown" else "unknown"


def sessions(frame: pd.DataFrame, mine: str) -> Component:
    """`frames.people.sessions`; `mine` is the one that asks."""
    if frame.empty:
        return states.empty("Nobody is signed in.")
    return tables.table("Open sessions", SESSIONS, [session(row, mine) for row in records(frame)], extra="stacked")


def session(row: Row, mine: str) -> Component:
    this = html.Span("this one", className="pill") if row["session"] == mine else None
    return html.Tr(
        [
            html.Th([str(row["user"]), this], scope="row"),
            html.Td(html.Div(browser(str(row["agent"])), title=str(row["agent"])), **data(column="Browser")),
            tables.named("From", [html.Code(str(row["address"]))], "url"),
            tables.named("Signed in", [values.ago(int(row["since"]))], "num"),
            tables.named("Ends", [values.until(int(row["expires"]))], "num"),
            people.action("End", "end", str(row["session"]), label=f"the session of {row['user']}"),
        ]
    )


def user_of(search: str | None) -> str:
    """Whose sessions alone the query of the address asks for; "" for everybody's."""
    return parse_qs((search or "").removeprefix("?")).get("user", [""])[0]


def sessions_note(frame: pd.DataFrame, user: str) -> str:
    if user:
        return f"{number(len(frame), 'open session')} of {user}."
    people_ = number(frame["user"].nunique(), "person", "people")
    return f"{number(len(frame), 'open session')} of {people_}. They go on while they are used."


def ending(row: Row, mine: str) -> list[Component]:
    """Asks before a session is ended."""
    text = "This is the one you are using: you are asked to sign in again." if row["session"] == mine else ""
    said = f"{row['user']}, {browser(str(row['agent']))} at {row['address']}, is asked to sign in again."
    form = forms.form(SESSIONS_PAGE, [html.P(text or said)], "End session", until=None, danger=True)
    return forms.opened(SESSIONS_PAGE, f"End this session of {row['user']}?", form)


def ending_all(user: str, count: int) -> list[Component]:
    text = f"{number(count, 'session ends', 'sessions end')} at once, in every browser. API tokens of {user} go on."
    form = forms.form(SESSIONS_PAGE, [html.P(text)], "End all", until=None, danger=True)
    return forms.opened(SESSIONS_PAGE, f"End every session of {user}?", form)


# ── API tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


def tokens(frame: pd.DataFrame) -> Component:
    """`frames.people.tokens`."""
    if frame.empty:
        return states.empty(
            "No API tokens yet.", "A token lets a program read, or do what its role allows, as its owner."
        )
    return tables.table("API tokens", TOKENS, [token(row) for row in records(frame)], extra="stacked")


def token(row: Row) -> Component:
    state, word = TOKEN_STATES[str(row["state"])]
    name, used = str(row["name"]), values.whole(row["used"])
    return html.Tr(
        [
            html.Th([name, tables.below(f"of {row['owner']}")], scope="row"),
            tables.named("State", [status.state_mark(state, word=word)]),
            tables.named("Role", [str(row["role"])]),
            tables.named("Projects", [token_projects(row["projects"])]),
            tables.named("Last used", [values.ago(used) if used else html.Span("never", className="muted")], "num"),
            tables.named("Ends", [values.until(int(row["expires"]))], "num"),
            people.action("Revoke", "revoke", str(row["id"]), label=name),
        ]
    )


def token_projects(projects: Sequence[str] | None) -> Child:
    return "as its owner" if projects is None else ", ".join(projects) or "none"


def tokens_note(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "A secret is shown once, when it is made. Only its hash is kept."
    over = int((frame["state"] == "expired").sum())
    rest = f" {number(over, 'of them has', 'of them have')} expired." if over else ""
    return f"{number(len(frame), 'token')}.{rest} A secret is shown once, when it is made; only its hash is kept."


def making(owners: Sequence[str], me: str, newest: int, known: Sequence[str], until: Instant) -> list[Component]:
    """The form for a new token. What was typed is kept until there is one newer than the id `newest`."""
    keep = f"new {newest}"
    offered = f" Known here: {', '.join(known)}." if known else ""
    hint = f"Empty: all that its owner may see.{offered}"
    fields = [
        forms.line(TOKENS_PAGE, "name", "Name", keep=keep, maxlength=50, autofocus=True, hint="What it is for."),
        forms.choice(TOKENS_PAGE, "owner", "Owner", owners, value=me, keep=keep),
        forms.role(TOKENS_PAGE, value=Role.VIEWER, keep=keep, hint="Never more than its owner."),
        forms.line(TOKENS_PAGE, "projects", "Projects", keep=keep, hint=hint),
        forms.line(
            TOKENS_PAGE, "days", "Days it lasts", value=DAYS, keep=keep, type="number", min=1, max=365, step=1,
            hint="1 to 365.",
        ),
    ]  # fmt: skip
    return forms.opened(TOKENS_PAGE, "Make an API token", forms.form(TOKENS_PAGE, fields, "Make token", until=until))


def revoking(row: Row) -> list[Component]:
    text = "Every program that uses it is turned away at once. It cannot be brought back, only replaced by another."
    form = forms.form(REVOKE_PAGE, [html.P(text)], "Revoke", until=None, danger=True)
    return forms.opened(REVOKE_PAGE, f"Revoke “{row['name']}” of {row['owner']}?", form, box=TOKENS_PAGE)
