"""What the pages for administrators have in common: their head, the way between them, and what others see instead."""

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from observatory.components import states
from observatory.components.attributes import Child, aria, data
from observatory.context import actor_or_none
from observatory.model import Role

SECTIONS = (
    ("People", "/admin"),
    ("Sessions", "/admin/sessions"),
    ("API tokens", "/admin/tokens"),
    ("Audit log", "/admin/audit"),
    ("Limits", "/admin/limits"),
)


def page(*sections: Component) -> Component:
    """A page for administrators. Others are told so, and get nothing of it: no callback of theirs ever asks."""
    who = actor_or_none()
    if who is None or not who.may(Role.ADMIN):
        return html.Div(states.forbidden(who.name if who else "", who.role if who else ""), className="page")
    tabs = [dbc.NavLink(word, href=href, active="exact", className="tab") for word, href in SECTIONS]
    head = html.Header(
        [html.H1("Administration"), html.Nav(tabs, className="tabs", **aria(label="Administration"))],
        className="page-head",
    )
    return html.Div([head, *sections], className="page", **data(topics=""))


def section(id: str, title: str, *, action: Child = None, above: Child = None, rows: int = 4) -> Component:
    """A panel whose `<id>-table` and `<id>-note` a callback fills."""
    words = html.Div([html.H2(title), html.P(id=f"{id}-note", className="panel-aside")])
    head = html.Header([words, action], className="panel-head")
    table = html.Div(html.Div(states.skeleton("row", rows), className="panel-body"), id=f"{id}-table")
    return html.Section([head, above, table], className="panel")


def number(count: int, one: str, many: str = "") -> str:
    """ "1 person", "2 people"."""
    return f"{count} {one if count == 1 else many or one + 's'}"
