"""Dialogs and the forms in them.

Which dialog is open stands in the fragment of the address, `#disable/mira`: a link leads into it, "back" leads out, and
whoever had to give the password again comes back to it. A page has one dialog; its parts are named `<page>-dialog`,
`-said` (what came of it), `-fields` (hidden once it is done), `-form`; a store `-done` changes with each success.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from observatory.components import links
from observatory.components.attributes import Child, Children, aria, data
from observatory.errors import Conflict, Invalid, NotFound, StoreError
from observatory.model import Instant, Role

FRAGMENT = State("_pages_location", "hash")
AWAY = "The database does not answer, so nothing was changed. What you typed is still here; try again in a moment."
ROLES = (
    (Role.VIEWER, "Viewer", "sees the services and projects below"),
    (Role.OPERATOR, "Operator", "also sends commands and silences alerts"),
    (Role.ADMIN, "Admin", "sees every project, and runs this page"),
)


# ── which dialog ─────────────────────────────────────────────────────────────────────────────────────────────────────


def to(what: str, whom: str = "") -> str:
    """The fragment that opens a dialog."""
    return f"#{what}/{links.encoded(whom)}" if whom else f"#{what}"


def asked(fragment: str | None) -> tuple[str, str]:
    """What a fragment asks for, and of whom: `#disable/mira` → ("disable", "mira")."""
    what, _, whom = (fragment or "").removeprefix("#").partition("/")
    return what, links.decoded(whom)


def dialog(page: str) -> Component:
    """The place for a page's dialogs. A click beside one closes nothing: something may stand in it only once."""
    box = dbc.Modal(
        id=f"{page}-dialog", is_open=False, centered=True, scrollable=True, backdrop="static", className="dialog",
        labelledby=f"{page}-title",
    )  # fmt: skip
    return html.Div([box, dcc.Store(id=f"{page}-done"), dcc.Store(id=f"{page}-closed")])


def closes(page: str) -> None:
    """Let the address forget the dialog when it is closed by its cross or by Escape."""
    dash.clientside_callback(
        ClientsideFunction("forms", "closed"),
        Output(f"{page}-closed", "data"),
        Input(f"{page}-dialog", "is_open"),
        prevent_initial_call=True,
    )


def shown(content: Sequence[Component] | None, is_open: bool) -> tuple[object, object]:
    """What the callback of a dialog answers, for its `children` and `is_open`: None closes it."""
    if content is None:
        return no_update, False if is_open else no_update
    return list(content), True


def opened(page: str, title: str, fields: Children, *, box: str = "") -> list[Component]:
    """The content of a dialog, that of the page unless another `box` is named: fields, and above them a place for what
    came of it."""
    head = dbc.ModalHeader(html.H2(title, id=f"{box or page}-title", className="modal-title"))
    said = html.Div(id=f"{page}-said", **aria(live="polite"))
    return [head, dbc.ModalBody([said, html.Div(fields, id=f"{page}-fields")])]


def missing(page: str, what: str) -> list[Component]:
    """The dialog of somebody or something that is not there."""
    text = html.P(f"{what} may have been removed meanwhile.")
    return opened(page, "Nothing here", [text, html.Div(closing("Close"), className="form-end")])


def confirm_first(page: str, address: str) -> list[Component]:
    """The dialog for who must give the password again; `address` is where to come back to, fragment and all."""
    text = "What comes next can do harm, so give your password again. It holds for ten minutes."
    go = html.A("Give the password", href=f"/confirm?next={quote(address, safe='/')}", className="button primary")
    return opened(page, "Confirm it is you", [html.P(text), html.Div([closing("Cancel"), go], className="form-end")])


# ── parts of a form ──────────────────────────────────────────────────────────────────────────────────────────────────


def form(
    page: str, children: Sequence[Child], action: str, *, until: Instant | None, danger: bool = False
) -> Component:
    """Fields, a way out, and a button that says what it does. After `until` the button leads to the password first."""
    kind = "button danger" if danger else "button primary"
    button = html.Button(action, type="submit", className=kind, **data(until=until))
    whole: Component = dbc.Form(
        [*children, html.Div([closing("Cancel"), button], className="form-end")], id=f"{page}-form"
    )
    return whole


def closing(word: str, kind: str = "") -> Component:
    return html.Button(word, type="button", className=f"button {kind}".strip(), **data(close=True))


def name_of(page: str, field: Any) -> dict[str, Any]:
    """The id of a field. All of a page's fields are read at once, whichever its open form has."""
    return {"page": page, "field": field}


def element(page: str, field: str) -> str:
    """The id of a field's element, as Dash writes it."""
    return json.dumps(name_of(page, field), sort_keys=True, separators=(",", ":"))


def line(
    page: str, field: str, label: str, *, value: str | int = "", hint: str = "", keep: str, **more: Any
) -> Component:
    """A line to type into. What was typed outlives a way to the password and back, under the key `keep`."""
    box = dbc.Input(
        id=name_of(page, field), value=value, debounce=False, autocomplete="off", persistence=keep,
        persistence_type="session", **{"type": "text", **more},
    )  # fmt: skip
    below = html.Small(hint) if hint else None
    return html.Div([html.Label([html.Span(label), below], htmlFor=element(page, field)), box], className="field")


def choice(page: str, field: str, label: str, options: Sequence[str], *, value: str, keep: str) -> Component:
    select = dbc.Select(
        id=name_of(page, field), options=list(options), value=value, persistence=keep, persistence_type="session"
    )
    return html.Div(
        [html.Label(label, htmlFor=element(page, field)), html.Div(select, className="select")], className="field"
    )


def role(page: str, *, value: Role, keep: str, most: Role = Role.ADMIN, hint: str = "") -> Component:
    """The roles up to `most`, each with what it may do."""
    offered = ROLES[: list(Role).index(most) + 1]
    options = [{"label": [html.Span(word), html.Small(text)], "value": one.value} for one, word, text in offered]
    radio = dbc.RadioItems(
        id=name_of(page, "role"), options=options, value=value.value, className="roles", persistence=keep,
        persistence_type="session",
    )  # fmt: skip
    return html.Fieldset(
        [html.Legend("Role"), radio, html.Small(hint) if hint else None], className="field", role="radiogroup"
    )


def fields(ids: Sequence[Mapping[str, str]], values: Sequence[Any]) -> dict[str, Any]:
    """Fields by name. None, as an emptied number has it, is an empty text."""
    return {one["field"]: "" if value is None else value for one, value in zip(ids or (), values or (), strict=True)}


def split(text: str) -> list[str]:
    """Ids that somebody typed, with commas or spaces between them."""
    return re.findall(r"[^\s,;]+", text)


def role_of(word: object) -> Role:
    """Raises Invalid."""
    try:
        return Role(str(word))
    except ValueError:
        raise Invalid([{"path": "role", "message": "Choose a role."}]) from None


# ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def tried(submits: int | None, action: Callable[[], Component], now: Instant) -> tuple[object, bool, object]:
    """Do it, and what a dialog's `said`, `fields` (hidden?) and `done` then are. A fault stands above the fields."""
    if not submits:
        raise PreventUpdate
    try:
        return action(), True, now
    except Invalid as error:
        return problem([fault["message"] for fault in error.faults]), False, no_update
    except (Conflict, NotFound) as error:
        return problem([str(error)]), False, no_update
    except StoreError:
        return problem([AWAY]), False, no_update


def problem(sentences: Sequence[str]) -> Component:
    return html.Div([html.P(sentence) for sentence in sentences], className="notice error", role="alert")


def finished(*sentences: Children) -> Component:
    return html.Div([*(html.P(one) for one in sentences), html.Div(closing("Done", "primary"), className="form-end")])


def once(label: str, secret: str, *sentences: Children) -> Component:
    """Something that is shown now and never again, in a box to copy it from."""
    box = html.Div(
        [
            html.Code(secret, id="once", tabIndex=0, **aria(label=label)),
            html.Button("Copy", type="button", className="button", **data(copy="once")),
        ],
        className="once",
    )
    warning = html.P("It is not shown again.", className="once-note")
    return html.Div(
        [*(html.P(one) for one in sentences), box, warning, html.Div(closing("Done", "primary"), className="form-end")]
    )
