"""The Bridge's REST side: B1, B2, B5, B7, B9, B12, B13 (contract §2.1)."""

import re
from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest

from tests.contract import shapes

Ask = Callable[..., httpx.Response]
UNKNOWN = "no-such-project"
WIDGETS = {
    "agent-status", "build-metrics", "test-coverage", "test-runs", "coverage-map", "flaky-tests", "guardian-status",
    "auto-fixes", "suggestions", "basic-metrics",
}  # fmt: skip


def test_health_names_status_and_version(bridge: Ask) -> None:
    body = bridge("/api/health").json()

    assert body["status"] in {"healthy", "degraded", "unhealthy"}
    shapes.text(body["version"])
    assert all(isinstance(feature, str) for feature in body.get("features", []))
    shapes.instant(body["timestamp"])


def test_answers_are_json_and_not_cached(bridge: Ask) -> None:
    response = bridge("/api/health")

    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["cache-control"] == "no-store, max-age=0"


def test_status_says_whether_it_is_healthy(bridge: Ask) -> None:
    assert bridge("/api/bridge/status").json()["healthy"] in (True, False)


def test_projects_have_what_the_contract_requires(bridge: Ask) -> None:
    body = bridge("/api/projects").json()

    shapes.instant(body["timestamp"])
    ids = [project["id"].lower() for project in body["projects"]]
    assert len(set(ids)) == len(ids)
    for project in body["projects"]:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", project["id"])
        assert 3 <= len(project["id"]) <= 64
        shapes.text(project["name"], longest=100)
        assert project["path"].startswith(("/", "~"))
        assert re.fullmatch(r"#[0-9A-Fa-f]{6}", project["color"])
        assert isinstance(project["telemetryMap"], dict)
        for board in project["dashboards"].values():
            assert set(board["widgets"]) <= WIDGETS


def test_one_project_is_the_one_of_the_list(bridge: Ask, project: str) -> None:
    listed = bridge("/api/projects").json()["projects"][0]

    assert bridge(f"/api/projects/{project}").json() == {"project": listed}


def test_ids_are_compared_without_case(bridge: Ask, project: str) -> None:
    assert bridge(f"/api/projects/{project.upper()}").json()["project"]["id"] == project


@pytest.mark.parametrize("rest", ["", "/agents/status", "/agents", "/telemetry/metrics"])
def test_an_unknown_project_is_404(bridge: Ask, rest: str) -> None:
    body = shapes.failure(bridge(f"/api/projects/{UNKNOWN}{rest}"), 404, "Project not found")

    assert body["projectId"] == UNKNOWN


@pytest.mark.parametrize("id", ["ab", "a" * 65, "under_score", "sp%20ace", "%2e%2e"])
@pytest.mark.parametrize("rest", ["/agents/status", "/telemetry/metrics"])
def test_a_malformed_project_id_is_400(bridge: Ask, id: str, rest: str) -> None:
    shapes.failure(bridge(f"/api/projects/{id}{rest}"), 400, "Invalid project ID format")


def test_an_unknown_path_is_404_in_the_error_form(bridge: Ask) -> None:
    response = bridge("/api/nothing-here")

    assert response.status_code == 404
    assert isinstance(response.json()["error"], str)


def test_agents_of_every_project(bridge: Ask) -> None:
    for project in bridge("/api/projects").json()["projects"]:
        body = bridge(f"/api/projects/{project['id']}/agents/status").json()

        assert body["projectId"] == project["id"]
        shapes.instant(body["timestamp"])
        assert len({agent["id"] for agent in body["agents"]}) == len(body["agents"])
        for agent in body["agents"]:
            shapes.agent(agent)
            assert agent["projectId"] == project["id"]


def test_the_short_path_of_agents_is_an_alias(bridge: Ask, project: str) -> None:
    long, short = (bridge(f"/api/projects/{project}/{path}").json() for path in ("agents/status", "agents"))

    assert long.keys() == short.keys()
    assert [a["id"] for a in long["agents"]] == [a["id"] for a in short["agents"]]


def test_one_agent_comes_unwrapped(bridge: Ask, project: str) -> None:
    wanted = bridge(f"/api/projects/{project}/agents").json()["agents"][-1]["id"]

    agent = bridge(f"/api/projects/{project}/agents/status", agentId=wanted).json()

    shapes.agent(agent)
    assert agent["id"] == wanted


def test_an_unknown_agent_is_404(bridge: Ask, project: str) -> None:
    shapes.failure(bridge(f"/api/projects/{project}/agents/status", agentId="nobody"), 404, "Agent not found")


def test_project_telemetry_has_all_sections(bridge: Ask) -> None:
    for project in bridge("/api/projects").json()["projects"]:
        body = bridge(f"/api/projects/{project['id']}/telemetry/metrics").json()

        assert body["projectId"] == project["id"]
        assert body["timeRange"] == "1h"
        shapes.instant(body["timestamp"])
        check_tests(body["metrics"]["testRuns"])
        check_performance(body["metrics"]["performance"])
        agents = body["metrics"]["agents"]
        assert shapes.number(agents["active"]) + shapes.number(agents["idle"]) <= shapes.number(agents["total"])
        shapes.number(agents["taskQueue"])
        shapes.number(agents["completionRate"], 0, 1)
        custom = body["metrics"].get("custom", {})
        assert custom.keys() <= project["telemetryMap"].keys()
        assert all(shapes.number(value) >= 0 for value in custom.values())


def check_tests(tests: dict[str, object]) -> None:
    assert shapes.number(tests["total"]) == shapes.number(tests["passed"]) + shapes.number(tests["failed"])
    duration = tests["duration"]
    assert isinstance(duration, dict)
    assert shapes.number(duration["min"]) <= shapes.number(duration["avg"]) <= shapes.number(duration["max"])
    assert isinstance(tests["trend"], list)
    shapes.points(tests["trend"], count=24, seconds=3600)


def check_performance(performance: dict[str, dict[str, object]]) -> None:
    cpu, memory = performance["cpu"], performance["memory"]
    for key in ("current", "avg"):
        shapes.number(cpu[key], 0, 100)
        shapes.number(memory[key], 0, shapes.number(memory["max"]))
    for trend in (cpu["trend"], memory["trend"]):
        assert isinstance(trend, list)
        shapes.points(trend, count=60, seconds=60)


@pytest.mark.parametrize("range_", ["15m", "1h", "6h", "24h", "7d"])
def test_project_telemetry_takes_its_time_ranges(bridge: Ask, project: str, range_: str) -> None:
    assert bridge(f"/api/projects/{project}/telemetry/metrics", timeRange=range_).json()["timeRange"] == range_


def test_a_longer_range_holds_at_least_as_many_runs(bridge: Ask, project: str) -> None:
    path = f"/api/projects/{project}/telemetry/metrics"
    totals = [
        bridge(path, timeRange=r).json()["metrics"]["testRuns"]["total"] for r in ("15m", "1h", "6h", "24h", "7d")
    ]

    assert totals == sorted(totals)


def test_an_unknown_time_range_is_400(bridge: Ask, project: str) -> None:
    response = bridge(f"/api/projects/{project}/telemetry/metrics", timeRange="1y")

    assert "details" in shapes.failure(response, 400, "Invalid request")


def test_minutes_are_mapped_to_a_range_and_unknown_parameters_ignored(bridge: Ask, project: str) -> None:
    path = f"/api/projects/{project}/telemetry/metrics"

    assert bridge(path, minutes="60", colour="red").json()["timeRange"] == "1h"
    assert bridge(path, minutes="61").json()["timeRange"] == "6h"
    assert bridge(path, minutes="many").json()["timeRange"] == "1h"


@pytest.mark.parametrize("section", ["testRuns", "performance", "agents"])
def test_project_telemetry_can_be_cut_to_one_section(bridge: Ask, project: str, section: str) -> None:
    body = bridge(f"/api/projects/{project}/telemetry/metrics", type=section).json()

    assert body["metrics"].keys() == {section}


@pytest.mark.parametrize("path", ["/api/telemetry/metrics", "/api/metrics"])
def test_global_telemetry_has_every_required_key(bridge: Ask, path: str) -> None:
    body = bridge(path).json()

    assert body["isRealData"] is True
    assert body["source"] == "bridge"
    shapes.instant(body["timestamp"])
    metrics = body["metrics"]
    for name in ("cpu", "memory", "disk"):
        shapes.number(metrics["system"][name], 0, 100)
    shapes.number(metrics["system"]["uptime"])
    agents = metrics["agents"]
    assert shapes.number(agents["active"]) <= shapes.number(agents["total"])
    shapes.number(agents["tasks_completed"])
    shapes.number(agents["tasks_failed"])
    shapes.number(agents["success_rate"], 0, 1)
    for name in ("avg_response_time", "throughput", "queue_length"):
        shapes.number(metrics["performance"][name])


def test_the_timeline_has_twelve_points_five_minutes_apart(bridge: Ask) -> None:
    body = bridge("/api/telemetry/metrics").json()
    timeline = body["metrics"]["timeline"]

    assert len(timeline) == 12
    times = [shapes.instant(point["timestamp"]) for point in timeline]
    assert {(after - before).total_seconds() for before, after in pairwise(times)} == {300}
    assert times[-1] <= shapes.instant(body["timestamp"])
    for point in timeline:
        shapes.number(point["cpu"], 0, 100)
        shapes.number(point["memory"], 0, 100)
        shapes.number(point["active_agents"])
        shapes.number(point["tasks_per_minute"])


@pytest.mark.parametrize("minutes", ["60", "abc", "-5", ""])
def test_minutes_that_are_no_number_are_ignored(bridge: Ask, minutes: str) -> None:
    assert bridge("/api/telemetry/metrics", minutes=minutes).status_code == 200
