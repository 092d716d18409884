"""The audit log: who did or tried what, and what came of it."""

import dash
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from observatory import frames
from observatory.auth.roles import requires
from observatory.components import administration as desk
from observatory.components import records
from observatory.context import services
from observatory.frames.people import Wanted
from observatory.model import Role

PAGE = "admin-audit"
dash.register_page(__name__, path=records.PATH, title="Audit log · Happy Observatory", name="Audit log")
clientside_callback(
    ClientsideFunction("forms", "filter"),
    Output(f"{PAGE}-asked", "data"),
    *(Input(f"{PAGE}-{field}", "value") for field in records.FIELDS),
    prevent_initial_call=True,
)


def layout(**query: object) -> Component:
    present = {name: value for name, value in query.items() if name in records.FIELDS and isinstance(value, str)}
    table = desk.section(
        PAGE, "Audit log", action=html.Div(id=f"{PAGE}-export", className="exports"), above=records.filters(present),
        rows=10,
    )  # fmt: skip
    return desk.page(table, dcc.Store(id=f"{PAGE}-asked"))


@callback(
    Output(f"{PAGE}-table", "children"),
    Output(f"{PAGE}-note", "children"),
    Output(f"{PAGE}-export", "children"),
    Input("live", "data"),
    State("_pages_location", "search"),
)
@requires(Role.ADMIN)
def draw_audit(_live: object, search: str | None) -> tuple[object, ...]:
    now, filters = services().clock(), records.asked(search)
    since, before = records.since(filters, now), records.before(filters)
    event, user, text = (filters.get(name, "") for name in ("event", "user", "text"))
    wanted = Wanted(event, user, text, since, before=before)
    df = frames.people.audit(services().store, wanted, records.LINES + 1)
    return records.log(df, filters), "Newest first. Lines are only ever added.", records.exports(filters, now)
