"""The frames of the Bridge's WebSocket. There are seven envelopes, and one reading of them all.

Which envelope a frame came in does not matter. It is read by its type and by the keys that are there: what it tells
stands under `data`, under `payload` or beside the type, and all of it may be wrapped once more as a CloudEvent.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import unquote

from pydantic_core import from_json

from observatory.contract.bridge_agents import AgentList
from observatory.contract.bridge_telemetry import ProjectTelemetry
from observatory.contract.normalise import (
    MEGABYTE,
    Message,
    Number,
    Percent,
    either,
    instant,
    labels,
    large,
    mapping,
    number,
    share,
    some,
    text,
)
from observatory.model import Instant, Labels, Level, Sample

LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}")
SOURCE = re.compile(r"/projects/([^/?#]+)")  # of a CloudEvent
LABELS, LABEL_LIMIT = 8, 100  # of one metric; characters of a value
OURS = {"project", "metric", "simulated", "reported"}  # labels that mean something to us
PLACING = {"projectId", "project_id", "project"}  # labels that say where a metric belongs
ENVELOPE = {"type", "timestamp", "projectId", "project_id", "data", "payload", "specversion", "id", "source", "time"}


class Topic(StrEnum):
    """What a frame is about."""

    METRICS = "metrics"
    AGENTS = "agents"
    LOG = "log"
    ERROR = "error"
    EVENT = "event"
    CONTEXT = "context"  # of MCP servers, as B3 has it
    OUTPUT = "output"  # of consoles and tools, and traces: not for us
    CONTROL = "control"  # of the connection itself
    UNKNOWN = "unknown"


TOPICS = {
    "metrics": Topic.METRICS, "telemetry": Topic.METRICS, "metric": Topic.METRICS, "agent_activity": Topic.METRICS,
    "agent_status_update": Topic.AGENTS, "agent_status_full": Topic.AGENTS, "agent_status": Topic.AGENTS,
    "agent_update": Topic.AGENTS, "agent_status_change": Topic.AGENTS,
    "log": Topic.LOG, "error": Topic.ERROR, "event": Topic.EVENT, "context": Topic.CONTEXT,
    "command_output": Topic.OUTPUT, "console_output": Topic.OUTPUT, "tool_result": Topic.OUTPUT, "trace": Topic.OUTPUT,
    "ping": Topic.CONTROL, "pong": Topic.CONTROL, "subscribed": Topic.CONTROL, "unsubscribed": Topic.CONTROL,
}  # fmt: skip

LEVELS = {
    "debug": Level.INFO, "info": Level.INFO, "warn": Level.WARNING, "warning": Level.WARNING, "error": Level.ERROR,
    "fatal": Level.ERROR, "critical": Level.ERROR,
}  # fmt: skip

# A single metric that is one of the host's, by the names in use: of the field, or of the metric as projects map it.
OF_HOST = {
    name: field
    for field in ("cpu", "memory", "disk", "processes", "uptime")
    for name in (field, f"system.{field}", f"system.{field}.usage")
} | {name: name for name in ("cpu_usage", "cpuUsage", "memory_usage", "memoryUsage")}


class Network(Message):
    rx: Number = None
    tx: Number = None


class HostMetrics(Message):
    """`data` of a `metrics` frame. `memory` above 100 is megabytes, else percent; `memory_usage` is megabytes."""

    cpu: Percent = None
    cpu_usage: Percent = None
    memory: Number = None
    memory_usage: Number = None
    disk: Percent = None
    network: Network | None = None
    processes: Number = None
    uptime: Number = None

    def samples(self, project: str) -> tuple[Sample, ...]:
        network = self.network or Network()
        values = (
            ("project_host_cpu_ratio", self.cpu if self.cpu is not None else self.cpu_usage),
            ("project_host_memory_bytes", self.memory_bytes),
            ("project_host_memory_ratio", share(self.memory)),
            ("project_host_disk_ratio", self.disk),
            ("project_host_network_receive", network.rx),
            ("project_host_network_transmit", network.tx),
            ("project_host_processes", self.processes),
            ("project_host_uptime_seconds", self.uptime),
        )
        return tuple(some(values, labels(project=project)))

    @property
    def memory_bytes(self) -> float | None:
        if self.memory is not None:
            return large(self.memory)
        return None if self.memory_usage is None else self.memory_usage * MEGABYTE


class Activity(Message):
    """How much a project's agents have to do."""

    active_agents: Number = None
    total_tasks: Number = None
    completed_tasks: Number = None

    def samples(self, project: str) -> tuple[Sample, ...]:
        total, done = self.total_tasks, self.completed_tasks
        values = (
            ("project_agents_active", self.active_agents),
            ("project_tasks_count", total),
            ("project_tasks_completed", done),
            ("project_tasks_completion_ratio", done / total if total and done is not None and done <= total else None),
        )
        return tuple(some(values, labels(project=project)))


class Said(NamedTuple):
    """A message for people: of a log, an error or an event. `text` may be empty, and then there is nothing to tell."""

    level: Level
    text: str
    agent: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame out of its envelope. `project` is "" when it names none, `timestamp` by the Bridge's clock."""

    type: str
    project: str
    timestamp: Instant | None
    body: Any

    @property
    def topic(self) -> Topic:
        return TOPICS.get(self.type, Topic.UNKNOWN)

    @property
    def fields(self) -> dict[str, Any]:
        """The body, which must be an object. Raises ValueError."""
        if not isinstance(self.body, dict):
            raise ValueError("the body is no object")
        return self.body

    def samples(self, project: str) -> tuple[Sample, ...]:
        """What a frame of metrics tells, or one of agents that only counts them. Raises ValueError."""
        body = self.fields
        body = body["metrics"] if isinstance(body.get("metrics"), dict) else body
        activity = activity_of(body, self.type)
        if activity is not None:
            return Activity.model_validate(activity).samples(project)
        name = body.get("metric", body.get("name"))
        if isinstance(name, str) and "value" in body:
            return tuple(single(name, body["value"], mapping(body.get("labels")), project))
        if not PROJECT_KEYS.isdisjoint(body):
            return ProjectTelemetry.model_validate({"metrics": body}).samples(project)
        return HostMetrics.model_validate(body).samples(project)

    def agents(self) -> AgentList:
        """The agents it speaks of: one, or several as array or map.

        Entries that carry no status tell nothing and are left out. Raises ValueError for another shape.
        """
        parsed = AgentList.model_validate({"agents": listed(self.body), "timestamp": self.timestamp})
        if all(item.status for item in parsed.listed):
            return parsed
        return parsed.model_copy(update={"listed": tuple(item for item in parsed.listed if item.status)})

    def counts_agents(self) -> bool:
        """Whether a frame of agents tells how many there are, and not which."""
        return isinstance(self.body, dict) and activity_of(self.body, self.type) is not None

    def said(self) -> Said:
        """The message of a log, an error or an event. Raises ValueError."""
        body = self.fields
        tags = mapping(body.get("labels"))
        word = body.get("level") or tags.get("level") or tags.get("severity")
        level = LEVELS.get(word.lower(), Level.INFO) if isinstance(word, str) else Level.INFO
        agent = text(either(body, "agentId", "agent_id") or either(tags, "agentId", "agent_id") or tags.get("agent"))
        return Said(Level.ERROR if self.topic is Topic.ERROR else level, message_of(body), agent)


PROJECT_KEYS = {"testRuns", "test_runs", "performance", "system", "custom"}


def read(message: str | bytes) -> Frame:
    """A frame as it came. Raises ValueError for broken JSON and for what has no type."""
    content = from_json(message)
    if not isinstance(content, dict):
        raise ValueError("a frame is an object")
    if "specversion" in content:
        content = opened(content)
    kind = content.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError("a frame has a type")
    body = content.get("data")
    if body is None:
        body = content.get("payload")
    if body is None:
        body = {key: value for key, value in content.items() if key not in ENVELOPE}
    inner = mapping(body)
    told = content.get("timestamp")
    at = instant(told if told is not None else inner.get("timestamp"))
    return Frame(kind.lower().replace("-", "_"), project_of(content, inner), at, body)


def opened(event: dict[str, Any]) -> dict[str, Any]:
    """What a CloudEvent wraps: a frame of its own, or data whose type is the last word of the event's."""
    data = event.get("data")
    source = event.get("source")
    place = SOURCE.search(source) if isinstance(source, str) else None
    named = event.get("projectid") or event.get("projectId") or (unquote(place[1]) if place else None)
    outer = {"timestamp": event.get("time"), "projectId": named}
    if isinstance(data, dict) and isinstance(data.get("type"), str) and ("data" in data or "payload" in data):
        return {**data, **{key: value for key, value in outer.items() if value is not None and data.get(key) is None}}
    kind = event.get("type")
    return {**outer, "data": data, "type": re.split(r"[./:]", kind)[-1] if isinstance(kind, str) else None}


def project_of(content: Mapping[str, Any], body: dict[str, Any]) -> str:
    tags = mapping(body.get("labels"))
    named = either(dict(content), "projectId", "project_id") or either(body, "projectId", "project_id")
    return text(named or either(tags, "projectId", "project_id") or tags.get("project"))


def listed(body: Any) -> Any:
    """The agents of a body: under `agents`, the body itself where that is an array, or the one that it names."""
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise ValueError("names no agent")
    if "agents" in body:
        return body["agents"]
    agent = body.get("agent")
    if isinstance(agent, dict):
        return [agent]
    named = either(body, "agentId", "agent_id")
    if named is None:
        named = body.get("id")
    if named is None:
        raise ValueError("names no agent")
    return [{**body, "id": named}]


def activity_of(body: dict[str, Any], kind: str) -> dict[str, Any] | None:
    found = either(body, "agentActivity", "agent_activity")
    if isinstance(found, dict):
        return found
    return body if kind == "agent_activity" else None


def single(name: str, value: Any, tags: Mapping[str, Any], project: str) -> Iterator[Sample]:
    """One metric with a name of the service's own. The host's have a place, others become `project_custom`."""
    extra = extra_labels(tags)
    if name in OF_HOST and not extra:
        yield from HostMetrics.model_validate({OF_HOST[name]: value}).samples(project)
        return
    given = tuple(sorted((*extra, *labels(project=project, metric=name[:LABEL_LIMIT]))))
    yield from some([("project_custom", number(value))], given)


def extra_labels(tags: Mapping[str, Any]) -> Labels:
    """Labels that a service gave; one that means something to us is kept under `exported_`."""
    found = {
        f"exported_{name}" if name in OURS else name: text(value)[:LABEL_LIMIT]
        for name, value in tags.items()
        if name not in PLACING and LABEL_NAME.fullmatch(name)
    }
    return tuple(sorted(found.items())[:LABELS])


def message_of(body: dict[str, Any]) -> str:
    message, code, name = (text(body.get(key)) for key in ("message", "code", "name"))
    message = message or text(body.get("error"))
    if message or code or not name:
        return f"{message} ({code})" if message and code else message or code
    value = body.get("value")
    return f"{name}: {text(value)}" if text(value) else name
