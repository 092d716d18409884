"""The service strip: one cell a service, with the last 24 hours as a ribbon of quarter hours."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import links, status, values, words
from observatory.components.attributes import Row, aria, data, records

QUARTER = 15 * 60_000


def strip(services: pd.DataFrame, bars: pd.DataFrame) -> Component:
    """One cell a row of `frames.services.current`, in its order, with `frames.services.bars` of the same targets."""
    by_target = dict(list(bars.groupby("target")))
    none = bars.iloc[0:0]
    rows = records(services)
    return html.Ul([cell(row, by_target.get(row["name"], none)) for row in rows], className="strip")


def more(count: int) -> Component | None:
    """The way to the services that the strip has no room for."""
    if count <= 0:
        return None
    return dcc.Link(f"and {count} more services, all better off", href="/services", className="strip-more")


def cell(service: Row, bars: pd.DataFrame) -> Component:
    name = str(service["name"])
    return html.Li(
        [
            html.Div(
                [
                    dcc.Link(words.title(name), href=links.service(name), className="strip-name"),
                    status.simulated_mark(compact=True) if service["simulated"] else None,
                    status.service_mark(service),
                ],
                className="strip-head",
            ),
            html.Div(
                [
                    values.reading(latency_of(service), label="Time to answer"),
                    status.clock_mark(service),
                    since(service),
                ],
                className="strip-facts",
            ),
            ribbon(bars),
            html.Div([html.Span("24 h ago"), html.Span(uptime_of(bars)), html.Span("now")], className="strip-foot"),
        ],
        className="strip-cell",
        **data(state=service["state"], simulated=service["simulated"] or None),
    )


def latency_of(service: Row) -> values.Reading:
    """How long the last scrape took, in seconds. A service that does not answer has none."""
    answered = service["state"] in ("live", "late", "stale")
    return values.Reading(
        value=values.number(service["latency"]) if answered else None,
        unit="seconds",
        measured=values.whole(service["measured"]),
        interval=float(service["interval"]),
        source=str(service["name"]),
        cause=str(service["cause"]),
        simulated=bool(service["simulated"]),
        series=values.whole(service["latency_series"]) if answered else None,
    )


def since(service: Row) -> Component:
    """For how long it has been as it is; nothing when that is not known."""
    at = words.instant(service["since"])
    if at is None:
        return html.Span()
    return html.Span([f"{words.outcome(service)} for ", values.lasting(at)], className="strip-since")


def uptime_of(bars: pd.DataFrame) -> str:
    """Up while observed, over the cells of one target."""
    up, observed = bars["up"].to_numpy(dtype=float), bars["observed"].to_numpy(dtype=float)
    known = ~np.isnan(up) & (observed > 0)
    ratio = float((up[known] * observed[known]).sum() / observed[known].sum()) if known.any() else None
    return words.uptime(ratio, float(observed.mean()) if len(observed) else 0.0)


SHOWN = 4  # failures that fit beside a chart


def day(bars: pd.DataFrame, gaps: pd.DataFrame) -> Component:
    """The last 24 hours of one target: how much it was up, when it was not, and why."""
    share, of, rest = uptime_of(bars).partition(" of the ")
    ends = html.Div([html.Span("24 h ago"), html.Span("now")], className="strip-foot")
    number = html.Div(
        [share, html.Span(f"up, of the {rest}" if of else "up", className="card-aside")], className="card-number"
    )
    latest = records(gaps.iloc[::-1].head(SHOWN))
    calm = html.P("It answered every time.", className="muted")
    failures = html.Ol([gap(row) for row in latest], className="gaps") if latest else calm
    return html.Div([number, ribbon(bars), ends, failures], className="day")


def gap(row: Row) -> Component:
    """When, for how long, and why there was no answer."""
    since, until = int(row["since"]), int(row["until"])
    cause = str(row["cause"])
    shapes = {"observer_off": "unknown", "paused": "paused", "maintenance": "paused", "gone": "gone"}
    mark = status.shape(shapes.get(cause, "down"))
    when = html.Span([values.clock(since), "–", values.clock(until)])
    long = html.Span(words.duration((until - since) / 1000), className="muted")
    return html.Li([mark, when, html.Span(words.cause(cause)), long])


def ribbon(bars: pd.DataFrame) -> Component:
    """Cells of `frames.services.bars` for one target, oldest first. Height and pattern tell what colour tells.

    Neighbours that say the same are one element as wide as they are: a day is mostly one word.
    """
    cells = records(bars)
    width = int(cells[1]["since"]) - int(cells[0]["since"]) if len(cells) > 1 else QUARTER
    told = [(int(one["since"]), verdict(values.number(one["up"]), str(one["cause"] or ""))) for one in cells]
    parts = [stretch(list(alike), width) for _, alike in groupby(told, key=itemgetter(1))]
    label = f"Last 24 hours: {uptime_of(bars)}" if cells else "Not observed in the last 24 hours"
    return html.Div(parts, className="ribbon", role="img", **aria(label=label))


def stretch(cells: Sequence[tuple[int, tuple[str, str]]], width: int) -> Component:
    """Cells with one verdict; the browser writes their times in the viewer's zone before the words of the tooltip."""
    kind, said = cells[0][1]
    times = data(since=cells[0][0], until=cells[-1][0] + width, said=said)
    return html.I(className=f"quarter {kind}", title=said, style={"flexGrow": len(cells)}, **times)


def verdict(up: float | None, cause: str) -> tuple[str, str]:
    """Class and words of a cell: up, partly, down, or nothing observed."""
    if up is None:
        return "unseen", words.cause(cause) if cause in ("paused", "maintenance") else "not observed"
    if up >= 0.9995:
        return "up", "up"
    why = f": {words.cause(cause)}" if cause else ""
    if up <= 0.0005:
        return "down", f"down{why}"
    return "partly", f"{words.percent(up)} up{why}"
