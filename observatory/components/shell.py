"""What stands around every page. It holds no data: it is sent before anybody is known to be signed in."""

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from observatory.components import ranges, status
from observatory.components.attributes import aria, data
from observatory.context import actor
from observatory.model import Role

PAGES = (("Overview", "/", "overview", "exact"), ("Services", "/services", "services", "partial"))

ADMIN = ("Admin", "/admin", "admin", "partial")  # stands below them for administrators


def shell(notice: Component | None = None) -> Component:
    """The frame of the application: header, horizon, navigation, the page, and the stores that pages listen to.

    `notice` holds for everybody on every page, as `ephemeral_disk()` does.
    """
    return html.Div(
        [
            html.A("Skip to the content", href="#content", className="skip"),
            header(),
            html.Div(className="horizon", **aria(hidden=True)),
            html.Div(
                [sidebar(), html.Main([banners(notice), dash.page_container], id="content", tabIndex=-1)],
                className="frame",
            ),
            *stores(),
        ],
        id="shell",
        className="shell",
    )


def header() -> Component:
    return html.Header(
        [
            dcc.Link(
                [
                    html.Span(className="mark", **aria(hidden=True)),
                    html.Span("Happy Observatory", className="mark-name"),
                ],
                href="/",
                className="mark-link",
                title="Happy Observatory",
            ),
            html.Div(
                [
                    connection(),
                    time_range(),
                    html.Button(
                        [icon("theme"), html.Span("Light or dark", className="visually-hidden")],
                        id="theme-button",
                        className="button quiet icon-button",
                        title="Light or dark",
                        type="button",
                    ),
                    account(),
                ],
                className="header-tools",
            ),
        ],
        className="header",
    )


def connection() -> Component:
    """The word on how current this page is; live.js sets text and `data-state`, which the shape follows."""
    return html.Span(
        "connecting", id="shell-connection", className="connection", role="status", **data(state="unknown")
    )


def time_range() -> Component:
    options = [{"label": words, "value": key} for key, words in ranges.WORDS.items()]
    return html.Div(
        [
            html.Label("Time range", htmlFor="range", className="visually-hidden"),
            dbc.Select(id="range", options=options, value=ranges.DEFAULT, persistence=True, persistence_type="session"),
        ],
        className="select",
    )


def account() -> Component:
    """Who is signed in, a new password, and the way out: a form and not a link, since signing out changes something."""
    return html.Form(
        [
            html.Span(id="shell-user", className="who"),
            html.A(
                [icon("key"), html.Span("Change password", className="visually-hidden")],
                href="/password",
                className="button quiet icon-button",
                title="Change password",
            ),
            html.Button(
                [icon("leave"), html.Span("Sign out", className="leave-word")],
                type="submit",
                className="button quiet",
                title="Sign out",
            ),
        ],
        action="/logout",
        method="POST",
        className="account",
    )


def sidebar() -> Component:
    return html.Nav(
        [
            html.Div([*(entry(*page) for page in PAGES), html.Div(id="shell-admin")], className="entries"),
            html.Button(
                [icon("collapse"), html.Span("Collapse", className="entry-word")],
                id="sidebar-button",
                className="entry collapse-button",
                title="Collapse or open the sidebar (Ctrl or ⌘ + B)",
                type="button",
                **aria(expanded="true"),
            ),
        ],
        className="sidebar",
        **aria(label="Pages"),
    )


def entry(word: str, href: str, picture: str, active: str) -> Component:
    shown = [icon(picture), html.Span(word, className="entry-word")]
    link: Component = dbc.NavLink(shown, href=href, active=active, className="entry")
    return link


def icon(name: str) -> Component:
    return html.Span(className="icon", **data(icon=name), **aria(hidden=True))


def banners(notice: Component | None) -> Component:
    """What holds for the whole page. The ribbon shows by itself as soon as anything on the page is simulated."""
    return html.Div(
        [
            html.Div(id="shell-stale", className="banner stale", role="alert", hidden=True),
            html.Div(notice, id="shell-banner"),
            html.Div(
                [status.state_mark("simulated", compact=True), "Simulated data: the DevKit simulator is running."],
                className="banner simulated ribbon-simulated",
                role="note",
            ),
        ],
        className="banners",
    )


def ephemeral_disk() -> Component:
    """A banner for `shell-banner` where the data folder does not outlive a restart."""
    return html.Div(
        [
            status.state_mark("warning", compact=True),
            "History is kept on a disk that is emptied at each restart. Set DATABASE_URL to keep it.",
        ],
        className="banner warning",
        role="note",
    )


def stores() -> list[Component]:
    return [
        dcc.Store(id="live"),
        dcc.Store(id="zone"),
        dcc.Store(id="theme"),
        dcc.Interval(id="beat", interval=5000),
    ]


def connect(app: Dash) -> None:
    """The shell's own callbacks: theme and zone that charts are drawn for, and who is signed in."""
    clientside = {"theme": ("current", "theme-button", "n_clicks"), "zone": ("zone", "zone", "id")}
    for store, (function, source, prop) in clientside.items():
        app.clientside_callback(ClientsideFunction("theme", function), Output(store, "data"), Input(source, prop))

    app.clientside_callback(ClientsideFunction("live", "beat"), Output("live", "data"), Input("beat", "n_intervals"))

    @app.callback(Output("shell-user", "children"), Output("shell-admin", "children"), Input("shell-user", "id"))
    def draw_user(_id: str) -> tuple[list[Component], Component | None]:
        who = actor()
        name: list[Component] = [html.Span(who.name, className="who-name"), html.Span(who.role, className="who-role")]
        return name, entry(*ADMIN) if who.may(Role.ADMIN) else None
