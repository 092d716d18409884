"""Numbers and times as facts. The browser paints them (assets/live.js); here they are written down as attributes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from dash import html
from dash.development.base_component import Component

from observatory.components import words
from observatory.components.attributes import data
from observatory.model import Instant, iso

DASH = "–"


@dataclass(frozen=True, slots=True)
class Reading:
    """One number with where and when it was measured. `value` is None when no service sent one.

    `interval` is in seconds; `unit` is one of `ratio seconds milliseconds bytes count per_minute per_hour number`.
    """

    value: float | None
    unit: str
    measured: Instant | None = None
    interval: float = 10.0
    source: str = ""
    cause: str = ""
    simulated: bool = False
    series: int | None = None


def number(value: Any) -> float | None:
    """A float, or None for everything that pandas uses to say "nothing here"."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """An instant or an id out of a nullable column."""
    found = number(value)
    return None if found is None else int(value)


def from_row(row: Mapping[str, Any], unit: str) -> Reading:
    """A reading out of a row of `frames.series.latest` or `.catalogue`."""
    return Reading(
        value=number(row["value"]),
        unit=unit,
        measured=whole(row["measured"]),
        interval=float(row["interval"]),
        source=str(row["source"]),
        cause=str(row["cause"] or ""),
        simulated=bool(row["simulated"]),
        series=whole(row["series"]),
    )


def facts(reading: Reading) -> dict[str, Any]:
    """The `data-…` attributes that live.js reads. A fact that is not known has no attribute."""
    return data(
        value=None if reading.value is None else f"{reading.value:.10g}",
        unit=reading.unit,
        measured=reading.measured,
        interval=f"{reading.interval:g}",
        source=reading.source or None,
        cause=reading.cause or None,
        simulated=reading.simulated or None,
        series=reading.series,
    )


def reading(what: Reading, *, age: bool = False, label: str = "") -> Component:
    """A number with its unit, on request with its age, in a line. What was never sent is a dash that says why."""
    parts = [value_part(what), html.Span(className="reading-unit")]
    if age:
        parts.append(age_part())
    return html.Span(parts, className="reading", title=label or None, **facts(what))


def reading_age(what: Reading) -> Component:
    """State and age of a number that stands elsewhere."""
    return html.Span(age_part(), className="reading", **facts(what)) if what.value is not None else html.Span(DASH)


def value_part(what: Reading) -> Component:
    if what.value is not None:
        return html.Span(className="reading-value")
    why = words.missing(what.cause)
    return html.Span([DASH, html.Span(why, className="visually-hidden")], className="reading-value", title=why)


def age_part() -> Component:
    """State and age of the reading around it; both empty until the browser fills them."""
    parts = [html.Span(className="reading-state"), html.Span(className="reading-age")]
    return html.Span(parts, className="reading-when")


def moment(kind: str, at: Instant) -> Component:
    return html.Time(className=kind, dateTime=iso(at), **data(at=at))


def ago(at: Instant) -> Component:
    """ "3 min ago", counting on."""
    return moment("ago", at)


def lasting(since: Instant) -> Component:
    """ "3 min", counting on."""
    return moment("for", since)


def clock(at: Instant) -> Component:
    """ "14:02:31" in the viewer's zone."""
    return moment("clock", at)


def stamp(at: Instant) -> Component:
    """ "25 Nov, 14:02:31" in the viewer's zone."""
    return moment("stamp", at)


def until(at: Instant) -> Component:
    """ "in 3 days", counting down; "over" once it is."""
    return moment("until", at)
