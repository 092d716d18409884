"""Lines over time, as figure dicts with typed arrays: what a chart costs is mostly what it weighs."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from observatory.figures.theme import DASHES, layout, palette
from observatory.model import Window

Columns = tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]
EMPTY: Columns = (np.empty(0, dtype="float64"), np.empty(0, dtype="float32"))
FORMATS = {
    "ratio": {"tickformat": ".0%", "hoverformat": ".1%"},
    "seconds": {"tickformat": "~s", "ticksuffix": "s", "hoverformat": ".3~s"},
    "bytes": {"tickformat": ".3~s", "ticksuffix": "B", "hoverformat": ".4~s"},
    "count": {"tickformat": ",~r", "hoverformat": ",~r"},
}  # fmt: skip
CAUSES = {
    "observer_off": "not observed",
    "paused": "paused",
    "maintenance": "maintenance",
    "gone": "no longer watched",
    "unreachable": "unreachable",
    "timeout": "no answer in time",
    "http_error": "answered with an error",
    "rejected": "refused us",
    "throttled": "throttled us",
    "malformed": "unreadable answer",
}


def lines(
    df: pd.DataFrame,
    names: Mapping[int, str],
    *,
    unit: str,
    window: Window,
    offset_ms: int = 0,
    gaps: pd.DataFrame | None = None,
    dark: bool = False,
    zero: bool = True,
) -> dict[str, Any]:
    """One line a series of `df` (`frames.series.history`), in the order of `names` (series id → label).

    `offset_ms` moves the times into the viewer's zone: plotly knows none. `gaps` (`frames.series.gaps`) are drawn as
    bands with their cause. `unit` is a reading's unit; counts and ratios start at zero unless `zero` is False.
    """
    columns = by_series(df)
    traces = [
        trace(columns.get(key, EMPTY), label, order, offset_ms, dark)
        for order, (key, label) in enumerate(names.items())
    ]
    figure = layout(dark)
    figure["xaxis"]["range"] = [window.since + offset_ms, window.until + offset_ms]
    figure["yaxis"] |= FORMATS.get(unit, {"tickformat": ",~r"})
    if zero:
        figure["yaxis"]["rangemode"] = "tozero"
    figure["shapes"] = [] if gaps is None else bands(gaps, offset_ms, dark)
    if gaps is not None and len(gaps):
        traces.append(reasons(gaps, offset_ms))
    if 1 < len(names) <= 4:
        figure["annotations"] = end_labels(columns, names, dark)
        figure["margin"]["r"] = 16 + 7 * max(map(len, names.values()))
    return {"data": traces, "layout": figure}


def by_series(df: pd.DataFrame) -> dict[int, Columns]:
    """Instants and values of each series, in the order of their rows: one pass, since a filter a line costs 0.1 ms."""
    series = df["series"].to_numpy()
    order = np.argsort(series, kind="stable")  # rows usually stand together already, which this makes use of
    keys, starts = np.unique(series[order], return_index=True)
    at, value = df["at"].to_numpy(dtype="float64")[order], df["value"].to_numpy(dtype="float32")[order]
    parts = zip(np.split(at, starts[1:]), np.split(value, starts[1:]), strict=True)
    return dict(zip(keys.tolist(), parts, strict=False))  # of no rows np.split still makes one part


def trace(columns: Columns, label: str, order: int, offset_ms: int, dark: bool) -> dict[str, Any]:
    at, value = columns
    colours: Sequence[str] = palette(dark)["series"]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "x": typed(at + offset_ms),
        "y": typed(value),
        "connectgaps": False,
        "line": {"width": 2, "color": colours[order % 8], "dash": DASHES[order % 8]},
    }


def typed(array: npt.NDArray[np.floating[Any]]) -> dict[str, str]:
    """A plotly typed array: base64 of the bytes and their kind."""
    return {"dtype": f"f{array.itemsize}", "bdata": b64encode(array.tobytes()).decode()}


def bands(gaps: pd.DataFrame, offset_ms: int, dark: bool) -> list[dict[str, Any]]:
    """A shaded rectangle a gap."""
    edges = zip((gaps["since"] + offset_ms).tolist(), (gaps["until"] + offset_ms).tolist(), strict=True)
    look = {"fillcolor": palette(dark)["gap"], "line": {"width": 0}, "layer": "below"}
    place = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    return [{**place, **look, "x0": since, "x1": until} for since, until in edges]


def reasons(gaps: pd.DataFrame, offset_ms: int) -> dict[str, Any]:
    """An invisible trace whose hover tells the cause of the band under the pointer."""
    middle = (gaps["since"] + gaps["until"]) // 2 + offset_ms
    text = [CAUSES.get(cause, cause) for cause in gaps["cause"]]
    return {
        "type": "scatter", "mode": "markers", "x": middle.tolist(), "y": [0] * len(gaps), "text": text, "name": "gap",
        "hovertemplate": "%{text}<extra></extra>", "marker": {"size": 12, "opacity": 0}, "cliponaxis": False,
    }  # fmt: skip


def end_labels(columns: Mapping[int, Columns], names: Mapping[int, str], dark: bool) -> list[dict[str, Any]]:
    """The name of each line beside its end."""
    colours: Sequence[str] = palette(dark)["series"]
    labels = []
    for order, (key, label) in enumerate(names.items()):
        value = columns.get(key, EMPTY)[1]
        there = value[~np.isnan(value)]
        if len(there):
            labels.append(
                {
                    "x": 1, "xref": "paper", "xanchor": "left", "y": float(there[-1]), "yanchor": "middle",
                    "text": label, "showarrow": False, "xshift": 4, "font": {"color": colours[order % 8], "size": 12},
                }
            )  # fmt: skip
    return labels
