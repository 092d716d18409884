"""Commands to the simulated agents: what is legal, and that the world changes (contract §4.3, §4.4)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contract import shapes

Ask = Callable[..., httpx.Response]
Send = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
LOOM = "/api/projects/loom/agents"
WEAVER, THREAD = "weaver-07", "thread-11"  # thread-11 is an mcp-tool, which cannot be paused
REACHED = {"start": "running", "stop": "idle", "pause": "paused", "resume": "running", "restart": "running"}
LEGAL = {
    "idle": {"start", "restart"},
    "running": {"stop", "pause", "restart"},
    "paused": {"stop", "resume", "restart"},
    "completed": {"start", "restart"},
    "failed": {"start", "restart"},
}
CODES = {
    "start": "ALREADY_RUNNING", "stop": "NOT_RUNNING", "pause": "MUST_BE_RUNNING", "resume": "NOT_PAUSED",
}  # fmt: skip
CASES = [(status, command) for status in LEGAL for command in REACHED]


@pytest.fixture
def agent(bridge: Ask) -> Callable[[], dict[str, Any]]:
    """What the Bridge says of one agent now."""

    def ask() -> dict[str, Any]:
        body: dict[str, Any] = bridge(LOOM, agentId=WEAVER).json()
        return body

    return ask


@pytest.fixture
def at_noon(control: Control) -> None:
    """The clock stands, so that no agent changes by itself."""
    control("clock", now=NOON)


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize(("status", "command"), [c for c in CASES if c[1] in LEGAL[c[0]]])
def test_a_legal_command_is_obeyed(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]], status: str, command: str
) -> None:
    control("set", path=f"agents.loom.{WEAVER}.status", value=status)

    response = send("bridge", f"{LOOM}/command", agentId=WEAVER, command=command, source="dashboard")

    assert response.status_code == 200
    assert agent()["status"] == REACHED[command]


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize(("status", "command"), [c for c in CASES if c[1] not in LEGAL[c[0]]])
def test_an_illegal_command_is_409_with_its_code_and_changes_nothing(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]], status: str, command: str
) -> None:
    control("set", path=f"agents.loom.{WEAVER}.status", value=status)

    response = send("bridge", f"{LOOM}/command", agentId=WEAVER, command=command)

    assert response.status_code == 409
    code = "CANNOT_STOP" if (status, command) == ("failed", "stop") else CODES[command]
    assert response.json()["code"] == code
    assert agent()["status"] == status


def test_an_agent_that_cannot_be_paused_says_so(send: Send, control: Control) -> None:
    control("set", path=f"agents.loom.{THREAD}.status", value="running")

    response = send("bridge", f"{LOOM}/command", agentId=THREAD, command="pause")

    assert response.status_code == 409
    assert response.json()["code"] == "PAUSE_UNSUPPORTED"


def test_the_answer_is_the_contracts(send: Send, control: Control) -> None:
    control("set", path=f"agents.loom.{WEAVER}.status", value="running")

    body = send("bridge", f"{LOOM}/command", agentId=WEAVER, command="pause", parameters=None).json()

    shapes.instant(body["result"].pop("timestamp"))
    assert body == {
        "success": True, "agentId": WEAVER, "command": "pause", "projectId": "loom",
        "result": {"status": "completed", "output": "Weaver paused", "exitCode": 0},
    }  # fmt: skip


def test_the_global_route_answers_flat(send: Send, control: Control) -> None:
    control("set", path="agents.devkit.orchestrator-001.status", value="idle")

    body = send("bridge", "/api/agents/command", agentId="orchestrator-001", command="start").json()

    shapes.instant(body.pop("executedAt"))
    assert body == {
        "success": True,
        "agentId": "orchestrator-001",
        "command": "start",
        "output": "Orchestrator started",
    }


def test_a_paused_agent_stays_paused_until_it_is_resumed(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]]
) -> None:
    control("clock", now=NOON)
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="restart")
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="pause", source="cli")
    paused = agent()

    control("clock", now=NOON + 6 * 3_600_000)
    later = agent()
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="resume")

    assert (later["status"], later["currentTask"]["progress"]) == ("paused", paused["currentTask"]["progress"])
    assert later["metrics"]["tasksCompleted"] == paused["metrics"]["tasksCompleted"]
    assert later["lastCommand"] == {**paused["lastCommand"], "type": "pause", "source": "cli", "result": "success"}
    assert agent()["status"] == "running"


def test_a_stopped_agent_does_nothing_until_it_is_started(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]]
) -> None:
    control("clock", now=NOON)
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="restart")
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="stop")
    stopped = agent()

    control("clock", now=NOON + 86_400_000)

    assert agent()["status"] == "idle"
    assert "currentTask" not in agent()
    assert agent()["metrics"]["tasksCompleted"] == stopped["metrics"]["tasksCompleted"]


def test_a_restart_begins_the_uptime_anew(send: Send, control: Control, agent: Callable[[], dict[str, Any]]) -> None:
    control("clock", now=NOON)
    before = agent()["metrics"]["uptime"]

    send("bridge", f"{LOOM}/{WEAVER}/restart")
    at_once = agent()["metrics"]["uptime"]
    control("clock", now=NOON + 1000)

    assert before > 1000
    assert (at_once, agent()["metrics"]["uptime"]) == (0, 1000)
    assert agent()["currentTask"]["startTime"] == "2026-11-22T12:00:00.000Z"


def test_counts_do_not_fall_by_orders(send: Send, control: Control, agent: Callable[[], dict[str, Any]]) -> None:
    counts = []
    for minute, command in enumerate(["restart", "pause", "resume", "stop", "start", "restart", "stop", "start"] * 3):
        control("clock", now=NOON + minute * 180_000)
        send("bridge", f"{LOOM}/command", agentId=WEAVER, command=command)
        counts.append(agent()["metrics"]["tasksCompleted"])

    assert counts == sorted(counts)


def test_the_clock_can_be_set_to_before_an_order(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]]
) -> None:
    control("clock", now=NOON - 60_000)
    before = agent()
    control("clock", now=NOON)
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="restart")

    control("clock", now=NOON - 60_000)

    assert agent() == before


@pytest.mark.parametrize("action", ["start", "stop", "pause", "resume", "restart"])
def test_a_command_may_stand_in_the_path(send: Send, control: Control, action: str) -> None:
    status = next(status for status, legal in LEGAL.items() if action in legal)
    control("set", path=f"agents.loom.{WEAVER}.status", value=status)

    body = send("bridge", f"{LOOM}/{WEAVER}/{action}").json()

    assert (body["success"], body["command"], body["projectId"]) == (True, action, "loom")


def test_an_action_that_is_none_is_404(send: Send) -> None:
    assert send("bridge", f"{LOOM}/{WEAVER}/dance").status_code == 404


@pytest.mark.parametrize("command", ["status", "configure"])
def test_status_and_configure_leave_the_agent_as_it_is(
    send: Send, agent: Callable[[], dict[str, Any]], control: Control, command: str
) -> None:
    control("clock", now=NOON)
    before = agent()["status"]

    assert send("bridge", f"{LOOM}/command", agentId=WEAVER, command=command).status_code == 200
    assert agent()["status"] == before


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Missing required fields: agentId and command"),
        ({"agentId": WEAVER}, "Missing required fields: agentId and command"),
        ({"command": "start"}, "Missing required fields: agentId and command"),
        ({"agentId": "x" * 101, "command": "start"}, "Invalid request"),
        ({"agentId": WEAVER, "command": "x" * 101}, "Invalid request"),
        ({"agentId": WEAVER, "command": "dance"}, "Invalid request"),
        ({"agentId": WEAVER, "command": 7}, "Invalid request"),
        ({"agentId": WEAVER, "command": "start", "source": "moon"}, "Invalid request"),
        ({"agentId": WEAVER, "command": "start", "parameters": [1]}, "Invalid request"),
    ],
)
def test_a_command_that_breaks_the_schema_is_400(send: Send, body: dict[str, Any], error: str) -> None:
    shapes.failure(send("bridge", f"{LOOM}/command", **body), 400, error)


def test_an_unknown_agent_is_404(send: Send) -> None:
    body = shapes.failure(send("bridge", f"{LOOM}/command", agentId="nobody", command="start"), 404, "Agent not found")

    assert body["code"] == "AGENT_NOT_FOUND"


def test_agents_can_be_made_to_ignore_commands(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]]
) -> None:
    control("clock", now=NOON)
    control("set", path=f"agents.loom.{WEAVER}.status", value="running")
    control("switch", commands="ignored")

    assert send("bridge", f"{LOOM}/command", agentId=WEAVER, command="pause").json()["success"] is True
    assert agent()["status"] == "running"


@pytest.mark.parametrize("switches", [{"commands": "failing"}, {"command_failure_rate": 1.0}])
def test_commands_can_be_made_to_fail(
    send: Send, control: Control, agent: Callable[[], dict[str, Any]], switches: dict[str, Any]
) -> None:
    control("set", path=f"agents.loom.{WEAVER}.status", value="running")
    control("switch", **switches)

    assert send("bridge", f"{LOOM}/command", agentId=WEAVER, command="pause").status_code == 500
    assert agent()["status"] == "running"
    assert agent()["lastCommand"]["result"] == "failed"


def test_an_agent_takes_one_command_at_a_time(send: Send, control: Control) -> None:
    control("switch", command_latency=1)

    with ThreadPoolExecutor(2) as both:
        sent = [both.submit(send, "bridge", f"{LOOM}/command", agentId=WEAVER, command="restart") for _ in range(2)]
        answers = sorted((future.result() for future in sent), key=lambda answer: answer.status_code)

    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json()["code"] == "COMMAND_PENDING"


def test_an_agent_can_be_made_to_obey_later(send: Send, control: Control, agent: Callable[[], dict[str, Any]]) -> None:
    control("clock", now=NOON)
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="restart")
    control("switch", command_delay=5)
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="pause")
    at_once = agent()["status"]

    control("clock", now=NOON + 5000)

    assert (at_once, agent()["status"]) == ("running", "paused")


def test_what_clients_did_can_be_forgotten(send: Send, control: Control, agent: Callable[[], dict[str, Any]]) -> None:
    control("clock", now=NOON)
    before = agent()
    send("bridge", f"{LOOM}/command", agentId=WEAVER, command="restart")

    control("forget")

    assert agent() == before
