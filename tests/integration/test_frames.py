"""What pages and API are told: every state, every gap, and nothing of a project one may not see."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.frames import agents, events, series, services
from observatory.model import (
    DAY,
    HOUR,
    MINUTE,
    Actor,
    Cause,
    Event,
    Instant,
    Level,
    Role,
    Sample,
    Scrape,
    Target,
    Window,
)
from observatory.store import chunks, samples, targets
from observatory.store import events as stored_events
from observatory.store.engine import Store, migrate, open_store
from observatory.store.scrapes import Recorder
from tests.support.scraped import NOON, a_failure, a_scrape, a_target, an_agent

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s1")
VIEWER = Actor(2, "victor", Role.VIEWER, ("loom",), "s2")
OUTSIDER = Actor(3, "otto", Role.VIEWER, (), "s3")
LAST_HOUR = Window(NOON - HOUR, NOON)
SECOND = 1000
NONE = range(0)


@pytest.fixture
def recorder(store: Store) -> Recorder:
    targets.replace(store, [a_target()], NOON - 2 * DAY)
    return Recorder(store)


def an_hour(*, failing: range = NONE, unseen: range = NONE, step: int = 60, **changes: Any) -> list[Scrape]:
    """Scrapes of the last hour, every minute: those of the seconds `failing` time out, those of `unseen` never were."""
    changes |= {"interval": float(step)}
    return [
        a_failure(LAST_HOUR.since + at * SECOND, **changes)
        if at in failing
        else a_scrape(LAST_HOUR.since + at * SECOND, float(at), **changes)
        for at in range(0, 3600, step)
        if at not in unseen
    ]


def id_of(store: Store, name: str = "load", target: str = "a") -> int:
    own = [row for row in samples.catalogue(store, target, [name]) if "reported" not in row.labels]
    assert len(own) == 1
    return int(own[0].id)


def past(store: Store, window: Window = LAST_HOUR, **options: Any) -> list[tuple[float, float]]:
    """(seconds after the window's start, value) of the series `load`; NaN stands as None."""
    df = series.history(store, "a", [id_of(store)], window, **options)
    return [
        ((at - window.since) / SECOND, None if np.isnan(value) else value)
        for at, value in zip(df["at"].tolist(), df["value"].tolist(), strict=True)
    ]


def stretches(df: pd.DataFrame, window: Window = LAST_HOUR) -> list[tuple[float, float, str]]:
    return [((r.since - window.since) / SECOND, (r.until - window.since) / SECOND, r.cause) for r in df.itertuples()]


# ── how targets are now ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_state_worst_first(store: Store) -> None:
    names = ["live", "late", "stale", "down", "unknown", "refused", "never-right", "gone"]
    watched = [*(a_target(name) for name in names), a_target("paused", paused=True)]
    targets.replace(store, watched, NOON - HOUR)
    ages = {"live": 1, "late": 20, "stale": 60, "gone": 60}
    read = [a_scrape(NOON - age * SECOND, 1.0, target=name) for name, age in ages.items()]
    read += [a_scrape(NOON - 15 * SECOND, 1.0, target="down"), a_failure(NOON - 5 * SECOND, target="down")]
    read += [a_failure(NOON - 5 * SECOND, Cause.UNREACHABLE, target="refused")]
    read += [a_failure(NOON - 5 * SECOND, Cause.HTTP_ERROR, target="never-right")]
    Recorder(store).append(read)
    targets.replace(store, [target for target in watched if target.name != "gone"], NOON - 30 * SECOND)

    df = services.current(store, ADMIN, NOON)

    assert list(zip(df["name"], df["state"], df["cause"], strict=True)) == [
        ("down", "down", "timeout"), ("never-right", "down", "http_error"), ("stale", "stale", ""),
        ("late", "late", ""), ("refused", "unknown", "unreachable"), ("unknown", "unknown", ""), ("live", "live", ""),
        ("paused", "paused", ""), ("gone", "gone", ""),
    ]  # fmt: skip
    assert df.dtypes.astype(str).to_dict() == services.CURRENT


def test_a_down_target_keeps_its_last_good_answer_and_says_since_when(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON - 60 * SECOND, 1.0), *(a_failure(NOON - at * SECOND) for at in (50, 40))])

    [row] = services.current(store, ADMIN, NOON).to_dict("records")

    assert (row["measured"], row["received"]) == (NOON - 60 * SECOND, NOON - 60 * SECOND + 20)
    assert (row["since"], row["cause"], row["detail"]) == (NOON - 50 * SECOND, "timeout", "no answer in 10 s")
    assert row["latency"] == 0.02


def test_a_target_is_linked_to_the_series_of_its_latency(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 0.1, name="scrape_duration_seconds")])

    assert services.current(store, ADMIN, NOON)["latency_series"].tolist() == [id_of(store, "scrape_duration_seconds")]


def test_an_answer_that_says_it_is_simulated_marks_its_target(store: Store) -> None:
    typed_by_hand = a_target()
    targets.replace(store, [typed_by_hand], NOON)
    recorder = Recorder(store)

    recorder.append([a_scrape(NOON, 1.0, simulated=True)])
    targets.replace(store, [typed_by_hand], NOON + SECOND)  # the list is looked at every half minute
    marked = services.current(store, ADMIN, NOON)["simulated"].tolist()
    recorder.append([a_failure(NOON + 10 * SECOND)])
    while_silent = services.current(store, ADMIN, NOON)["simulated"].tolist()
    recorder.append([a_scrape(NOON + 20 * SECOND, 1.0)])

    assert (marked, while_silent) == ([True], [True])
    assert services.current(store, ADMIN, NOON)["simulated"].tolist() == [False]


def test_another_address_is_another_service_and_has_no_mark_yet(store: Store) -> None:
    targets.replace(store, [a_target()], NOON)
    Recorder(store).append([a_scrape(NOON, 1.0, simulated=True)])

    targets.replace(store, [a_target(url="http://127.0.0.1:10")], NOON + SECOND)

    assert services.current(store, ADMIN, NOON)["simulated"].tolist() == [False]


# ── who sees what ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def two_projects(store: Store) -> Store:
    """A Bridge with the projects loom and kiln, and a target `shop` that belongs to loom."""
    targets.replace(store, [a_target("a"), a_target("shop", project="Loom")], NOON)
    recorder = Recorder(store)
    recorder.append([
        a_scrape(NOON, 1.0), a_scrape(NOON, 9.0, target="shop"), a_failure(NOON + SECOND, target="shop"),
        *(a_scrape(NOON, 2.0, project=name, agents=(replace(an_agent(), project=name),), agents_complete=True)
          for name in ("loom", "kiln")),
    ])  # fmt: skip
    stored_events.add(store, *(Event(NOON, f"note.{name}", Level.INFO, "", project=name) for name in ("loom", "kiln")))
    return store


def seen_by(store: Store, who: Actor) -> dict[str, list[str]]:
    of_target = series.latest(store, who, "shop")
    return {
        "targets": sorted(services.current(store, who, NOON)["name"]),
        "series": sorted(series.latest(store, who, "a")["project"]),
        "shop": of_target["name"].tolist(),
        "agents": agents.current(store, who)["project"].tolist(),
        "events": sorted(events.recent(store, who)["kind"]),
    }


def test_an_outsider_sees_nothing_of_a_project(two_projects: Store) -> None:
    assert seen_by(two_projects, OUTSIDER) == {"targets": ["a"], "series": [""], "shop": [], "agents": [], "events": []}


def test_a_viewer_sees_their_own_project_and_no_other(two_projects: Store) -> None:
    assert seen_by(two_projects, VIEWER) == {
        "targets": ["a", "shop"], "series": ["", "loom"], "shop": ["load"], "agents": ["loom"],
        "events": ["note.loom", "target.down"],
    }  # fmt: skip


def test_an_administrator_sees_all(two_projects: Store) -> None:
    assert seen_by(two_projects, ADMIN) == {
        "targets": ["a", "shop"], "series": ["", "kiln", "loom"], "shop": ["load"], "agents": ["kiln", "loom"],
        "events": ["note.kiln", "note.loom", "target.down"],
    }  # fmt: skip


def test_the_projects_of_one_choice(two_projects: Store) -> None:
    assert series.latest(two_projects, ADMIN, "a", project="kiln")["project"].tolist() == ["kiln"]
    assert series.latest(two_projects, VIEWER, "a", project="kiln").empty


# ── how targets were ────────────────────────────────────────────────────────────────────────────────────────────────


def test_uptime_of_a_fault_of_known_length(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1620)))  # seven minutes

    [row] = services.uptime(store, ["a"], LAST_HOUR).to_dict("records")

    assert row["down_seconds"] == pytest.approx(420, abs=60)
    assert row["ratio"] == pytest.approx(1 - 420 / 3600, abs=60 / 3600)
    assert row["observed"] == 1


def test_time_nobody_looked_is_charged_to_nobody(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(600), unseen=range(1800, 3600)))

    [row] = services.uptime(store, ["a"], LAST_HOUR).to_dict("records")

    assert row["observed"] == pytest.approx(0.5, abs=60 / 3600)
    assert row["ratio"] == pytest.approx(2 / 3, abs=60 / 1800)
    assert row["down_seconds"] == pytest.approx(600, abs=60)


def test_what_was_never_observed_has_no_uptime(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour())

    df = services.uptime(store, ["nobody", "a"], LAST_HOUR)

    assert df["target"].tolist() == ["nobody", "a"]
    assert np.isnan(df["ratio"][0]) and df["ratio"][1] == 1
    assert df["observed"].tolist() == [0, 1]
    assert df["down_seconds"].tolist() == [0, 0]


def test_bars_show_a_fault_where_it_was(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1620), unseen=range(3000, 3600)))

    df = services.bars(store, ["a"], LAST_HOUR, cells=60)

    assert df["since"].tolist() == [LAST_HOUR.since + cell * MINUTE for cell in range(60)]
    assert df.index[df["up"] == 0].tolist() == list(range(20, 27))
    assert df.index[df["cause"] != ""].tolist() == list(range(20, 27))
    assert df.index[df["up"].isna()].tolist() == list(range(50, 60))
    assert df.index[df["observed"] == 0].tolist() == list(range(50, 60))
    assert set(df["cause"]) == {"", "timeout"}


def test_a_cell_names_the_cause_of_most_of_its_failure(recorder: Recorder, store: Store) -> None:
    causes = [Cause.TIMEOUT, Cause.HTTP_ERROR, Cause.HTTP_ERROR, None, None, None]
    recorder.append([a_scrape(NOON - 60 * SECOND + at * 10 * SECOND, cause=c) for at, c in enumerate(causes)])

    [cell] = services.bars(store, ["a"], Window(NOON - MINUTE, NOON), cells=1).to_dict("records")

    assert (cell["cause"], cell["up"], cell["observed"]) == ("http_error", pytest.approx(0.5), 1)


def test_bars_come_in_the_order_of_the_names(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour())

    df = services.bars(store, ["nobody", "a"], LAST_HOUR, cells=4)

    assert df["target"].tolist() == ["nobody"] * 4 + ["a"] * 4
    assert df["up"].isna().tolist() == [True] * 4 + [False] * 4


def test_outcomes_are_clipped_to_the_window(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1800)))
    window = Window(LAST_HOUR.since + 1500 * SECOND, LAST_HOUR.since + 2000 * SECOND)

    assert stretches(services.outcomes(store, ["a"], window)) == [(1500, 1800, "timeout"), (1800, 2000, "")]


def test_the_scrape_log_tells_nothing_of_projects_one_may_not_see(recorder: Recorder, store: Store) -> None:
    secret = '{"agents": ["kiln"]}'
    recorder.append([a_scrape(NOON), *(a_failure(NOON + 1, project=name, detail=secret) for name in ("loom", "kiln"))])

    seen = {who.name: set(services.scrape_log(store, who, "a")["project"]) for who in (ADMIN, VIEWER, OUTSIDER)}

    assert seen == {"ada": {"", "loom", "kiln"}, "victor": {"", "loom"}, "otto": {""}}


def test_the_scrape_log_tells_each_scrape_newest_first(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0), a_failure(NOON + 10 * SECOND, Cause.MALFORMED, detail="<html>")])

    df = services.scrape_log(store, ADMIN, "a")

    assert df[["started", "cause", "detail", "samples"]].values.tolist() == [
        [NOON + 10 * SECOND, "malformed", "<html>", 0], [NOON, "", "", 1]
    ]  # fmt: skip


# ── gaps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_gaps_are_failures_and_what_nobody_observed_before_between_and_after(recorder: Recorder, store: Store) -> None:
    seen = [*range(600, 1200, 60), *range(1800, 3000, 60)]
    unseen = sorted(set(range(0, 3600, 60)) - set(seen))
    read = [s for s in an_hour(failing=range(2040, 2160)) if (s.started - LAST_HOUR.since) // SECOND not in unseen]
    recorder.append(read)

    assert stretches(series.gaps(store, "a", LAST_HOUR)) == [
        (0, 600, "observer_off"),
        (1200, 1800, "observer_off"),
        (2040, 2160, "timeout"),
        (3000, 3600, "observer_off"),
    ]


@pytest.mark.parametrize(
    ("until", "expected"),
    [(15, [(0, 15, "timeout")]), (20, [(0, 20, "timeout")]), (21, [(0, 10, "timeout"), (10, 21, "observer_off")])],
)
def test_a_failure_holds_until_the_next_answer_is_overdue(
    recorder: Recorder, store: Store, until: int, expected: list[tuple[int, int, str]]
) -> None:
    recorder.append([a_failure(LAST_HOUR.since)])

    assert stretches(series.gaps(store, "a", Window(LAST_HOUR.since, LAST_HOUR.since + until * SECOND))) == expected


def test_a_target_that_was_never_read_is_one_gap(store: Store) -> None:
    assert stretches(series.gaps(store, "a", LAST_HOUR)) == [(0, 3600, "observer_off")]


def test_the_gaps_of_a_project_are_its_own(recorder: Recorder, store: Store) -> None:
    recorder.append([*an_hour(), *(replace(s, project="loom") for s in an_hour(failing=range(600, 900)))])

    assert stretches(series.gaps(store, "a", LAST_HOUR, project="loom")) == [(600, 900, "timeout")]
    assert series.gaps(store, "a", LAST_HOUR).empty


# ── the past of a series ────────────────────────────────────────────────────────────────────────────────────────────


def test_history_is_the_values_at_their_times(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(step=600))

    assert [point for point in past(store) if point[1] is not None] == [(at, at) for at in range(0, 3600, 600)]


def test_a_line_is_broken_once_where_the_target_failed(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1320)))

    told = past(store)

    assert [at for at, value in told if value is None] == [(1140 + 1320) / 2]
    assert len(told) == 58 + 1


def test_a_line_is_broken_once_where_nobody_looked(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(unseen=range(1200, 1320)))

    assert [at for at, value in past(store) if value is None] == [(1140 + 1320) / 2]


def test_a_single_failed_scrape_breaks_the_line(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1260)))

    assert [at for at, value in past(store) if value is None] == [1200]


def test_a_service_that_tells_slightly_older_numbers_loses_no_point_beside_a_gap(
    recorder: Recorder, store: Store
) -> None:
    older = [
        s if s.cause else replace(s, measured=s.started - 3 * SECOND)
        for s in an_hour(failing=range(1200, 1320), unseen=range(600))
    ]
    recorder.append(older)

    assert [at for at, value in past(store) if value is None] == [(1137 + 1317) / 2]


def test_what_a_service_reports_of_its_past_fills_only_what_we_did_not_see(recorder: Recorder, store: Store) -> None:
    own = an_hour(unseen=range(1800))
    reported = tuple(
        Sample("load", 7.0, (("reported", "true"),), LAST_HOUR.since + minute * MINUTE) for minute in range(60)
    )
    own[-1] = replace(own[-1], samples=(*own[-1].samples, *reported))
    recorder.append(own)

    told = past(store)

    assert [at for at, value in told if value == 7.0] == [minute * 60 for minute in range(30)]
    assert [value for at, value in told if at >= 1800] == [float(at) for at in range(1800, 3600, 60)]
    assert [at for at, value in told if value is None] == []


def test_a_hole_in_what_is_reported_is_a_hole(recorder: Recorder, store: Store) -> None:
    own = an_hour(unseen=range(1800))
    minutes = [*range(10), *range(20, 30)]
    reported = tuple(Sample("load", 7.0, (("reported", "true"),), LAST_HOUR.since + m * MINUTE) for m in minutes)
    own[-1] = replace(own[-1], samples=(*own[-1].samples, *reported))
    recorder.append(own)

    assert [at for at, value in past(store) if value is None] == [(540 + 1200) / 2]


def test_spikes_survive_thinning_at_their_own_times(recorder: Recorder, store: Store) -> None:
    read = [replace(s, samples=(Sample("load", 1.0),)) for s in an_hour(step=10)]
    for place, value in ((117, 99.0), (303, -99.0)):
        read[place] = replace(read[place], samples=(Sample("load", value),))
    recorder.append(read)

    told = past(store, points=20)

    assert len(told) <= 41
    assert (1170, 99.0) in told
    assert (3030, -99.0) in told


def test_thinning_closes_no_gap(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1320), unseen=range(1980, 2100)))

    broken = [at for at, value in past(store, points=10) if value is None]

    assert broken == [(1140 + 1320) / 2, (1920 + 2100) / 2]


def test_unknown_series_are_absent(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour())

    df = series.history(store, "a", [id_of(store), 999_999], LAST_HOUR)

    assert set(df["series"]) == {id_of(store)}
    assert series.history(store, "nobody", [id_of(store)], LAST_HOUR).empty


def test_packing_up_changes_no_history(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(1200, 1320)))
    before = past(store)

    while chunks.compact(store, NOON + 2 * HOUR):
        pass

    assert past(store) == before


# ── the newest values ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_value_knows_its_moment_its_source_and_why_there_is_none_newer(
    recorder: Recorder, store: Store
) -> None:
    labels = (("cpu", "0"), ("simulated", "true"))
    recorder.append([a_scrape(NOON, samples=(Sample("load", 0.5, labels),), simulated=True)])
    recorder.append([a_failure(NOON + 10 * SECOND, simulated=True)])

    [row] = series.latest(store, ADMIN, "a").to_dict("records")

    assert (row["name"], row["labels"], row["value"], row["simulated"]) == ("load", "cpu=0", 0.5, True)
    assert (row["measured"], row["received"], row["interval"]) == (NOON, NOON + 20, 10.0)
    assert (row["source"], row["cause"]) == ("a", "timeout")


def test_the_same_time_yesterday(recorder: Recorder, store: Store) -> None:
    yesterday = NOON - DAY
    for offset, value in ((-9 * MINUTE, 1.0), (3 * MINUTE, 2.0), (8 * MINUTE, 3.0)):
        recorder.append([a_scrape(yesterday + offset, value)])
    recorder.append([a_scrape(yesterday - 11 * MINUTE, 4.0, name="other")])
    recorder.append([a_scrape(NOON, samples=(Sample("load", 5.0), Sample("other", 6.0)))])

    df = series.latest(store, ADMIN, "a", ["load", "other"]).set_index("name")

    assert df["yesterday"]["load"] == 2.0
    assert np.isnan(df["yesterday"]["other"])
    assert df["value"].to_dict() == {"load": 5.0, "other": 6.0}


def test_what_a_service_reports_of_its_past_is_no_newest_value(recorder: Recorder, store: Store) -> None:
    reported = Sample("load", 7.0, (("reported", "true"),), NOON - MINUTE)
    recorder.append([a_scrape(NOON, samples=(Sample("load", 1.0), reported))])

    assert series.latest(store, ADMIN, "a")["value"].tolist() == [1.0]


def test_names_that_are_not_there_are_absent(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0)])

    assert series.latest(store, ADMIN, "a", ["load", "absent"])["name"].tolist() == ["load"]


# ── emptiness ───────────────────────────────────────────────────────────────────────────────────────────────────────

BARS = {"target": "str", "cell": "int64", "since": "int64", "up": "float64", "observed": "float64", "cause": "str"}
EMPTY = {
    "current": (lambda s: services.current(s, ADMIN, NOON), services.CURRENT),
    "agents": (lambda s: agents.current(s, ADMIN), agents.CURRENT),
    "events": (lambda s: events.recent(s, ADMIN), events.COLUMNS),
    "latest": (lambda s: series.latest(s, ADMIN, "a", ["load"]), series.LATEST),
    "outcomes": (
        lambda s: services.outcomes(s, ["a"], LAST_HOUR),
        {"target": "str", "since": "int64", "until": "int64", "cause": "str"},
    ),
    "uptime": (
        lambda s: services.uptime(s, [], LAST_HOUR),
        {"target": "str", "ratio": "float64", "observed": "float64", "down_seconds": "float64"},
    ),
    "bars": (lambda s: services.bars(s, [], LAST_HOUR), BARS),
    "log": (
        lambda s: services.scrape_log(s, ADMIN, "a"),
        {"project": "str", "started": "int64", "duration": "float64", "cause": "str", "detail": "str",
         "samples": "int64"},
    ),
    "history": (
        lambda s: series.history(s, "a", [1], LAST_HOUR), {"series": "int64", "at": "int64", "value": "float64"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("question", EMPTY)
def test_an_empty_answer_has_all_columns_and_their_types(store: Store, question: str) -> None:
    ask, columns = EMPTY[question]

    df = ask(store)

    assert df.empty
    assert df.dtypes.astype(str).to_dict() == columns


def test_bars_have_the_same_types_empty_and_full(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour(failing=range(600)))

    assert services.bars(store, ["a", "nobody"], LAST_HOUR).dtypes.astype(str).to_dict() == BARS


def test_a_silent_series_is_empty_in_a_window_before_it(recorder: Recorder, store: Store) -> None:
    recorder.append(an_hour())

    df = series.history(store, "a", [id_of(store)], Window(NOON - 3 * HOUR, NOON - 2 * HOUR))

    assert df.empty
    assert df.dtypes.astype(str).to_dict() == {"series": "int64", "at": "int64", "value": "float64"}


# ── any order, packed up at any time ────────────────────────────────────────────────────────────────────────────────

seconds = st.integers(0, 5 * 3600)
steps = st.lists(st.none() | seconds, min_size=1, max_size=12)  # the start of a scrape; None packs an hour up


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    base, number = tmp_path_factory.mktemp("any-order"), count()
    return (base / f"{next(number)}.sqlite3" for _ in iter(int, 1))


@settings(max_examples=10, deadline=None)
@given(steps=steps, since=seconds, length=seconds)
def test_samples_are_read_as_they_were_appended(
    folders: Iterator[Path], steps: list[int | None], since: int, length: int
) -> None:
    store = open_store(f"sqlite:///{next(folders)}")
    try:
        migrate(store)
        targets.replace(store, [a_target()], NOON)
        recorder, model = Recorder(store), {"x": {}, "y": {}}
        for at in steps:
            if at is None:
                chunks.compact(store, NOON + 7 * HOUR)
            else:  # maybe once more: then it is the same scrape
                name, value = ("x" if at % 3 else "y"), math.sin(at)
                recorder.append([a_scrape(NOON + at * SECOND, value, name=name)])
                model[name][at] = value
        window = Window(NOON + since * SECOND, NOON + (since + length) * SECOND)
        found = {row.id: row.name for row in samples.catalogue(store, "a")}

        read = samples.read(store, list(found), window)

        for key, column in read.items():
            wanted = sorted((at, value) for at, value in model[found[key]].items() if since <= at < since + length)
            assert list(zip(((column.at - NOON) // SECOND).tolist(), column.value.tolist(), strict=True)) == wanted
        assert {found[key] for key in read} == {name for name, points in model.items() if points}
    finally:
        store.close()


def test_a_frame_names_the_interval_of_its_target(store: Store) -> None:
    slow: Target = a_target(interval=45.0)
    targets.replace(store, [slow], NOON)
    Recorder(store).append([a_scrape(NOON, 1.0, interval=45.0)])
    moment: Instant = NOON + 60 * SECOND

    assert services.current(store, ADMIN, moment)["state"].tolist() == ["live"]
    assert series.latest(store, ADMIN, "a")["interval"].tolist() == [45.0]
