"""The read side of the DevKit's own API, under its own paths: projects, agents, MCP servers.

Answered from the store in the contract's canonical form, whatever a Bridge speaks. While a Bridge is away its last
words stay, with their age and the reason; what was never told is null.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar, cast

import pandas as pd
from flask import Blueprint
from pydantic import Field, RootModel

from observatory import frames, freshness
from observatory.api.edge import Lenient, Message, operation
from observatory.api.fields import AgentId, Iso, ProjectId, Time
from observatory.context import actor, services
from observatory.errors import NotFound, OutOfProject
from observatory.model import AgentStatus, Cause, Instant, State, iso

routes = Blueprint("projects", __name__, url_prefix="/api")

STARTABLE = {AgentStatus.IDLE, AgentStatus.COMPLETED, AgentStatus.FAILED}
STOPPABLE = {AgentStatus.RUNNING, AgentStatus.PAUSED}
REFUSED = {
    403: "The project is not among the caller's.",
    404: "No Bridge lists a project of that id.",
}
SERVER_WORDS = {
    "active": "active", "online": "active", "running": "active", "connected": "active",
    "inactive": "inactive", "offline": "inactive", "stopped": "inactive", "disconnected": "inactive",
    "error": "error", "failed": "error",
}  # fmt: skip


Row: TypeAlias = dict[str, Any]  # of a frame, by column


class Dated(Message):
    """Where something was heard of, and how long ago."""

    source: str = Field(examples=["bridge-server"], description="The service that told it.")
    measured_at: Time | None = Field(description="When it was true, by our clock; null when it never was told.")
    received_at: Time | None
    age_seconds: float | None = Field(examples=[3.2], description="Of the moment of this answer.")
    interval_seconds: float = Field(examples=[10.0])
    state: State
    cause: Cause | None = Field(description="Why nothing newer came; null when it did.")
    simulated: bool
    is_real_data: bool = Field(examples=[True])


class Source(Dated):
    """A Bridge, or what it tells of one project: how current that is. Without it an empty list would say too little."""

    project_id: str | None = Field(examples=["loom"], description="null: of the Bridge itself.")


class Dashboard(Message):
    id: str | None = Field(examples=["loom-main"])
    name: str | None = Field(examples=["Loom"])
    widgets: tuple[str, ...] = Field(examples=[["agent-status"]])


class Project(Dated):
    id: str = Field(examples=["loom"])
    name: str = Field(examples=["Loom"])
    path: str | None = Field(examples=["~/Development/loom"])
    description: str | None = Field(examples=["Pattern compiler"])
    icon: str | None = Field(examples=["🧵"])
    color: str | None = Field(examples=["#0EA5E9"])
    dashboards: dict[str, Dashboard] = Field(examples=[{}])
    telemetry_map: dict[str, str] = Field(examples=[{"cpu": "system.cpu.usage"}])
    has_submodule_mcp: bool | None = Field(serialization_alias="hasSubmoduleMCP")
    mcp_server_url: str | None = Field(examples=["http://localhost:8123"])
    bridge_url: str | None = Field(examples=["http://localhost:52521"])
    ws_url: str | None = Field(examples=["ws://localhost:52521"])


class Projects(Message):
    projects: tuple[Project, ...]
    sources: tuple[Source, ...]
    timestamp: Iso


class OneProject(Message):
    project: Project


class LastCommand(Message):
    type: str = Field(examples=["start"])
    timestamp: Iso | None
    source: str | None = Field(examples=["cli"])
    result: str | None = Field(examples=["success"])


class Task(Message):
    name: str = Field(examples=["Index sources"])
    progress: float | None = Field(examples=[62.0], description="Percent.")
    start_time: Iso | None
    estimated_completion: Iso | None


class Tally(Message):
    tasks_completed: int | float | None = Field(examples=[118])
    tasks_failed: int | float | None = Field(examples=[4])
    avg_duration: int | float | None = Field(examples=[5400], description="Milliseconds.")
    uptime: int | float | None = Field(examples=[1500000], description="Milliseconds.")


class Agent(Dated):
    id: AgentId
    name: str = Field(examples=["Weaver"])
    type: str | None = Field(examples=["orchestrator"])
    project_id: str = Field(examples=["loom"])
    status: AgentStatus
    reported_status: str | None = Field(examples=["active"], description="The service's own word for it.")
    status_since: Time | None
    can_start: bool | None = Field(description="As told, else as the status allows; so are the other two.")
    can_stop: bool | None
    can_pause: bool | None = Field(description="null: it runs, and whether it can pause was not told.")
    last_activity: Iso | None
    last_command: LastCommand | None
    current_task: Task | None
    metrics: Tally
    error: str | None = Field(examples=["Timed out"])


class Agents(Message):
    agents: tuple[Agent, ...]
    project_id: str = Field(examples=["loom"])
    sources: tuple[Source, ...]
    timestamp: Iso


class AgentsOrOne(RootModel[Agents | Agent]):
    """All agents; with `agentId` that one, as it is."""

    model_config: ClassVar[Any] = {"json_schema_serialization_defaults_required": True}


class AllAgents(Message):
    """Over all projects that the caller may see. `source` is `mock` as soon as one of them is simulated."""

    agents: tuple[Agent, ...]
    is_real_data: bool = Field(examples=[True])
    source: str = Field(examples=["bridge"])
    sources: tuple[Source, ...]
    timestamp: Iso


class AllAgentsOrOne(RootModel[AllAgents | Agent]):
    """All agents; with `agentId` that one, as it is."""

    model_config: ClassVar[Any] = {"json_schema_serialization_defaults_required": True}


class Server(Dated):
    id: str = Field(examples=["loom"])
    name: str = Field(examples=["Loom MCP"])
    project_path: str | None = Field(examples=["~/Development/loom"])
    url: str | None = Field(examples=["http://localhost:8123"])
    status: str | None = Field(examples=["active"], description="active, inactive or error; another word as it came.")
    capabilities: tuple[str, ...] = Field(examples=[["tools", "resources"]])
    project_id: str | None = Field(examples=["loom"], description="null: of no project that is known.")


class Context(Message):
    is_available: bool | None = Field(examples=[True], description="null: no Bridge has told.")
    servers: tuple[Server, ...]
    sources: tuple[Source, ...]
    timestamp: Iso


D = TypeVar("D", bound=Dated)


class ProjectPath(Message):
    project: ProjectId


class AgentQuery(Lenient):
    agent_id: AgentId | None = None


@routes.get("/projects")
@operation("The projects that Bridges list, as far as the caller may see them", Projects)
def projects() -> Projects:
    store, who, now = services().store, actor(), services().clock()
    return Projects(
        projects=tuple(project_told(row, now) for row in records(frames.projects.current(store, who))),
        sources=sources_told(frames.projects.bridges(store, who), now),
        timestamp=iso(now),
    )


@routes.get("/projects/<project>")
@operation("One project", OneProject, path=ProjectPath, also=REFUSED)
def one_project(project: str) -> OneProject:
    require_project(project)
    now = services().clock()
    df = frames.projects.current(services().store, actor())
    told = [project_told(row, now) for row in records(df[df["id"].str.lower() == project.lower()])]
    if not told:
        raise NotFound("Project not found", projectId=project)
    return OneProject(project=freshest(told))


@operation("The agents of a project, or one of them", AgentsOrOne, path=ProjectPath, query=AgentQuery, also=REFUSED)
def project_agents(project: str, query: AgentQuery) -> AgentsOrOne:
    """`agentId` is compared exactly, and where there is none, without case."""
    require_project(project)
    store, who, now = services().store, actor(), services().clock()
    df = frames.agents.current(store, who)
    told = agents_told(df[df["project"].str.lower() == project.lower()], now)
    if query.agent_id is not None:
        return AgentsOrOne(one_agent(told, query.agent_id, projectId=project))
    return AgentsOrOne(
        Agents(
            agents=told,
            project_id=project,
            sources=sources_told(frames.projects.readings(store, who, project), now),
            timestamp=iso(now),
        )
    )


@routes.get("/agents/status")
@operation(
    "The agents of all projects, or one of them",
    AllAgentsOrOne,
    query=AgentQuery,
    also={404: "No agent of that id is known, or it is not the caller's to see."},
)
def all_agents(query: AgentQuery) -> AllAgentsOrOne:
    """The DevKit's own route is about its default project alone; this one about every project of the caller's."""
    store, who, now = services().store, actor(), services().clock()
    told = agents_told(frames.agents.current(store, who), now)
    if query.agent_id is not None:
        return AllAgentsOrOne(one_agent(told, query.agent_id))
    bridges = frames.projects.bridges(store, who)
    simulated = bool(bridges["simulated"].any()) or any(agent.simulated for agent in told)
    readings = frames.projects.readings(store, who)
    return AllAgentsOrOne(
        AllAgents(
            agents=told,
            is_real_data=not simulated,
            source="mock" if simulated else "bridge",
            sources=sources_told(bridges if readings.empty else readings, now),
            timestamp=iso(now),
        )
    )


@operation("The MCP servers that Bridges tell of, as far as the caller may see them", Context)
def context() -> Context:
    store, who, now = services().store, actor(), services().clock()
    told = frames.projects.mcp_contexts(store, who)
    servers = tuple(server_told(row, now) for row in records(frames.projects.mcp_servers(store, who)))
    return Context(
        is_available=is_available(told, {server.source for server in servers}),
        servers=servers,
        sources=sources_told(told, now),
        timestamp=iso(now),
    )


# Each under the two names that the contract knows.
routes.add_url_rule("/projects/<path:project>/agents/status", "agents", project_agents)
routes.add_url_rule("/projects/<path:project>/agents", "agents_too", project_agents)
routes.add_url_rule("/mcp/context", "mcp_context", context)
routes.add_url_rule("/mcp/contexts", "mcp_contexts", context)


def require_project(project: str) -> None:
    """Raise NotFound when no Bridge lists the project, OutOfProject when it is not among the caller's."""
    if project.lower() not in frames.projects.ids(services().store):
        raise NotFound("Project not found", projectId=project)
    if not actor().sees(project):
        raise OutOfProject(project)


def one_agent(told: tuple[Agent, ...], id: str, **named: str) -> Agent:
    """The agent of that id; of several the one that was heard of last. Raises NotFound."""
    found = [agent for agent in told if agent.id == id]
    found = found or [agent for agent in told if agent.id.lower() == id.lower()]
    if not found:
        raise NotFound("Agent not found", agentId=id, **named)
    return freshest(found)


def freshest(told: Iterable[D]) -> D:
    return max(told, key=lambda one: one.measured_at or 0)


def is_available(told: pd.DataFrame, shown: set[str]) -> bool | None:
    """Whether there are MCP servers for the caller, None when no Bridge has told. `shown` are the Bridges of those that
    he may see: that others have some is nothing to him."""
    words = told.dropna(subset=["available"])
    for_him = words["available"] & ((words["listed"] == 0) | words["source"].isin(shown))
    return None if words.empty else bool(for_him.any())


def project_told(row: Row, now: Instant) -> Project:
    return Project(
        id=row["id"],
        name=row["name"],
        path=row["path"] or None,
        description=row["description"] or None,
        icon=row["icon"] or None,
        color=row["color"] or None,
        dashboards=dashboards(json.loads(row["dashboards"])),
        telemetry_map={key: name for key, name in json.loads(row["telemetry_map"]).items() if isinstance(name, str)},
        has_submodule_mcp=flag(row["has_mcp"]),
        mcp_server_url=row["mcp_url"] or None,
        bridge_url=row["bridge_url"] or None,
        ws_url=row["ws_url"] or None,
        **dated(row, now),
    )


def dashboards(told: Mapping[str, Any]) -> dict[str, Dashboard]:
    """What stands there in the contract's form; what has another form is left out."""
    return {
        key: Dashboard(
            id=one["id"] if isinstance(one.get("id"), str) else None,
            name=one["name"] if isinstance(one.get("name"), str) else None,
            widgets=tuple(word for word in listed(one.get("widgets")) if isinstance(word, str)),
        )
        for key, one in told.items()
        if isinstance(one, dict)
    }


def listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def agents_told(df: pd.DataFrame, now: Instant) -> tuple[Agent, ...]:
    return tuple(agent_told(row, now) for row in records(df.rename(columns={"target": "source"})))


def agent_told(row: Row, now: Instant) -> Agent:
    status = AgentStatus(row["status"])
    can_start, can_stop, can_pause = (flag(row[name]) for name in ("can_start", "can_stop", "can_pause"))
    return Agent(
        id=row["id"],
        name=row["name"],
        type=row["type"] or None,
        project_id=row["project"],
        status=status,
        reported_status=row["reported"] or None,
        status_since=known(row["since"]),
        can_start=status in STARTABLE if can_start is None else can_start,
        can_stop=status in STOPPABLE if can_stop is None else can_stop,
        can_pause=(None if status is AgentStatus.RUNNING else False) if can_pause is None else can_pause,
        last_activity=written(row["last_activity"]),
        last_command=command_told(row),
        current_task=task_told(row),
        metrics=Tally(
            tasks_completed=number(row["tasks_completed"]),
            tasks_failed=number(row["tasks_failed"]),
            avg_duration=number(row["average_duration"], 1000),
            uptime=number(row["uptime"], 1000),
        ),
        error=row["error"] or None,
        **dated(row, now),
    )


def command_told(row: Row) -> LastCommand | None:
    if not row["command"]:
        return None
    return LastCommand(
        type=row["command"],
        timestamp=written(row["command_at"]),
        source=row["command_source"] or None,
        result=row["command_result"] or None,
    )


def task_told(row: Row) -> Task | None:
    if not row["task"]:
        return None
    return Task(
        name=row["task"],
        progress=number(row["progress"]),
        start_time=written(row["task_started"]),
        estimated_completion=written(row["task_due"]),
    )


def server_told(row: Row, now: Instant) -> Server:
    word = row["status"].strip().lower()
    return Server(
        id=row["id"],
        name=row["name"],
        project_path=row["path"] or None,
        url=row["url"] or None,
        status=SERVER_WORDS.get(word, word) or None,
        capabilities=tuple(row["capabilities"]),
        project_id=row["project"] or None,
        **dated(row, now),
    )


def sources_told(df: pd.DataFrame, now: Instant) -> tuple[Source, ...]:
    return tuple(Source(project_id=row["project"] or None, **dated(row, now)) for row in records(df))


def dated(row: Row, now: Instant) -> dict[str, Any]:
    """The fields of `Dated` of a row that has the columns of a source."""
    measured, interval = known(row["measured"]), float(row["interval"])
    age = freshness.age(measured, now)
    return {
        "source": row["source"],
        "measured_at": measured,
        "received_at": known(row["received"]),
        "age_seconds": None if age is None else round(age, 3),
        "interval_seconds": interval,
        "state": freshness.value_state(measured, interval, now),
        "cause": row["cause"] or None,
        "simulated": bool(row["simulated"]),
        "is_real_data": not row["simulated"],
    }


def records(df: pd.DataFrame) -> list[Row]:
    return cast("list[Row]", df.to_dict("records"))


def known(value: Any) -> Instant | None:
    return None if pd.isna(value) else int(value)


def written(value: Any) -> str | None:
    """An instant as the contract writes it; None for one that no calendar has."""
    try:
        return None if pd.isna(value) else iso(int(value))
    except (ValueError, OverflowError):
        return None


def flag(value: Any) -> bool | None:
    return None if pd.isna(value) else bool(value)


def number(value: Any, factor: float = 1) -> int | float | None:
    """A number in the contract's unit; a whole one without a point."""
    if pd.isna(value):
        return None
    found = round(float(value) * factor, 6)
    return int(found) if found.is_integer() else found
