"""Cards: a label, a number that can be read from across the room, and what is needed to trust it."""

from collections.abc import Sequence

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import status, values, words
from observatory.components.attributes import Child, Children, Row, aria, data, records

# Until its callback answers, a chart is an empty ground: no axes that would claim numbers.
NOTHING = {
    "data": [],
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
    },
}


def metric(
    label: str, what: values.Reading, *, change: str = "", points: str | None = None, aside: Sequence[Child] = ()
) -> Component:
    """One reading as a card.

    `points` is what `points_of` gives, None for a card without a line; `aside` follows the number ("of 6").
    """
    number = [values.value_part(what), html.Span(className="reading-unit")]
    body = [
        html.Div([html.H3(label, className="card-label"), simulated(what)], className="card-top"),
        html.Div([*number, html.Span(list(aside), className="card-aside") if aside else None], className="card-number"),
        None if points is None else spark(points),
        html.P(change, className="card-change") if change else None,
        html.P([html.Span(words.title(what.source)), values.age_part()], className="card-foot"),
    ]
    return html.Article(
        html.Div(body, className="reading card-value", **values.facts(what)),
        className="card metric",
        **data(simulated=what.simulated or None),
    )


def simulated(what: values.Reading) -> Component | None:
    """The mark that never leaves a number of the simulator's."""
    return status.simulated_mark() if what.simulated else None


def spark(points: str) -> Component:
    """A line of the last hour, drawn by assets/spark.js; empty when there is nothing to draw."""
    return html.Div(className="spark", **data(points=points), **aria(hidden=True))


def points_of(history: pd.DataFrame, series: int | None) -> str:
    """`at,value;at,;…` for one series of `frames.series.history`; a missing value breaks the line."""
    if series is None or history.empty:
        return ""
    rows = history[history["series"] == series]
    texts = ("" if pd.isna(value) else f"{value:.6g}" for value in rows["value"])
    return ";".join(f"{int(at)},{text}" for at, text in zip(rows["at"], texts, strict=True))


def chart(graph: str, title: str, *, note: str = "", wide: bool = False) -> Component:
    """A place for one chart. Its callback sets the figure, and on `<graph>-box` the series that live.js appends to."""
    drawing = dcc.Graph(
        id=graph,
        figure=NOTHING,
        className="graph",
        style={"height": "240px"},
        responsive=True,
        config={"displayModeBar": False, "displaylogo": False, "scrollZoom": False},
    )
    head = html.Header([html.H2(title), html.Span(note, className="panel-aside")])
    box = html.Div(drawing, id=f"{graph}-box", className="chart", **data(graph=graph, series=""))
    return html.Section([head, box], className="panel wide" if wide else "panel")


def series_of(ids: Sequence[int]) -> str:
    """The value of a chart's `data-series`: ids in the order of its traces."""
    return " ".join(str(one) for one in ids)


def panel(title: str, children: Children, *, id: str, aside: Child = None) -> Component:
    """A titled surface that holds anything."""
    head = html.Header([html.H2(title), html.Div(aside, className="panel-aside") if aside else None])
    return html.Section([head, html.Div(children, id=id, className="panel-body")], className="panel")


def events(frame: pd.DataFrame) -> Component:
    """`frames.events.recent` as a list, newest first."""
    return html.Ol([event(row) for row in records(frame)], className="events")


def event(row: Row) -> Component:
    mark = status.state_mark(str(row["level"]), compact=True)
    where = " · ".join(words.title(str(row[key])) for key in ("target", "project", "agent") if row[key])
    text = html.Span([html.Span(str(row["text"]), className="event-text"), html.Span(where, className="event-where")])
    tail = status.simulated_mark() if row["simulated"] else None
    at = words.instant(row["at"])
    return html.Li([mark, text, tail, values.ago(at) if at is not None else None], className="event")
