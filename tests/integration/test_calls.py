"""What each call says on the wire: method, path, headers, body, and how long it waits at most."""

import inspect
import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from observatory.clients import base
from observatory.clients import bridge as bridge_client
from observatory.clients.base import Session, asking, segment
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.mcp_daemon import McpDaemon
from observatory.clients.nexus import Nexus
from observatory.clients.scopecam import ScopeCam
from observatory.contract.bridge import Action, AgentOrder
from observatory.errors import TargetError, TargetRefused
from observatory.model import Cause, Kind, Origin, Target
from tests.support import calls
from tests.support.answering import Answering, answer, saying
from tests.support.calls import CALLS, DONE, READS, SENDS, SILENT, TERMINALS, a_session, now, told

# Number: path, and for a POST its body.
WIRE: dict[str, tuple[str, object]] = {
    "B1": ("/api/health", None), "B2": ("/api/bridge/status", None), "B3": ("/api/mcp/context", None),
    "B4": ("/api/mcp/status", None), "B5": ("/api/projects", None),
    "B6": ("/api/projects", {"name": "Kiln", "path": "~/kiln"}), "B7": ("/api/projects/loom", None),
    "B8": ("/api/projects/scan", {"path": "~"}), "B9": ("/api/projects/loom/agents/status", None),
    "B9 one": ("/api/projects/loom/agents/status?agentId=weaver-07", None),
    "B10": ("/api/projects/loom/agents/command", {
        "agentId": "weaver-07", "command": "pause", "parameters": {}, "source": "dashboard", "projectId": "loom"}),
    "B11": ("/api/projects/loom/agents/weaver-07/pause", {}),
    "B12": ("/api/projects/loom/telemetry/metrics?timeRange=1h&type=all", None),
    "B13": ("/api/telemetry/metrics?minutes=60", None),
    "B14": ("/api/projects/loom/console/execute", {"command": "git status", "cwd": "~/loom"}),
    "B15": ("/api/projects/loom/console/output?limit=10", None),
    "B16 agents": ("/api/agents/status", None),
    "B16 command": ("/api/agents/command", {
        "agentId": "weaver-07", "command": "pause", "parameters": {}, "source": "dashboard", "projectId": "loom"}),
    "B16 console": ("/api/console/execute", {"command": "git status", "cwd": "~/loom"}),
    "B17": ("/api/terminals/discover", {"projectId": "loom"}),
    "B17 fallback": ("/api/terminals/discover", {"projectId": "loom"}),
    "B18": ("/api/terminals/metrics", {
        "projectId": "loom", "endpoint": "http://localhost:3001", "sessionsActive": 1, "totalCommands": 27,
        "timestamp": "2025-09-02T07:15:00.000Z"}),
    "B19": ("/api/terminals/local-1/metrics", None), "B20": ("/api/terminal/endpoints", None),
    "B21": ("/api/terminal/metrics", {"projectId": "loom", "metrics": [{
        "sessionId": "s-91", "startTime": 1756797300000, "commandCount": 0, "bytesTransferred": 0, "errors": 0,
        "latency": {"min": 0, "max": 0, "avg": 0, "p95": 0, "p99": 0}}]}),
    "M1": ("/status", None), "M2": ("/capabilities", None), "M3": ("/health", None), "M4": ("/metrics", None),
    "M5": ("/mcp/health", None), "M6 agents": ("/api/projects/mcp-daemon/agents/status", None),
    "M6 telemetry": ("/api/projects/mcp-daemon/telemetry/metrics", None),
    "M6 command": ("/api/projects/mcp-daemon/agents/command", {
        "command": "status", "parameters": {}, "source": "dashboard"}),
    "M6 console": ("/api/projects/mcp-daemon/console/execute", {"command": "git status", "cwd": "~/loom"}),
    "H1": ("/api/health", None), "H2": ("/api/agents", None), "H3": ("/api/agents/weaver-07/start", {}),
    "H4": ("/api/projects", None), "H4 scan": ("/api/projects/scan", {"path": "~"}), "H5": ("/metrics", None),
    "H6": ("/api/v1/query?metric=system.cpu.usage", None),
    "N1": ("/health", None), "N3": ("/api/auth/token", {}), "N3 terminal": ("/api/terminal/auth", {}),
    "N5": ("/api/console/terminals", None),
    "N5 commands": ("/api/console/commands", {"command": "git status", "cwd": "~/loom"}),
    "store health": ("/telemetry/health", None), "store export": ("/telemetry/export?format=prometheus", None),
    "scopecam": ("/api/scopecam/metrics?project=loom", None),
    "resource": ("/api/scopecam/resources/test_results", None),
    "tool": ("/api/scopecam/tools/execute", {
        "tool": "test_selector", "parameters": {"paths": ["src/"]}, "projectId": "loom"}),
}  # fmt: skip
KEYED = {"B10", "B11", "B14", "B16 command", "B16 console", "M6 command", "M6 console", "H3", "N5 commands", "tool"}
SECONDS = (
    dict.fromkeys(READS, 10.0)
    | dict.fromkeys(SENDS, 60.0)
    | dict.fromkeys(["B1", "M1", "M3", "M5", "H1", "N1", "store health", "B18"], 5.0)
    | dict.fromkeys(["B17", "B17 fallback", "B21", "N3", "N3 terminal"], 10.0)
    | dict.fromkeys(["B8", "H4 scan"], 30.0)
)
ODD = ["a@b", "#1", "a/b", "two words", "100%", "what?", "grün", "..", ".", "🧵", "a\\b", "%2F", "a&b=c;d", "'\"<>"]


@pytest.mark.parametrize("name", CALLS | SILENT)
def test_a_call_says_what_the_contract_has(name: str) -> None:
    call = (CALLS | SILENT)[name]
    path, body = WIRE[name]
    with Answering(saying(answer(200, call.good))) as server:
        session = a_session(server.url, token="t0ken", headers=(("X-API-Key", "k"),))
        call.ask(session, server.url)

    [(asked, headers)], [(method, sent)] = server.requests, server.sent
    assert (method, asked) == ("GET" if body is None else "POST", path)
    assert (json.loads(sent) if sent else None) == body
    assert (headers["authorization"], headers["x-api-key"]) == ("Bearer t0ken", "k")
    assert headers.get("idempotency-key") == ("k-1" if name in KEYED else None)
    assert headers.get("x-project-id") == ("loom" if name in {"B20", "B21"} else None)
    assert headers.get("content-type") == (None if body is None else "application/json")


@pytest.mark.parametrize("name", CALLS | SILENT)
def test_a_call_waits_as_long_as_the_contract_lets_it(name: str) -> None:
    waited = []

    class Watched(Session):
        def answer(self, url: str, *, timeout: float = base.READ_TIMEOUT, **rest: Any) -> base.Answer:
            waited.append(timeout)
            return super().answer(url, timeout=timeout, **rest)

    call = (CALLS | SILENT)[name]
    with Answering(saying(answer(200, call.good))) as server:
        call.ask(Watched(Target("t", Kind.HTTP, server.url, Origin.FILE), clock=now), server.url)

    assert waited == [SECONDS[name]]


@pytest.mark.parametrize("client", [Bridge, McpDaemon, DevKit, Nexus, ScopeCam])
def test_a_method_that_is_added_is_added_to_the_calls(client: type) -> None:
    """What is not among them is in no table of faults either."""
    made = {name for name, thing in vars(client).items() if callable(thing) and not name.startswith("_")} - {"of"}
    called = set(re.findall(rf"{client.__name__}\(s, url\)\.(\w+)\(", inspect.getsource(calls)))

    assert made == called


@pytest.mark.parametrize("id", ODD)
def test_an_id_of_any_kind_arrives_as_it_is(id: str) -> None:
    with Answering(saying(answer(200, DONE))) as server:
        session = a_session(server.url)
        Bridge(session, server.url).act(id, id, Action.START, key="k")
        DevKit(session, server.url).act(id, Action.STOP, key="k")
        server.script = saying(answer(200, {"agents": []}))
        assert Bridge(session, server.url).agent(id, id) is None

    acted, stopped, asked = (path for path, _ in server.requests)
    *_, project, agents, agent, action = acted.split("/")
    assert (unquote(project), agents, unquote(agent), action) == (id, "agents", id, "start")
    assert [unquote(part) for part in stopped.split("/")] == ["", "api", "agents", id, "stop"]
    assert unquote(asked.partition("?agentId=")[2]) == id
    assert all(part.isascii() for part in (acted, stopped, asked))


def test_a_segment_leads_nowhere_else() -> None:
    assert (segment(".."), segment("."), segment("a.b"), segment("...")) == ("%2E%2E", "%2E", "a.b", "%2E%2E%2E")
    assert asking("http://a/b", since="2025-09-02T07:15:00+02:00", limit=None) == (
        "http://a/b?since=2025-09-02T07%3A15%3A00%2B02%3A00"
    )


def test_a_project_in_a_header_cannot_add_another() -> None:
    with Answering(saying(answer(200, []))) as server:
        Bridge(a_session(server.url), server.url).console_endpoints("größe\r\nX-Admin: 1")
    [(_, headers)] = server.requests
    assert headers["x-project-id"] == "gr%C3%B6%C3%9Fe%0D%0AX-Admin%3A%201"
    assert "x-admin" not in headers


@pytest.mark.parametrize("id", ["", "x" * 101])
def test_an_agent_that_cannot_be_one_is_not_asked_about(id: str) -> None:
    with Answering(saying(answer(200, DONE))) as server:
        for ask in (
            lambda: Bridge(a_session(server.url), server.url).agent("loom", id),
            lambda: Bridge(a_session(server.url), server.url).act("loom", id, Action.START, key="k"),
            lambda: DevKit(a_session(server.url), server.url).act(id, Action.START, key="k"),
        ):
            with pytest.raises(TargetError) as caught:
                ask()
            assert (caught.value.cause, caught.value.permanent) == (Cause.REJECTED, True)
        with pytest.raises(ValueError, match="agent_id"):
            AgentOrder(agent_id=id, command="start")
    assert server.requests == []


def test_an_unknown_agent_and_a_wrong_step_can_be_told_apart() -> None:
    found = []
    for status, body in (
        (404, {"error": "Agent not found"}),
        (409, {"error": "The agent is not paused", "code": "NOT_PAUSED"}),
        (404, "<h1>nothing here</h1>"),
    ):
        with Answering(saying(answer(status, body))) as server, pytest.raises(TargetRefused) as caught:
            CALLS["B10"].ask(a_session(server.url), server.url)
        found.append((caught.value.status, caught.value.code, caught.value.message))

    assert found == [
        (404, "", "Agent not found"),
        (409, "NOT_PAUSED", "The agent is not paused"),
        (404, "", ""),
    ]


@pytest.mark.parametrize("body", [[], {"endpoints": []}, {"endpoints": None}])
def test_no_terminal_at_all_is_the_console(body: object) -> None:
    with Answering(saying(answer(200, body))) as server:
        bridge = Bridge(a_session(server.url), server.url)
        assert told(bridge.terminals(None, console_url="http://localhost:3001")) == [
            {"id": "local-default", "url": "http://localhost:3001", "type": "local", "status": "unknown"}
        ]
        server.script = saying(answer(200, TERMINALS))
        assert bridge.terminals("loom", console_url="")[0].id == "local-1"


def test_the_contracts_times_are_these() -> None:
    assert (base.HEALTH_TIMEOUT, base.READ_TIMEOUT, base.COMMAND_TIMEOUT) == (5, 10, 60)
    assert bridge_client.SCAN_TIMEOUT == 30
