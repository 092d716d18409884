"""A page whose address names a thing."""

import dash
from dash import html

dash.register_page(__name__, path_template="/things/<name>", title="Thing")


def layout(name: str = "", **_: object) -> html.H1:
    return html.H1(name)
