"""Series by API: which there are, what they said in equal steps, and why there is nothing where there is nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from observatory.api.query import MOST_SERIES
from observatory.frames import query
from observatory.frames.query import Wanted
from observatory.model import DAY, HOUR, MINUTE, Actor, Cause, Instant, Kind, Role, Sample, Window
from observatory.store import chunks, targets
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from tests.support.clock import NOON
from tests.support.scraped import a_failure, a_scrape, a_target
from tests.support.website import Website

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
VICTOR = Actor(2, "victor", Role.VIEWER, ("loom",), "s")
BEGIN = NOON - HOUR
BAD: tuple[dict[str, object], ...] = (
    {"range": "soon"}, {"range": "-1h"}, {"step": "0"}, {"step": "1e300d"}, {"step": "1s", "range": "7d"},
    {"step": "9999999999d"}, {"since": NOON + 1},
    {"since": "yesterday"},
    {"since": NOON, "until": NOON}, {"since": NOON, "until": BEGIN}, {"since": -1}, {"aggregate": "median"},
    {"across": "most"}, {"label": "agent"}, {"label": "=x"}, {"name": "x" * 201}, {"name": "a\nb"}, {"colour": "red"},
)  # fmt: skip


def fill(store: Store) -> None:
    """An hour of two agents of loom, one of kiln, a counter that restarts, and a failure of ten minutes."""
    targets.replace(store, [a_target("bridge", kind=Kind.BRIDGE), a_target("shop"), a_target("sim")], BEGIN)
    reads = []
    for place, at in enumerate(range(BEGIN, NOON, MINUTE)):
        for project, agents in (("loom", ("weaver", "spinner")), ("kiln", ("stoker",))):
            told = tuple(
                Sample("agent_memory_bytes", float(100 * (number + 1) + place), (("agent", agent),))
                for number, agent in enumerate(agents)
            )
            reads.append(a_scrape(at, target="bridge", project=project, samples=told, interval=60.0))
        failed = 20 <= place < 30
        read = a_failure(at, target="shop", interval=60.0) if failed else a_scrape(
            at, float(place % 40), name="orders_total", target="shop", interval=60.0
        )  # fmt: skip
        reads.append(read)
        marked = (Sample("orders_total", 5.0, (("simulated", "true"),)),)
        reads.append(a_scrape(at, target="sim", samples=marked, interval=60.0, simulated=True))
    Recorder(store).append(reads)


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    website = make_website()
    fill(website.store)
    return website


def asked(client: FlaskClient, path: str, status: int = 200, **query: object) -> dict[str, Any]:
    answer = client.get(path, query_string=query)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def line(values: Sequence[float], *, since: Instant = BEGIN, step: int = MINUTE) -> list[list[float]]:
    return [[since + place * step, value] for place, value in enumerate(values)]


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "agents"),
    [
        (Wanted("agent_memory_bytes"), ["spinner", "stoker", "weaver"]),
        (Wanted("agent_memory_bytes", project="loom"), ["spinner", "weaver"]),
        (Wanted("agent_memory_bytes", labels=(("agent", "stoker"),)), ["stoker"]),
        (Wanted("agent_memory_bytes", labels=(("agent", "stoker"), ("agent", "weaver"))), []),
        (Wanted("agent_memory_bytes", source="shop"), []),
        (Wanted("no_such_series"), []),
    ],
)
def test_series_are_found_by_what_they_have(filled: Store, wanted: Wanted, agents: list[str]) -> None:
    assert sorted(one["agent"] for one in query.find(filled, ADMIN, wanted)["labels"]) == agents


def test_who_does_not_see_a_project_finds_nothing_of_it(filled: Store) -> None:
    assert set(query.find(filled, VICTOR, Wanted("agent_memory_bytes"))["project"]) == {"loom"}


def of_plain(aggregate: query.Aggregate, part: Sequence[float], rise: float) -> float:
    if aggregate in {"increase", "rate"}:
        return rise if aggregate == "increase" else rise / 300
    told = {"avg": np.mean, "min": min, "max": max, "sum": sum, "count": len, "last": lambda found: found[-1]}
    return float(told[aggregate](part))


@pytest.mark.parametrize("packed", [False, True], ids=["rows", "packed"])
@pytest.mark.parametrize("aggregate", ["avg", "min", "max", "sum", "count", "last", "increase", "rate"])
def test_a_step_says_what_the_plain_list_says(filled: Store, aggregate: query.Aggregate, packed: bool) -> None:
    while packed and chunks.compact(filled, NOON + 3 * DAY):
        pass
    [key] = query.find(filled, ADMIN, Wanted("orders_total", source="shop"))["series"]
    plain = {place: float(place % 40) for place in range(60) if not 20 <= place < 30}
    rises = dict(zip(list(plain)[1:], np.diff(list(plain.values())), strict=True))
    rises = {place: plain[place] if rise < 0 else rise for place, rise in rises.items()}

    df = query.steps(filled, [key], Window(BEGIN, NOON), 5 * MINUTE, aggregate, now=NOON)

    expected = []
    for start in range(0, 60, 5):
        part = [plain[place] for place in range(start, start + 5) if place in plain]
        rise = sum(rises.get(place, 0.0) for place in range(start, start + 5))
        expected += [(BEGIN + start * MINUTE, of_plain(aggregate, part, rise))] if part else []
    assert df["at"].tolist() == [at for at, _ in expected]
    assert df["value"].tolist() == pytest.approx([value for _, value in expected])


@pytest.mark.parametrize("aggregate", ["increase", "rate", "sum", "count"])
def test_a_step_that_is_not_over_is_not_told_of_what_grows(filled: Store, aggregate: query.Aggregate) -> None:
    [key] = query.find(filled, ADMIN, Wanted("orders_total", source="shop"))["series"]
    window = Window(NOON - 10 * MINUTE, NOON - MINUTE)

    df = query.steps(filled, [key], window, 5 * MINUTE, aggregate, now=NOON - MINUTE)
    so_far = query.steps(filled, [key], window, 5 * MINUTE, "max", now=NOON - MINUTE)

    assert df["at"].tolist() == [NOON - 10 * MINUTE]
    assert so_far["at"].tolist() == [NOON - 10 * MINUTE, NOON - 5 * MINUTE]


def test_the_first_step_has_risen_from_what_was_before_it(filled: Store) -> None:
    [key] = query.find(filled, ADMIN, Wanted("orders_total", source="shop"))["series"]

    df = query.steps(filled, [key], Window(BEGIN + 5 * MINUTE, BEGIN + 10 * MINUTE), 5 * MINUTE, "increase", now=NOON)

    assert df[["at", "value"]].to_numpy().tolist() == [[BEGIN + 5 * MINUTE, 5.0]]


def test_an_average_of_several_is_that_of_all_their_samples(store: Store) -> None:
    targets.replace(store, [a_target("often"), a_target("rarely")], BEGIN)
    recorder = Recorder(store)
    recorder.append([a_scrape(BEGIN + place, 1.0, target="often") for place in range(9)])
    recorder.append([a_scrape(BEGIN, 11.0, target="rarely")])
    found = query.find(store, ADMIN, Wanted("load"))

    df = query.steps(store, found["series"].tolist(), Window(BEGIN, BEGIN + MINUTE), MINUTE, "avg", now=NOON)
    [value] = query.values(df, query.grouped(found, []).set_axis(found["series"]), "avg")["value"]

    assert value == 2.0


def test_what_is_simulated_is_never_brought_together_with_what_is_not(filled: Store) -> None:
    found = query.find(filled, ADMIN, Wanted("orders_total"))

    assert found.groupby(query.grouped(found, []))["simulated"].nunique().tolist() == [1, 1]


def test_of_nothing_there_is_nothing(store: Store) -> None:
    found = query.find(store, ADMIN, Wanted())
    df = query.steps(store, [], Window(BEGIN, NOON), MINUTE, "avg", now=NOON)

    assert found.empty
    assert df.empty
    assert query.values(df, query.grouped(found, ["project"]), "sum").empty
    assert query.silences(store, found, Window(BEGIN, NOON)).empty


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_series_is_told_with_its_newest_value_and_its_age(site: Website) -> None:
    [found] = asked(site.signed_in("ada"), "/api/series", name="agent_memory_bytes", label="agent=weaver")["series"]

    assert found.pop("series") > 0
    assert found == {
        "name": "agent_memory_bytes", "labels": {"agent": "weaver"}, "project": "loom", "source": "bridge",
        "simulated": False, "value": 159.0, "measuredAt": NOON - MINUTE, "receivedAt": NOON - MINUTE + 20,
        "ageSeconds": 60.0, "intervalSeconds": 60.0, "state": "live", "cause": None,
    }  # fmt: skip


def test_the_past_comes_in_steps_with_its_gaps_and_causes(site: Website) -> None:
    found = asked(site.signed_in("ada"), "/api/query", name="orders_total", source="shop", since=BEGIN, until=NOON,
                  step="5m", aggregate="max")  # fmt: skip

    [past] = found["series"]
    assert (found["since"], found["until"], found["stepSeconds"], found["aggregate"]) == (BEGIN, NOON, 300.0, "max")
    tops = {0: 4.0, 5: 9.0, 10: 14.0, 15: 19.0, 30: 34.0, 35: 39.0, 40: 4.0, 45: 9.0, 50: 14.0, 55: 19.0}
    assert past["points"] == [[BEGIN + minute * MINUTE, top] for minute, top in tops.items()]
    assert (past["sources"], past["project"], past["simulated"]) == (["shop"], None, False)
    [failed] = [gap for gap in past["gaps"] if gap["cause"] == Cause.TIMEOUT]
    assert (failed["source"], failed["until"] - failed["since"]) == ("shop", 10 * MINUTE)


def test_several_are_brought_together_by_what_they_share(site: Website) -> None:
    found = asked(site.signed_in("ada"), "/api/query", name="agent_memory_bytes", since=BEGIN, until=BEGIN + 4 * MINUTE,
                  step="2m", by="project", across="sum")  # fmt: skip

    by_project = {past["project"]: past for past in found["series"]}
    assert by_project["loom"]["points"] == line([301.0, 305.0], step=2 * MINUTE)
    assert by_project["kiln"]["points"] == line([100.5, 102.5], step=2 * MINUTE)
    assert (by_project["loom"]["labels"], by_project["kiln"]["labels"]) == ({}, {"agent": "stoker"})


def test_what_is_brought_together_is_not_asked_for_in_steps_in_which_some_is_missing(site: Website) -> None:
    wanted = {"name": "agent_memory_bytes", "since": BEGIN, "until": BEGIN + 4 * MINUTE, "by": "project"}

    [fault] = asked(site.signed_in("ada"), "/api/query", 400, step="1m", **wanted)["details"]
    by_itself = asked(site.signed_in("ada"), "/api/query", **wanted)

    assert "a step needs 120 seconds at least" in fault["message"]
    assert by_itself["stepSeconds"] == 120.0


def test_what_is_to_come_is_no_gap(site: Website) -> None:
    ada = site.signed_in("ada")

    past = asked(ada, "/api/query", name="orders_total", source="shop", since=BEGIN, until=NOON + DAY)
    up = asked(ada, "/api/services/shop/uptime", since=BEGIN, until=NOON + DAY)

    assert (past["until"], up["until"]) == (NOON, NOON)
    assert [gap["cause"] for gap in past["series"][0]["gaps"]] == ["timeout"]
    assert up["observedRatio"] == 1.0


def test_everything_is_cut_to_the_projects_of_who_asks(site: Website) -> None:
    victor = site.signed_in("victor")

    assert {one["project"] for one in asked(victor, "/api/series", name="agent_memory_bytes")["series"]} == {"loom"}
    together = asked(victor, "/api/query", name="agent_memory_bytes", since=BEGIN, until=BEGIN + 2 * MINUTE, by="")
    assert [past["points"] for past in together["series"]] == [line([150.5], step=2 * MINUTE)]
    assert asked(victor, "/api/query", name="agent_memory_bytes", project="kiln")["series"] == []


def test_uptime_tells_what_was_observed_and_what_was_lost_by_cause(site: Website) -> None:
    found = asked(site.signed_in("ada"), "/api/services/shop/uptime", since=BEGIN, until=NOON)

    assert found["upRatio"] == pytest.approx(5 / 6, abs=0.02)
    assert found["observedRatio"] == pytest.approx(1.0, abs=0.02)
    assert found["downSeconds"] == pytest.approx(600, abs=60)
    lost = {one["cause"]: one["seconds"] for one in found["lost"]}
    assert lost["timeout"] == pytest.approx(600, abs=60)


def test_of_a_service_that_nobody_watches_there_is_no_uptime(site: Website) -> None:
    assert asked(site.signed_in("ada"), "/api/services/nobody/uptime", 404)["status"] == 404


def test_bad_input_is_told_and_nothing_is_asked(site: Website) -> None:
    ada = site.signed_in("ada")
    for bad in BAD:
        assert asked(ada, "/api/query", 400, **bad)["details"], bad


def test_too_many_series_are_refused_with_a_way_out(site: Website) -> None:
    many = tuple(Sample("part", 1.0, (("n", str(number)),)) for number in range(MOST_SERIES + 1))
    Recorder(site.store).append([a_scrape(NOON, target="shop", samples=many)])

    found = asked(site.signed_in("ada"), "/api/query", 400, name="part")

    assert "501 series are meant; one answer holds 500." in found["details"][0]["message"]
