"""The registry: everything that is watched, how it is, and how it was."""

from typing import Any

import dash
from dash import ALL, Input, Output, State, callback, html
from dash.development.base_component import Component

from observatory import frames
from observatory.answers import shared
from observatory.auth.roles import requires
from observatory.components import forms, ranges, states, tables
from observatory.components import watchlist as desk
from observatory.components.attributes import data
from observatory.context import actor, actor_or_none, services, watchlist
from observatory.model import Role

PAGE = "services"
dash.register_page(__name__, path="/services", title="Services · Happy Observatory", name="Services")
forms.closes(PAGE)


def layout(**_: object) -> Component:
    who = actor_or_none()
    admin = who is not None and who.may(Role.ADMIN)
    words = html.Div([html.H1("Services"), html.P(id="services-note", className="muted")])
    add = html.A("Add a service", href=forms.to("add"), className="button primary") if admin else None
    return html.Div(
        [
            html.Header([words, add], className="page-head with-ways"),
            html.Section(
                html.Div(states.skeleton("row", 6), className="panel-body"), id="services-table", className="panel"
            ),
            html.Div(id="services-gone"),
            forms.dialog(PAGE) if admin else None,
        ],
        className="page",
        **data(topics="targets"),
    )


@callback(
    Output("services-table", "children"),
    Output("services-note", "children"),
    Output("services-gone", "children"),
    Input("live", "data"),
    Input("range", "value"),
)
@shared
def draw_table(_live: object, chosen: str) -> tuple[Component, str, Component | None]:
    store, now = services().store, services().clock()
    df = frames.services.current(store, actor(), now)
    watched, departed = df[df["state"] != "gone"], df[df["state"] == "gone"]
    uptime = frames.services.uptime(store, watched["name"].tolist(), ranges.window(chosen, now))
    note = f"Worst first. Uptime over the {span(chosen)}, as the share of what was observed."
    table = tables.services(watched, uptime) if len(watched) else states.empty("Nothing is watched yet.")
    return table, note, desk.gone(departed)


@callback(
    Output(f"{PAGE}-dialog", "children"),
    Output(f"{PAGE}-dialog", "is_open"),
    Input("_pages_location", "hash"),
    State(f"{PAGE}-dialog", "is_open"),
)
@requires(Role.ADMIN)
def open_services_dialog(fragment: str | None, is_open: bool) -> tuple[object, object]:
    return forms.shown(new() if forms.asked(fragment)[0] == "add" else None, is_open)


@callback(
    Output(f"{PAGE}-said", "children"),
    Output(f"{PAGE}-fields", "hidden"),
    Output(f"{PAGE}-done", "data"),
    Output(desk.fault_of(PAGE, ALL), "children"),
    Output(forms.name_of(PAGE, ALL), "invalid"),
    Input(f"{PAGE}-form", "n_submit"),
    State(forms.name_of(PAGE, ALL), "id"),
    State(forms.name_of(PAGE, ALL), "value"),
    prevent_initial_call=True,
)
@requires(Role.ADMIN)
def add_service(submits: int | None, ids: Any, given: Any) -> desk.Told:
    return desk.tried(submits, ids, lambda: add(forms.fields(ids, given)), services().clock())


def new() -> list[Component]:
    names = frames.services.current(services().store, actor(), services().clock())["name"].tolist()
    return desk.adding(PAGE, known_projects(), f"add {len(names)}")


def known_projects() -> list[str]:
    return sorted(set(frames.agents.current(services().store, actor())["project"]) - {""})


def add(given: dict[str, Any]) -> Component:
    """Raises Invalid, Conflict."""
    name = str(given["name"]).strip()
    watchlist().add(desk.definition(name, given))
    return desk.added(name)


def span(chosen: str) -> str:
    return ranges.WORDS.get(chosen, ranges.WORDS[ranges.DEFAULT]).lower()
