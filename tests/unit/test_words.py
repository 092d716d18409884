"""The sentences of the interface, as they read."""

import pandas as pd
import pytest

from observatory.components import words
from observatory.components.words import plain
from observatory.model import Cause, Kind, Origin, State

NOW = 1_760_000_000_000
MINUTE = 60_000


def a_service(name="mcp-daemon", **changes):
    row = {
        "name": name, "kind": "mcp-daemon", "url": "http://127.0.0.1:5174", "origin": "environment", "interval": 10.0,
        "paused": False, "simulated": False, "project": "", "measured": NOW - 5 * MINUTE, "received": NOW,
        "latency": 0.01, "cause": "", "detail": "", "health": "healthy", "version": "", "since": NOW - 4 * MINUTE,
        "state": "live", "latency_series": 1,
    }  # fmt: skip
    return row | changes


def services(*rows):
    return pd.DataFrame(rows).astype({"measured": "Int64", "since": "Int64", "latency_series": "Int64"})


def agents(*rows):
    columns = ["status", "since", "target"]
    return pd.DataFrame(rows, columns=columns).astype({"since": "Int64"})


NOBODY = agents()


def test_all_up_is_one_calm_sentence_with_the_agents():
    at_work = agents(*[("running", NOW, "mcp-daemon")] * 3, ("idle", NOW - 12 * MINUTE, "mcp-daemon"))

    said = words.standing(services(a_service(), a_service("devkit-api")), at_work)

    assert said.state == "live"
    assert plain(said.headline) == "Both services up. 3 agents working, 1 waiting <for>."
    assert said.headline[1] == words.Moment("for", NOW - 12 * MINUTE)


def test_trouble_comes_first_with_its_cause_and_since_when():
    df = services(a_service(state="down", cause="timeout"), a_service("devkit-api"))

    said = words.standing(df, NOBODY)

    assert said.state == "down"
    assert plain(said.headline) == "MCP daemon has not answered for <for> (timeout)."
    assert plain(said.support) == "Last good reading <clock>. 1 of 2 services up."


def test_further_trouble_is_named_and_nothing_up_says_none():
    down = {"state": "down", "cause": "unreachable"}
    df = services(a_service(**down), a_service("devkit-api", **down), a_service("nexus-console", **down))

    said = plain(words.standing(df, NOBODY).support)

    assert "Also not up: DevKit API and Nexus Console." in said
    assert "None of 3 services up." in said


def test_agents_of_a_silent_bridge_were_working_and_are_not_said_to_work():
    df = services(a_service("bridge-server", state="down", cause="timeout"))
    at_work = agents(("running", NOW, "bridge-server"), ("idle", NOW, "bridge-server"))

    said = plain(words.standing(df, at_work).support)

    assert "1 agent was working, 1 waiting at the last reading." in said


def test_a_service_that_answers_but_calls_itself_degraded_is_said_so():
    said = words.standing(services(a_service(health="degraded")), NOBODY)

    assert (said.state, plain(said.headline)) == ("late", "MCP daemon answers, but calls itself degraded.")


def test_paused_services_are_counted_apart():
    df = services(a_service(), a_service("devkit-api"), a_service("shop", state="paused", paused=True))

    assert plain(words.standing(df, NOBODY).headline) == "Both services up, 1 paused."


@pytest.mark.parametrize(("total", "said"), [(1, "1 service up."), (2, "Both services up."), (5, "All 5 services up.")])
def test_the_number_of_services_reads_naturally(total, said):
    df = services(*(a_service(f"s{i}") for i in range(total)))

    assert plain(words.standing(df, NOBODY).headline) == said


def test_only_paused_services_are_not_called_up():
    said = words.standing(services(a_service(state="paused", paused=True)), NOBODY)

    assert said.state == "paused" and "up" not in plain(said.headline)


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_is_a_sentence_with_and_without_a_beginning(cause):
    row = a_service(state="down", cause=cause.value)

    assert plain(words.trouble(row)).startswith("MCP daemon ") and "<for>" in plain(words.trouble(row))
    assert "<for>" not in plain(words.trouble(row | {"since": pd.NA}))
    assert words.cause(cause.value) != cause.value or cause in (Cause.UNREACHABLE, Cause.MAINTENANCE, Cause.PAUSED)


@pytest.mark.parametrize("cause", [c for c in Cause if c not in (Cause.OBSERVER_OFF, Cause.MAINTENANCE, Cause.PAUSED)])
def test_every_failure_has_something_to_try(cause):
    lines = words.advice(a_service(state="down", cause=cause.value))

    assert lines and not any("{" in line.replace("%{time_total}", "") for line in lines)


def test_a_stale_service_says_how_long_it_has_been_silent():
    row = a_service(state="stale")

    assert words.trouble(row)[1] == words.Moment("for", row["measured"])
    assert plain(words.trouble(row)) == "MCP daemon has sent nothing new for <for>."


def test_a_service_that_never_answered_has_no_last_good_reading():
    row = a_service(state="unknown", cause="unreachable", measured=pd.NA)

    assert plain(words.trouble(row)) == "MCP daemon has never answered (unreachable)."
    assert words.last_good(row) == ()


@pytest.mark.parametrize("state", list(State))
def test_a_service_page_has_a_sentence_for_every_state(state):
    assert plain(words.service_state(a_service(state=state.value))).endswith(".")


@pytest.mark.parametrize(
    ("ratio", "observed", "said"),
    [
        (None, 0.0, "not observed"),
        (1.0, 1.0, "100 %"),
        (0.992, 0.964, "99.2 % of the 96.4 % observed"),
        (0.99996, 1.0, "99.9 %"),  # never rounded up to a whole that was not reached
        (0.0, 1.0, "0 %"),
    ],
)
def test_uptime_says_of_how_much(ratio, observed, said):
    assert words.uptime(ratio, observed).replace(words.THIN, " ") == said


@pytest.mark.parametrize(
    ("value", "before", "unit", "said"),
    [
        (0.31, 0.27, "ratio", "↑ 4 points more than yesterday"),
        (0.26, 0.27, "ratio", "↓ 1 point less than yesterday"),
        (90, 120, "count", "↓ 25 % less than yesterday"),
        (5, 0, "count", "↑ 5 more than yesterday"),
        (7, 7, "count", "as yesterday at this time"),
        (7, None, "count", ""),
        (None, 7, "count", ""),
    ],
)
def test_change_is_computed_or_left_out(value, before, unit, said):
    assert words.change(value, before, unit).replace(words.THIN, " ") == said


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("scrape_duration_seconds", "seconds"),
        ("node_memory_MemAvailable_bytes", "bytes"),
        ("devkit_cpu_ratio", "ratio"),
        ("http_requests_total", "count"),
        ("node_cpu_seconds_total", "seconds"),
        ("devkit_agents_count", "count"),
        ("devkit_tasks_per_minute", "per_minute"),
        ("node_load1", "number"),
    ],
)
def test_the_unit_is_told_by_the_end_of_the_name(name, unit):
    assert words.unit(name) == unit


def test_a_boot_time_is_an_instant_and_a_request_time_is_not():
    assert words.is_instant("node_boot_time_seconds")
    assert not words.is_instant("http_request_time_seconds")


def test_every_kind_and_origin_has_words():
    assert not [kind for kind in Kind if words.kind(kind.value) == kind.value]
    assert not [origin for origin in Origin if origin not in words.ORIGINS]


@pytest.mark.parametrize(
    ("skew", "said"),
    [
        (None, ""), (float("nan"), ""), (0.0, ""), (4.9, ""), (5.0, ""), (-5.0, ""), (5.1, "5 s ahead"),
        (-45.3, "45 s behind"), (89.0, "89 s ahead"), (90.5, "2 min ahead"), (120.5, "2 min ahead"),
        (-3600.0, "60 min behind"), (7200.0, "2 h ahead"), (86_400.0, "24 h ahead"), (-86_400.0, "24 h behind"),
        (200_000.0, "2 days ahead"),
    ],
)  # fmt: skip
def test_a_clock_that_is_off_by_more_than_five_seconds_is_told(skew, said):
    assert words.clock(a_service(skew=skew)).replace(words.THIN, " ") == said
