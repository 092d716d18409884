"""A figure is exactly its data: typed arrays that decode to it, gaps that nothing bridges, units that read well."""

from base64 import b64decode
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from observatory.figures import theme
from observatory.figures.timeseries import CAUSES, lines
from observatory.model import HOUR, Cause, Window
from tests.support.clock import NOON

WINDOW = Window(NOON - HOUR, NOON)
NAN = float("nan")


def history(*points: tuple[int, int, float]) -> pd.DataFrame:
    """A frame as `frames.series.history` gives it, from (series, seconds after the window's start, value)."""
    rows = [(series, WINDOW.since + at * 1000, value) for series, at, value in points]
    columns = {"series": "int64", "at": "int64", "value": "float64"}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def gaps(*stretches: tuple[int, int, str]) -> pd.DataFrame:
    rows = [(WINDOW.since + since * 1000, WINDOW.since + until * 1000, cause) for since, until, cause in stretches]
    return pd.DataFrame(rows, columns=["since", "until", "cause"]).astype({"since": "int64", "until": "int64"})


def decoded(array: dict[str, str]) -> list[float]:
    """The numbers of a typed array as plotly.js reads them."""
    return np.frombuffer(b64decode(array["bdata"]), dtype="<" + array["dtype"]).tolist()


def drawn(df: pd.DataFrame, names: dict[int, str] | None = None, **options: Any) -> dict[str, Any]:
    return lines(df, names or {7: "load"}, unit=options.pop("unit", "number"), window=WINDOW, **options)


def test_the_arrays_decode_to_the_data() -> None:
    [trace] = drawn(history((7, 0, 0.25), (7, 10, 0.5), (7, 20, -1.5)))["data"]

    assert decoded(trace["x"]) == [WINDOW.since, WINDOW.since + 10_000, WINDOW.since + 20_000]
    assert decoded(trace["y"]) == [0.25, 0.5, -1.5]


def test_times_keep_their_milliseconds() -> None:
    df = history((7, 0, 1.0))
    df["at"] = [NOON + 1]

    assert decoded(drawn(df)["data"][0]["x"]) == [NOON + 1]


def test_the_times_move_into_the_viewers_zone_and_so_do_window_and_gaps() -> None:
    berlin = HOUR
    figure = drawn(history((7, 0, 1.0)), offset_ms=berlin, gaps=gaps((60, 120, "timeout")))

    line, reasons = figure["data"]
    assert decoded(line["x"]) == [WINDOW.since + berlin]
    assert figure["layout"]["xaxis"]["range"] == [WINDOW.since + berlin, WINDOW.until + berlin]
    [band] = figure["layout"]["shapes"]
    assert (band["x0"], band["x1"]) == (WINDOW.since + 60_000 + berlin, WINDOW.since + 120_000 + berlin)
    assert reasons["x"] == [WINDOW.since + 90_000 + berlin]


def test_a_gap_is_never_bridged() -> None:
    [trace] = drawn(history((7, 0, 1.0), (7, 30, NAN), (7, 60, 2.0)))["data"]

    y = decoded(trace["y"])
    assert trace["connectgaps"] is False
    assert y[0] == 1.0 and np.isnan(y[1]) and y[2] == 2.0


def test_a_gap_is_a_band_that_tells_its_cause() -> None:
    figure = drawn(history((7, 0, 1.0)), gaps=gaps((10, 20, "timeout"), (30, 40, "observer_off"), (50, 60, "novel")))

    assert len(figure["layout"]["shapes"]) == 3
    assert figure["data"][-1]["text"] == ["no answer in time", "not observed", "novel"]
    assert all(shape["fillcolor"] == theme.LIGHT["gap"] for shape in figure["layout"]["shapes"])


def test_every_cause_that_a_scrape_can_have_has_words() -> None:
    of_scrapes = set(Cause) - {Cause.MAINTENANCE, Cause.PAUSED}  # nothing is scraped then

    assert of_scrapes <= set(CAUSES)


def test_without_gaps_there_is_no_trace_for_them() -> None:
    figure = drawn(history((7, 0, 1.0)), gaps=gaps())

    assert len(figure["data"]) == 1
    assert figure["layout"]["shapes"] == []


@pytest.mark.parametrize(
    ("unit", "format"),
    [("ratio", ".0%"), ("seconds", "~s"), ("bytes", ".3~s"), ("count", ",~r"), ("per_minute", ",~r")],
)
def test_the_axis_speaks_the_unit(unit: str, format: str) -> None:
    axis = drawn(history((7, 0, 1.0)), unit=unit)["layout"]["yaxis"]

    assert axis["tickformat"] == format
    assert {"seconds": "s", "bytes": "B"}.get(unit) == axis.get("ticksuffix")


def test_the_axis_starts_at_zero_unless_told_otherwise() -> None:
    assert drawn(history((7, 0, 1.0)))["layout"]["yaxis"]["rangemode"] == "tozero"
    assert "rangemode" not in drawn(history((7, 0, 1.0)), zero=False)["layout"]["yaxis"]


def test_an_empty_frame_is_an_empty_line_over_the_whole_window() -> None:
    figure = drawn(history(), {7: "load", 8: "other"})

    assert [decoded(trace["y"]) for trace in figure["data"]] == [[], []]
    assert figure["layout"]["xaxis"]["range"] == [WINDOW.since, WINDOW.until]
    assert figure["layout"]["annotations"] == []


def test_the_traces_stand_in_the_order_of_the_names() -> None:
    figure = drawn(history((3, 0, 3.0), (9, 0, 9.0)), {9: "nine", 3: "three"})

    assert [(trace["name"], decoded(trace["y"])) for trace in figure["data"]] == [("nine", [9.0]), ("three", [3.0])]


def test_eight_lines_differ_and_those_past_the_fourth_by_more_than_colour() -> None:
    names = {key: str(key) for key in range(1, 11)}
    looks = [trace["line"] for trace in drawn(history(*((key, 0, 1.0) for key in names)), names)["data"]]

    assert len({(look["color"], look["dash"]) for look in looks[:8]}) == 8
    assert [look["dash"] for look in looks[:4]] == ["solid"] * 4
    assert len({look["dash"] for look in looks[4:8]} | {"solid"}) == 5
    assert looks[8] == looks[0]


def test_few_lines_are_named_at_their_ends_by_their_last_true_value() -> None:
    df = history((1, 0, 1.0), (1, 10, 5.0), (1, 20, NAN), (2, 0, NAN))

    figure = drawn(df, {1: "one", 2: "two"})

    assert [(label["text"], label["y"]) for label in figure["layout"]["annotations"]] == [("one", 5.0)]
    assert "annotations" not in drawn(df, {1: "one"})["layout"]
    assert "annotations" not in drawn(df, {key: str(key) for key in range(1, 6)})["layout"]


def test_the_dark_figure_has_the_dark_colours() -> None:
    light, dark = (drawn(history((7, 0, 1.0)), dark=chosen, gaps=gaps((10, 20, "timeout"))) for chosen in (False, True))

    assert light["data"][0]["line"]["color"] == theme.LIGHT["series"][0]
    assert dark["data"][0]["line"]["color"] == theme.DARK["series"][0]
    assert dark["layout"]["shapes"][0]["fillcolor"] == theme.DARK["gap"]
    assert dark["layout"]["font"]["color"] == theme.DARK["muted"]


def test_a_figure_keeps_the_viewers_zoom_and_is_plain_json() -> None:
    figure = drawn(history((1, 0, 1.0), (2, 0, NAN)), {1: "one", 2: "two"}, gaps=gaps((10, 20, "timeout")))

    assert figure["layout"]["uirevision"] == "kept"
    assert orjson.loads(orjson.dumps(figure)) == figure
