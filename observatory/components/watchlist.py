"""The dialogs in which an administrator adds, changes, pauses or removes a service; and the services that are gone."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc
import pandas as pd
from dash import dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from observatory.components import forms, links, tables, values, words
from observatory.components.administration import number
from observatory.components.attributes import Child, Row, aria, data, records
from observatory.errors import Conflict, Invalid, NotFound, StoreError
from observatory.model import Expect, Kind
from observatory.watchlist import KINDS, PREFIX, Definition

# What the API calls a field → what the form calls it.
FIELDS = {
    "name": "name", "kind": "kind", "url": "url", "intervalSeconds": "interval", "project": "project",
    "tokenEnv": "token", "expect": "status", "expect.json": "path", "timeoutSeconds": "timeout", "labels": "labels",
    "headersEnv": "headers", "headers": "headers",
}  # fmt: skip
GONE = (("Service", ""), ("Went", "num"), ("Last good reading", "num"), ("Was named by", ""), ("Address", ""))
ASKED = {"pause": "Pause", "resume": "Resume", "remove": "Remove"}
Pairs = Sequence[tuple[str, str]]
Told = tuple[object, object, object, list[Any], list[bool]]


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def adding(page: str, known: Sequence[str], keep: str) -> list[Component]:
    """The form for a new service. What was typed is kept under `keep` while the dialog is closed."""
    fields = [
        kind_field(page, Kind.HTTP, keep),
        line(page, "name", "Name", keep=keep, maxlength=100, hint="What people call it."),
        *common(page, None, known, keep),
    ]
    return forms.opened(page, "Add a service", forms.form(page, fields, "Add service", until=None))


def changing(page: str, present: Definition, known: Sequence[str]) -> list[Component]:
    """The same of one that was added: everything but its name, by which it is known."""
    keep = repr(present)  # what was typed is about this one: another administrator may have changed it meanwhile
    fields = [kind_field(page, present.kind, keep), *common(page, present, known, keep)]
    return forms.opened(page, f"Edit {words.title(present.name)}", forms.form(page, fields, "Save", until=None))


def common(page: str, present: Definition | None, known: Sequence[str], keep: str) -> list[Component]:
    offered = f" Known here: {', '.join(known)}." if known else ""
    every = "" if present is None or present.interval is None else f"{present.interval:g}"
    return [
        line(
            page, "url", "Address", value=present.url if present else "", keep=keep, inputmode="url", maxlength=2000,
            placeholder="https://",
        ),
        line(
            page, "interval", "Asked every", value=every, keep=keep, inputmode="decimal", maxlength=10,
            hint="Seconds. Empty: like the others.",
        ),
        line(
            page, "project", "Project", value=present.project if present else "", keep=keep, maxlength=64,
            hint=f"Who may see it. Empty: everybody.{offered}",
        ),
        expectation(page, present, keep),
        line(
            page, "token", "Variable with its token", value=present.token_env if present else "", keep=keep,
            maxlength=110, placeholder=f"{PREFIX}…",
            hint="Named in the environment of the observatory. The token itself is never typed here.",
        ),
        seldom(page, present, keep),
    ]  # fmt: skip


def seldom(page: str, present: Definition | None, keep: str) -> Component:
    """What few services need, folded away unless this one has some of it."""
    limit = "" if present is None or present.timeout is None else f"{present.timeout:g}"
    labels, headers = (present.labels, present.headers_env) if present else ((), ())
    fields = [
        line(
            page, "timeout", "Must answer within", value=limit, keep=keep, inputmode="decimal", maxlength=10,
            hint="Seconds. Empty: as usual for what it is.",
        ),
        lines(page, "labels", "Labels", labels, keep=keep, hint="One a line, as team=blue. They go with its numbers."),
        lines(
            page, "headers", "Headers from variables", headers, keep=keep,
            hint=f"One a line, as X-Key={PREFIX}SHOP_KEY.",
        ),
    ]  # fmt: skip
    return html.Details(
        [html.Summary("More"), html.Div(fields)], className="more", open=bool(limit or labels or headers)
    )


def kind_field(page: str, present: Kind, keep: str) -> Component:
    options = [{"label": words.kind(kind), "value": kind.value} for kind in KINDS]
    select = dbc.Select(
        id=forms.name_of(page, "kind"), options=options, value=present.value, persistence=keep,
        persistence_type="session", className="kind",
    )  # fmt: skip
    label = html.Label("Kind", htmlFor=forms.element(page, "kind"))
    return html.Div([label, html.Div(select, className="select"), fault_place(page, "kind")], className="field")


def expectation(page: str, present: Definition | None, keep: str) -> Component:
    """What an HTTP endpoint must answer; hidden by the style sheet while another kind is chosen."""
    expect = present.expect if present else None
    path, value = next(iter(expect.json.items()), ("", "")) if expect else ("", "")
    shown = value if isinstance(value, str) else json.dumps(value)
    return html.Fieldset(
        [
            html.Legend("Counts as up when it answers"),
            html.Div(
                [
                    line(
                        page, "status", "Status", value=str(expect.status) if expect else "", keep=keep,
                        inputmode="numeric", maxlength=3, placeholder="any 2xx",
                    ),
                    line(page, "path", "and in its JSON", value=path, keep=keep, maxlength=200, placeholder="$.status"),
                    line(page, "value", "is", value=shown, keep=keep, maxlength=200, placeholder="ok"),
                ],
                className="expectation",
            ),
        ],
        className="field only-http",
    )  # fmt: skip


def line(page: str, field: str, label: str, **more: Any) -> Component:
    """A line to type into, with a place for what is wrong with it."""
    made = forms.line(page, field, label, **more)
    return html.Div([*made.children, fault_place(page, field)], className="field")


def lines(page: str, field: str, label: str, pairs: Pairs, *, keep: str, hint: str) -> Component:
    """A box for pairs, one a line, with a place for what is wrong with them."""
    text = "\n".join(f"{name}={value}" for name, value in pairs)
    box = dbc.Textarea(
        id=forms.name_of(page, field), value=text, rows=2, maxlength=5000, persistence=keep, persistence_type="session",
        spellcheck=False,
    )  # fmt: skip
    name = html.Label([html.Span(label), html.Small(hint)], htmlFor=forms.element(page, field))
    return html.Div([name, box, fault_place(page, field)], className="field")


def fault_place(page: str, field: Any) -> Component:
    return html.P(id=fault_of(page, field), className="fault", **aria(live="polite"))


def fault_of(page: str, field: Any) -> dict[str, Any]:
    return {"page": page, "fault": field}


# ── what was typed ───────────────────────────────────────────────────────────────────────────────────────────────────


def definition(name: str, given: Mapping[str, Any]) -> Definition:
    """A form as a Definition, for whatever it is worth. Raises Invalid."""
    return Definition(name=name, **changes(given, None))


def changes(given: Mapping[str, Any], present: Definition | None) -> dict[str, Any]:
    """What a form sets of a Definition: what it does not show stays. Raises Invalid."""
    typed = {field: str(value).strip() for field, value in given.items()}
    kind = Kind(typed["kind"]) if typed["kind"] in set(Kind) else None
    if kind is None:
        raise Invalid([{"path": "kind", "message": "Choose a kind."}])
    before = present.expect if present else None
    return {
        "kind": kind,
        "url": typed["url"].rstrip("/"),
        "interval": number_of(typed["interval"]),
        "project": typed["project"],
        "token_env": typed["token"],
        "timeout": number_of(typed["timeout"]),
        "labels": pairs_of("labels", typed["labels"]),
        "headers_env": pairs_of("headers", typed["headers"]),
        "expect": expected(typed, before) if kind is Kind.HTTP else None,
    }


def expected(typed: Mapping[str, str], before: Expect | None) -> Expect | None:
    """The form shows the first of several values that are expected; the others stay."""
    status, path, value = typed["status"], typed["path"], typed["value"]
    rest = dict(list(before.json.items())[1:]) if before else {}
    if not (status or path or value or rest):
        return None
    code = number_of(status or "200") or 0.0
    wanted = {path: scalar(value)} if path or value else {}
    return Expect(int(code) if code.is_integer() else 0, {**wanted, **rest})


def scalar(text: str) -> object:
    """`true` and `3` as JSON has them; anything else is a text."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool | int | float | str | None) else text


def pairs_of(field: str, text: str) -> Pairs:
    """What stands in lines of `name=value`. Raises Invalid for a line that is none, and for a name that comes twice."""
    pairs = [(name.strip(), value.strip()) for name, _, value in (one.partition("=") for one in text.splitlines())]
    found = {name: value for name, value in pairs if name or value}
    odd = [one.strip() for one in text.splitlines() if one.strip() and "=" not in one]
    if odd or len(found) != sum(bool(name or value) for name, value in pairs):
        said = f"“{odd[0]}” has no = in it." if odd else "A name stands there twice."
        raise Invalid([{"path": field, "message": said}])
    return tuple(found.items())


def number_of(text: str) -> float | None:
    """None for an empty text. What is no number is not one either: whoever looks at the whole tells so."""
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan


def tried(submits: int | None, ids: Sequence[Mapping[str, str]], action: Callable[[], Component], now: int) -> Told:
    """Do it. `said`, `fields` (hidden?) and `done` of a dialog, then beside each field what is wrong, and whether.

    `ids` are those of the fields, in their order. A fault of no field stands above them. What was typed stays.
    """
    if not submits:
        raise PreventUpdate
    fields = [one["field"] for one in ids or ()]
    try:
        return action(), True, now, [None] * len(fields), [False] * len(fields)
    except Invalid as error:
        by_field = {field_of(fault["path"]): fault["message"] for fault in reversed(error.faults)}
    except Conflict as error:
        by_field = {"name": str(error)}
    except NotFound as error:
        by_field = {"": str(error)}
    except StoreError:
        by_field = {"": forms.AWAY}
    others = [message for field, message in by_field.items() if field not in fields]
    said = forms.problem(others) if others else None
    return said, False, no_update, [by_field.get(field) for field in fields], [field in by_field for field in fields]


def field_of(path: str) -> str:
    return FIELDS.get(path) or FIELDS.get(path.partition(".")[0], "")


# ── pausing and removing ─────────────────────────────────────────────────────────────────────────────────────────────


def ways(service: Row) -> Component:
    """What an administrator may do to a service, on its page."""
    added = service["origin"] == "admin" and service["state"] != "gone"
    offered = [
        None if service["state"] == "gone" else "resume" if service["paused"] else "pause",
        "edit" if added else None,
        "remove" if added else None,
    ]
    labels = {**ASKED, "edit": "Edit"}
    made = [html.A(labels[what], href=forms.to(what), className="button") for what in offered if what]
    return html.Div(made, className="ways")


def asking(page: str, what: str, service: Row) -> list[Component]:
    """Asks once more, and says what will happen."""
    name = words.title(str(service["name"]))
    told = html.Ul([html.Li(one) for one in consequences(what, service)], className="consequences")
    form = forms.form(page, [told], ASKED[what], until=None, danger=what == "remove")
    return forms.opened(page, f"{ASKED[what]} {name}?", form)


def consequences(what: str, service: Mapping[str, Any]) -> tuple[str, ...]:
    name = words.title(str(service["name"]))
    return {
        "pause": (
            f"{name} is not asked any more, until somebody resumes it.",
            "The time until then counts neither as up nor as down.",
        ),
        "resume": (f"{name} is asked again within a second.",),
        "remove": (
            f"{name} is not watched any more, and leaves every list and sum at once.",
            "Its history stays for as long as any is kept. You find it under the services that are gone.",
            f"Add a service named {service['name']} again, and it goes on where it ended.",
        ),
    }[what]


def done(what: str, name: str) -> Component:
    said = {"pause": " is paused.", "resume": " is asked again.", "remove": " is gone."}[what]
    return forms.finished([html.Strong(words.title(name)), said])


def added(name: str) -> Component:
    way = dcc.Link("See it", href=links.service(name), className="button primary")
    said = html.P([html.Strong(words.title(name)), " is watched from now on. Its first reading is a moment away."])
    return html.Div([said, html.Div([forms.closing("Done"), way], className="form-end")])


# ── what is gone ─────────────────────────────────────────────────────────────────────────────────────────────────────


def gone(frame: pd.DataFrame) -> Component | None:
    """Rows of `frames.services.current` that are gone, folded away; nothing when there are none."""
    if frame.empty:
        return None
    rows = [departed(row) for row in records(frame.sort_values("gone", ascending=False))]
    many = number(len(frame), "service is no longer watched", "services are no longer watched")
    return html.Details([html.Summary(many), tables.table("Gone", GONE, rows, extra="stacked")], className="gone-list")


def departed(row: Row) -> Component:
    name, measured = str(row["name"]), words.instant(row["measured"])
    last: Child = values.ago(measured) if measured is not None else "never"
    return html.Tr(
        [
            html.Th(dcc.Link(words.title(name), href=links.service(name)), scope="row"),
            tables.named("Went", [values.ago(int(row["gone"]))], "num"),
            tables.named("Last good reading", [last], "num"),
            tables.named("Was named by", [words.origin(str(row["origin"]))]),
            tables.named("Address", [html.Code(str(row["url"]))], "url"),
        ],
        **data(state="gone"),
    )


def also_named(service: Row) -> str:
    """ "observatory.toml as shop, added here"; "" when nobody else names it."""
    said = [(words.origin(origin), name) for origin, name in service["also"]]
    return ", ".join(who if name == service["name"] else f"{who} as {name}" for who, name in said)
