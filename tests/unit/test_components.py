"""What components put into the page: facts for the browser, shape and word for every state."""

import re
from pathlib import Path

import pandas as pd
import pytest
from dash.development.base_component import Component

from observatory.components import cards, headlines, links, ranges, status, strip, tables, values
from observatory.model import AgentStatus, Level, State

NOW = 1_760_000_000_000
ASSETS = Path(__file__).resolve().parents[2] / "assets"
TOKENS, BASE = (ASSETS / "tokens.css").read_text(), (ASSETS / "public" / "base.css").read_text()
STATES = sorted({*State, *AgentStatus, *Level, "simulated"})


def walk(component):
    """The component and everything in it."""
    yield component
    children = getattr(component, "children", None)
    for child in children if isinstance(children, list | tuple) else [children]:
        if isinstance(child, Component):
            yield from walk(child)


def text(component):
    if isinstance(component, str):
        return component
    children = getattr(component, "children", None)
    parts = children if isinstance(children, list | tuple) else [children]
    return "".join(text(part) for part in parts if part is not None)


def classed(component, name):
    return [one for one in walk(component) if name in str(getattr(one, "className", "")).split()]


def attribute(component, name):
    return component.to_plotly_json()["props"].get(name)


def a_reading(**changes):
    facts = {
        "value": 0.312,
        "unit": "ratio",
        "measured": NOW,
        "interval": 10.0,
        "source": "bridge-server",
        "series": 12,
    }
    return values.Reading(**(facts | changes))


def test_a_reading_carries_every_fact_and_no_text():
    made = values.reading(a_reading(simulated=True), age=True)

    assert attribute(made, "className") == "reading"
    assert {name: fact for name, fact in made.to_plotly_json()["props"].items() if name.startswith("data-")} == {
        "data-value": "0.312", "data-unit": "ratio", "data-measured": str(NOW), "data-interval": "10",
        "data-source": "bridge-server", "data-simulated": "true", "data-series": "12",
    }  # fmt: skip
    assert text(made) == ""
    for part in ("reading-unit", "reading-state", "reading-age"):
        assert len(classed(made, part)) == 1


def test_what_was_never_sent_is_a_dash_with_its_cause():
    made = values.reading(a_reading(value=None, cause="timeout"))

    assert attribute(made, "data-value") is None
    assert text(made) == "–no reading: no answer in time"


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan"), float("inf")])
def test_every_kind_of_nothing_is_none(missing):
    assert values.number(missing) is None


def test_times_are_elements_that_count_on():
    made = values.ago(NOW)

    assert (attribute(made, "className"), attribute(made, "data-at")) == ("ago", str(NOW))
    assert attribute(made, "dateTime") == "2025-10-09T08:53:20.000Z"


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_word_and_a_shape_and_a_colour(state):
    mark = status.state_mark(state)

    assert text(mark) == status.WORDS[state]
    assert [attribute(one, "aria-hidden") for one in classed(mark, "shape")] == ["true"]
    rules = [rule for rule in re.findall(r"[^{}]+\{[^}]*\}", TOKENS) if f'[data-state="{state}"]' in rule]
    assert any("--shape:" in rule for rule in rules), "no shape"
    assert any("--state:" in rule for rule in rules), "no colour"


def test_a_compact_mark_keeps_its_word_for_screen_readers():
    mark = status.state_mark("down", compact=True)

    assert text(mark) == "down" and attribute(mark, "title") == "down"


def test_only_what_ages_by_itself_may_turn_in_the_browser():
    live = status.service_mark({"state": "live", "measured": NOW, "interval": 10.0})
    down = status.service_mark({"state": "down", "measured": NOW, "interval": 10.0})

    assert attribute(live, "data-measured") == str(NOW)
    assert attribute(down, "data-measured") is None


def test_a_simulated_card_says_so_in_a_word():
    assert "simulated" in text(cards.metric("CPU", a_reading(simulated=True)))
    assert "simulated" not in text(cards.metric("CPU", a_reading()))


def test_a_card_holds_its_number_where_the_browser_looks_for_it():
    card = cards.metric("CPU", a_reading(), points="")

    assert attribute(card, "className").split()[0] == "card"
    assert len(classed(card, "card-value")) == 1 and len(classed(card, "spark")) == 1


def test_a_break_stays_a_break_in_the_points_of_a_line():
    history = pd.DataFrame({"series": [1, 1, 1, 2], "at": [10, 20, 30, 10], "value": [0.5, None, 1.0, 9.0]})

    assert cards.points_of(history, 1) == "10,0.5;20,;30,1"
    assert cards.points_of(history, None) == ""


def a_day(**cells):
    """96 quarters that were up, except those given as `c<number>=(up, cause)`."""
    rows = []
    for cell in range(96):
        up, cause = cells.get(f"c{cell}", (1.0, ""))
        observed = 0.0 if up is None else 1.0
        rows.append(("api", cell, NOW + cell * strip.QUARTER, up, observed, cause))
    columns = ["target", "cell", "since", "up", "observed", "cause"]
    return pd.DataFrame(rows, columns=columns).astype({"up": "float64"})


def test_the_ribbon_spans_96_quarter_hours_and_tells_each_cause():
    made = strip.ribbon(a_day(c3=(0.0, "timeout"), c4=(0.5, "http_error"), c5=(None, "")))

    quarters = classed(made, "quarter")
    assert sum(one.style["flexGrow"] for one in quarters) == 96
    assert [(q.className, q.title) for q in quarters[:4]] == [
        ("quarter up", "up"),
        ("quarter down", "down: no answer in time"),
        ("quarter partly", "50.0\N{NARROW NO-BREAK SPACE}% up: answered with an error"),
        ("quarter unseen", "not observed"),
    ]
    assert attribute(made, "role") == "img" and attribute(made, "aria-label").startswith("Last 24 hours: ")


def test_uptime_of_a_day_leaves_out_what_was_not_observed():
    bars = a_day(**{f"c{i}": (None, "") for i in range(48)}, c48=(0.0, "timeout"))

    assert strip.uptime_of(bars).replace("\N{NARROW NO-BREAK SPACE}", " ") == "97.9 % of the 50.0 % observed"


def test_a_service_that_is_down_shows_no_time_to_answer():
    row = {"state": "down", "latency": 5.0, "measured": NOW, "interval": 10.0, "name": "api", "cause": "timeout",
           "simulated": False, "latency_series": 3}  # fmt: skip

    assert strip.latency_of(row).value is None and strip.latency_of(row).series is None
    assert strip.latency_of(row | {"state": "live"}).value == 5.0


@pytest.mark.parametrize(("skew", "said"), [(130.0, "clock 2 min ahead"), (-45.0, "clock 45 s behind")])
def test_a_clock_that_is_wrong_is_told_in_word_and_shape(skew, said):
    made = status.clock_mark({"skew": skew})

    assert text(made).replace("\N{NARROW NO-BREAK SPACE}", " ") == said
    assert attribute(made, "data-state") == "warning"
    assert len(classed(made, "shape")) == 1
    assert "ages are corrected" in text(status.clock_told({"skew": skew}))


@pytest.mark.parametrize("skew", [None, float("nan"), 0.0, 5.0, -5.0])
def test_a_clock_that_is_right_is_not_told(skew):
    assert status.clock_mark({"skew": skew}) is None
    assert status.clock_told({"skew": skew}) is None


def test_a_table_scrolls_by_keyboard_and_has_a_name():
    made = tables.table("Services", [("Name", ""), ("Age", "num")], [])

    assert (attribute(made, "role"), attribute(made, "tabIndex"), attribute(made, "aria-label")) == (
        "region", 0, "Services",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["bridge-server", "a.b", "..", "straße/1", "~x", "with space"])
def test_a_name_survives_the_path(name):
    assert links.service_of(links.service(name)) == name


@pytest.mark.parametrize("path", [None, "/", "/services", "/services/~zz", "/services/..", "/services/a/b", "/other/a"])
def test_a_path_that_names_no_service_gives_nothing(path):
    assert links.service_of(path) == ""


def test_an_unknown_range_is_the_default():
    assert ranges.window("99y", NOW) == ranges.window("24h", NOW) == ranges.window(None, NOW)


def a_host(*rows):
    columns = ["series", "name", "labels", "value"]
    known = {"measured": NOW, "interval": 15.0, "source": "host", "cause": "", "simulated": False}
    return pd.DataFrame(rows, columns=columns).assign(**known)


NO_HISTORY = pd.DataFrame({"series": [], "at": [], "value": []})


def test_headlines_are_computed_only_from_what_is_exposed():
    host = a_host((1, "node_memory_MemAvailable_bytes", "", 4e9), (2, "node_memory_MemTotal_bytes", "", 16e9))

    found = {one.label: one.reading.value for one in headlines.of(host, NO_HISTORY)}

    assert found == {"Memory in use": 0.75, "Memory available": 4e9}


def test_busy_cpu_is_what_was_not_idle_and_a_restarted_counter_is_left_out():
    host = a_host(
        (1, "node_cpu_seconds_total", "cpu=0, mode=idle", 90.0), (2, "node_cpu_seconds_total", "cpu=0, mode=user", 9.0)
    )
    steady = pd.DataFrame({"series": [1, 1], "at": [NOW, NOW + 100_000], "value": [0.0, 75.0]})
    restarted = pd.DataFrame({"series": [1, 1], "at": [NOW, NOW + 100_000], "value": [75.0, 3.0]})

    assert headlines.idle_series(host) == [1]
    assert [one.reading.value for one in headlines.of(host, steady)] == [0.25]
    assert headlines.of(host, restarted) == []


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_states_are_readable_on_every_ground(theme):
    pairs = dict(re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", BASE))
    colour = {name: pair.split(", ")[theme] for name, pair in pairs.items()}

    for ground in ("page", "card", "raised"):
        for name in ("text", "muted", "live", "late", "down", "stale", "running", "paused", "simulated", "mode-text"):
            assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground)
    for ground in ("page", "card"):
        assert contrast(colour["control-border"], colour[ground]) >= 3, ground
