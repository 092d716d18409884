"""The audit log as an administrator reads it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_bootstrap_components as dbc
import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import states, status, tables, values
from observatory.components.attributes import Child, Row, aria, records
from observatory.model import DAY, HOUR, Instant

PATH, EXPORT = "/admin/audit", "/api/admin/audit/export"
LINES = 25  # a page: Dash takes about a millisecond to draw each element
CALLBACKS = "/_dash-update-component"
FIELDS = ("event", "user", "text", "range")
COLUMNS = (("When", ""), ("Event", ""), ("Who", ""), ("What", ""), ("Outcome", ""))
EVENTS = (
    ("all", "Everything"),
    ("auth.", "Signing in and out"),
    ("user.", "Accounts"),
    ("session.", "Sessions ended"),
    ("api_key.", "API tokens"),
    ("access.denied", "Turned away: not allowed"),
    ("rate_limit.", "Turned away: too many requests"),
    ("validation.", "Turned away: could not be used"),
    ("target.", "Services"),
    ("command.", "Commands"),
    ("audit.", "Audit log exported"),
    ("security.", "Faults"),
)
RANGES = {"all": None, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
RANGE_WORDS = {"all": "Any time", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
OUTCOMES = {"info": ("completed", "done"), "warning": ("warning", "refused"), "error": ("failed", "fault")}


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


def asked(search: str | None) -> dict[str, str]:
    """The filters in the query of the address, and `before`, the line that an older page goes on from."""
    found = parse_qs((search or "").removeprefix("?"))
    return {name: found[name][0][:100] for name in (*FIELDS, "before") if name in found}


def since(filters: Mapping[str, str], now: Instant) -> Instant | None:
    span = RANGES.get(filters.get("range", ""))
    return None if span is None else now - span


def before(filters: Mapping[str, str]) -> int | None:
    text = filters.get("before", "")
    return int(text) if text.isascii() and text.isdigit() else None


def address(filters: Mapping[str, str], **more: object) -> str:
    """The page with these filters."""
    wanted = {name: filters[name] for name in FIELDS if filters.get(name)} | more
    return f"{PATH}?{urlencode(wanted)}" if wanted else PATH


def export(filters: Mapping[str, str], kind: str, now: Instant) -> str:
    """Where the same lines are had as a file."""
    wanted: dict[str, object] = {"format": kind}
    wanted |= {name: filters[name] for name in ("event", "user", "text") if filters.get(name)}
    begin = since(filters, now)
    return f"{EXPORT}?{urlencode(wanted | ({} if begin is None else {'since': begin}))}"


def exports(filters: Mapping[str, str], now: Instant) -> list[Component]:
    kinds = {"csv": "Export CSV", "jsonl": "Export JSON lines"}
    return [
        html.A(word, href=export(filters, kind, now), className="button", download="") for kind, word in kinds.items()
    ]


def filters(present: Mapping[str, str]) -> Component:
    """The filters as they stand in the address; assets/forms.js writes them there when one changes."""
    offered = [{"value": value, "label": label} for value, label in EVENTS]
    event = present.get("event", "all")
    if event not in dict(EVENTS):
        offered.append({"value": event, "label": event})
    spans = [{"value": value, "label": label} for value, label in RANGE_WORDS.items()]
    return html.Div(
        [
            labelled("event", "Event", select("event", offered, event)),
            labelled("user", "Who", text("user", present, "Name")),
            labelled("text", "Contains", text("text", present, "Name, address, path or reason")),
            labelled("range", "When", select("range", spans, present.get("range", "all"))),
            dcc.Link("Clear", href=PATH, className="button quiet") if any(map(present.get, FIELDS)) else None,
        ],
        className="filters",
        role="search",
    )


def labelled(name: str, label: str, control: Component) -> Component:
    return html.Div([html.Label(label, htmlFor=f"admin-audit-{name}"), control], className="field")


def select(name: str, options: list[dict[str, str]], value: str) -> Component:
    return html.Div(dbc.Select(id=f"admin-audit-{name}", options=options, value=value), className="select")


def text(name: str, present: Mapping[str, str], hint: str) -> Component:
    box: Component = dbc.Input(
        id=f"admin-audit-{name}", value=present.get(name, ""), placeholder=hint, debounce=True, autocomplete="off",
        type="search", maxlength=100,
    )  # fmt: skip
    return box


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def log(frame: pd.DataFrame, wanted: Mapping[str, str]) -> Component:
    """`frames.people.audit` of one line more than is shown, so that it is known whether there are older ones."""
    if frame.empty:
        return states.empty(*nothing(wanted))
    rows = records(frame.head(LINES))
    table = tables.table("Audit log", COLUMNS, [entry(row) for row in rows], extra="stacked audit")
    older = address(wanted, before=rows[-1]["id"]) if len(frame) > LINES else ""
    links = [
        dcc.Link("Newest", href=address(wanted), className="button") if "before" in wanted else None,
        dcc.Link("Older", href=older, className="button") if older else html.Span("No older ones", className="muted"),
    ]
    return html.Div([table, html.Nav(links, className="pager", **aria(label="Older and newest lines"))])


def nothing(wanted: Mapping[str, str]) -> tuple[str, str]:
    if any(map(wanted.get, FIELDS)):
        return "Nothing in the audit log fits this.", "Try fewer filters, or a longer time."
    return "Nothing was noted yet.", "Sign-ins, changes and everything that was refused appear here."


def entry(row: Row) -> Component:
    state, word = OUTCOMES[str(row["level"])]
    return html.Tr(
        [
            html.Th([values.stamp(int(row["at"])), times(row)], scope="row"),
            tables.named("Event", [html.Code(str(row["event"]))]),
            tables.named("Who", [who(row), tables.below(html.Code(str(row["address"]) or "–"))]),
            tables.named("What", [what(row)]),
            tables.named("Outcome", [status.state_mark(state, word=word), reason(row)], "outcome-cell"),
        ],
        key=str(row["id"]),
    )


def times(row: Row) -> Component | None:
    """ "× 12, until 14:03:02" where refusals alike within a minute are one line."""
    if int(row["times"]) < 2:
        return None
    return tables.below(html.Span([f"× {row['times']}, until ", values.clock(int(row["until"]))]))


def who(row: Row) -> Child:
    if row["user"]:
        return str(row["user"])
    return html.Span("a stranger" if values.whole(row["user_id"]) is None else "somebody erased", className="muted")


def reason(row: Row) -> Component | None:
    return tables.below(str(row["reason"])) if row["reason"] else None


def what(row: Row) -> Component:
    """What it was about; the rest of what is known opens below it."""
    about = " · ".join(str(row[name]) for name in ("resource", "project", "action") if row[name])
    more = {
        "Request": request(row),
        "Browser": str(row["agent"]),
        **{str(name): json.dumps(content, ensure_ascii=False) for name, content in row["details"].items()},
    }
    facts: list[Any] = [[html.Dt(name), html.Dd(said)] for name, said in more.items() if said]
    return html.Details(
        [
            html.Summary(about or html.Span(more["Request"] or "More", className="muted")),
            html.Dl([html.Div(pair) for pair in facts], className="entry-facts"),
        ]
    )


def request(row: Row) -> str:
    if row["path"] == CALLBACKS:
        return "by a page of the dashboard"
    return f"{row['method']} {row['path']}".strip()
