"""What the Bridge server sends: B1, B5, B9, B12, B13, and the frames of its WebSocket."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Self

from pydantic import Field, model_validator

from observatory.contract.normalise import (
    MEGABYTE,
    Flag,
    Id,
    Megabytes,
    Message,
    Milliseconds,
    Number,
    Percent,
    Point,
    Progress,
    Rate,
    SelfReport,
    Text,
    Time,
    history,
    labels,
    mapping,
    number,
    percent,
    some,
)
from observatory.model import Agent, AgentStatus, Instant, Project, Sample

ID_LIMIT = 100  # longer ids are not asked about
EPOCH_FROM = 1e11  # an "uptime" of more milliseconds than this is the moment of the start

STATUSES = {
    **{status.value: status for status in AgentStatus},
    "active": AgentStatus.RUNNING, "busy": AgentStatus.RUNNING, "online": AgentStatus.RUNNING,
    "starting": AgentStatus.RUNNING, "stopped": AgentStatus.IDLE, "offline": AgentStatus.IDLE,
    "error": AgentStatus.FAILED,
}  # fmt: skip


class ServiceHealth(Message):
    """B1, and every health answer shaped like it. Only the status code counts; all of this is optional."""

    status: SelfReport = None
    version: Text = ""
    timestamp: Time = None


class ListedProject(Message):
    id: Id
    name: Text = ""
    path: Text = ""
    description: Text = ""
    icon: Text = ""
    color: Text = ""


class ProjectList(Message):
    """B5, wrapped or as a bare array."""

    listed: tuple[ListedProject, ...] = Field(validation_alias="projects")
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return {"projects": value} if isinstance(value, list) else value

    def projects(self) -> tuple[Project, ...]:
        """In the order sent, each once (ids are compared without case), without those we would refuse to ask about."""
        kept: dict[str, Project] = {}
        for item in self.listed:
            if len(item.id) <= ID_LIMIT and item.id not in {".", ".."}:
                project = Project(item.id, item.name or item.id, item.path, item.description, item.icon, item.color)
                kept.setdefault(item.id.lower(), project)
        return tuple(kept.values())


class Resources(Message):
    cpu: Percent = None
    memory: Megabytes = None


class Task(Message):
    name: Text = ""
    progress: Progress = None
    start_time: Time = None
    estimated_completion: Time = None


class Tally(Message):
    """An agent's `metrics`. `uptime` stays in milliseconds: it may be the moment of the start instead."""

    tasks_completed: Number = None
    tasks_failed: Number = None
    avg_duration: Milliseconds = None
    uptime: Number = None


class ReportedAgent(Message):
    id: Id
    name: Text = ""
    type: Text = ""
    status: Text = ""
    can_start: Flag = None
    can_stop: Flag = None
    can_pause: Flag = None
    last_activity: Time = None
    last_update: Time = None
    current_task: Task | None = None
    metrics: Tally | None = None
    resources: Resources | None = None
    error: Text = ""

    @model_validator(mode="before")
    @classmethod
    def flatten(cls, value: Any) -> Any:
        """Bring a status object's fields up, and a task that is plain text into its object."""
        if not isinstance(value, dict):
            return value
        status = value.get("status")
        if isinstance(status, dict):
            value = {**status, **value, "status": status.get("status")}
        for key in ("currentTask", "current_task"):
            if isinstance(value.get(key), str):
                value = {**value, key: {"name": value[key]} if value[key] else None}
        if value.get("resources") is None:
            cpu, memory = either(value, "cpuUsage", "cpu_usage"), either(value, "memoryUsage", "memory_usage")
            value = {**value, "resources": {"cpu": cpu, "memory": memory}}
        return value

    def agent(self, project: str, measured: Instant | None, now: Instant) -> Agent:
        """The noun. `now` is the service's own clock, against which an uptime that is a start is read."""
        task, tally = self.current_task or Task(), self.metrics or Tally()
        return Agent(
            id=self.id,
            project=project,
            status=STATUSES.get(self.status.lower(), AgentStatus.IDLE),
            reported_status=self.status,
            name=self.name,
            type=self.type,
            measured_at=self.last_update or measured,
            last_activity=self.last_activity,
            task=task.name or None,
            task_progress=task.progress,
            task_started=task.start_time,
            task_due=task.estimated_completion,
            tasks_completed=tally.tasks_completed,
            tasks_failed=tally.tasks_failed,
            average_duration=tally.avg_duration,
            uptime=uptime_seconds(tally.uptime, now),
            can_start=self.can_start,
            can_stop=self.can_stop,
            can_pause=self.can_pause,
            error=self.error,
        )


class AgentList(Message):
    """B9 and `agent_status_full`: an array or a map keyed by id, wrapped or bare."""

    listed: tuple[ReportedAgent, ...] = Field(validation_alias="agents")
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"agents": value}
        if isinstance(value, dict) and isinstance(value.get("agents"), dict):
            return {**value, "agents": [keyed(key, item) for key, item in value["agents"].items()]}
        return value

    def agents(self, project: str, now: Instant) -> tuple[Agent, ...]:
        """Each id once, the last of two. An unknown status is idle and keeps the service's own word."""
        return tuple({item.id: item.agent(project, self.timestamp, now) for item in self.listed}.values())

    def samples(self, project: str) -> tuple[Sample, ...]:
        """`agent_cpu_ratio` and `agent_memory_bytes` of the agents that tell them."""
        return tuple(chain.from_iterable(self.resources(item, project) for item in self.listed))

    @staticmethod
    def resources(item: ReportedAgent, project: str) -> Iterator[Sample]:
        told = item.resources or Resources()
        values = (("agent_cpu_ratio", told.cpu), ("agent_memory_bytes", told.memory))
        return some(values, labels(project=project, agent=item.id))


class Spread(Message):
    avg: Number = None
    min: Number = None
    max: Number = None


class TestRuns(Message):
    __test__ = False  # the word is the contract's; it is no test

    total: Number = None
    passed: Number = None
    failed: Number = None
    duration: Spread | None = None
    trend: tuple[Point, ...] | None = None


class Load(Message):
    """CPU in percent or memory in megabytes, with its last hour."""

    current: Number = None
    trend: tuple[Point, ...] | None = None


class ProjectPerformance(Message):
    cpu: Load | None = None
    memory: Load | None = None


class ProjectAgents(Message):
    active: Number = None
    idle: Number = None
    total: Number = None
    task_queue: Number = None
    completion_rate: Rate = None


class ProjectMetrics(Message):
    test_runs: TestRuns | None = None
    performance: ProjectPerformance | None = None
    agents: ProjectAgents | None = None
    custom: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def shape(cls, value: Any) -> Any:
        return known(global_as_project(value), "testRuns", "test_runs", "performance", "agents", "custom")


class ProjectTelemetry(Message):
    """B12; also when it comes in the shape of B13."""

    metrics: ProjectMetrics
    timestamp: Time = None

    def samples(self, project: str) -> tuple[Sample, ...]:
        of = self.metrics
        parts = (
            self.tests(of.test_runs or TestRuns(), project),
            self.load(of.performance or ProjectPerformance(), project),
            self.work(of.agents or ProjectAgents(), project),
            self.own(of.custom or {}, project),
        )
        return tuple(chain.from_iterable(parts))

    @staticmethod
    def tests(runs: TestRuns, project: str) -> Iterator[Sample]:
        mine, duration = labels(project=project), runs.duration or Spread()
        counts = (
            ("project_tests_count", runs.total),
            ("project_tests_passed", runs.passed),
            ("project_tests_failed", runs.failed),
        )
        yield from some(counts, mine)
        for stat, value in (("avg", duration.avg), ("min", duration.min), ("max", duration.max)):
            yield from some([("project_test_duration_seconds", value)], labels(project=project, stat=stat))
        yield from history("project_tests_per_hour", runs.trend or (), mine)

    @staticmethod
    def load(performance: ProjectPerformance, project: str) -> Iterator[Sample]:
        mine = labels(project=project)
        for name, load, factor in (
            ("project_cpu_ratio", performance.cpu or Load(), 0.01),
            ("project_memory_bytes", performance.memory or Load(), MEGABYTE),
        ):
            if load.current is not None:
                yield Sample(name, load.current * factor, mine)
            yield from history(name, load.trend or (), mine, factor)

    @staticmethod
    def work(agents: ProjectAgents, project: str) -> Iterator[Sample]:
        values = (
            ("project_agents_active", agents.active),
            ("project_agents_idle", agents.idle),
            ("project_agents_count", agents.total),
            ("project_task_queue_length", agents.task_queue),
            ("project_tasks_completion_ratio", agents.completion_rate),
        )
        return some(values, labels(project=project))

    @staticmethod
    def own(custom: dict[str, Any], project: str) -> Iterator[Sample]:
        for metric, value in custom.items():
            yield from some([("project_custom", number(value))], labels(project=project, metric=metric))


class System(Message):
    """`memory` above 100 is megabytes, of which no share can be told."""

    cpu: Percent = None
    memory: Number = None
    disk: Percent = None
    uptime: Number = None


class AgentTotals(Message):
    active: Number = None
    total: Number = None
    tasks_completed: Number = None
    tasks_failed: Number = None
    success_rate: Rate = None


class Performance(Message):
    avg_response_time: Number = None
    throughput: Number = None
    queue_length: Number = None


class Moment(Message):
    """One point of B13's `timeline`."""

    timestamp: Time = None
    cpu: Percent = None
    memory: Number = None
    active_agents: Number = None
    tasks_per_minute: Number = None

    def samples(self) -> Iterator[Sample]:
        if self.timestamp is None:
            return
        values = (
            ("devkit_cpu_ratio", self.cpu),
            ("devkit_memory_ratio", share(self.memory)),
            ("devkit_agents_active", self.active_agents),
            ("devkit_tasks_per_minute", self.tasks_per_minute),
        )
        yield from some(values, labels(reported="true"), self.timestamp)


class GlobalMetrics(Message):
    system: System | None = None
    agents: AgentTotals | None = None
    performance: Performance | None = None
    timeline: tuple[Moment, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def shape(cls, value: Any) -> Any:
        return known(project_as_global(value), "system", "agents", "performance", "timeline")


class GlobalTelemetry(Message):
    """B13; also when it comes in the shape of B12."""

    metrics: GlobalMetrics
    is_real_data: Flag = None
    timestamp: Time = None

    def samples(self) -> tuple[Sample, ...]:
        """A Bridge that says its numbers are not real data is believed: they are marked simulated."""
        found = chain(some(self.current()), *(moment.samples() for moment in self.metrics.timeline or ()))
        if self.is_real_data is not False:
            return tuple(found)
        mark = ("simulated", "true")
        return tuple(sample._replace(labels=tuple(sorted((*sample.labels, mark)))) for sample in found)

    def current(self) -> tuple[tuple[str, float | None], ...]:
        system, agents = self.metrics.system or System(), self.metrics.agents or AgentTotals()
        performance = self.metrics.performance or Performance()
        return (
            ("devkit_cpu_ratio", system.cpu),
            ("devkit_memory_ratio", share(system.memory)),
            ("devkit_disk_ratio", system.disk),
            ("devkit_uptime_seconds", system.uptime),
            ("devkit_agents_active", agents.active),
            ("devkit_agents_count", agents.total),
            ("devkit_tasks_completed", agents.tasks_completed),
            ("devkit_tasks_failed", agents.tasks_failed),
            ("devkit_tasks_success_ratio", agents.success_rate),
            ("devkit_response_time_seconds", performance.avg_response_time),
            ("devkit_throughput", performance.throughput),
            ("devkit_queue_length", performance.queue_length),
        )


class Network(Message):
    rx: Number = None
    tx: Number = None


class HostMetrics(Message):
    """`data` of a `metrics` frame. `memory` above 100 is megabytes, else percent."""

    cpu: Percent = None
    memory: Number = None
    disk: Percent = None
    network: Network | None = None
    processes: Number = None
    uptime: Number = None

    def samples(self, project: str) -> tuple[Sample, ...]:
        network = self.network or Network()
        large = self.memory is not None and self.memory > 100
        values = (
            ("project_host_cpu_ratio", self.cpu),
            ("project_host_memory_bytes", self.memory * MEGABYTE if large and self.memory is not None else None),
            ("project_host_memory_ratio", share(self.memory)),
            ("project_host_disk_ratio", self.disk),
            ("project_host_network_receive", network.rx),
            ("project_host_network_transmit", network.tx),
            ("project_host_processes", self.processes),
            ("project_host_uptime_seconds", self.uptime),
        )
        return tuple(some(values, labels(project=project)))


class Frame(Message):
    """The canonical envelope of the WebSocket."""

    type: str
    timestamp: Time = None
    project_id: Text = ""
    data: dict[str, Any] | None = None

    def host_metrics(self) -> HostMetrics:
        return HostMetrics.model_validate(self.data or {})

    def agents(self) -> AgentList:
        """The agents a frame speaks of: one of `agent_status_update`, all of `agent_status_full`.

        Entries that carry no status tell nothing and are left out. Raises ValidationError for another shape.
        """
        body = self.data or {}
        named = either(body, "agentId", "agent_id")
        content: dict[str, Any] = {"agents": {named: body.get("status")}} if named is not None else body
        parsed = AgentList.model_validate({**content, "timestamp": self.timestamp})
        return parsed.model_copy(update={"listed": tuple(item for item in parsed.listed if item.status)})

    def in_project(self, project: str) -> Self:
        return self.model_copy(update={"project_id": project})


def either(value: dict[str, Any], camel: str, snake: str) -> Any:
    found = value.get(camel)
    return value.get(snake) if found is None else found


def keyed(key: str, item: Any) -> Any:
    """An entry of a map keyed by id as an agent with that id; the entry may be a bare status or null."""
    if isinstance(item, dict):
        return {**item, "id": key}
    return {"id": key, "status": item}


def share(memory: float | None) -> float | None:
    """Memory in percent as a ratio; None when it is megabytes."""
    return None if memory is None or memory > 100 else percent(memory)


def uptime_seconds(value: float | None, now: Instant) -> float | None:
    """An agent's uptime in milliseconds, or the moment of its start, as seconds."""
    if value is None:
        return None
    return max(0.0, now - value) / 1000 if value > EPOCH_FROM else value / 1000


def known(value: Any, *keys: str) -> Any:
    """`value`, which must be an object with at least one of `keys`; metrics without any are no metrics."""
    if isinstance(value, dict) and not any(value.get(key) is not None for key in keys):
        raise ValueError(f"has none of {', '.join(keys)}")
    return value


def project_as_global(value: Any) -> Any:
    """B12's metrics in B13's shape; anything else as it is."""
    if not isinstance(value, dict) or value.get("system") is not None:
        return value
    performance = mapping(value.get("performance"))
    cpu, memory = mapping(performance.get("cpu")), mapping(performance.get("memory"))
    if not (cpu or memory or either(value, "testRuns", "test_runs")):
        return value
    agents = mapping(value.get("agents"))
    current, most = number(memory.get("current")), number(memory.get("max"))
    return {
        "system": {"cpu": cpu.get("current"), "memory": 100 * current / most if current and most else None},
        "agents": {**agents, "success_rate": either(agents, "completionRate", "completion_rate")},
        "performance": {"queue_length": either(agents, "taskQueue", "task_queue")},
    }


def global_as_project(value: Any) -> Any:
    """B13's metrics in B12's shape; anything else as it is. Memory in percent has no place there."""
    if not isinstance(value, dict) or not isinstance(value.get("system"), dict):
        return value
    system, agents, performance = (mapping(value.get(key)) for key in ("system", "agents", "performance"))
    memory = number(system.get("memory"))
    return {
        "performance": {
            "cpu": {"current": system.get("cpu")},
            "memory": {"current": memory if memory is not None and memory > 100 else None},
        },
        "agents": {
            **agents,
            "completion_rate": either(agents, "successRate", "success_rate"),
            "task_queue": either(performance, "queueLength", "queue_length"),
        },
        "custom": value.get("custom"),
    }
