"""One service: how it is, how fast it answers, what it says, and every time it did not."""

from typing import Any

import dash
import dash_bootstrap_components as dbc
import pandas as pd
from dash import ALL, Input, Output, State, callback, html
from dash.development.base_component import Component

from observatory import control, frames
from observatory.answers import shared, shared_until_the_next_point
from observatory.auth.roles import requires
from observatory.components import cards, forms, headlines, links, ranges, states, status, strip, tables, values, words
from observatory.components import watchlist as desk
from observatory.components.attributes import Child, Row, data, records
from observatory.context import actor, actor_or_none, record, services, watchlist
from observatory.errors import NotFound
from observatory.figures import timeseries
from observatory.model import Role

PAGE = "service"
dash.register_page(__name__, path_template="/services/<name>", title="Service · Happy Observatory", name="Service")
forms.closes(PAGE)

SHOWN = 25  # rows: Dash takes about a millisecond to draw each element, and a row has twenty; the search finds the rest
AT = State("_pages_location", "pathname")  # never from the query, which could name another


def layout(**_: object) -> Component:
    who = actor_or_none()
    return html.Div(
        [
            html.Div(states.skeleton("line"), id="service-head"),
            html.Div(id="service-body", children=body()),
            forms.dialog(PAGE) if who is not None and who.may(Role.ADMIN) else None,
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
    heard = frames.streams.current(store, actor(), now)
    log = frames.services.scrape_log(store, actor(), name)
    window = ranges.day(now)
    bars, gaps = frames.services.bars(store, [name], window), frames.series.gaps(store, name, window)
    stream = next(iter(records(heard[heard["target"] == name])), None)
    return head(service, stream), strip.day(bars, gaps), scrapes(log), False


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
        return nothing_said(wanted or "", gone=is_gone(name)), "", headline_cards(name, df)
    return tables.series(chosen.head(SHOWN)), count(len(chosen), len(df)), headline_cards(name, df)


@callback(Output("service-probe", "children"), Input("service-probe", "n_clicks"), AT, prevent_initial_call=True)
@requires(Role.OPERATOR)
def try_again(clicks: int | None, path: str) -> str:
    if clicks:
        name = links.service_of(path)
        audited = record("target.probed", resource=name)
        control.probe(services().store, name, actor(), services().clock(), audited=audited)
    return "Asked again, one moment" if clicks else "Try again"


@callback(
    Output(f"{PAGE}-dialog", "children"),
    Output(f"{PAGE}-dialog", "is_open"),
    Input("_pages_location", "hash"),
    State(f"{PAGE}-dialog", "is_open"),
    AT,
)
@requires(Role.ADMIN)
def open_service_dialog(fragment: str | None, is_open: bool, path: str) -> tuple[object, object]:
    what, name = forms.asked(fragment)[0], links.service_of(path)
    return forms.shown(dialog(what, name) if what in {"edit", *desk.ASKED} else None, is_open)


@callback(
    Output(f"{PAGE}-said", "children"),
    Output(f"{PAGE}-fields", "hidden"),
    Output(f"{PAGE}-done", "data"),
    Output(desk.fault_of(PAGE, ALL), "children"),
    Output(forms.name_of(PAGE, ALL), "invalid"),
    Input(f"{PAGE}-form", "n_submit"),
    forms.FRAGMENT,
    AT,
    State(forms.name_of(PAGE, ALL), "id"),
    State(forms.name_of(PAGE, ALL), "value"),
    prevent_initial_call=True,
)
@requires(Role.ADMIN)
def change_service(submits: int | None, fragment: str | None, path: str, ids: Any, given: Any) -> desk.Told:
    what, name = forms.asked(fragment)[0], links.service_of(path)
    return desk.tried(submits, ids, lambda: change(what, name, forms.fields(ids, given)), services().clock())


def dialog(what: str, name: str) -> list[Component]:
    service = found(frames.services.current(services().store, actor(), services().clock()), name)
    present = watchlist().find(name)
    if service is None or (present is None and what in {"edit", "remove"}):
        return forms.missing(PAGE, words.title(name) or "This service")
    if what != "edit" or present is None:
        return desk.asking(PAGE, what, service)
    known = sorted(set(frames.agents.current(services().store, actor())["project"]) - {""})
    return desk.changing(PAGE, present, known)


def change(what: str, name: str, given: dict[str, Any]) -> Component:
    """Raises Invalid, Conflict, NotFound."""
    desk_of = watchlist()
    if what == "edit":
        desk_of.change(name, desk.changes(given, desk_of.find(name)))
        return forms.finished([html.Strong(words.title(name)), " is changed."])
    acts = {"pause": desk_of.pause, "resume": desk_of.resume, "remove": desk_of.remove}
    if what not in acts:
        raise NotFound("There is no such thing to do.")
    acts[what](name)
    return desk.done(what, name)


def found(targets: pd.DataFrame, name: str) -> Row | None:
    return next(iter(records(targets[targets["name"] == name])), None)


def head(service: Row, stream: Row | None) -> Component:
    """The sentence of state, the facts below it, and on failure what to try."""
    state = str(service["state"])
    said = words.Standing(state, words.service_state(service), words.last_good(service) if service["cause"] else ())
    advice = words.advice(service)
    again = "service-probe" if actor().may(Role.OPERATOR) else ""
    failed = states.failed(["What to try"], advice, str(service["detail"]), again=again)
    trouble = failed if service["cause"] else None
    ways = desk.ways(service) if actor().may(Role.ADMIN) else None
    top = html.Div([status.standing(said), ways], className="with-ways")
    return html.Div([top, facts(service, stream), trouble], className="sections")


def facts(service: Row, stream: Row | None) -> Component:
    measured = words.instant(service["measured"])
    entries: list[tuple[str, Child]] = [
        ("Kind", words.kind(str(service["kind"]))),
        ("Address", html.Code(str(service["url"]))),
        ("Asked every", "" if service["state"] == "gone" else f"{service['interval']:g}{words.THIN}s"),
        ("Last good reading", "never" if measured is None else "" if service["cause"] else values.ago(measured)),
        ("Stream", "" if stream is None else status.stream_mark(stream)),
        ("Clock", status.clock_told(service) or ""),
        ("Says of itself", str(service["health"])),
        ("Version", str(service["version"])),
        ("Named by", words.origin(str(service["origin"]))),
        ("Also named by", desk.also_named(service)),
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


def is_gone(name: str) -> bool:
    service = found(frames.services.current(services().store, actor(), services().clock()), name)
    return service is not None and service["state"] == "gone"


def nothing_said(wanted: str, *, gone: bool) -> Component:
    if wanted:
        return states.empty(f"No series matches “{wanted}”.")
    if gone:
        return states.empty("It says nothing any more.", "What it said is kept for as long as any history.")
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
