"""Every call our clients can make, by its number in the contract, with an answer that is as it should be."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from pydantic import BaseModel

from observatory.clients.base import COMMAND_TIMEOUT, Session
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.mcp_daemon import McpDaemon
from observatory.clients.nexus import Nexus
from observatory.clients.scopecam import ScopeCam
from observatory.contract.bridge import Action, AgentList, AgentOrder, ConsoleOrder, NewProject, ProjectTelemetry
from observatory.contract.bridge_terminals import SessionBatch, SessionMetrics, TerminalReport
from observatory.contract.prometheus import Exposition
from observatory.contract.scopecam import ToolOrder
from observatory.model import Agent, Instant, Kind, Origin, Sample, Target

NOW = 1_756_797_300_000  # 2025-09-02T07:15:00Z
AT = "2025-09-02T07:15:00.000Z"
KEY = "k-1"
CONSOLE = "http://localhost:3001"

AGENT = {"id": "weaver-07", "name": "Weaver", "type": "orchestrator", "projectId": "loom", "status": "running"}
AGENTS = {"agents": [AGENT], "projectId": "loom", "timestamp": AT}
DONE = {"success": True, "agentId": "weaver-07", "command": "pause", "projectId": "loom",
        "result": {"status": "completed", "output": "Weaver paused", "exitCode": 0, "timestamp": AT}}  # fmt: skip
RAN = {"success": True, "status": "success", "projectId": "loom", "command": "git status",
       "output": "nothing to commit\n", "exitCode": 0, "duration": 184, "timestamp": AT}  # fmt: skip
PROJECTS = {"projects": [{"id": "loom", "name": "Loom", "path": "~/loom"}], "timestamp": AT}
FOUND = {"projects": [{"name": "kiln", "path": "~/kiln", "type": "python"}], "scannedPath": "~", "isRealData": True}
GLOBAL = {"metrics": {"system": {"cpu": 31, "memory": 66, "disk": 52, "uptime": 90210}}, "timestamp": AT}
PROJECT = {"projectId": "loom", "metrics": {"agents": {"active": 2, "total": 3}}, "timestamp": AT}
TERMINALS = {"endpoints": [{"id": "local-1", "projectId": "loom", "url": "http://localhost:3001", "type": "local",
                            "status": "active"}]}  # fmt: skip
USE = {"endpoint": "http://localhost:3001", "sessionsActive": 1, "cpuUsage": 8.5, "memoryUsage": 190}
HEALTH = {"status": "healthy", "version": "3.1.0"}

ORDER = AgentOrder(agent_id="weaver-07", command="pause", project_id="loom")
RUN = ConsoleOrder(command="git status", cwd="~/loom")
REPORT = TerminalReport(
    project_id="loom", endpoint="http://localhost:3001", sessions_active=1, total_commands=27, timestamp=AT
)
BATCH = SessionBatch(project_id="loom", metrics=(SessionMetrics(session_id="s-91", start_time=NOW),))
TOOL = ToolOrder(tool="test_selector", parameters={"paths": ["src/"]}, project_id="loom")


class Call(NamedTuple):
    """`good` is a body the service may answer with. `lenient`: any success will do, whatever its body says."""

    ask: Callable[[Session, str], object]
    good: object
    lenient: bool = False


READS = {
    "B1": Call(lambda s, url: Bridge(s, url).health(), HEALTH, lenient=True),
    "B2": Call(lambda s, url: Bridge(s, url).status(), {"healthy": True, "uptime": 51230, "timestamp": AT}),
    "B3": Call(lambda s, url: Bridge(s, url).mcp_context(), {"isAvailable": False, "servers": []}),
    "B4": Call(lambda s, url: Bridge(s, url).mcp_status(), {"available": True, "active": 1, "total": 2}),
    "B5": Call(lambda s, url: Bridge(s, url).projects(), PROJECTS),
    "B7": Call(lambda s, url: Bridge(s, url).project("loom"), {"project": PROJECTS["projects"][0]}),
    "B9": Call(lambda s, url: Bridge(s, url).agents("loom"), AGENTS),
    "B9 one": Call(lambda s, url: Bridge(s, url).agent("loom", "weaver-07"), AGENT),
    "B12": Call(lambda s, url: Bridge(s, url).project_telemetry("loom", time_range="1h", type="all"), PROJECT),
    "B13": Call(lambda s, url: Bridge(s, url).telemetry(minutes=60), GLOBAL),
    "B15": Call(lambda s, url: Bridge(s, url).console_output("loom", limit=10), {"projectId": "loom", "entries": []}),
    "B16 agents": Call(lambda s, url: Bridge(s, url).agents(None), AGENTS),
    "B19": Call(lambda s, url: Bridge(s, url).terminal_metrics("local-1"), USE),
    "B20": Call(lambda s, url: Bridge(s, url).console_endpoints("loom"), [{"id": "eu-1", "url": "wss://term/ws"}]),
    "M1": Call(lambda s, url: McpDaemon(s, url).status(), {"daemon_running": True, "version": "0.9.4"}),
    "M2": Call(lambda s, url: McpDaemon(s, url).capabilities(), {"capabilities": [{"tool": "pattern_lint"}]}),
    "M3": Call(lambda s, url: McpDaemon(s, url).health(), HEALTH, lenient=True),
    "M4": Call(lambda s, url: McpDaemon(s, url).metrics(), {"cpu_usage": 6.3, "memory_usage": 148.0}),
    "M5": Call(lambda s, url: McpDaemon(s, url).identity(), {"config": {"name": "Loom MCP", "version": "1.2.0"}}),
    "M6 agents": Call(lambda s, url: McpDaemon(s, url).agents(), AGENTS),
    "M6 telemetry": Call(lambda s, url: McpDaemon(s, url).telemetry(), PROJECT),
    "H1": Call(lambda s, url: DevKit(s, url).health(), HEALTH, lenient=True),
    "H2": Call(lambda s, url: DevKit(s, url).agents(), AGENTS),
    "H4": Call(lambda s, url: DevKit(s, url).projects(), PROJECTS),
    "H5": Call(lambda s, url: DevKit(s, url).metrics(), "a_total 1\n"),
    "H6": Call(lambda s, url: DevKit(s, url).history("system.cpu.usage"), {"metric": "system.cpu.usage", "points": []}),
    "N1": Call(lambda s, url: Nexus(s, url).health(), HEALTH, lenient=True),
    "N5": Call(lambda s, url: Nexus(s, url).terminals(), {"terminals": [{"id": "t-1", "cols": 80, "rows": 24}]}),
    "store health": Call(lambda s, url: ScopeCam(s, url).health(), HEALTH, lenient=True),
    "store export": Call(lambda s, url: ScopeCam(s, url).export(), 'scopecam_tests_total{project="loom"} 84\n'),
    "scopecam": Call(lambda s, url: ScopeCam(s, url).metrics("loom"), {"metrics": {"scopecam.tests.total": 88}}),
    "resource": Call(lambda s, url: ScopeCam(s, url).resource("test_results"), {"tests": []}),
}
SENDS = {
    "B6": Call(lambda s, url: Bridge(s, url).create_project(NewProject(name="Kiln", path="~/kiln")),
               {"project": PROJECTS["projects"][0]}),
    "B8": Call(lambda s, url: Bridge(s, url).scan("~"), FOUND),
    "B10": Call(lambda s, url: Bridge(s, url).command("loom", ORDER, key=KEY), DONE),
    "B11": Call(lambda s, url: Bridge(s, url).act("loom", "weaver-07", Action.PAUSE, key=KEY), DONE),
    "B14": Call(lambda s, url: Bridge(s, url).execute("loom", RUN, key=KEY), RAN),
    "B16 command": Call(lambda s, url: Bridge(s, url).command(None, ORDER, key=KEY), DONE),
    "B16 console": Call(lambda s, url: Bridge(s, url).execute(None, RUN, key=KEY), RAN),
    "B17": Call(lambda s, url: Bridge(s, url).discover("loom"), TERMINALS),
    "B21": Call(lambda s, url: Bridge(s, url).send_session_metrics(BATCH), {"accepted": 1}),
    "M6 command": Call(lambda s, url: McpDaemon(s, url).command("status", key=KEY), DONE),
    "M6 console": Call(lambda s, url: McpDaemon(s, url).execute(RUN, key=KEY), RAN),
    "H3": Call(lambda s, url: DevKit(s, url).act("weaver-07", Action.START, key=KEY), DONE),
    "H4 scan": Call(lambda s, url: DevKit(s, url).scan("~"), FOUND),
    "N3": Call(lambda s, url: Nexus(s, url).token(), {"token": "t"}),
    "N3 terminal": Call(lambda s, url: Nexus(s, url).terminal_token(), {"token": "t"}),
    "N5 commands": Call(lambda s, url: Nexus(s, url).execute(RUN, key=KEY), RAN),
    "tool": Call(lambda s, url: ScopeCam(s, url).run_tool(TOOL, key=KEY), {"status": "success", "result": {"n": 14}}),
}  # fmt: skip
CALLS = READS | SENDS
# These never raise: the contract says that their failures are nobody's.
SILENT = {
    "B17 fallback": Call(lambda s, url: Bridge(s, url).terminals("loom", console_url=CONSOLE), TERMINALS),
    "B18": Call(lambda s, url: Bridge(s, url).report_terminal(REPORT), {"success": True}),
}


def now() -> Instant:
    return time.time_ns() // 1_000_000


def a_session(url: str, *, limit: float | None = COMMAND_TIMEOUT, **fields: Any) -> Session:
    return Session(Target("t", Kind.HTTP, url, Origin.FILE, **fields), clock=now, limit=limit)


def told(answer: object) -> Any:
    """What a call brought, as plain JSON without anything that is empty: numbers as samples, agents as the nouns."""
    if isinstance(answer, AgentList):
        return {
            "agents": [lean(asdict(agent)) for agent in answer.agents("", NOW)],
            "samples": by_name(answer.samples("")),
        }
    if isinstance(answer, ProjectTelemetry):
        return by_name(answer.samples("loom"))
    if isinstance(answer, Exposition):
        return by_name(answer.samples)
    if isinstance(answer, BaseModel) and hasattr(answer, "samples"):
        return by_name(answer.samples())
    if isinstance(answer, BaseModel) and hasattr(answer, "projects") and callable(answer.projects):
        return [lean(item.model_dump(mode="json")) for item in answer.listed]  # type: ignore[attr-defined]
    if isinstance(answer, BaseModel):
        return lean(answer.model_dump(mode="json"))
    if isinstance(answer, tuple):
        return [told(item) for item in answer]
    return lean(asdict(answer)) if isinstance(answer, Agent) else answer


def lean(value: Any) -> Any:
    """Without None, "" and what holds nothing else."""
    if isinstance(value, Mapping):
        kept = {key: lean(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    return [lean(item) for item in value] if isinstance(value, list | tuple) else value


def by_name(samples: tuple[Sample, ...]) -> dict[str, float]:
    """`name{label="value"} @ time` to value, rounded: factors of ten leave their traces in floats."""
    found = {}
    for sample in samples:
        inside = ",".join(f"{key}={value}" for key, value in sample.labels)
        name = f"{sample.name}{{{inside}}}" if inside else sample.name
        found[name if sample.at is None else f"{name} @ {sample.at}"] = round(sample.value, 9)
    return found
