"""Whose clock counts: ours. A service's is known from the Date header alone, and bodies are dated by it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

import pytest

from observatory.api import targets as targets_api
from observatory.collector.scrape import open_reader
from observatory.context import wall_clock
from observatory.model import DAY, MINUTE, SECOND, Instant, Scrape, iso
from observatory.store import targets
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from tests.support import simulator as simulators
from tests.support.answering import Answering, answer, serving
from tests.support.scraped import BRIDGE, a_bridge, a_failure, a_scrape
from tests.support.simulator import Simulator
from tests.support.website import Website

NEAR = 8.0  # seconds: what a reading may take on a busy machine, and half of what the header leaves open


class Told(NamedTuple):
    """What `/api/targets` and `/api/agents/status` say of a Bridge just after it was read."""

    target: dict[str, Any]
    agents: list[dict[str, Any]]


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    return make_website(blueprints=[targets_api.blueprint])


def read(url: str) -> tuple[Scrape, ...]:
    reader = open_reader(a_bridge(url=url), clock=wall_clock)
    try:
        return reader.read()
    finally:
        reader.close()


def told(site: Website, url: str) -> Told:
    targets.replace(site.store, [a_bridge(url=url)], wall_clock())
    Recorder(site.store).append(read(url))
    site.clock.set(wall_clock())
    client = site.signed_in("ada")
    [target] = [one for one in client.get("/api/targets").get_json()["targets"] if one["name"] == BRIDGE]
    return Told(target, client.get("/api/agents/status").get_json()["agents"])


# ── the simulator's clock ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulators.running(tmp_path_factory.mktemp("clocks") / "log") as running:
        yield running


@pytest.mark.parametrize("seconds", [120, -120, 86_400, -86_400, 3 * 86_400])
def test_date_and_bodies_equally_wrong_are_skew_and_ages_are_right(
    site: Website, devkit: Simulator, seconds: int
) -> None:
    devkit.control("faults", service="bridge", mode="wrong-clock", seconds=seconds)

    found = told(site, devkit["bridge"])

    assert found.target["skewSeconds"] == pytest.approx(seconds, abs=NEAR)
    assert (found.target["state"], found.target["cause"]) == ("live", None)
    assert found.target["ageSeconds"] < NEAR
    assert {agent["state"] for agent in found.agents} == {"live"}
    assert max(agent["ageSeconds"] for agent in found.agents) < NEAR


@pytest.mark.parametrize("seconds", [600, 86_400])
def test_a_right_date_with_old_bodies_is_stale(site: Website, devkit: Simulator, seconds: int) -> None:
    devkit.control("faults", service="bridge", mode="stale", seconds=seconds)

    found = told(site, devkit["bridge"])

    assert found.target["skewSeconds"] == 0
    assert (found.target["state"], found.target["cause"]) == ("stale", None)
    assert found.target["ageSeconds"] == pytest.approx(seconds, abs=NEAR)
    assert {agent["state"] for agent in found.agents} == {"stale"}
    assert [agent["ageSeconds"] for agent in found.agents] == [pytest.approx(seconds, abs=NEAR)] * len(found.agents)


def test_times_inside_an_answer_are_brought_to_our_clock(site: Website, devkit: Simulator) -> None:
    """What an agent did last, and was told to do, lies in the past; when it will be done, after its beginning."""
    devkit.control("faults", service="bridge", mode="wrong-clock", seconds=86_400)

    agents = told(site, devkit["bridge"]).agents

    now = iso(site.clock())
    assert agents
    assert all(agent["lastActivity"] <= now and agent["lastCommand"]["timestamp"] <= now for agent in agents)
    tasks = [agent["currentTask"] for agent in agents if agent["currentTask"]]
    assert all(task["startTime"] <= now and task["startTime"] < task["estimatedCompletion"] for task in tasks)


def test_a_clock_that_is_right_again_is_no_more_skewed(site: Website, devkit: Simulator) -> None:
    devkit.control("faults", service="bridge", mode="wrong-clock", seconds=120)
    assert told(site, devkit["bridge"]).target["skewSeconds"] > 100

    devkit.control("faults", service="bridge", mode="ok")

    assert told(site, devkit["bridge"]).target["skewSeconds"] == 0


# ── with and without the header, with and without a body's own time ──────────────────────────────────────────────────


def a_devkit(*, date: Instant | None, body: Instant | None) -> dict[str, object]:
    """Routes of a Bridge with one agent, whose header and bodies say these times, or none."""
    stamp = {} if body is None else {"timestamp": iso(body)}
    moment = None if date is None else datetime.fromtimestamp(date // SECOND, UTC)
    headers = {} if moment is None else {"Date": format_datetime(moment, usegmt=True)}
    bodies: dict[str, object] = {
        "/api/health": {"status": "healthy", **stamp},
        "/api/projects": {"projects": [{"id": "loom", "name": "Loom"}], **stamp},
        "/api/telemetry/metrics": {"metrics": {"system": {"cpu": 50}}, **stamp},
        "/api/projects/loom/agents/status": {"agents": [{"id": "weaver", "status": "running"}], **stamp},
        "/api/projects/loom/telemetry/metrics": {"metrics": {"agents": {"active": 1}}, **stamp},
    }
    return {path: answer(200, content, headers=headers) for path, content in bodies.items()}


@pytest.mark.parametrize(
    ("date", "body", "skew", "age"),
    [
        (None, None, None, 0),  # measured when we asked
        (0, None, 0, 0),
        (DAY, None, DAY, 0),
        (-DAY, None, -DAY, 0),
        (None, 0, None, 0),
        (None, -10 * MINUTE, None, 10 * MINUTE),  # nothing to correct it by
        (None, DAY, None, 0),  # but nothing is measured after it was received
        (0, 0, 0, 0),
        (0, -DAY, 0, DAY),
        (0, DAY, 0, 0),
        (DAY, DAY, DAY, 0),
        (-DAY, -DAY, -DAY, 0),
        (DAY, DAY - 10 * MINUTE, DAY, 10 * MINUTE),  # wrong, and old besides
        (-DAY, -DAY - 10 * MINUTE, -DAY, 10 * MINUTE),
    ],
)
def test_the_header_alone_tells_the_clock_and_the_body_the_age(
    date: int | None, body: int | None, skew: int | None, age: int
) -> None:
    now = wall_clock()
    routes = a_devkit(date=None if date is None else now + date, body=None if body is None else now + body)
    with Answering(serving(routes)) as server:
        bridge, loom = read(server.url)

    for scrape in (bridge, loom):
        assert scrape.cause is None
        assert (scrape.skew is None) == (skew is None)
        assert (scrape.skew or 0) == pytest.approx((skew or 0) / SECOND, abs=NEAR)
        measured = scrape.started if scrape.measured is None else scrape.measured
        assert (scrape.measured is None) == (body is None)
        assert (scrape.received - measured) / SECOND == pytest.approx(age / SECOND, abs=NEAR)
        assert measured <= scrape.received


def test_what_has_no_time_at_all_is_as_old_as_our_question(site: Website) -> None:
    with Answering(serving(a_devkit(date=None, body=None))) as server:
        found = told(site, server.url)

    assert found.target["skewSeconds"] is None
    assert (found.target["state"], [agent["state"] for agent in found.agents]) == ("live", ["live"])
    assert found.target["measuredAt"] <= found.target["receivedAt"]


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_skew_is_that_of_the_last_answer(store: Store) -> None:
    """A service that does not answer keeps it; one that sends no Date any more is not corrected, and says so."""
    targets.replace(store, [a_bridge()], 1)
    seen = []
    for scrape in (
        a_scrape(1000 * SECOND, target=BRIDGE, skew=120.5),
        a_failure(1010 * SECOND, target=BRIDGE),
        a_scrape(1020 * SECOND, target=BRIDGE),
    ):
        Recorder(store).append([scrape])
        seen.append(next(row.skew for row in targets.current(store)))

    assert seen == [120.5, 120.5, None]
