"""People: who may sign in, as what, and to which projects."""

from collections.abc import Callable
from typing import Any

import dash
import pandas as pd
from dash import ALL, Input, Output, State, callback, html
from dash.development.base_component import Component

from observatory import frames
from observatory.auth.roles import CONFIRMED_FOR, requires
from observatory.components import administration as desk
from observatory.components import forms, people, values
from observatory.components.attributes import Child, Row, records
from observatory.context import actor, administration, services
from observatory.errors import NotFound
from observatory.model import Role
from observatory.people import Link

PAGE = people.PAGE
dash.register_page(__name__, path="/admin", title="Administration · Happy Observatory", name="Administration")
forms.closes(PAGE)


def layout(**_: object) -> Component:
    add = html.A("Add a person", href=forms.to("add"), className="button primary")
    return desk.page(desk.section(PAGE, "People", action=add), forms.dialog(PAGE))


@callback(
    Output(f"{PAGE}-table", "children"),
    Output(f"{PAGE}-note", "children"),
    Input("live", "data"),
    Input(f"{PAGE}-done", "data"),
)
@requires(Role.ADMIN)
def draw_people(_live: object, _done: object) -> tuple[Component, str]:
    df = everybody()
    return people.table(df, actor().name), people.note(df)


@callback(
    Output(f"{PAGE}-dialog", "children"),
    Output(f"{PAGE}-dialog", "is_open"),
    Input("_pages_location", "hash"),
    State(f"{PAGE}-dialog", "is_open"),
)
@requires(Role.ADMIN)
def open_dialog(fragment: str | None, is_open: bool) -> tuple[object, object]:
    what, name = forms.asked(fragment)
    return forms.shown(content(what, name) if what in {"add", "change", *people.ACTIONS} else None, is_open)


@callback(
    Output(f"{PAGE}-said", "children"),
    Output(f"{PAGE}-fields", "hidden"),
    Output(f"{PAGE}-done", "data"),
    Input(f"{PAGE}-form", "n_submit"),
    forms.FRAGMENT,
    State(forms.name_of(PAGE, ALL), "id"),
    State(forms.name_of(PAGE, ALL), "value"),
    prevent_initial_call=True,
)
@requires(Role.ADMIN, confirmed=True)
def act(submits: int | None, fragment: str | None, ids: Any, given: Any) -> tuple[object, bool, object]:
    what, name = forms.asked(fragment)
    return forms.tried(submits, lambda: ACTS.get(what, nothing)(name, forms.fields(ids, given)), services().clock())


def content(what: str, name: str) -> list[Component]:
    """The dialog that the fragment of the address asks for."""
    until = (actor().confirmed or 0) + CONFIRMED_FOR
    if until <= services().clock():
        return forms.confirm_first(PAGE, people.PATH + forms.to(what, name))
    df = everybody()
    if what == "add":
        return people.adding(len(df), known_projects(), until)
    row: Row | None = next(iter(records(df[df["name"] == name])), None)
    if row is None:
        return forms.missing(PAGE, f"The account “{name}”")
    if what == "change":
        return people.changing(row, known_projects(), until, actor().name)
    return people.asking(what, row, until, actor().name)


def everybody() -> pd.DataFrame:
    return frames.people.everybody(services().store, services().clock())


def known_projects() -> list[str]:
    return sorted(set(frames.agents.current(services().store, actor())["project"]) - {""})


# ── what a dialog does. Each raises Invalid, Conflict or NotFound, and answers what came of it ──────────────────────


def add(_name: str, given: dict[str, Any]) -> Component:
    name = str(given["name"]).strip()
    link = administration().invite(name, forms.role_of(given["role"]), forms.split(given["projects"]))
    return link_for(name, link)


def link_for(name: str, link: Link) -> Component:
    said: list[Child] = ["Give this link to ", html.Strong(name), ". It works once, and ends "]
    return forms.once("Link to choose a password", link.url, [*said, values.until(link.expires), "."])


def change(name: str, given: dict[str, Any]) -> Component:
    role, projects = forms.role_of(given["role"]), forms.split(given["projects"])
    administration().change(name, role=role, projects=projects)
    return forms.finished([html.Strong(name), f" is {role} now."])


def reset(name: str, _given: dict[str, Any]) -> Component:
    link = administration().reset(name)
    return link_for(name, link)


def disable(name: str, _given: dict[str, Any]) -> Component:
    administration().change(name, disabled=True)
    return forms.finished([html.Strong(name), " is disabled and signed out."])


def enable(name: str, _given: dict[str, Any]) -> Component:
    administration().change(name, disabled=False)
    return forms.finished([html.Strong(name), " can sign in again."])


def erase(name: str, _given: dict[str, Any]) -> Component:
    administration().erase(name)
    return forms.finished("The account is gone, and the audit log has forgotten whose it was.")


def nothing(_name: str, _given: dict[str, Any]) -> Component:
    raise NotFound("There is no such thing to do.")


ACTS: dict[str, Callable[[str, dict[str, Any]], Component]] = {
    "add": add, "change": change, "reset": reset, "disable": disable, "enable": enable, "erase": erase,
}  # fmt: skip
