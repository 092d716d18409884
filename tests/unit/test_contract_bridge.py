from typing import Any

import pytest
from pydantic import ValidationError

from observatory.contract.bridge import AgentList, GlobalTelemetry, ProjectList, ProjectTelemetry, ServiceHealth
from observatory.model import AgentStatus, Health, Sample

NOW = 1_756_797_300_000  # 2025-09-02T07:15:00Z

AGENT: dict[str, Any] = {
    "id": "weaver-07", "name": "Weaver", "type": "orchestrator", "projectId": "loom", "status": "running",
    "canStart": False, "canStop": True, "canPause": True, "lastActivity": "2025-09-02T07:14:41.120Z",
    "currentTask": {"name": "Index sources", "progress": 62, "startTime": "2025-09-02T07:10:00.000Z",
                    "estimatedCompletion": "2025-09-02T07:19:00.000Z"},
    "metrics": {"tasksCompleted": 118, "tasksFailed": 4, "avgDuration": 5400, "uptime": 1500000},
}  # fmt: skip
GLOBAL: dict[str, Any] = {
    "metrics": {
        "system": {"cpu": 31, "memory": 66, "disk": 52, "uptime": 90210},
        "agents": {"active": 4, "total": 9, "tasks_completed": 132, "tasks_failed": 3, "success_rate": 0.978},
        "performance": {"avg_response_time": 1.4, "throughput": 46, "queue_length": 2},
        "timeline": [{"timestamp": "2025-09-02T06:20:00.000Z", "cpu": 29, "memory": 65, "active_agents": 3,
                      "tasks_per_minute": 9}],
    },
    "isRealData": True, "source": "bridge", "timestamp": "2025-09-02T07:15:00.000Z",
}  # fmt: skip
PROJECT: dict[str, Any] = {
    "projectId": "loom", "timeRange": "1h",
    "metrics": {
        "testRuns": {"total": 88, "passed": 84, "failed": 4, "duration": {"avg": 31.7, "min": 8.2, "max": 97.0},
                     "trend": [{"timestamp": "2025-09-02T06:00:00.000Z", "value": 11}]},
        "performance": {
            "cpu": {"current": 37.5, "avg": 33.0, "trend": [{"timestamp": "2025-09-02T07:14:00.000Z", "value": 35}]},
            "memory": {"current": 914, "avg": 870, "max": 2048,
                       "trend": [{"timestamp": "2025-09-02T07:14:00.000Z", "value": 902}]}},
        "agents": {"active": 2, "idle": 1, "total": 3, "taskQueue": 5, "completionRate": 0.91},
        "custom": {"cpu": 12.5},
    },
    "timestamp": "2025-09-02T07:15:00.000Z",
}  # fmt: skip


def values(samples: tuple[Sample, ...]) -> dict[str, float]:
    """Current values by name; those of the service's own past are left out."""
    return {s.name: s.value for s in samples if s.at is None}


def snake(value: Any) -> Any:
    if isinstance(value, list):
        return [snake(item) for item in value]
    if isinstance(value, dict):
        return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): snake(item) for key, item in value.items()}
    return value


def test_global_telemetry_gives_base_units() -> None:
    telemetry = GlobalTelemetry.model_validate(GLOBAL)

    assert telemetry.timestamp == NOW
    assert values(telemetry.samples()) == pytest.approx({
        "devkit_cpu_ratio": 0.31, "devkit_memory_ratio": 0.66, "devkit_disk_ratio": 0.52,
        "devkit_uptime_seconds": 90210, "devkit_agents_active": 4, "devkit_agents_count": 9,
        "devkit_tasks_completed": 132, "devkit_tasks_failed": 3, "devkit_tasks_success_ratio": 0.978,
        "devkit_response_time_seconds": 1.4, "devkit_throughput": 46, "devkit_queue_length": 2,
    })  # fmt: skip


def test_the_timeline_stands_at_its_own_times_and_is_marked() -> None:
    past = [s for s in GlobalTelemetry.model_validate(GLOBAL).samples() if s.at is not None]

    assert {s.name for s in past} == {
        "devkit_cpu_ratio", "devkit_memory_ratio", "devkit_agents_active", "devkit_tasks_per_minute",
    }  # fmt: skip
    assert {(s.at, s.labels) for s in past} == {(1_756_794_000_000, (("reported", "true"),))}


def test_project_telemetry_gives_base_units_with_the_project() -> None:
    samples = ProjectTelemetry.model_validate(PROJECT).samples("loom")

    assert {s.name: s.value for s in samples if s.at is None and "stat" not in dict(s.labels)} == pytest.approx({
        "project_tests_count": 88, "project_tests_passed": 84, "project_tests_failed": 4, "project_cpu_ratio": 0.375,
        "project_memory_bytes": 914e6, "project_memory_ratio": 914 / 2048, "project_agents_active": 2,
        "project_agents_idle": 1,
        "project_agents_count": 3, "project_task_queue_length": 5, "project_tasks_completion_ratio": 0.91,
        "project_custom": 12.5,
    })  # fmt: skip
    assert Sample("project_test_duration_seconds", 8.2, (("project", "loom"), ("stat", "min"))) in samples
    assert Sample("project_custom", 12.5, (("metric", "cpu"), ("project", "loom"))) in samples
    reported = (("project", "loom"), ("reported", "true"))
    assert Sample("project_tests_per_hour", 11, reported, 1_756_792_800_000) in samples
    assert Sample("project_memory_bytes", 902e6, reported, 1_756_797_240_000) in samples


@pytest.mark.parametrize("spelled", [lambda value: value, snake])
def test_both_spellings_say_the_same(spelled: Any) -> None:
    assert ProjectTelemetry.model_validate(spelled(PROJECT)) == ProjectTelemetry.model_validate(PROJECT)
    assert GlobalTelemetry.model_validate(spelled(GLOBAL)) == GlobalTelemetry.model_validate(GLOBAL)
    assert AgentList.model_validate([spelled(AGENT)]) == AgentList.model_validate([AGENT])


def test_project_shape_on_the_global_path_is_understood() -> None:
    assert values(GlobalTelemetry.model_validate(PROJECT).samples()) == pytest.approx({
        "devkit_cpu_ratio": 0.375, "devkit_memory_ratio": 914 / 2048, "devkit_agents_active": 2,
        "devkit_agents_count": 3, "devkit_tasks_success_ratio": 0.91, "devkit_queue_length": 5,
    })  # fmt: skip


def test_global_shape_on_a_project_path_is_understood() -> None:
    assert values(ProjectTelemetry.model_validate(GLOBAL).samples("loom")) == pytest.approx({
        "project_cpu_ratio": 0.31, "project_agents_active": 4, "project_agents_count": 9,
        "project_tasks_completion_ratio": 0.978, "project_task_queue_length": 2,
    })  # fmt: skip


def test_a_rate_in_percent_is_the_same_rate() -> None:
    told = {**GLOBAL, "metrics": {"agents": {"success_rate": 97.8}}}
    assert values(GlobalTelemetry.model_validate(told).samples()) == pytest.approx(
        {"devkit_tasks_success_ratio": 0.978}
    )


def test_memory_above_a_hundred_is_no_share_but_megabytes() -> None:
    told = {"metrics": {"system": {"cpu": 5, "memory": 4096}}}
    assert values(GlobalTelemetry.model_validate(told).samples()) == {
        "devkit_cpu_ratio": 0.05, "devkit_memory_bytes": 4096e6,
    }  # fmt: skip


def test_what_is_missing_or_impossible_gives_no_sample() -> None:
    told = {"metrics": {"system": {"cpu": -4, "memory": None, "disk": float("inf")}, "agents": None}}
    assert GlobalTelemetry.model_validate(told).samples() == ()


def test_a_bridge_that_says_its_data_is_not_real_is_believed() -> None:
    samples = GlobalTelemetry.model_validate({**GLOBAL, "isRealData": False}).samples()
    assert all(("simulated", "true") in s.labels for s in samples)


@pytest.mark.parametrize(
    "told", [{}, {"metrics": None}, {"metrics": {}}, {"metrics": "fine"}, {"metrics": {"system": "fine"}}, [], 7, None]
)
def test_telemetry_without_metrics_is_malformed(told: object) -> None:
    with pytest.raises(ValidationError):
        GlobalTelemetry.model_validate(told)
    with pytest.raises(ValidationError):
        ProjectTelemetry.model_validate(told)


def test_an_agent_is_read_whole() -> None:
    [agent] = AgentList.model_validate({"agents": [AGENT], "timestamp": NOW}).agents("loom", NOW)

    assert (agent.id, agent.project, agent.name, agent.type) == ("weaver-07", "loom", "Weaver", "orchestrator")
    assert (agent.status, agent.reported_status) == (AgentStatus.RUNNING, "running")
    assert (agent.can_start, agent.can_stop, agent.can_pause) == (False, True, True)
    assert (agent.measured_at, agent.last_activity) == (NOW, NOW - 18_880)
    assert (agent.task, agent.task_progress) == ("Index sources", 62)
    assert (agent.task_started, agent.task_due) == (NOW - 300_000, NOW + 240_000)
    assert (agent.tasks_completed, agent.tasks_failed) == (118, 4)
    assert (agent.average_duration, agent.uptime) == (pytest.approx(5.4), 1500)


def test_an_agent_that_tells_little_has_gaps_and_no_inventions() -> None:
    [agent] = AgentList.model_validate([{"id": "a", "status": "idle"}]).agents("loom", NOW)

    assert (agent.tasks_completed, agent.uptime, agent.task, agent.last_activity, agent.can_stop) == (None,) * 5


@pytest.mark.parametrize(
    ("seen", "status"),
    [("idle", "idle"), ("running", "running"), ("paused", "paused"), ("completed", "completed"), ("failed", "failed"),
     ("active", "running"), ("busy", "running"), ("online", "running"), ("starting", "running"), ("stopped", "idle"),
     ("offline", "idle"), ("error", "failed"), ("Running", "running"), ("dreaming", "idle")],
)  # fmt: skip
def test_every_status_seen_has_its_place(seen: str, status: str) -> None:
    [agent] = AgentList.model_validate([{"id": "a", "status": seen}]).agents("loom", NOW)
    assert (agent.status, agent.reported_status) == (AgentStatus(status), seen)


def test_agents_come_as_array_or_map_and_status_as_word_or_object() -> None:
    wanted = [("a", "running"), ("b", "failed")]
    for told in (
        [{"id": "a", "status": "running"}, {"id": "b", "status": "error"}],
        {"agents": {"a": {"status": "running"}, "b": {"status": {"status": "error"}}}},
        {"agents": {"a": "running", "b": "error"}},
    ):
        agents = AgentList.model_validate(told).agents("loom", NOW)
        assert [(agent.id, agent.status) for agent in agents] == wanted


def test_a_task_may_be_a_plain_string() -> None:
    [agent] = AgentList.model_validate([{"id": "a", "status": "idle", "current_task": "Tidy up"}]).agents("loom", NOW)
    assert agent.task == "Tidy up"


def test_an_uptime_that_is_a_start_is_counted_from_there() -> None:
    told = [{"id": "a", "status": "idle", "metrics": {"uptime": NOW - 60_000}}]
    assert AgentList.model_validate(told).agents("loom", NOW)[0].uptime == 60


def test_resources_of_an_agent_are_samples() -> None:
    told = AgentList.model_validate(
        [{"id": "a", "status": {"status": "running", "resources": {"cpu": 12.5, "memory": 210}}}]
    )
    mine = (("agent", "a"), ("project", "loom"))
    assert told.samples("loom") == (Sample("agent_cpu_ratio", 0.125, mine), Sample("agent_memory_bytes", 210e6, mine))


@pytest.mark.parametrize("told", [{}, {"agents": None}, {"agents": [{"name": "nobody"}]}, "agents", {"agents": 4}])
def test_agents_without_a_list_or_an_id_are_malformed(told: object) -> None:
    with pytest.raises(ValidationError):
        AgentList.model_validate(told)


def test_projects_come_wrapped_or_bare_each_once_and_only_with_ids_we_may_ask_for() -> None:
    listed = [{"id": "loom", "name": "Loom", "color": "#0EA5E9"}, {"id": "LOOM"}, {"id": "kiln", "name": None},
              {"id": ".."}, {"id": "x" * 101}]  # fmt: skip
    for told in (listed, {"projects": listed}):
        projects = ProjectList.model_validate(told).projects()
        assert [(project.id, project.name) for project in projects] == [("loom", "Loom"), ("kiln", "kiln")]
    assert ProjectList.model_validate({"projects": []}).projects() == ()


def test_health_needs_nothing_but_to_be_there() -> None:
    assert ServiceHealth.model_validate({}).status is None
    assert ServiceHealth.model_validate({"status": "degraded", "checks": []}).status is Health.DEGRADED
