"""The registry: everything that is watched, how it is, and how it was."""

import dash
from dash import Input, Output, callback, html
from dash.development.base_component import Component

from observatory import frames
from observatory.answers import shared
from observatory.components import ranges, states, tables
from observatory.components.attributes import data
from observatory.context import actor, services

dash.register_page(__name__, path="/services", title="Services · Happy Observatory", name="Services")


def layout(**_: object) -> Component:
    return html.Div(
        [
            html.Header([html.H1("Services"), html.P(id="services-note", className="muted")], className="page-head"),
            html.Section(
                html.Div(states.skeleton("row", 6), className="panel-body"), id="services-table", className="panel"
            ),
        ],
        className="page",
        **data(topics="targets"),
    )


@callback(
    Output("services-table", "children"),
    Output("services-note", "children"),
    Input("live", "data"),
    Input("range", "value"),
)
@shared
def draw_table(_live: object, chosen: str) -> tuple[Component, str]:
    store, now = services().store, services().clock()
    df = frames.services.current(store, actor(), now)
    uptime = frames.services.uptime(store, df["name"].tolist(), ranges.window(chosen, now))
    return tables.services(
        df, uptime
    ), f"Worst first. Uptime over the {span(chosen)}, as the share of what was observed."


def span(chosen: str) -> str:
    return ranges.WORDS.get(chosen, ranges.WORDS[ranges.DEFAULT]).lower()
