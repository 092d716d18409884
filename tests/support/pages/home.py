"""A small page with everything the guard must tell apart."""

import dash
from dash import Input, Output, callback, html

from observatory.auth.roles import requires
from observatory.model import Role

dash.register_page(__name__, path="/", title="Home")


def layout(**_: object) -> html.Div:
    return html.Div([html.Button("Read", id="read"), html.Button("Press", id="press"), html.Div(id="out")])


@callback(Output("out", "children"), Input("read", "n_clicks"))
def read(clicks: int | None) -> str:
    return f"read {clicks}"


@callback(Output("press", "children"), Input("press", "n_clicks"))
@requires(Role.OPERATOR)
def press(clicks: int | None) -> str:
    return f"pressed {clicks}"


@callback(Output("read", "children"), Input("read", "title"))
def fail(_: object) -> str:
    raise RuntimeError("the secret detail")
