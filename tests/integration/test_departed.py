"""What is not watched, for a while or for good: it counts for nothing, keeps its past, and comes back as it was."""

import pandas as pd
import pytest

from observatory.components import words
from observatory.frames import agents, events, series, services
from observatory.model import DAY, MINUTE, SECOND, Actor, Cause, Instant, Project, Role, Scrape, Window
from observatory.store import runs, samples, targets, topics
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from tests.support.clock import NOON
from tests.support.scraped import a_failure, a_scrape, a_target, an_agent

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
BEAT = 10 * SECOND


@pytest.fixture
def recorder(store: Store) -> Recorder:
    return Recorder(store)


def beats(since: Instant, until: Instant, **changes: object) -> list[Scrape]:
    return [a_scrape(at, 1.0, **changes) for at in range(since, until, BEAT)]


def found(store: Store, since: Instant, until: Instant) -> list[tuple[int, int, str]]:
    """The runs of `a`, in seconds since noon."""
    rows = runs.within(store, ["a"], Window(since, until))
    return [((row.since_ms - NOON) // 1000, (row.until_ms - NOON) // 1000, row.cause) for row in rows]


def rest(store: Store, since: Instant, until: Instant) -> None:
    """What the collector notes meanwhile."""
    for at in range(since, until, targets.REST_MS):
        runs.rest(store, at, targets.REST_MS)


# ── paused ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("interval", [0.2, 10.0, 900.0])
def test_a_pause_is_a_run_from_its_beginning_to_its_end(store: Store, recorder: Recorder, interval: float) -> None:
    watched = a_target(interval=interval)
    targets.replace(store, [watched], NOON)
    recorder.append([a_scrape(NOON, 1.0, interval=interval)])
    begin, end = NOON + 100, NOON + 5 * MINUTE
    again = end + 100
    targets.replace(store, [a_target(interval=interval, paused=True)], begin)
    rest(store, begin + BEAT, end)
    targets.replace(store, [watched], end)
    recorder.append([a_scrape(again, 1.0, interval=interval)])

    rows = runs.within(store, ["a"], Window(NOON, NOON + DAY))

    assert [(row.since_ms, row.until_ms, row.cause) for row in rows] == [
        (NOON, begin, ""), (begin, again, "paused"), (again, again + round(interval * 1000), "")
    ]  # fmt: skip


def test_a_pause_is_charged_to_nobody(store: Store, recorder: Recorder) -> None:
    """An hour: a quarter up, half of it paused, a quarter down."""
    hour = Window(NOON, NOON + 60 * MINUTE)
    targets.replace(store, [a_target()], NOON)
    recorder.append(beats(NOON, NOON + 15 * MINUTE))
    targets.replace(store, [a_target(paused=True)], NOON + 15 * MINUTE)
    rest(store, NOON + 15 * MINUTE, NOON + 45 * MINUTE)
    targets.replace(store, [a_target()], NOON + 45 * MINUTE)
    recorder.append([a_failure(at) for at in range(NOON + 45 * MINUTE, hour.until, BEAT)])

    [share] = services.uptime(store, ["a"], hour).to_dict("records")
    bars = services.bars(store, ["a"], hour, cells=4)

    assert (share["ratio"], share["observed"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert share["down_seconds"] == pytest.approx(15 * 60)
    assert bars["cause"].tolist() == ["", "paused", "paused", "timeout"]
    assert bars["up"].fillna(-1).tolist() == [1.0, -1.0, -1.0, 0.0]


def test_while_it_is_paused_it_has_no_failure_and_says_since_when(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target()], NOON)
    recorder.append([a_failure(NOON)])
    targets.replace(store, [a_target(paused=True)], NOON + MINUTE)

    [row] = services.current(store, ADMIN, NOON + 2 * MINUTE).to_dict("records")

    assert (row["state"], row["cause"], row["since"]) == ("paused", "", NOON + MINUTE)
    assert words.plain(words.service_state(row)) == "a is paused, for <for>: we do not ask it."


# ── gone ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_gone_ends_where_it_went_and_says_why(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target(interval=60.0)], NOON)
    recorder.append([a_scrape(NOON, 1.0, interval=60.0)])
    targets.replace(store, [], NOON + 5000)
    late = a_scrape(NOON + 4000, 2.0, interval=60.0)
    recorder.append([late])  # was under way

    gaps = series.gaps(store, "a", Window(NOON, NOON + MINUTE))
    [load] = samples.catalogue(store, "a", ["load"])

    assert found(store, NOON, NOON + DAY) == [(0, 5, "")]
    assert gaps.values.tolist() == [[NOON + 5000, NOON + MINUTE, "gone"]]
    assert samples.read(store, [load.id], Window(NOON, NOON + DAY))[load.id].value.tolist() == [1.0]
    assert series.latest(store, ADMIN, "a").empty


def test_a_target_that_was_paused_is_gone_and_not_paused(store: Store) -> None:
    targets.replace(store, [a_target(paused=True)], NOON)
    targets.replace(store, [], NOON + 1000)

    [row] = services.current(store, ADMIN, NOON + 2000).to_dict("records")

    assert (row["state"], row["since"], row["gone"]) == ("gone", NOON + 1000, NOON + 1000)


def test_what_is_gone_is_counted_nowhere(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target("up"), a_target("went")], NOON)
    recorder.append([a_scrape(NOON, 1.0, target="up"), a_failure(NOON, target="went", agents=(an_agent(),))])
    targets.replace(store, [a_target("up")], NOON + 1000)

    df = services.current(store, ADMIN, NOON + 2000)
    standing = words.standing(df, agents.current(store, ADMIN))

    assert df["state"].tolist() == ["live", "gone"]
    assert words.plain(standing.headline) == "1 service up."
    assert agents.current(store, ADMIN).empty


def test_one_that_comes_back_goes_on_with_its_series(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target()], NOON)
    recorder.append([a_scrape(NOON, 1.0)])
    before = [row.id for row in samples.catalogue(store, "a")]
    targets.replace(store, [], NOON + MINUTE)
    targets.replace(store, [a_target()], NOON + 2 * MINUTE)
    recorder.append([a_scrape(NOON + 2 * MINUTE, 2.0)])

    assert [row.id for row in samples.catalogue(store, "a")] == before
    assert series.latest(store, ADMIN, "a")["value"].tolist() == [2.0]
    [row] = services.current(store, ADMIN, NOON + 2 * MINUTE + 1000).to_dict("records")
    assert (row["state"], row["since"], pd.isna(row["gone"])) == ("live", NOON + 2 * MINUTE, True)
    assert set(events.recent(store, ADMIN)["kind"]) >= {"target.gone", "target.back"}


def test_the_first_reading_after_none_for_a_while_is_news_to_the_pages(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target()], NOON)

    def is_news(scrape: Scrape) -> bool:
        before = topics.position(store).revision
        recorder.append([scrape])
        return topics.TARGETS in topics.touched_since(store, before)

    readings = [a_scrape(NOON + seconds * SECOND, 1.0) for seconds in (0, 10, 20, 120, 130)]
    assert list(map(is_news, readings)) == [True, False, False, True, False]


def test_what_is_gone_for_longer_than_anything_is_kept_leaves_the_pages_and_may_still_come_back(
    store: Store, recorder: Recorder
) -> None:
    targets.replace(store, [a_target(), a_target("b")], NOON)
    recorder.append([a_scrape(NOON, 1.0)])
    [known] = [row.id for row in targets.current(store) if row.name == "a"]
    targets.replace(store, [a_target("b")], NOON + 1000)

    targets.forget(store, NOON + 1000)
    assert services.current(store, ADMIN, NOON + DAY)["name"].tolist() == ["b", "a"]
    targets.forget(store, NOON + 1001)
    assert services.current(store, ADMIN, NOON + DAY)["name"].tolist() == ["b"]

    again = targets.replace(store, [a_target(), a_target("b")], NOON + 2 * DAY)
    assert again["a"] == known
    assert set(services.current(store, ADMIN, NOON + 2 * DAY)["state"]) == {"unknown"}


def test_a_project_that_its_bridge_does_not_list_any_more_takes_its_agents_and_numbers_along(
    store: Store, recorder: Recorder
) -> None:
    targets.replace(store, [a_target()], NOON)
    both, one = (Project("loom", "Loom"), Project("kiln", "Kiln")), (Project("kiln", "Kiln"),)
    told = [
        a_scrape(NOON, 1.0, project=name, agents=(an_agent(project=name),), agents_complete=True)
        for name in ("loom", "kiln")
    ]
    recorder.append([a_scrape(NOON, projects=both), *told])
    recorder.append([a_scrape(NOON + 5000, projects=one)])

    assert series.latest(store, ADMIN, "a")["project"].tolist() == ["kiln"]
    assert agents.current(store, ADMIN)["project"].tolist() == ["kiln"]
    [run] = runs.within(store, ["a"], Window(NOON, NOON + DAY), "loom")
    assert run.until_ms == NOON + 5000

    recorder.append([a_scrape(NOON + 6000, projects=both), a_scrape(NOON + 6000, 2.0, project="loom")])
    assert set(series.latest(store, ADMIN, "a")["project"]) == {"kiln", "loom"}


def test_a_paused_bridge_rests_with_its_projects(store: Store, recorder: Recorder) -> None:
    targets.replace(store, [a_target()], NOON)
    recorder.append([a_scrape(NOON, projects=(Project("loom", "Loom"),)), a_scrape(NOON, project="loom")])
    targets.replace(store, [a_target(paused=True)], NOON + 5000)

    rows = runs.within(store, ["a"], Window(NOON, NOON + DAY), "loom")

    assert [row.cause for row in rows] == ["", Cause.PAUSED]
