"""Sessions: who is signed in from where, and the way to end it."""

import dash
import pandas as pd
from dash import Input, Output, State, callback, dcc, html
from dash.development.base_component import Component

from observatory import frames
from observatory.auth.roles import requires
from observatory.components import access, forms
from observatory.components import administration as desk
from observatory.components.attributes import records
from observatory.context import actor, administration, services
from observatory.model import Role

PAGE = access.SESSIONS_PAGE
dash.register_page(__name__, path="/admin/sessions", title="Sessions · Happy Observatory", name="Sessions")
forms.closes(PAGE)


def layout(**_: object) -> Component:
    return desk.page(desk.section(PAGE, "Open sessions", action=html.Div(id=f"{PAGE}-ways")), forms.dialog(PAGE))


@callback(
    Output(f"{PAGE}-table", "children"),
    Output(f"{PAGE}-note", "children"),
    Output(f"{PAGE}-ways", "children"),
    Input("live", "data"),
    Input(f"{PAGE}-done", "data"),
    State("_pages_location", "search"),
)
@requires(Role.ADMIN)
def draw_sessions(_live: object, _done: object, search: str | None) -> tuple[object, ...]:
    user = access.user_of(search)
    df = open_sessions(user)
    return access.sessions(df, actor().session), access.sessions_note(df, user), ways(user, len(df))


@callback(
    Output(f"{PAGE}-dialog", "children"),
    Output(f"{PAGE}-dialog", "is_open"),
    Input("_pages_location", "hash"),
    State(f"{PAGE}-dialog", "is_open"),
)
@requires(Role.ADMIN)
def open_sessions_dialog(fragment: str | None, is_open: bool) -> tuple[object, object]:
    what, whom = forms.asked(fragment)
    return forms.shown(content(what, whom) if what in {"end", "end-all"} else None, is_open)


@callback(
    Output(f"{PAGE}-said", "children"),
    Output(f"{PAGE}-fields", "hidden"),
    Output(f"{PAGE}-done", "data"),
    Input(f"{PAGE}-form", "n_submit"),
    forms.FRAGMENT,
    prevent_initial_call=True,
)
@requires(Role.ADMIN)
def end(submits: int | None, fragment: str | None) -> tuple[object, bool, object]:
    what, whom = forms.asked(fragment)
    return forms.tried(submits, lambda: (end_all if what == "end-all" else end_one)(whom), services().clock())


def open_sessions(user: str = "") -> pd.DataFrame:
    return frames.people.sessions(services().store, services().clock(), user)


def ways(user: str, count: int) -> list[Component | None]:
    """Where else to go when only one person's sessions are shown."""
    if not user:
        return []
    all_ = html.A("End all", href=forms.to("end-all", user), className="button") if count else None
    return [dcc.Link("Show everybody", href="/admin/sessions", className="button quiet"), all_]


def content(what: str, whom: str) -> list[Component]:
    if what == "end-all":
        return access.ending_all(whom, len(open_sessions(whom)))
    df = open_sessions()
    row = next(iter(records(df[df["session"] == whom])), None)
    return access.ending(row, actor().session) if row else forms.missing(PAGE, "This session")


def end_one(session: str) -> Component:
    administration().end_session(session)
    return forms.finished("The session has ended.")


def end_all(user: str) -> Component:
    administration().end_sessions(user)
    return forms.finished(["Every session of ", html.Strong(user), " has ended."])
