"""Every state that is not the usual one: the very first load, nothing there, failed, not found, not set up yet."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import status
from observatory.components.attributes import Child, Children, aria, data

VARIABLES = (
    ("BRIDGE_API_URL", "Bridge server", "http://localhost:52521"),
    ("MCP_DAEMON_URL", "MCP daemon", "http://localhost:5174"),
    ("HAPPY_DEVKIT_API", "DevKit API", "http://localhost:8000"),
    ("NEXUS_CONSOLE_URL", "Nexus Console", "http://localhost:3001"),
)

EXAMPLE = """[[target]]
name = "my-host"
kind = "prometheus"
url = "http://localhost:9100/metrics"
"""


def empty(title: str, text: str = "") -> Component:
    """Nothing there, and why that may be all right."""
    return html.Div([html.P(title, className="empty-title"), html.P(text) if text else None], className="empty")


def skeleton(kind: str, count: int = 1) -> list[Component]:
    """Stand-ins for the very first load only. `kind` is `line`, `cell`, `card`, `chart` or `row`."""
    return [html.Div(className=f"skeleton {kind}", **aria(hidden=True)) for _ in range(count)]


def failed(headline: Children, advice: Sequence[str], raw: str = "", *, again: str = "") -> Component:
    """What happened, what to try, and the raw answer when there was one. `again` is the id of a button to try again."""
    return html.Section(
        [
            html.Div([status.state_mark("down", compact=True), html.H2(headline)], className="failed-head"),
            html.Ul([html.Li(code(line)) for line in advice], className="advice") if advice else None,
            html.Pre(raw, className="raw", tabIndex=0, **aria(label="Raw answer")) if raw else None,
            html.Button("Try again", id=again, type="button", className="button") if again else None,
        ],
        className="failed panel",
    )


def code(line: str) -> list[Child]:
    """A sentence whose command, if it has one after a colon, stands in the font of commands."""
    head, colon, command = line.partition(": curl ")
    return [f"{head}: ", html.Code(f"curl {command}")] if colon else [line]


def not_found(name: str) -> Component:
    said = f"No service is called “{name}”." if name else "This address names no service."
    return html.Div(
        [
            html.H1(said),
            html.P("It may have been removed or renamed, or you may not have access to its project."),
            dcc.Link("All services", href="/services", className="button"),
        ],
        className="calm",
    )


def forbidden(name: str, role: str) -> Component:
    """For somebody who is signed in and may not see this page. Nothing has failed, so nothing here is red."""
    return html.Div(
        [
            html.Span(className="icon calm-icon", **data(icon="lock"), **aria(hidden=True)),
            html.H1("This page is for administrators."),
            html.P(f"You are signed in as {name}, {role}. Ask an administrator if you need more than that."),
            dcc.Link("Back to the overview", href="/", className="button"),
        ],
        className="calm",
        id="forbidden",
    )


def no_bridge() -> Component:
    """In place of the cards that only a Bridge can fill."""
    return html.P(
        [
            "No Bridge is configured, so there are no agents and no DevKit system to show. ",
            "Set ",
            html.Code("BRIDGE_API_URL"),
            " to the address of one, then start again.",
        ],
        className="calm-line",
    )


def first_run() -> Component:
    """Nothing is watched yet: how to begin, in the order of least effort."""
    return html.Div(
        [
            html.H1("Nothing is watched yet."),
            html.P("Tell the observatory where your services are."),
            html.Ol(
                [
                    step("Set what you have", variables()),
                    step("Or describe anything else", file_example()),
                    step("Or add it here", here()),
                    step("Or look around first", demo()),
                ],
                className="steps",
            ),
        ],
        className="first-run",
    )


def step(title: str, body: Component) -> Component:
    return html.Li([html.H2(title), body])


def variables() -> Component:
    rows = [
        html.Tr([html.Th(html.Code(name), scope="row"), html.Td(what), html.Td(html.Code(f"e.g. {address}"))])
        for name, what, address in VARIABLES
    ]
    table = html.Div(html.Table(html.Tbody(rows), className="plain"), className="scroll-x")
    return html.Div([html.P("In the environment, before it is started again."), table])


def here() -> Component:
    way = html.A("services", href="/services#add")
    return html.P(["Administrators add any exporter or health endpoint among the ", way, "."])


def file_example() -> Component:
    return html.Div(
        [
            html.P(
                [
                    "In ",
                    html.Code("observatory.toml"),
                    " beside the program: any Prometheus exporter or health endpoint. It is read when it changes.",
                ]
            ),
            html.Pre(EXAMPLE.strip(), className="raw", tabIndex=0, **aria(label="Example of observatory.toml")),
        ]
    )


def demo() -> Component:
    return html.Div(
        [
            html.P("A simulated DevKit with moving numbers, plainly labelled as simulated."),
            html.Pre("make demo", className="raw", tabIndex=0, **aria(label="Command")),
        ]
    )
