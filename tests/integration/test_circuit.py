"""A service that fails is asked less often, one that throttles us when it says so, and the others notice nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from observatory.collector.circuit import Circuit
from observatory.collector.scrape import Reader, open_reader
from observatory.model import Cause, Kind, Origin, Target
from observatory.store.engine import Store
from tests.integration.test_loop import collecting, on_beat, quick_beats, wait_for_scrapes, watching  # noqa: F401
from tests.support.answering import Answering, answer, reset, saying, serving
from tests.support.calls import now

FINE = saying(answer(200, {"status": "healthy"}))


class Ticks:
    """Milliseconds that go on when told to."""

    def __init__(self) -> None:
        self.at = 1_000

    def __call__(self) -> int:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += round(seconds * 1000)


@contextmanager
def reading(url: str, kind: Kind = Kind.BRIDGE) -> Iterator[Reader]:
    reader = open_reader(Target("t", kind, url, Origin.FILE), clock=now)
    try:
        yield reader
    finally:
        reader.close()


def throttling(seconds: int) -> bytes:
    return answer(429, {"error": "Too many requests"}, headers={"Retry-After": str(seconds)})


def a_bridge(*projects: str) -> dict[str, object]:
    routes: dict[str, object] = {
        "/api/health": {"status": "healthy"},
        "/api/projects": {"projects": [{"id": id} for id in projects]},
        "/api/telemetry/metrics": {"metrics": {"system": {"cpu": 50}}},
    }
    for id in projects:
        routes[f"/api/projects/{id}/agents/status"] = {"agents": []}
        routes[f"/api/projects/{id}/telemetry/metrics"] = {"metrics": {"agents": {"active": 1}}}
    return routes


def asked(server: Answering) -> list[str]:
    paths = [path for path, _ in server.requests]
    server.requests.clear()
    return paths


def test_a_circuit_opens_says_why_and_closes_with_the_next_good_answer() -> None:
    circuit = Circuit(10, Ticks())
    for script, cause in (
        (lambda connection, _path: reset(connection), Cause.UNREACHABLE),
        (saying(answer(403, {"error": "Insufficient permissions"})), Cause.REJECTED),
        (saying(answer(502, "<h1>Bad gateway</h1>")), Cause.HTTP_ERROR),
        (saying(answer(200, "<!doctype html><h1>Welcome</h1>")), Cause.MALFORMED),
    ):
        with Answering(script) as server, reading(server.url, Kind.DEVKIT_API) as reader:
            told = []
            for _ in range(6):
                circuit.note(reader.read()[0])
                told.append((circuit.cause, circuit.wait()))
            server.script = serving({"/api/health": {"status": "ok"}, "/metrics": answer(200, "a 1\n")})
            circuit.note(reader.read()[0])

        assert told == [(None, 10), (None, 10), (cause, 20), (cause, 40), (cause, 60), (cause, 60)]
        assert (circuit.cause, circuit.wait()) == (None, 10)


@pytest.mark.parametrize(("asked_for", "pause"), [(42, 42), (3, 10), (600, 600), (86_400, 900)])
def test_who_throttles_is_left_alone_for_as_long_as_he_says(asked_for: int, pause: float) -> None:
    circuit = Circuit(10, Ticks())
    with Answering(saying(throttling(asked_for))) as server, reading(server.url, Kind.NEXUS_CONSOLE) as reader:
        circuit.note(reader.read()[0])

    assert (circuit.cause, circuit.wait()) == (Cause.THROTTLED, pause)


def test_a_bridge_that_throttles_is_asked_nothing_more_in_that_turn() -> None:
    routes = a_bridge("loom", "kiln")
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        reader.read()
        asked(server)
        routes["/api/health"] = throttling(42)
        scrapes = reader.read()

        assert asked(server) == ["/api/health"]
    assert [(s.cause, s.retry_after) for s in scrapes] == [(Cause.THROTTLED, 42)] * 3


def test_a_pause_is_heard_whichever_answer_it_comes_with() -> None:
    routes = a_bridge() | {"/api/projects": answer(500, "broken"), "/api/telemetry/metrics": throttling(42)}
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        [own] = reader.read()

    assert (own.cause, own.retry_after) == (Cause.HTTP_ERROR, 42)


def test_projects_wait_alone_when_only_they_are_throttled() -> None:
    ticks = Ticks()
    circuit = Circuit(10, ticks)
    routes = a_bridge("loom", "kiln")
    routes["/api/projects/loom/agents/status"] = throttling(42)
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        own, *projects = reader.read()
        paths = asked(server)
    circuit.note(own)
    circuit.note_projects(projects)

    assert paths[3:] == ["/api/projects/loom/agents/status"]  # nothing else of any project
    assert [(s.project, s.cause) for s in projects] == [("loom", Cause.THROTTLED), ("kiln", Cause.THROTTLED)]
    assert (own.cause, circuit.cause, circuit.wait()) == (None, None, 10)
    for seconds, held in ((0, True), (41, True), (1, False)):
        ticks.pass_by(seconds)
        assert circuit.holds_projects() is held


def test_of_three_services_the_one_that_is_well_keeps_its_beat(store: Store) -> None:
    """One throttles, one hangs, one is well: each has a circuit of its own."""
    with Answering(FINE) as well, Answering(saying(throttling(600))) as busy, Answering(FINE) as hanging:
        hanging.script = hanging.hang
        wanted = [watching("busy", busy.url), watching("hanging", hanging.url), watching("well", well.url)]
        with collecting(store, lambda: wanted):
            wait_for_scrapes(store, "busy", 1)
            wait_for_scrapes(store, "hanging", 4)
            at = wait_for_scrapes(store, "well", 12)

    assert len(busy.requests) == 1
    assert len(hanging.requests) < len(well.requests)
    assert on_beat(at)


def test_projects_of_a_bridge_are_left_alone_by_the_collector_too(store: Store) -> None:
    routes = a_bridge("loom")
    routes["/api/projects/loom/agents/status"] = throttling(600)
    with Answering(serving(routes)) as server:
        bridge = Target("bridge", Kind.BRIDGE, server.url, Origin.FILE, interval=0.2)
        with collecting(store, lambda: [bridge]):
            wait_for_scrapes(store, "bridge", 6)
        paths = asked(server)

    assert paths.count("/api/projects/loom/agents/status") == 1
    assert paths.count("/api/health") >= 6
