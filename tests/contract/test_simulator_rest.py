"""What the simulator's REST sides answer beyond what any Bridge must: B3 to B21, M6, H2 to H6, N5, §2.6."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract import shapes
from tests.contract.conftest import Services

Ask = Callable[..., httpx.Response]
Send = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
LOOM = "/api/projects/loom"
REPORT = {
    "projectId": "loom", "endpoint": "http://localhost:3001", "sessionsActive": 3, "totalCommands": 27, "cpuUsage": 8.5,
    "memoryUsage": 190,
}  # fmt: skip
LATENCY = {"min": 2, "max": 61, "avg": 14.5, "p95": 40, "p99": 58}


# B3, B4


@pytest.mark.parametrize("path", ["/api/mcp/context", "/api/mcp/contexts"])
def test_the_mcp_context_names_the_servers_of_projects(bridge: Ask, path: str) -> None:
    body = bridge(path).json()

    assert body["isAvailable"] is True
    assert [server["id"] for server in body["servers"]] == ["loom", "scopecam"]
    for server in body["servers"]:
        assert server["status"] in {"active", "inactive", "error"}
        assert server["url"].startswith("http://localhost:")
        assert server["capabilities"] == ["tools", "resources"]


def test_the_mcp_status_counts_them(bridge: Ask) -> None:
    body = bridge("/api/mcp/status").json()

    shapes.instant(body.pop("timestamp"))
    assert body == {"available": True, "active": 1, "total": 2}


# B6, B8


def test_a_new_project_is_listed_and_can_be_asked(bridge: Ask, send: Send) -> None:
    made = send("bridge", "/api/projects", name="Dye Vat", path="~/Development//dye-vat/", color="#112233")

    assert made.status_code == 201
    body = made.json()["project"]
    assert (body["id"], body["path"], body["status"]) == ("dye-vat", "~/Development/dye-vat", "active")
    assert bridge("/api/projects").json()["projects"][-1]["id"] == "dye-vat"
    assert bridge("/api/projects/dye-vat/agents").json()["agents"] == []
    assert bridge("/api/projects/dye-vat/telemetry/metrics").status_code == 200


def test_a_taken_name_gets_an_id_of_its_own(send: Send) -> None:
    first, second = (send("bridge", "/api/projects", name="Loom", path="/srv").json()["project"] for _ in range(2))

    assert len({"loom", first["id"], second["id"]}) == 3
    assert len(first["id"]) == 36


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 101}, {"name": "semi;colon"}, {"name": 7}, {"path": "relative"},
        {"path": "/a/../b"}, {"path": "~/./b"},
        {"path": "/" + "x" * 500}, {"path": None}, {"description": "x" * 501}, {"icon": "x" * 51},
        {"color": "blue"}, {"color": "#12345"},
    ],
)  # fmt: skip
def test_a_project_that_breaks_the_rules_is_400(send: Send, wrong: dict[str, Any]) -> None:
    response = send("bridge", "/api/projects", **{"name": "Fine", "path": "/fine", **wrong})

    assert shapes.failure(response, 400, "Invalid request")["details"].keys() == wrong.keys()


@pytest.mark.parametrize("service", ["bridge", "devkit"])
def test_a_scan_finds_the_same_each_time(send: Send, service: str) -> None:
    first, second = (send(service, "/api/projects/scan", path="~/Development/").json() for _ in range(2))

    assert first == second
    assert (first["scannedPath"], first["isRealData"], first["source"]) == ("~/Development", True, "bridge")
    assert {project["type"] for project in first["projects"]} == {"npm", "python", "git", "monorepo", "unknown"}
    assert all(project["path"] == f"~/Development/{project['name']}" for project in first["projects"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Project path is required"), ({"path": ""}, "Project path is required"),
        ({"path": "~/../etc"}, "Invalid request"), ({"path": "etc"}, "Invalid request"),
        ({"path": ["~"]}, "Invalid request"),
    ],
)  # fmt: skip
def test_a_scan_of_a_bad_path_is_400(send: Send, body: dict[str, Any], error: str) -> None:
    shapes.failure(send("bridge", "/api/projects/scan", **body), 400, error)


def test_what_is_not_json_is_400_and_what_is_too_large_413(services: Services, http: httpx.Client) -> None:
    url = f"{services.bridge}/api/projects/scan"

    assert http.post(url, content=b"{not json").status_code == 400
    assert http.post(url, content=b"[1]").status_code == 400
    assert http.post(url, content=b" " * 1_000_001).status_code == 413


# B14 to B16, N5


@pytest.mark.parametrize(
    ("command", "exit_code", "piece"),
    [
        ("help", 0, "git"), ("status", 0, "agents running"), ("agents", 0, "weaver-07"), ("clear", 0, ""),
        ("git status", 0, "nothing to commit"), ("git dance", 0, "usage"), ("rm -rf /", 127, "not found"),
        ('say "two\nlines"', 127, "say"),
    ],
)  # fmt: skip
def test_the_console_knows_a_few_commands(send: Send, command: str, exit_code: int, piece: str) -> None:
    response = send("bridge", f"{LOOM}/console/execute", command=command)

    body = response.json()
    assert response.status_code == 200
    assert (body["command"], body["exitCode"]) == (command, exit_code)
    assert (body["success"], body["status"]) == (exit_code == 0, "error" if exit_code else "success")
    assert piece in body["output"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Command is required"), ({"command": ""}, "Command is required"), ({"command": 7}, "Invalid request"),
        ({"command": "x" * 1001}, "Invalid request"), ({"command": "help", "timeout": 300_001}, "Invalid request"),
        ({"command": "help", "timeout": "long"}, "Invalid request"),
        ({"command": "help", "env": {"A": 1}}, "Invalid request"),
        ({"command": "help", "cwd": 1}, "Invalid request"),
    ],
)  # fmt: skip
def test_a_console_command_that_breaks_the_schema_is_400(send: Send, body: dict[str, Any], error: str) -> None:
    answer = shapes.failure(send("bridge", f"{LOOM}/console/execute", **body), 400, error)

    assert error == "Command is required" or isinstance(answer["details"], list)


def test_what_was_printed_can_be_read_again(bridge: Ask, send: Send) -> None:
    for command in ("git branch", "dance", "git log"):
        send("bridge", f"{LOOM}/console/execute", command=command)

    entries = bridge(f"{LOOM}/console/output", limit=2).json()["entries"]

    assert [entry["stream"] for entry in entries] == ["stderr", "stdout"]
    assert "Tighten" in entries[-1]["text"]
    assert bridge(f"{LOOM}/console/output", since=entries[-1]["timestamp"]).json()["entries"] == []


@pytest.mark.parametrize(
    ("service", "path"), [("bridge", "/api/console/execute"), ("console", "/api/console/commands")]
)
def test_without_a_project_the_console_is_the_default_projects(send: Send, service: str, path: str) -> None:
    assert send(service, path, command="status").json()["projectId"] == "devkit"
    assert send(service, path, command="status", projectId="loom").json()["projectId"] == "loom"


def test_the_global_agents_are_the_default_projects(bridge: Ask) -> None:
    body = bridge("/api/agents/status").json()

    assert body.keys() == {"agents", "isRealData", "source"}
    assert {agent["projectId"] for agent in body["agents"]} == {"devkit"}
    for agent in body["agents"]:
        shapes.agent(agent)
    assert bridge("/api/agents/status", agentId="guardian-001").json()["id"] == "guardian-001"


def test_the_default_project_is_listed_when_that_is_switched(bridge: Ask, control: Control) -> None:
    before = [project["id"] for project in bridge("/api/projects").json()["projects"]]

    control("switch", devkit="listed")

    assert [project["id"] for project in bridge("/api/projects").json()["projects"]] == [*before, "devkit"]


# B17 to B21


def test_terminals_are_discovered(send: Send) -> None:
    endpoints = send("bridge", "/api/terminals/discover").json()["endpoints"]

    assert {endpoint["type"] for endpoint in endpoints} == {"local", "remote", "container"}
    assert {endpoint["status"] for endpoint in endpoints} <= {"active", "inactive", "unknown"}
    of_kiln = send("bridge", "/api/terminals/discover", projectId="kiln").json()["endpoints"]
    assert {endpoint["projectId"] for endpoint in of_kiln} == {"kiln"}


def test_what_a_terminal_reports_is_told_of_it(bridge: Ask, send: Send) -> None:
    before = bridge("/api/terminals/remote-1/metrics").json()
    address = before["endpoint"]

    answer = send("bridge", "/api/terminals/metrics", **{**REPORT, "endpoint": address}).json()

    after = bridge("/api/terminals/remote-1/metrics").json()
    assert answer == {"success": True}
    assert (after["sessionsActive"], after["cpuUsage"]) == (3, 8.5)
    assert after["uptime"] == pytest.approx(before["uptime"], abs=60)


def test_an_unknown_terminal_is_404(bridge: Ask) -> None:
    shapes.failure(bridge("/api/terminals/nothing/metrics"), 404, "Terminal endpoint not found")


@pytest.mark.parametrize("prefix", ["/api/terminal", "/api/bridge/terminal"])
def test_the_consoles_own_dialect_is_spoken_under_both_prefixes(bridge: Ask, send: Send, prefix: str) -> None:
    endpoints = bridge(f"{prefix}/endpoints").json()
    session = {"sessionId": "s-91", "startTime": 1756796400000, "commandCount": 12, "latency": LATENCY}

    accepted = send("bridge", f"{prefix}/metrics", projectId="loom", metrics=[session, session]).json()

    assert {endpoint["protocol"] for endpoint in endpoints} <= {"ws", "wss"}
    assert accepted == {"accepted": 2}


@pytest.mark.parametrize("body", [{}, {"projectId": "loom"}, {"projectId": "loom", "metrics": [1]}, {"metrics": []},
                                  {"projectId": "loom", "metrics": [{"commandCount": 1}]}])  # fmt: skip
def test_a_batch_that_breaks_the_schema_is_400(send: Send, body: dict[str, Any]) -> None:
    shapes.failure(send("bridge", "/api/terminal/metrics", **body), 400, "Invalid request")


# M6


@pytest.mark.parametrize("service", ["bridge", "mcp"])
def test_the_daemon_is_a_project_of_its_own(services: Services, http: httpx.Client, send: Send, service: str) -> None:
    here = getattr(services, service) + "/api/projects/mcp-daemon"

    agents = http.get(f"{here}/agents/status").json()["agents"]

    assert {agent["status"] for agent in agents} <= {"running", "error", "idle"}
    assert all({"id", "name", "last_activity"} <= agent.keys() for agent in agents)
    assert http.get(f"{here}/telemetry/metrics").json()["projectId"] == "mcp-daemon"
    console = send(service, "/api/projects/mcp-daemon/console/execute", command="status").json()
    assert (console["projectId"], console["success"]) == ("mcp-daemon", True)


@pytest.mark.parametrize("service", ["bridge", "mcp"])
def test_a_command_to_the_daemon_needs_no_agent(send: Send, service: str) -> None:
    body = send(service, "/api/projects/mcp-daemon/agents/command", command="restart").json()

    assert (body["success"], body["agentId"]) == (True, "mcp-daemon")


def test_the_daemon_serves_no_other_project(mcp: Ask) -> None:
    assert mcp("/api/projects/loom/agents/status").status_code == 404


def test_without_the_daemon_its_project_is_not_there(bridge: Ask, control: Control) -> None:
    control("faults", service="mcp-daemon", mode="down")

    shapes.failure(bridge("/api/projects/mcp-daemon/agents"), 404, "Project not found")


# H2 to H6


def test_the_devkit_lists_the_bridges_projects(bridge: Ask, devkit: Ask) -> None:
    assert devkit("/api/projects").json()["projects"] == bridge("/api/projects").json()["projects"]


def test_a_command_over_the_devkit_reaches_the_bridges_agent(bridge: Ask, send: Send, control: Control) -> None:
    control("clock", now=1_795_348_800_000)
    control("set", path="agents.kiln.stoker-03.status", value="idle")

    body = send("devkit", "/api/agents/stoker-03/start").json()

    assert (body["projectId"], body["success"]) == ("kiln", True)
    assert bridge("/api/projects/kiln/agents", agentId="stoker-03").json()["status"] == "running"


def test_a_command_to_nobody_is_404(send: Send) -> None:
    assert send("devkit", "/api/agents/nobody/start").status_code == 404


@pytest.mark.parametrize("metric", ["system.cpu.usage", "system.memory.usage", "devkit.builds.total"])
def test_a_query_answers_points_of_the_last_hour(devkit: Ask, metric: str) -> None:
    body = devkit("/api/v1/query", metric=metric).json()

    assert body["metric"] == metric
    shapes.points(body["points"], count=60, seconds=60)


def test_a_query_for_nothing_is_400(devkit: Ask) -> None:
    shapes.failure(devkit("/api/v1/query", metric="nothing"), 400, "Invalid request")


# §2.6


def test_the_telemetry_store_is_alive_and_exports(bridge: Ask) -> None:
    text = bridge("/telemetry/export", format="prometheus").text

    assert bridge("/telemetry/health").json()["status"] == "healthy"
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert {"scopecam_tests_total", "scopecam_tests_duration_seconds", "scopecam_coverage_percentage"} <= {
        sample.name for sample in samples
    }
    assert {sample.labels["project"] for sample in samples} == {"loom", "kiln", "atlas", "scopecam"}


def test_scopecam_metrics_add_up(bridge: Ask) -> None:
    metrics = bridge("/api/scopecam/metrics", project="loom").json()["metrics"]

    assert metrics["scopecam.tests.total"] == metrics["scopecam.tests.passed"] + metrics["scopecam.tests.failed"]


@pytest.mark.parametrize(
    ("tool", "status"), [("test_selector", "success"), ("pattern_lint", "success"), ("saw", "error")]
)
def test_a_tool_answers_by_its_status(send: Send, tool: str, status: str) -> None:
    response = send("bridge", "/api/scopecam/tools/execute", tool=tool, parameters={}, projectId="scopecam")

    assert response.status_code == 200
    assert response.json()["status"] == status


@pytest.mark.parametrize(
    "name", ["test_results", "coverage_reports", "performance_metrics", "flakiness_data", "test_inventory"]
)
def test_scopecam_has_its_resources(bridge: Ask, name: str) -> None:
    assert bridge(f"/api/scopecam/resources/{name}").status_code == 200
    assert bridge(f"/api/scopecam/resources/{name}s").status_code == 404
