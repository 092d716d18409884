"""The simulator's streams beyond the Bridge's canonical one: channels, envelopes, tools, closes (contract §3)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.contract import shapes

Open = Callable[..., Any]
Send = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
METRICS = {"cpu": 41.5, "memory": 913}
UPDATE = {"agentId": "weaver-07", "status": {"status": "running", "pid": 7}}
LOG = {"level": "warn", "message": "Slow shard", "agentId": "weaver-07"}
ERROR = {"message": "Unknown project", "code": "NOT_FOUND"}


@pytest.fixture
def loom(open_at: Open, control: Control) -> Any:
    """A stream of loom on which the acknowledgement, the full status and the first metrics were read."""
    control("clock", now=NOON)
    stream = open_at("bridge_ws", "/ws")
    stream.send({"type": "subscribe", "projectId": "loom"})
    stream.until("metrics")
    return stream


@pytest.mark.parametrize(
    ("envelope", "type", "data", "told"),
    [
        ("E1", "log", LOG, [{"type": "log", "timestamp": NOON, "projectId": "loom", "data": LOG}]),
        ("E2", "metrics", METRICS, [
            {"type": "telemetry", "projectId": "loom", "timestamp": NOON, "data": {"metric": f"system.{name}.usage",
                                                                                  "value": METRICS[name]}}
            for name in METRICS
        ]),
        ("E2", "agent_status_update", UPDATE, [
            {"type": "agent_status", "projectId": "loom", "timestamp": NOON,
             "data": {"agentId": "weaver-07", "status": "running"}},
        ]),
        ("E3", "metrics", METRICS, [{"type": "metrics", "metrics": METRICS}]),
        ("E3", "agent_status_update", UPDATE, [
            {"type": "agent_status", "agents": [{"id": "weaver-07", "status": "running", "pid": 7}]},
        ]),
        ("E3", "console_output", {"output": "done"}, [{"type": "command_output", "output": "done"}]),
        ("E4", "metrics", METRICS, [{"type": "metrics", "data": METRICS}]),
        ("E5", "log", LOG, [{"type": "event", "payload": {
            "name": "log", "value": "Slow shard", "timestamp": NOON,
            "labels": {"projectId": "loom", "level": "warn"},
        }}]),
        ("E5", "metrics", METRICS, [
            {"type": "metric", "payload": {"name": f"system.{name}.usage", "value": METRICS[name], "timestamp": NOON,
                                           "labels": {"projectId": "loom"}}}
            for name in METRICS
        ]),
        ("E6", "agent_status_update", UPDATE, [
            {"type": "agent_status_update", "data": {"agentId": "weaver-07", "status": "running"}},
        ]),
        ("E6", "log", LOG, [{"type": "console_output", "data": {"output": "Slow shard"}}]),
        ("E6", "error", ERROR, [{"type": "error", "data": ERROR}]),
        ("E7", "metrics", METRICS, [{
            "specversion": "1.0", "id": f"loom-metrics-{NOON}", "source": "/projects/loom",
            "type": "org.happypatterns.metrics", "time": NOON, "datacontenttype": "application/json", "data": METRICS,
        }]),
    ],
)  # fmt: skip
def test_an_envelope_tells_the_same_in_its_own_way(
    loom: Any, control: Control, envelope: str, type: str, data: dict[str, Any], told: list[dict[str, Any]]
) -> None:
    control("switch", envelope=envelope, time="epoch")

    control("push", projectId="loom", type=type, data=data)

    assert [loom.next() for _ in told] == told


@pytest.mark.parametrize(
    ("envelope", "type"),
    [("E1", "agent_status_full"), ("E2", "agent_status"), ("E3", "agent_status"), ("E4", "agent-activity"),
     ("E5", "event"), ("E6", "agent_update"), ("E7", None)],
)  # fmt: skip
def test_all_agents_are_told_on_subscribing_in_every_envelope(
    open_at: Open, control: Control, envelope: str, type: str | None
) -> None:
    control("switch", envelope=envelope)
    stream = open_at("bridge_ws", "/ws/projects/loom")

    stream.send({"type": "subscribe", "projectId": "loom"})

    assert stream.next()["type"] == "subscribed"
    full = stream.next()
    assert full["type"] == (type or "org.happypatterns.agent_status_full")


def test_one_root_channel_carries_every_project(open_at: Open) -> None:
    stream = open_at("bridge_ws", "/ws")
    for project in ("loom", "kiln", "atlas", "scopecam"):
        stream.send({"type": "subscribe", "projectId": project})

    frames = [stream.until("metrics") for _ in range(4)]

    assert {frame["projectId"] for frame in frames} == {"loom", "kiln", "atlas", "scopecam"}


@pytest.mark.parametrize(
    ("service", "path", "types"),
    [
        ("bridge_ws", "/telemetry/ws", {"metric", "event"}),
        ("devkit_ws", "/ws/agents", {"agent_status_full", "agent_status_update"}),
        ("devkit_ws", "/ws/telemetry", {"metrics"}),
    ],
)
def test_a_channel_of_everything_flows_by_itself(open_at: Open, service: str, path: str, types: set[str]) -> None:
    stream = open_at(service, path)

    assert {stream.next()["type"] for _ in range(4)} <= types


def test_the_metrics_channel_carries_metrics_only(open_at: Open, control: Control) -> None:
    control("clock", now=NOON)
    stream = open_at("bridge_ws", "/ws/metrics")
    stream.send({"type": "subscribe", "projectId": "loom"})
    stream.until("metrics")

    assert control("push", projectId="loom", type="log", data=LOG).json()["receivers"] == 0
    assert control("push", projectId="loom", type="metrics", data=METRICS).json()["receivers"] == 1


def test_the_devkits_root_channel_is_like_the_bridges(open_at: Open) -> None:
    stream = open_at("devkit_ws", "/ws")

    stream.send({"type": "subscribe", "projectId": "kiln"})

    assert [stream.next()["type"] for _ in range(2)] == ["subscribed", "agent_status_full"]


def test_a_scopecam_subscription_is_told_its_topics(open_at: Open) -> None:
    stream = open_at("bridge_ws", "/scopecam/subscribe")

    stream.send({"subscribe": ["test-results", "coverage-updates"], "project": "loom"})

    assert stream.next()["type"] == "subscribed"
    assert [stream.next()["type"] for _ in range(2)] == ["test-results", "coverage-updates"]


@pytest.mark.parametrize("service", ["bridge_ws", "daemon_ws"])
def test_the_daemons_channel_is_flat(open_at: Open, send: Send, service: str) -> None:
    stream = open_at(service, "/ws/projects/mcp-daemon")
    stream.send({"type": "subscribe", "projectId": "mcp-daemon"})

    agents, metrics = stream.until("agent_status"), stream.until("metrics")
    send("bridge", "/api/projects/mcp-daemon/console/execute", command="git branch")

    assert {"id", "name", "status", "last_activity"} <= agents["agents"][0].keys()
    assert {"cpu_usage", "memory_usage"} <= metrics["metrics"].keys()
    assert stream.until("command_output") == {"type": "command_output", "output": "* main\n"}


def test_a_command_over_rest_is_told_at_once(loom: Any, send: Send, control: Control) -> None:
    control("set", path="agents.loom.weaver-07.status", value="paused")
    loom.until("agent_status_update")

    send("bridge", "/api/projects/loom/agents/command", agentId="weaver-07", command="resume")

    assert loom.until("log")["data"]["message"] == "Weaver resumed"
    update = loom.until("agent_status_update")["data"]
    assert (update["agentId"], update["status"]["status"]) == ("weaver-07", "running")


def test_a_command_may_come_over_the_stream(loom: Any, control: Control) -> None:
    control("set", path="agents.loom.weaver-07.status", value="idle")
    command = {"type": "command", "projectId": "loom", "agentId": "weaver-07", "data": {"command": "start"}}

    loom.send(command)
    loom.until("log")
    loom.send(command)

    assert loom.until("error")["data"]["code"] == "ALREADY_RUNNING"


def test_a_tool_answers_under_the_id_of_its_request(open_at: Open) -> None:
    stream = open_at("bridge_ws", "/ws/projects/scopecam")
    request = {"type": "execute-tool", "tool": "test_selector", "parameters": {}, "requestId": "7d0c41"}

    stream.send(request)
    stream.send({**request, "tool": "saw", "requestId": "7d0c42"})

    first, second = stream.next(), stream.next()
    assert (first["type"], first["requestId"], first["status"]) == ("tool-result", "7d0c41", "success")
    assert shapes.number(first["duration"]) > 0
    assert (second["requestId"], second["status"]) == ("7d0c42", "error")


def test_the_mcp_channel_is_told_the_activity_and_the_context(open_at: Open) -> None:
    stream = open_at("bridge_ws", "/ws")

    stream.send({"type": "register", "projectId": "devkit", "projectPath": "~/Development/devkit"})

    activity, context = stream.next(), stream.next()
    assert activity["data"].keys() == {"activeAgents", "totalTasks", "completedTasks"}
    assert context["type"] == "context"
    assert context["data"]["servers"][0]["id"] == "loom"


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012])
def test_a_stream_closes_with_the_code_it_is_told(open_at: Open, control: Control, code: int) -> None:
    stream, other = open_at("bridge_ws", "/ws"), open_at("devkit_ws", "/ws/agents")

    assert control("close", code=code, reason="told so", path="/ws/agents").json()["closed"] == 1
    with pytest.raises(ConnectionClosed) as closed:
        other.until("nothing of this type")

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "told so")
    stream.send({"type": "ping"})
    assert stream.until("pong"), "the other one goes on"


def test_the_server_pings_by_itself(open_at: Open, control: Control) -> None:
    control("switch", ping_every=0.1)
    stream = open_at("bridge_ws", "/ws")

    assert [stream.next()["type"] for _ in range(2)] == ["ping", "ping"]


def test_protocol_pings_are_answered(open_at: Open) -> None:
    stream = open_at("bridge_ws", "/ws")

    assert stream.socket.ping().wait(5)


def test_stale_frames_are_an_hour_old(loom: Any, control: Control) -> None:
    control("switch", frames="stale")

    control("push", projectId="loom", type="log", data=LOG)

    assert loom.next()["timestamp"] == "2026-11-22T11:00:00.000Z"


def test_an_agents_status_may_be_a_text(open_at: Open, control: Control) -> None:
    control("switch", status="text")
    stream = open_at("bridge_ws", "/ws")

    stream.send({"type": "subscribe", "projectId": "loom"})

    agents = stream.until("agent_status_full")["data"]["agents"]
    assert set(agents.values()) <= shapes.PROCESS_STATUSES


def test_a_frame_rate_makes_frames_beyond_the_cadence(loom: Any, control: Control) -> None:
    control("switch", frame_rate=500)

    frames = [loom.until("metrics") for _ in range(200)]

    assert {frame["projectId"] for frame in frames} == {"loom"}
