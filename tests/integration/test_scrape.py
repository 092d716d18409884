import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from observatory.collector.circuit import delay
from observatory.collector.scrape import Reader, open_reader
from observatory.model import Cause, Expect, Health, Instant, Kind, Origin, Scrape, Target
from tests.support.answering import Answering, answer, reset, serving
from tests.support.processes import free_port
from tests.support.waiting import wait_for

NODE_EXPORTER = Path("/usr/bin/prometheus-node-exporter")
SECOND = 1000


def now() -> Instant:
    return time.time_ns() // 1_000_000


def iso(at: Instant) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


@contextmanager
def reading(url: str, kind: Kind = Kind.BRIDGE, *, telemetry: bool = True, **fields: Any) -> Iterator[Reader]:
    reader = open_reader(Target("t", kind, url, Origin.FILE, **fields), clock=now, telemetry=telemetry)
    try:
        yield reader
    finally:
        reader.close()


def a_bridge(*projects: str, at: Instant | None = None, **replaced: object) -> dict[str, object]:
    """Routes of a Bridge with these projects, whose bodies say `at`; `replaced` by B1, B5, B13, B9, B12."""
    stamp = {} if at is None else {"timestamp": iso(at)}
    routes: dict[str, object] = {
        "/api/health": replaced.get("B1", {"status": "degraded", "version": "3.1.0", **stamp}),
        "/api/projects": replaced.get("B5", {"projects": [{"id": p, "name": p.title()} for p in projects], **stamp}),
        "/api/telemetry/metrics": replaced.get("B13", {"metrics": {"system": {"cpu": 50}}, **stamp}),
    }
    for project in projects:
        agent = {"id": "weaver", "status": "running", "lastActivity": iso((at or now()) - SECOND), "cpuUsage": 10}
        metrics = {"performance": {"cpu": {"current": 20, "trend": [
            {"timestamp": iso(at - minute * 60 * SECOND), "value": minute} for minute in (3, 2, 1)
        ] if at else []}}}  # fmt: skip
        routes[f"/api/projects/{project}/agents/status"] = replaced.get("B9", {"agents": [agent], **stamp})
        routes[f"/api/projects/{project}/telemetry/metrics"] = replaced.get("B12", {"metrics": metrics, **stamp})
    return routes


def values(scrape: Scrape) -> dict[str, float]:
    return {s.name: s.value for s in scrape.samples if ("reported", "true") not in s.labels}


def paths(server: Answering) -> set[str]:
    return {path for path, _ in server.requests}


def test_a_bridge_is_one_scrape_and_one_more_for_each_project() -> None:
    with Answering(serving(a_bridge("loom", "kiln"))) as server, reading(server.url) as reader:
        bridge, loom, kiln = reader.read()

    assert (bridge.cause, bridge.health, bridge.version) == (None, Health.DEGRADED, "3.1.0")
    assert [p.id for p in bridge.projects or ()] == ["loom", "kiln"]
    assert values(bridge) == {
        "devkit_cpu_ratio": 0.5, "up": 1, "scrape_duration_seconds": bridge.duration, "scrape_samples_scraped": 1,
    }  # fmt: skip
    assert (loom.project, kiln.project, loom.cause, loom.projects) == ("loom", "kiln", None, None)
    assert loom.agents and loom.agents_complete and loom.agents[0].project == "loom"
    assert values(loom) == {"project_cpu_ratio": 0.2, "agent_cpu_ratio": 0.1}
    assert bridge.agents is None


@pytest.mark.parametrize("broken", ["B1", "B5", "B13"])
def test_a_bridge_is_as_bad_as_the_worst_of_its_own_answers(broken: str) -> None:
    routes = a_bridge("loom", **{broken: answer(500, "broken")})
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        scrape = reader.read()[0]

    assert (scrape.cause, values(scrape)["up"]) == (Cause.HTTP_ERROR, 0)
    assert ("devkit_cpu_ratio" in values(scrape)) is (broken != "B13")


@pytest.mark.parametrize("broken", ["B9", "B12"])
def test_a_project_that_fails_is_its_own_failure(broken: str) -> None:
    with Answering(serving(a_bridge("loom", **{broken: answer(404, {})}))) as server, reading(server.url) as reader:
        bridge, loom = reader.read()

    assert (bridge.cause, loom.cause) == (None, Cause.HTTP_ERROR)
    assert (loom.agents is None, "project_cpu_ratio" in values(loom)) == (broken == "B9", broken == "B9")


def test_a_bridge_that_does_not_answer_is_asked_no_more_and_its_projects_share_the_cause() -> None:
    routes = a_bridge("loom")
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        assert len(reader.read()) == 2
        server.requests.clear()
        routes["/api/health"] = lambda connection, _path: reset(connection)
        bridge, loom = reader.read()

    assert paths(server) == {"/api/health"}
    assert (bridge.cause, loom.cause, loom.project, loom.agents) == (Cause.UNREACHABLE, Cause.UNREACHABLE, "loom", None)


def test_without_telemetry_none_is_asked_for() -> None:
    with Answering(serving(a_bridge("loom"))) as server, reading(server.url, telemetry=False) as reader:
        bridge, loom = reader.read()
    assert not any("telemetry" in path for path in paths(server))
    assert (bridge.cause, loom.cause, len(loom.agents or ())) == (None, None, 1)

    daemon = {"/status": {"daemon_running": True}, "/health": {}, "/capabilities": []}
    with Answering(serving(daemon)) as server, reading(server.url, Kind.MCP_DAEMON, telemetry=False) as reader:
        assert reader.read()[0].cause is None


def test_a_project_that_the_stream_tells_of_is_read_every_half_minute_only() -> None:
    told = {"loom"}
    with Answering(serving(a_bridge("loom"))) as server, reading(server.url) as reader:
        assert [s.interval for s in reader.read(told=told.__contains__)] == [10, 30]
        assert len(reader.read(told=told.__contains__)) == 1
        told.clear()
        assert [s.interval for s in reader.read(told=told.__contains__)] == [10, 10]


def test_a_project_that_the_stream_does_not_tell_of_keeps_its_beat_beside_one_that_it_does() -> None:
    with Answering(serving(a_bridge("loom", "kiln"))) as server, reading(server.url) as reader:
        reader.read(told="loom".__eq__)
        again = reader.read(told="loom".__eq__)
    assert [(s.project, s.interval) for s in again] == [("", 10), ("kiln", 10)]


def test_many_projects_are_all_read_in_their_order() -> None:
    ids = [f"project-{n}" for n in range(20)]
    with Answering(serving(a_bridge(*ids))) as server, reading(server.url) as reader:
        assert [scrape.project for scrape in reader.read()] == ["", *ids]


def test_what_came_from_the_simulator_says_so_even_while_it_is_down() -> None:
    routes = a_bridge("loom", B13=answer(200, {"metrics": {"system": {"cpu": 1}}}, headers={"X-Simulated": "1"}))
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        alive = reader.read()[0]
    exposition = answer(200, "a 1\n", headers={"X-Simulated": "1"})
    with (
        Answering(serving({"/metrics": exposition})) as server,
        reading(f"{server.url}/metrics", Kind.PROMETHEUS) as reader,
    ):
        assert reader.read()[0].simulated
        server.stop()
        dead = reader.read()[0]

    for scrape in (alive, dead):
        assert scrape.simulated
        assert all(("simulated", "true") in sample.labels for sample in scrape.samples)
    assert dead.cause is Cause.UNREACHABLE


def test_a_timestamp_says_when_it_was_measured_and_old_is_old() -> None:
    at = now() - 120 * SECOND
    with Answering(serving(a_bridge("loom", at=at))) as server, reading(server.url) as reader:
        bridge, loom = reader.read()

    assert (bridge.measured, loom.measured, bridge.skew) == (at, at, None)
    own = {s.name: s.at for s in bridge.samples}
    assert own == {
        "devkit_cpu_ratio": None, "up": bridge.started, "scrape_duration_seconds": bridge.started,
        "scrape_samples_scraped": bridge.started,
    }  # fmt: skip


def test_a_wrong_clock_is_corrected_by_the_date_alone() -> None:
    theirs = now() + 3600 * SECOND
    date = {"Date": format_datetime(datetime.fromtimestamp(theirs // SECOND, UTC), usegmt=True)}
    routes = {path: answer(200, body, headers=date) for path, body in a_bridge("loom", at=theirs).items()}
    with Answering(serving(routes)) as server, reading(server.url) as reader:
        bridge, loom = reader.read()

    assert bridge.skew == pytest.approx(3600, abs=2)
    assert abs((bridge.measured or 0) - bridge.started) < 3 * SECOND
    [agent] = loom.agents or ()
    assert abs((agent.last_activity or 0) - (loom.started - SECOND)) < 3 * SECOND
    past = [s.at for s in loom.samples if s.at is not None and ("reported", "true") in s.labels]
    assert past
    assert all(at < loom.started for at in past)


def test_a_services_own_past_is_told_once_and_its_newest_point_again() -> None:
    with Answering(serving(a_bridge("loom", at=now()))) as server, reading(server.url) as reader:
        first, again = (reader.read()[1] for _ in range(2))

    told = [[s.value for s in scrape.samples if ("reported", "true") in s.labels] for scrape in (first, again)]
    assert told == [pytest.approx([0.03, 0.02, 0.01]), pytest.approx([0.01])]


def test_a_daemon_is_read_whole() -> None:
    routes: dict[str, object] = {
        "/status": {"daemon_running": False, "version": "0.9.4", "uptime": 7}, "/health": {"status": "healthy"},
        "/capabilities": [{"tool": "a"}], "/metrics": {"cpu_usage": 50, "memory_usage": 1},
    }  # fmt: skip
    with Answering(serving(routes)) as server, reading(server.url, Kind.MCP_DAEMON) as reader:
        [scrape] = reader.read()
        routes["/capabilities"] = answer(429, {}, headers={"Retry-After": "7"})
        [throttled] = reader.read()

    assert (scrape.cause, scrape.version, scrape.health) == (None, "0.9.4", Health.UNHEALTHY)
    assert values(scrape) | {"scrape_duration_seconds": 0} == {
        "mcp_daemon_running": 0, "mcp_daemon_uptime_seconds": 7, "mcp_daemon_tools": 1, "mcp_daemon_cpu_ratio": 0.5,
        "mcp_daemon_memory_bytes": 1e6, "up": 1, "scrape_duration_seconds": 0, "scrape_samples_scraped": 5,
    }  # fmt: skip
    assert (throttled.cause, throttled.retry_after) == (Cause.THROTTLED, 7)


def test_http_keeps_its_numbers_when_the_assertion_fails() -> None:
    expect = Expect(200, {"$.status": "ok"})
    with (
        Answering(serving({"/": {"status": "bad"}})) as server,
        reading(f"{server.url}/", Kind.HTTP, expect=expect) as reader,
    ):
        [scrape] = reader.read()
    assert scrape.cause is Cause.HTTP_ERROR
    assert "$.status" in scrape.detail
    assert (values(scrape)["http_response_status"], values(scrape)["up"]) == (200, 0)


def test_the_observatory_is_read_by_its_token() -> None:
    with (
        Answering(serving({"/metrics": answer(200, "observatory_x 4\n")})) as server,
        reading(f"{server.url}/metrics", Kind.OBSERVATORY, token="secret") as reader,
    ):
        assert values(reader.read()[0])["observatory_x"] == 4
    assert server.requests[0][1]["authorization"] == "Bearer secret"


def test_nothing_listening_is_a_result_for_every_kind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for kind in Kind:
        with reading(url, kind) as reader:
            [scrape] = reader.read()
        assert (scrape.cause, values(scrape)["up"]) == (Cause.UNREACHABLE, 0)
        assert (scrape.permanent, scrape.measured, scrape.agents, scrape.projects) == (False, None, None, None)


@pytest.mark.parametrize(
    ("interval", "failures", "retry_after", "seconds"),
    [(10, 0, None, 10), (10, 2, None, 10), (10, 3, None, 20), (10, 4, None, 40), (10, 5, None, 60), (10, 999, None, 60),
     (1, 3, None, 2), (300, 9, None, 300), (10, 1, 42, 42), (10, 1, 2, 10), (10, 9, 5000, 900)],
)  # fmt: skip
def test_the_pause_grows_with_failures_and_follows_who_throttles(
    interval: float, failures: int, retry_after: float | None, seconds: float
) -> None:
    assert delay(interval, failures, retry_after) == seconds


@pytest.mark.skipif(not NODE_EXPORTER.exists(), reason="no node exporter on this machine")
def test_a_real_exporter_is_read() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    child = subprocess.Popen(
        [str(NODE_EXPORTER), f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with reading(url, Kind.PROMETHEUS) as reader:
            wait_for(lambda: reader.read()[0].cause is None, what="the exporter answering")
            [scrape] = reader.read()
    finally:
        child.terminate()
        child.wait(10)
    assert values(scrape)["scrape_samples_scraped"] > 100
    assert values(scrape)["node_time_seconds"] == pytest.approx(time.time(), abs=60)


def test_the_simulator_is_read_without_a_gap(simulator: Any) -> None:
    with reading(simulator.urls["bridge"]) as reader:
        bridge, *projects = reader.read()

    assert bridge.cause is None
    assert bridge.simulated
    assert len(values(bridge)) == 12 + 3
    assert {p.project for p in projects} == {p.id for p in bridge.projects or ()}
    assert all(p.cause is None and p.agents and p.simulated for p in projects)
