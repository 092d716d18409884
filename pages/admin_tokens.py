"""API tokens: which programs may ask, as whom, and until when."""

from typing import Any

import dash
import pandas as pd
from dash import ALL, Input, Output, State, callback, dcc, html
from dash.development.base_component import Component

from observatory import frames
from observatory.auth.roles import CONFIRMED_FOR, requires
from observatory.components import access, forms, values
from observatory.components import administration as desk
from observatory.components.attributes import Child, records
from observatory.context import actor, administration, services
from observatory.model import Role

PAGE, REVOKE = access.TOKENS_PAGE, access.REVOKE_PAGE
dash.register_page(__name__, path=access.TOKENS_PATH, title="API tokens · Happy Observatory", name="API tokens")
forms.closes(PAGE)


def layout(**_: object) -> Component:
    make = html.A("Make a token", href=forms.to("new"), className="button primary")
    table = desk.section(PAGE, "API tokens", action=make)
    return desk.page(table, html.Div([forms.dialog(PAGE), dcc.Store(id=f"{REVOKE}-done")]))


@callback(
    Output(f"{PAGE}-table", "children"),
    Output(f"{PAGE}-note", "children"),
    Input("live", "data"),
    Input(f"{PAGE}-done", "data"),
    Input(f"{REVOKE}-done", "data"),
)
@requires(Role.ADMIN)
def draw_tokens(_live: object, _made: object, _revoked: object) -> tuple[Component, str]:
    df = current()
    return access.tokens(df), access.tokens_note(df)


@callback(
    Output(f"{PAGE}-dialog", "children"),
    Output(f"{PAGE}-dialog", "is_open"),
    Input("_pages_location", "hash"),
    State(f"{PAGE}-dialog", "is_open"),
)
@requires(Role.ADMIN)
def open_tokens_dialog(fragment: str | None, is_open: bool) -> tuple[object, object]:
    what, token = forms.asked(fragment)
    return forms.shown({"new": new, "revoke": lambda: revoking(token)}.get(what, lambda: None)(), is_open)


@callback(
    Output(f"{PAGE}-said", "children"),
    Output(f"{PAGE}-fields", "hidden"),
    Output(f"{PAGE}-done", "data"),
    Input(f"{PAGE}-form", "n_submit"),
    State(forms.name_of(PAGE, ALL), "id"),
    State(forms.name_of(PAGE, ALL), "value"),
    prevent_initial_call=True,
)
@requires(Role.ADMIN, confirmed=True)
def make_token(submits: int | None, ids: Any, given: Any) -> tuple[object, bool, object]:
    return forms.tried(submits, lambda: make(forms.fields(ids, given)), services().clock())


@callback(
    Output(f"{REVOKE}-said", "children"),
    Output(f"{REVOKE}-fields", "hidden"),
    Output(f"{REVOKE}-done", "data"),
    Input(f"{REVOKE}-form", "n_submit"),
    forms.FRAGMENT,
    prevent_initial_call=True,
)
@requires(Role.ADMIN)
def revoke_token(submits: int | None, fragment: str | None) -> tuple[object, bool, object]:
    return forms.tried(submits, lambda: revoke(forms.asked(fragment)[1]), services().clock())


def current() -> pd.DataFrame:
    return frames.people.tokens(services().store, services().clock())


def new() -> list[Component]:
    until = (actor().confirmed or 0) + CONFIRMED_FOR
    if until <= services().clock():
        return forms.confirm_first(PAGE, access.TOKENS_PATH + forms.to("new"))
    people, df = frames.people.everybody(services().store, services().clock()), current()
    owners = people.loc[people["state"] != "disabled", "name"].tolist()
    known = sorted(set(frames.agents.current(services().store, actor())["project"]) - {""})
    return access.making(owners, actor().name, 0 if df.empty else int(df["id"].max()), known, until)


def revoking(token: str) -> list[Component]:
    df = current()
    row = next(iter(records(df[df["id"].astype("str") == token])), None)
    return access.revoking(row) if row else forms.missing(PAGE, "This token")


def make(given: dict[str, Any]) -> Component:
    """Raises Invalid, Conflict or NotFound."""
    days = int(given["days"] or 0)
    role, projects = forms.role_of(given["role"]), forms.split(given["projects"])
    owner, name = str(given["owner"]), str(given["name"]).strip()
    made = administration().make_token(owner, name, role, days=days, projects=projects or None)
    said: list[Child] = ["A program sends it as ", html.Code("Authorization: Bearer …"), ". It ends "]
    return forms.once("API token", made.secret, [*said, values.until(made.expires), "."])


def revoke(token: str) -> Component:
    administration().revoke(int(token) if token.isascii() and token.isdigit() else 0)
    return forms.finished("The token is revoked.")
