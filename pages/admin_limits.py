"""Limits: who met one within the last day, or came near it."""

import dash
from dash import Input, Output, callback
from dash.development.base_component import Component

from observatory import frames
from observatory.auth.roles import requires
from observatory.components import administration as desk
from observatory.components import limits
from observatory.context import services
from observatory.model import Role

PAGE = "admin-limits"
dash.register_page(__name__, path="/admin/limits", title="Limits · Happy Observatory", name="Limits")


def layout(**_: object) -> Component:
    return desk.page(desk.section(PAGE, "Limits of requests"))


@callback(Output(f"{PAGE}-table", "children"), Output(f"{PAGE}-note", "children"), Input("live", "data"))
@requires(Role.ADMIN)
def draw_limits(_live: object) -> tuple[Component, str]:
    df = frames.people.marks(services().store, services().clock())
    return limits.table(df), limits.note(df)
