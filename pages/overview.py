"""What is wrong, since when; what runs; what happened last."""

from collections.abc import Sequence

import dash
import pandas as pd
from dash import Input, Output, callback, html
from dash.development.base_component import Component

from observatory import frames
from observatory.answers import shared
from observatory.components import cards, ranges, states, status, strip, values, words
from observatory.components.attributes import Child, Row, aria, data, records
from observatory.context import actor, services
from observatory.figures import timeseries
from observatory.model import Window

dash.register_page(__name__, path="/", title="Overview · Happy Observatory", name="Overview")

AGENTS = (
    ("devkit_agents_active", "Active agents", "count"),
    ("devkit_tasks_completed", "Tasks completed", "count"),
    ("devkit_tasks_success_ratio", "Success ratio", "ratio"),
    ("devkit_response_time_seconds", "Response time", "seconds"),
)
SYSTEM = (
    ("devkit_cpu_ratio", "CPU", "ratio"),
    ("devkit_memory_ratio", "Memory", "ratio"),
    ("devkit_disk_ratio", "Disk", "ratio"),
    ("devkit_uptime_seconds", "Uptime", "seconds"),
)
TOTAL = "devkit_agents_count"
MOST = 40  # services in the strip, the worst of them
CHARTS = (
    {"devkit_cpu_ratio": "CPU", "devkit_memory_ratio": "Memory"},
    {"devkit_agents_active": "Active", "devkit_queue_length": "Queue"},
)
Latest = pd.DataFrame


def layout(**_: object) -> Component:
    return html.Div(
        [
            html.Div(states.skeleton("line"), id="overview-standing"),
            html.Section(
                html.Div(states.skeleton("cell", 4), className="strip"), id="overview-strip", **aria(label="Services")
            ),
            html.Div(section("DevKit agents", states.skeleton("card", 4)), id="overview-cards", className="sections"),
            html.Div(
                [
                    cards.chart("overview-system", "CPU and memory of the DevKit system", note="share in use"),
                    cards.chart("overview-work", "Active agents and queued tasks", note="count"),
                ],
                id="overview-charts",
                className="panels",
            ),
            cards.panel("Recent events", states.skeleton("row", 5), id="overview-events"),
        ],
        className="page",
        **data(topics="targets agents events"),
    )


def section(title: str, children: Sequence[Component]) -> Component:
    return html.Section(
        [html.H2(title, className="section-title"), html.Div(children, className="cards")], className="section"
    )


@callback(
    Output("overview-standing", "children"),
    Output("overview-strip", "children"),
    Input("live", "data"),
)
@shared
def draw_services(_live: object) -> tuple[Component, list[Component | None] | None]:
    store, now = services().store, services().clock()
    df = watched()
    if not watches_more(df):
        return states.first_run(), None
    shown = df.head(MOST)
    bars = frames.services.bars(store, shown["name"].tolist(), ranges.day(now))
    cells = [strip.strip(shown, bars), strip.more(len(df) - MOST)]
    return status.standing(words.standing(df, frames.agents.current(store, actor()))), cells


@callback(Output("overview-cards", "children"), Input("live", "data"))
@shared
def draw_cards(_live: object) -> list[Component]:
    store, now = services().store, services().clock()
    targets = watched()
    bridge = bridge_of(targets)
    if bridge is None:
        return [states.no_bridge()] if watches_more(targets) else []
    latest = newest(bridge)
    past = frames.series.history(store, bridge, latest["series"].tolist(), ranges.minutes(60, now), points=60)
    return [
        section("DevKit agents", [metric(latest, past, *one) for one in AGENTS]),
        section("DevKit system", [metric(latest, past, *one) for one in SYSTEM]),
    ]


@callback(
    Output("overview-system", "figure"),
    Output("overview-system-box", "data-series"),
    Output("overview-work", "figure"),
    Output("overview-work-box", "data-series"),
    Output("overview-charts", "hidden"),
    Input("live", "data"),
    Input("range", "value"),
    Input("theme", "data"),
    Input("zone", "data"),
)
@shared
def draw_charts(_live: object, chosen: str, theme: str, zone: object) -> tuple[object, ...]:
    now = services().clock()
    bridge = bridge_of(watched())
    if bridge is None:
        return cards.NOTHING, "", cards.NOTHING, "", True
    latest, window = newest(bridge), ranges.window(chosen, now)
    drawn = [chart(bridge, latest, names, window, theme == "dark", ranges.offset(zone)) for names in CHARTS]
    return *drawn[0], *drawn[1], False


@callback(Output("overview-events", "children"), Input("live", "data"))
@shared
def draw_events(_live: object) -> Component:
    df = frames.events.recent(services().store, actor(), limit=12)
    return (
        cards.events(df)
        if len(df)
        else states.empty("Nothing has happened yet.", "Outages, recoveries and agents at work appear here.")
    )


def watched() -> pd.DataFrame:
    """`frames.services.current` of what is watched now: what was removed says nothing of how things stand."""
    df = frames.services.current(services().store, actor(), services().clock())
    return df[df["state"] != "gone"]


def bridge_of(targets: pd.DataFrame) -> str | None:
    """The Bridge whose numbers the overview shows: the first by name."""
    names = targets.loc[targets["kind"] == "bridge", "name"]
    return None if names.empty else str(names.min())


def watches_more(targets: pd.DataFrame) -> bool:
    return not set(targets["kind"]) <= {"observatory"}


def newest(bridge: str) -> Latest:
    """One row a metric of the Bridge, by name. Where a real and a simulated series share it, the one measured last."""
    names = [name for name, _, _ in (*AGENTS, *SYSTEM)] + [TOTAL, *(name for chart in CHARTS for name in chart)]
    df = frames.series.latest(services().store, actor(), bridge, sorted(set(names)), project="")
    return df.sort_values("measured").drop_duplicates("name", keep="last").set_index("name", drop=False)


def metric(latest: Latest, past: pd.DataFrame, name: str, label: str, unit: str) -> Component:
    """The card of one metric; a dash where the Bridge does not report it."""
    if name not in latest.index:
        return cards.metric(label, values.Reading(None, unit), points="")
    row = row_of(latest, name)
    what = values.from_row(row, unit)
    # Uptime only ever grows, so that "more than yesterday" says nothing.
    change = "" if name == "devkit_uptime_seconds" else words.change(what.value, values.number(row["yesterday"]), unit)
    points = "" if name == "devkit_uptime_seconds" else cards.points_of(past, what.series)
    return cards.metric(label, what, change=change, points=points, aside=total(latest) if name == AGENTS[0][0] else ())


def row_of(latest: Latest, name: str) -> Row:
    return records(latest.loc[[name]])[0]


def total(latest: Latest) -> list[Child]:
    """ "of 6", counting on with the series of its own."""
    if TOTAL not in latest.index:
        return []
    return ["of ", values.reading(values.from_row(row_of(latest, TOTAL), "count"))]


def chart(
    bridge: str, latest: Latest, labels: dict[str, str], window: Window, dark: bool, offset: int
) -> tuple[dict[str, object], str]:
    """A figure and the series in it, in the order of its traces."""
    store = services().store
    names = {int(row_of(latest, name)["series"]): label for name, label in labels.items() if name in latest.index}
    past = frames.series.history(store, bridge, list(names), window)
    gaps = frames.series.gaps(store, bridge, window)
    unit = "ratio" if "devkit_cpu_ratio" in labels else "count"
    figure = timeseries.lines(past, names, unit=unit, window=window, offset_ms=offset, gaps=gaps, dark=dark)
    return figure, cards.series_of(list(names))
