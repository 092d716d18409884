"""A figure of ten lines of a thousand points: CPU to build it and to write it as JSON."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from bench.measure import Result, Spread, cpu_each, main, scaled
from observatory.figures import timeseries
from observatory.model import Window

LINES, POINTS, STEP = 10, 1000, 10_000
SINCE = 1_700_000_000_000
NAMES = {key: f"series {key}" for key in range(LINES)}
BUDGET = 0.5


def frame() -> pd.DataFrame:
    """As `frames.series.history` answers: series, at in milliseconds, value."""
    values = np.random.default_rng(1).normal(0, 0.01, (LINES, POINTS)).cumsum(axis=1) + 0.5
    return pd.DataFrame(
        {
            "series": np.repeat(np.arange(LINES), POINTS),
            "at": np.tile(SINCE + STEP * np.arange(POINTS), LINES),
            "value": values.ravel(),
        }
    )


def run() -> Sequence[Result]:
    df = frame()
    dated = df.assign(at=pd.to_datetime(df["at"], unit="ms"), series=df["series"].map(NAMES))
    window = Window(SINCE, SINCE + STEP * POINTS)

    def ours() -> str:
        return written(timeseries.lines(df, NAMES, unit="ratio", window=window))

    def graph_objects() -> str:
        return written(go.Figure([go.Scatter(x=d["at"], y=d["value"], name=n) for n, d in dated.groupby("series")]))

    def express() -> str:
        return written(px.line(dated, x="at", y="value", color="series"))

    graph_ms, express_ms = milliseconds(graph_objects, 20), milliseconds(express, 5)
    return [
        Result("build and JSON", *milliseconds_with(ours), BUDGET, "plotly.graph_objects", graph_ms),
        Result("build and JSON, beside express", *milliseconds_with(ours), BUDGET, "plotly.express", express_ms),
        Result("weight", len(ours()) / 1000, "kB", None, "plotly.graph_objects", len(graph_objects()) / 1000),
    ]


def written(figure: object) -> str:
    """As Dash writes an answer."""
    return str(to_json_plotly(figure))


def milliseconds(act: Callable[[], object], times: int) -> float:
    return cpu_each(act, times=times, repeats=5).middle * 1000


def milliseconds_with(act: Callable[[], object]) -> tuple[Spread, str]:
    return scaled(cpu_each(act, times=100), 1000), "ms CPU"


if __name__ == "__main__":
    main("figure", run)
