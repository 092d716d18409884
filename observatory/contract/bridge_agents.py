"""Agents as the Bridge and the DevKit API list them: B9, H2, and what the stream says of them."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from pydantic import Field, model_validator

from observatory import model
from observatory.contract.normalise import (
    Flag,
    Id,
    Megabytes,
    Message,
    Milliseconds,
    Number,
    Percent,
    Progress,
    Text,
    Time,
    either,
    labels,
    some,
    wrapped,
)
from observatory.model import Agent, AgentStatus, Instant, Sample

ID_LIMIT = 100
EPOCH_FROM = 1e11  # an "uptime" of more milliseconds than this is the moment of the start (Q6)

STATUSES = {
    **{status.value: status for status in AgentStatus},
    "active": AgentStatus.RUNNING, "busy": AgentStatus.RUNNING, "online": AgentStatus.RUNNING,
    "starting": AgentStatus.RUNNING, "stopped": AgentStatus.IDLE, "offline": AgentStatus.IDLE,
    "error": AgentStatus.FAILED,
}  # fmt: skip


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


class LastCommand(Message):
    """`source` is `cli`, `dashboard` or `api`; `result` is `success` or `failed`."""

    type: Text = ""
    timestamp: Time = None
    source: Text = ""
    result: Text = ""

    def noun(self) -> model.LastCommand | None:
        return model.LastCommand(self.type, self.timestamp, self.source, self.result) if self.type else None


class ReportedAgent(Message):
    tells_errors = True  # that of the agent

    id: Id
    project_id: Text = ""
    name: Text = ""
    type: Text = ""
    status: Text = ""
    can_start: Flag = None
    can_stop: Flag = None
    can_pause: Flag = None
    start_time: Time = None
    stop_time: Time = None
    last_activity: Time = None
    last_update: Time = None
    last_command: LastCommand | None = None
    current_task: Task | None = None
    metrics: Tally | None = None
    resources: Resources | None = None
    error: Text = ""

    @model_validator(mode="before")
    @classmethod
    def flatten(cls, value: Any) -> Any:
        """Bring a status object's fields up (Q8), and a task that is plain text into its object (Q1)."""
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
        """The noun. `now` is the service's own clock, against which an uptime that is a start is read (Q6).

        Without a `project` it is in the one that it names itself, as in a list over all projects.
        """
        task, tally = self.current_task or Task(), self.metrics or Tally()
        return Agent(
            id=self.id,
            project=project or self.project_id,
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
            last_command=None if self.last_command is None else self.last_command.noun(),
            error=self.error,
        )


class OneAgent(Message):
    """B9 with `agentId`: the agent itself, `{agent}`, or a list in which there is one or none (Q20)."""

    tells_errors = True  # the agent's, which stands beside it when it is not wrapped

    agent: ReportedAgent | None
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("agents"), list):
            value = value["agents"]
        if isinstance(value, list):
            return {"agent": value[0] if value else None}
        return {"agent": value} if isinstance(value, dict) and "agent" not in value else value


class AgentList(Message):
    """B9, H2 and `agent_status_full`: an array or a map keyed by id (Q7), wrapped or bare (Q12)."""

    listed: tuple[ReportedAgent, ...] = Field(validation_alias="agents")
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        if is_bare_map(value):
            value = {"agents": value}
        if isinstance(value, dict) and isinstance(value.get("agents"), dict):
            return {**value, "agents": [keyed(key, item) for key, item in value["agents"].items()]}
        return wrapped(value, "agents")

    def agents(self, project: str, now: Instant) -> tuple[Agent, ...]:
        """Each id once, the last of two. An unknown status is idle and keeps the service's own word."""
        return tuple({item.id: item.agent(project, self.timestamp, now) for item in self.named}.values())

    @property
    def named(self) -> Iterator[ReportedAgent]:
        """Those whose ids we take (Q26)."""
        return (item for item in self.listed if len(item.id) <= ID_LIMIT)

    def samples(self, project: str) -> tuple[Sample, ...]:
        """`agent_cpu_ratio` and `agent_memory_bytes` of the agents that tell them."""
        return tuple(chain.from_iterable(self.resources(item, project) for item in self.named))

    @staticmethod
    def resources(item: ReportedAgent, project: str) -> Iterator[Sample]:
        told = item.resources or Resources()
        values = (("agent_cpu_ratio", told.cpu), ("agent_memory_bytes", told.memory))
        return some(values, labels(project=project or item.project_id, agent=item.id))


def is_bare_map(value: Any) -> bool:
    """Whether this is a map keyed by id that stands in nothing: there are entries, and each tells a status."""
    if not isinstance(value, dict) or not value or "agents" in value:
        return False
    return all(isinstance(item, dict) and "status" in item for item in value.values())


def keyed(key: str, item: Any) -> Any:
    """An entry of a map keyed by id as an agent with that id; the entry may be a bare status or null."""
    if isinstance(item, dict):
        return {**item, "id": key}
    return {"id": key, "status": item}


def uptime_seconds(value: float | None, now: Instant) -> float | None:
    """An agent's uptime in milliseconds, or the moment of its start, as seconds."""
    if value is None:
        return None
    return max(0.0, now - value) / 1000 if value > EPOCH_FROM else value / 1000
