"""Seven envelopes, one reading of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.contract import frames
from observatory.contract.frames import Frame, Said, Topic
from observatory.model import AgentStatus, Level, Sample

NOW = 1_756_797_300_000  # 2025-09-02T07:15:00Z
AT = "2025-09-02T07:15:00.000Z"


def read(content: object) -> Frame:
    return frames.read(json.dumps(content))


def values(samples: tuple[Sample, ...]) -> dict[str, float]:
    return {sample.name: sample.value for sample in samples}


def statuses(frame: Frame) -> dict[str, AgentStatus]:
    return {agent.id: agent.status for agent in frame.agents().agents("loom", NOW)}


# ── E1 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_e1_metrics_are_the_hosts() -> None:
    frame = read({"type": "metrics", "timestamp": AT, "projectId": "loom", "data": {
        "cpu": 41.5, "memory": 913, "disk": 55, "network": {"rx": 2100, "tx": 880}, "processes": 132, "uptime": 90215,
    }})  # fmt: skip
    assert (frame.topic, frame.project, frame.timestamp) == (Topic.METRICS, "loom", NOW)
    assert values(frame.samples("loom")) == pytest.approx({
        "project_host_cpu_ratio": 0.415, "project_host_memory_bytes": 913e6, "project_host_disk_ratio": 0.55,
        "project_host_network_receive": 2100, "project_host_network_transmit": 880, "project_host_processes": 132,
        "project_host_uptime_seconds": 90215,
    })  # fmt: skip


def test_memory_up_to_100_is_percent() -> None:
    frame = read({"type": "metrics", "data": {"memory": 61}})
    assert values(frame.samples("loom")) == {"project_host_memory_ratio": 0.61}


def test_e1_update_names_one_agent() -> None:
    frame = read({"type": "agent_status_update", "timestamp": AT, "projectId": "loom", "data": {
        "agentId": "weaver-07", "status": {"status": "running", "pid": 7712, "startTime": AT,
        "lastUpdate": "2025-09-02T07:14:59.995Z", "resources": {"cpu": 12.5, "memory": 210},
        "healthStatus": "healthy"}}})  # fmt: skip
    [agent] = frame.agents().agents("loom", NOW)
    assert (agent.id, agent.status, agent.measured_at) == ("weaver-07", AgentStatus.RUNNING, NOW - 5)
    assert values(frame.agents().samples("loom")) == {"agent_cpu_ratio": 0.125, "agent_memory_bytes": 210e6}


@pytest.mark.parametrize("status", [None, {}, {"status": None}, "absent"])
def test_an_agent_without_a_status_is_not_told_of(status: object) -> None:
    body = {"agentId": "a"} if status == "absent" else {"agentId": "a", "status": status}
    assert statuses(read({"type": "agent_status_update", "data": body})) == {}


def test_e1_full_names_all_agents_by_id() -> None:
    frame = read({"type": "agent_status_full", "timestamp": AT, "projectId": "loom", "data": {"agents": {
        "weaver-07": {"status": "running"}, "shears-02": {"status": "error", "error": "Timed out"}}}})  # fmt: skip
    assert statuses(frame) == {"weaver-07": AgentStatus.RUNNING, "shears-02": AgentStatus.FAILED}


def test_e1_log_is_a_message_with_level_and_agent() -> None:
    frame = read({"type": "log", "data": {"level": "warn", "message": "Slow shard", "agentId": "weaver-07"}})
    assert frame.said() == Said(Level.WARNING, "Slow shard", "weaver-07")


def test_e1_error_is_a_message_with_its_code() -> None:
    frame = read({"type": "error", "timestamp": AT, "data": {"message": "Unknown project", "code": "NOT_FOUND"}})
    assert frame.said() == Said(Level.ERROR, "Unknown project (NOT_FOUND)", "")


def test_e1_context_is_known() -> None:
    assert read({"type": "context", "data": {"isAvailable": True, "servers": []}}).topic is Topic.CONTEXT


# ── E2 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_e2_telemetry_is_one_metric() -> None:
    frame = read({"type": "telemetry", "projectId": "loom", "data": {"metric": "looms", "value": 3}, "timestamp": AT})
    assert frame.samples("loom") == (Sample("project_custom", 3.0, (("metric", "looms"), ("project", "loom"))),)


@pytest.mark.parametrize("name", ["cpu", "system.cpu.usage", "cpu_usage", "cpuUsage"])
def test_e2_telemetry_of_the_host_has_its_place(name: str) -> None:
    frame = read({"type": "telemetry", "projectId": "loom", "data": {"metric": name, "value": 50}})
    assert values(frame.samples("loom")) == {"project_host_cpu_ratio": 0.5}


def test_e2_telemetry_may_be_all_metrics_of_the_host() -> None:
    assert values(read({"type": "telemetry", "data": {"disk": 10}}).samples("loom")) == {"project_host_disk_ratio": 0.1}


def test_e2_telemetry_may_be_that_of_rest() -> None:
    frame = read({"type": "telemetry", "data": {"testRuns": {"total": 9}, "agents": {"active": 2}}})
    assert values(frame.samples("loom")) == {"project_tests_count": 9, "project_agents_active": 2}


def test_e2_status_is_a_plain_word() -> None:
    frame = read({"type": "agent_status", "projectId": "loom", "data": {"agentId": "a", "status": "paused"}})
    assert statuses(frame) == {"a": AgentStatus.PAUSED}


def test_e2_status_may_be_activity() -> None:
    activity = {"activeAgents": 2, "totalTasks": 8, "completedTasks": 6}
    frame = read({"type": "agent_status", "projectId": "loom", "data": {"agentActivity": activity}})
    assert frame.counts_agents()
    assert values(frame.samples("loom")) == {
        "project_agents_active": 2, "project_tasks_count": 8, "project_tasks_completed": 6,
        "project_tasks_completion_ratio": 0.75,
    }  # fmt: skip


# ── E3 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("agents", [[{"id": "a", "status": "active"}], {"a": {"status": "active"}}, {"a": "active"}])
def test_e3_status_is_flat(agents: object) -> None:
    frame = read({"type": "agent_status", "agents": agents})
    assert (frame.project, frame.timestamp, statuses(frame)) == ("", None, {"a": AgentStatus.RUNNING})


def test_e3_metrics_are_flat() -> None:
    frame = read({"type": "metrics", "metrics": {"cpu_usage": 12.5, "memory_usage": 64, "uptime": 5}})
    assert values(frame.samples("mcp-daemon")) == {
        "project_host_cpu_ratio": 0.125, "project_host_memory_bytes": 64e6, "project_host_uptime_seconds": 5,
    }  # fmt: skip


def test_e3_output_of_a_command_is_not_for_us() -> None:
    assert read({"type": "command_output", "output": "done"}).topic is Topic.OUTPUT


# ── E4 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_e4_activity_counts_agents() -> None:
    frame = read({"type": "agent-activity", "data": {"activeAgents": 2, "totalTasks": 0, "completedTasks": 0}})
    assert values(frame.samples("loom")) == {
        "project_agents_active": 2, "project_tasks_count": 0, "project_tasks_completed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("type", "topic"), [("pong", Topic.CONTROL), ("tool-result", Topic.OUTPUT)])
def test_e4_replies_are_known(type: str, topic: Topic) -> None:
    assert read({"type": type, "data": {}}).topic is topic


# ── E5 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def e5(type: str, **payload: object) -> Frame:
    return read({"type": type, "payload": {"timestamp": AT, **payload}})


def test_e5_metric_keeps_its_labels_and_those_that_are_ours_under_another_name() -> None:
    frame = e5("metric", name="queue", value=4, labels={"projectId": "loom", "shard": "a", "simulated": "no", "a-b": 1})
    assert (frame.project, frame.timestamp) == ("loom", NOW)
    [sample] = frame.samples("loom")
    assert sample.labels == (
        ("exported_simulated", "no"), ("metric", "queue"), ("project", "loom"), ("shard", "a"),
    )  # fmt: skip


def test_e5_event_is_a_message() -> None:
    frame = e5("event", name="deploy", value=3, labels={"severity": "warning", "agentId": "a"})
    assert frame.said() == Said(Level.WARNING, "deploy: 3", "a")


def test_e5_trace_is_not_for_us() -> None:
    assert e5("trace", name="span").topic is Topic.OUTPUT


# ── E6 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type", ["agent_status_update", "agent_update"])
@pytest.mark.parametrize("body", [
    {"agentId": "a", "status": "failed"}, {"id": "a", "status": {"status": "failed"}},
    {"agent": {"id": "a", "status": "failed"}}, {"agent_id": "a", "status": "failed"},
])  # fmt: skip
def test_e6_update_names_one_agent(type: str, body: dict[str, Any]) -> None:
    assert statuses(read({"type": type, "data": body})) == {"a": AgentStatus.FAILED}


def test_e6_console_output_is_not_for_us() -> None:
    assert read({"type": "console_output", "data": {"output": "x"}}).topic is Topic.OUTPUT


# ── E7 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

CLOUD = {"specversion": "1.0", "id": "1", "source": "/bridge", "time": AT}


def test_e7_wraps_data_whose_type_is_the_events_last_word() -> None:
    told = {**CLOUD, "type": "org.happy.agent_update", "projectid": "loom", "data": {"agentId": "a", "status": "idle"}}
    frame = read(told)
    assert (frame.project, frame.timestamp, statuses(frame)) == ("loom", NOW, {"a": AgentStatus.IDLE})


def test_e7_wraps_a_whole_frame() -> None:
    inner = {"type": "metrics", "projectId": "loom", "data": {"cpu": 50}}
    frame = read({**CLOUD, "type": "org.happy.frame", "data": inner})
    assert (frame.type, frame.project, frame.timestamp) == ("metrics", "loom", NOW)
    assert values(frame.samples("loom")) == {"project_host_cpu_ratio": 0.5}


def test_e7_may_name_its_project_by_the_source() -> None:
    told = {**CLOUD, "source": "/projects/loom%20two", "type": "org.happy.metrics", "data": {"cpu": 50}}
    assert read(told).project == "loom two"


# ── what is none ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message", ["{", "[]", "null", "4", '{"type": 4}', '{"type": ""}', '{"data": {}}', b"\xff\xfe"]
)
def test_what_is_no_frame_is_refused(message: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        frames.read(message)


def test_a_type_nobody_knows_is_unknown() -> None:
    assert read({"type": "horoscope", "data": {}}).topic is Topic.UNKNOWN


@pytest.mark.parametrize("body", [
    {"cpu": "much"}, [1], "text", {"name": "queue", "value": "four"}, {"agentActivity": {"activeAgents": "all"}},
])  # fmt: skip
def test_metrics_of_another_shape_are_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read({"type": "metrics", "data": body}).samples("loom")


@pytest.mark.parametrize("body", [{}, [1], "text", {"agents": 4}, {"status": "running"}])
def test_agents_of_another_shape_are_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read({"type": "agent_status_full", "data": body}).agents()


KEYS = st.sampled_from(
    ["agentId", "agents", "agent", "id", "status", "metrics", "metric", "name", "value", "labels", "level", "message",
     "code", "agentActivity", "cpu", "network", "testRuns", "data", "payload", "timestamp", "projectId", "type",
     "specversion", "source", "time", "resources", "currentTask", "lastUpdate", "servers"]
) | st.text(max_size=3)  # fmt: skip
WORDS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    WORDS | st.sampled_from(["running", "cpu", "loom", AT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=400)
@given(kind=st.sampled_from([*frames.TOPICS, "horoscope"]), rest=st.dictionaries(KEYS, JSON, max_size=6))
def test_whatever_comes_is_read_or_refused(kind: str, rest: dict[str, Any]) -> None:
    for question in (lambda f: f.samples("loom"), lambda f: f.agents().agents("loom", NOW), Frame.said):
        try:
            frame = read({"type": kind, **rest})
            assert isinstance(frame.topic, Topic) and frame.counts_agents() in (True, False)
            question(frame)
        except ValueError:
            continue
