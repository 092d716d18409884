"""One service: how it is, how fast it answers, what it says, and every time it did not."""

import dash
import dash_bootstrap_components as dbc
import pandas as pd
from dash import Input, Output, State, callback, html
from dash.development.base_component import Component

from observatory import control, frames
from observatory.answers import shared, shared_until_the_next_point
from observatory.auth.roles import requires
from observatory.components import cards, headlines, links, ranges, states, status, strip, tables, values, words
from observatory.components.attributes import Child, Row, data, records
from observatory.context import actor, services
from observatory.figures import timeseries
from observatory.model import Role

dash.register_page(__name__, path_template="/services/<name>", title="Service · Happy Observatory", name="Service")

SHOWN = 25  # rows: Dash takes about a millisecond to draw each element, and a row has twenty; the search finds the rest
AT = State("_pages_location", "pathname")  # never from the query, which could name another


def layout(**_: object) -> Component:
    return html.Div(
        [
            html.Div(states.skeleton("line"), id="service-head"),
            html.Div(id="service-body", children=body()),
        ],
        className="page",
        **data(topics="targets events series"),
    )


def body() -> Component:
    return html.Div(
        [
            html.Div(id="service-headlines"),
            html.Div(
                [
                    cards.panel("Last 24 hours", states.skeleton("row"), id="service-day"),
                    cards.chart("service-latency", "Time to answer", note="seconds"),
                ],
                className="panels",
            ),
            html.Section(
                [
                    html.Header([html.H2("What it says"), html.Span(id="service-count", className="panel-aside")]),
                    html.Div(
                        [
                            html.Label("Find a series", htmlFor="service-search", className="visually-hidden"),
                            dbc.Input(
                                id="service-search", type="search", placeholder="Find by name or label", debounce=0.3
                            ),
                        ],
                        className="search",
                    ),
                    html.Div(states.skeleton("row", 4), id="service-series", className="scroll-y"),
                ],
                className="panel",
            ),
            cards.panel("Scrape log", states.skeleton("row", 6), id="service-log"),
        ],
        className="page",
    )


@callback(
    Output("service-head", "children"),
    Output("service-day", "children"),
    Output("service-log", "children"),
    Output("service-body", "hidden"),
    Input("live", "data"),
    AT,
)
@shared
def draw_state(_live: object, path: str) -> tuple[object, ...]:
    store, now, name = services().store, services().clock(), links.service_of(path)
    service = found(frames.services.current(store, actor(), now), name)
    if service is None:
        return states.not_found(name), None, None, True
    log = frames.services.scrape_log(store, actor(), name)
    window = ranges.day(now)
    bars, gaps = frames.services.bars(store, [name], window), frames.series.gaps(store, name, window)
    return head(service), strip.day(bars, gaps), scrapes(log), False


@callback(
    Output("service-latency", "figure"),
    Output("service-latency-box", "data-series"),
    Input("live", "data"),
    Input("range", "value"),
    Input("theme", "data"),
    Input("zone", "data"),
    AT,
)
@shared
def draw_latency(_live: object, chosen: str, theme: str, zone: object, path: str) -> tuple[object, str]:
    store, now, name = services().store, services().clock(), links.service_of(path)
    service = found(frames.services.current(store, actor(), now), name)
    series = None if service is None else values.whole(service["latency_series"])
    if series is None:
        return cards.NOTHING, ""
    window = ranges.window(chosen, now)
    past = frames.series.history(store, name, [series], window)
    gaps = frames.series.gaps(store, name, window)
    figure = timeseries.lines(
        past, {series: "Time to answer"}, unit="seconds", window=window, offset_ms=ranges.offset(zone), gaps=gaps,
        dark=theme == "dark",
    )  # fmt: skip
    return figure, cards.series_of([series])


@callback(
    Output("service-series", "children"),
    Output("service-count", "children"),
    Output("service-headlines", "children"),
    Input("live", "data"),
    Input("service-search", "value"),
    AT,
)
@shared_until_the_next_point
def draw_series(_live: object, wanted: str | None, path: str) -> tuple[object, str, object]:
    store, name = services().store, links.service_of(path)
    df = frames.series.latest(store, actor(), name).sort_values(["name", "labels"])
    chosen = matching(df, wanted or "")
    if chosen.empty:
        return nothing_said(wanted or ""), "", headline_cards(name, df)
    return tables.series(chosen.head(SHOWN)), count(len(chosen), len(df)), headline_cards(name, df)


@callback(Output("service-probe", "children"), Input("service-probe", "n_clicks"), AT, prevent_initial_call=True)
@requires(Role.OPERATOR)
def try_again(clicks: int | None, path: str) -> str:
    if clicks:
        control.probe(services().store, links.service_of(path), actor(), services().clock())
    return "Asked again, one moment" if clicks else "Try again"


def found(targets: pd.DataFrame, name: str) -> Row | None:
    return next(iter(records(targets[targets["name"] == name])), None)


def head(service: Row) -> Component:
    """The sentence of state, the facts below it, and on failure what to try."""
    state = str(service["state"])
    said = words.Standing(state, words.service_state(service), words.last_good(service) if service["cause"] else ())
    advice = words.advice(service)
    again = "service-probe" if actor().may(Role.OPERATOR) else ""
    failed = states.failed(["What to try"], advice, str(service["detail"]), again=again)
    trouble = failed if service["cause"] else None
    return html.Div([status.standing(said), facts(service), trouble], className="sections")


def facts(service: Row) -> Component:
    measured = words.instant(service["measured"])
    entries: list[tuple[str, Child]] = [
        ("Kind", words.kind(str(service["kind"]))),
        ("Address", html.Code(str(service["url"]))),
        ("Asked every", f"{service['interval']:g}{words.THIN}s"),
        ("Last good reading", "never" if measured is None else "" if service["cause"] else values.ago(measured)),
        ("Says of itself", str(service["health"])),
        ("Version", str(service["version"])),
        ("Named by", words.origin(str(service["origin"]))),
    ]
    shown = [html.Div([html.Dt(label), html.Dd(what)]) for label, what in entries if what != ""]
    mark = html.Div([html.Dt("Source"), html.Dd(status.simulated_mark())]) if service["simulated"] else None
    return html.Dl([*shown, mark], className="facts", **data(simulated=service["simulated"] or None))


def scrapes(log: pd.DataFrame) -> Component:
    return (
        tables.scrapes(log) if len(log) else states.empty("Not asked yet.", "Each reading appears here as it is taken.")
    )


def matching(df: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """Rows whose name or labels contain every word of `wanted`."""
    text = (df["name"] + " " + df["labels"]).str.lower()
    keep = pd.Series(True, index=df.index)
    for word in wanted.lower().split():
        keep &= text.str.contains(word, regex=False)
    return df[keep]


def nothing_said(wanted: str) -> Component:
    if wanted:
        return states.empty(f"No series matches “{wanted}”.")
    return states.empty("No series yet.", "They appear with the first good answer.")


def count(chosen: int, total: int) -> str:
    shown = min(chosen, SHOWN)
    if chosen == total and shown == total:
        return f"{total} series"
    return f"{shown} of {chosen if chosen != total else total} shown"


def headline_cards(name: str, catalogue: pd.DataFrame) -> Component | None:
    now = services().clock()
    idle = headlines.idle_series(catalogue)
    window = ranges.minutes(headlines.MINUTES, now)
    past = frames.series.history(services().store, name, idle, window)
    found_ = headlines.of(catalogue, past)
    if not found_:
        return None
    # Some of these are computed, and the stream carries only what was measured: each scrape asks for them again.
    made = [cards.metric(one.label, one.reading) for one in found_]
    return html.Div(made, className="cards many", **data(targets=name))
