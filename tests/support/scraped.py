"""Scrapes and targets in a line, for tests of what is made of them."""

from collections.abc import Sequence
from dataclasses import replace

from observatory.model import (
    DAY,
    Agent,
    AgentStatus,
    Cause,
    Instant,
    Kind,
    LastCommand,
    McpContext,
    McpServer,
    Origin,
    Project,
    Sample,
    Scrape,
    Target,
)
from observatory.store.chunks import Keep

BRIDGE = "bridge-server"

NOON: Instant = 1_800_014_400_000  # a whole hour
KEEP = Keep(30 * DAY, 180 * DAY, 1825 * DAY)


def a_target(name: str = "a", **changes: object) -> Target:
    return replace(Target(name, Kind.HTTP, "http://127.0.0.1:9", Origin.FILE), **changes)  # type: ignore[arg-type]


def a_scrape(started: Instant, value: float | None = None, *, name: str = "load", **changes: object) -> Scrape:
    """A reading of target `a` every 10 s, with one sample when there is a value."""
    samples = () if value is None else (Sample(name, value),)
    scrape = Scrape("a", started, started + 20, 10.0, samples=samples)
    return replace(scrape, **changes)  # type: ignore[arg-type]


def a_failure(started: Instant, cause: Cause = Cause.TIMEOUT, **changes: object) -> Scrape:
    return a_scrape(started, **{"cause": cause, "detail": "no answer in 10 s", **changes})


def an_agent(name: str = "weaver", status: AgentStatus = AgentStatus.RUNNING, **changes: object) -> Agent:
    agent = Agent(id=name, project="loom", status=status, reported_status=status.value, name=name.title())
    return replace(agent, **changes)  # type: ignore[arg-type]


def a_bridge(name: str = BRIDGE, **changes: object) -> Target:
    return a_target(name, **{"kind": Kind.BRIDGE, "origin": Origin.ENVIRONMENT, **changes})


def a_full_agent(at: Instant, name: str = "weaver-07", **changes: object) -> Agent:
    """One of whom everything is told."""
    told: dict[str, object] = {
        "type": "orchestrator", "last_activity": at - 1000, "task": "Index sources", "task_progress": 62.0,
        "task_started": at - 60_000, "task_due": at + 60_000, "tasks_completed": 118.0, "tasks_failed": 4.0,
        "average_duration": 5.4, "uptime": 1500.0, "can_start": False, "can_stop": True, "can_pause": True,
        "last_command": LastCommand("start", at - 90_000, "cli", "success"),
    }  # fmt: skip
    return an_agent(name, **{**told, **changes})


LOOM = Project(
    "loom", "Loom", "~/Development/loom", "Pattern compiler", "🧵", "#0EA5E9",
    mcp_url="http://localhost:8123", has_mcp=True,
    dashboards={"main": {"id": "loom-main", "name": "Loom", "widgets": ["agent-status"]}},
    telemetry_map={"cpu": "system.cpu.usage"},
)  # fmt: skip
LOOM_MCP = McpServer(
    "loom", "Loom MCP", "~/Development/loom", "http://localhost:8123", "active", ("tools", "resources")
)


def told_by_a_bridge(
    at: Instant, target: str = BRIDGE, servers: Sequence[McpServer] = (LOOM_MCP,), **agents: Sequence[Agent]
) -> list[Scrape]:
    """One reading of a Bridge: its projects by id with their agents (loom is told whole), and its MCP servers."""
    projects = tuple(LOOM if id == "loom" else Project(id, id.title()) for id in agents)
    return [
        a_scrape(at, 1.0, target=target, projects=projects),
        *(
            a_scrape(
                at, target=target, project=id, agents_complete=True,
                agents=tuple(replace(agent, project=id) for agent in listed),
            )
            for id, listed in agents.items()
        ),
        a_scrape(at + 1, target=target, interval=30.0, pushed=True, context=McpContext(bool(servers), tuple(servers))),
    ]  # fmt: skip
