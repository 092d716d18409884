"""The nouns. Standard library only, so that every layer may speak of them.

An instant is an integer of milliseconds since 1970 UTC, everywhere below the browser: it cannot be naive,
it is what the database holds, and the viewer's zone is known to the viewer's browser alone.
A duration is a float of seconds unless its name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

Instant: TypeAlias = int  # milliseconds since 1970-01-01T00:00:00Z
Labels: TypeAlias = tuple[tuple[str, str], ...]  # sorted by key

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


TITLES = {
    "bridge-server": "Bridge server",
    "mcp-daemon": "MCP daemon",
    "devkit-api": "DevKit API",
    "nexus-console": "Nexus Console",
    "observatory": "Observatory",
}


def title(target: str) -> str:
    """What people call a target: the DevKit's services have names of their own, others the one they were given."""
    return TITLES.get(target, target)


class Kind(StrEnum):
    """What a target speaks."""

    BRIDGE = "bridge"
    MCP_DAEMON = "mcp-daemon"
    DEVKIT_API = "devkit-api"
    NEXUS_CONSOLE = "nexus-console"
    PROMETHEUS = "prometheus"
    HTTP = "http"
    OBSERVATORY = "observatory"


class Origin(StrEnum):
    """Who named a target. Where two name the same, the earlier one here wins."""

    ENVIRONMENT = "environment"
    FILE = "file"
    DISCOVERED = "discovered"
    ADMIN = "admin"
    SIMULATOR = "simulator"
    BUILTIN = "builtin"


class Cause(StrEnum):
    """Why there is no number where one was due."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HTTP_ERROR = "http_error"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    MALFORMED = "malformed"
    OBSERVER_OFF = "observer_off"
    MAINTENANCE = "maintenance"
    PAUSED = "paused"


class State(StrEnum):
    """How current a value is, or what is known of a target. Values are only ever one of the first four."""

    LIVE = "live"
    LATE = "late"
    STALE = "stale"
    GONE = "gone"
    DOWN = "down"
    PAUSED = "paused"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """What a service says of itself."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class AgentStatus(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Role(StrEnum):
    """What a person may do; each includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Expect:
    """What a target of kind `http` must answer to count as up. `json` maps `$.path.to.key` to the wanted value."""

    status: int = 200
    json: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Something we read on an interval."""

    name: str
    kind: Kind
    url: str
    origin: Origin
    interval: float = 10.0
    timeout: float | None = None  # None: the contract's own, never longer than the interval
    ws_url: str | None = None  # Bridge only: base of its WebSocket
    labels: Labels = ()
    project: str = ""  # "" : belongs to no project, visible to every login
    paused: bool = False
    simulated: bool = False  # known beforehand; an answer with `X-Simulated` says the same
    token: str = ""  # sent as bearer
    headers: tuple[tuple[str, str], ...] = ()
    expect: Expect | None = None


class Sample(NamedTuple):
    """One value of one series. `at` is None when the value belongs to the moment its scrape started.

    Times that a service reports are its own clock's; the scrape's `skew` brings them to ours.
    """

    name: str
    value: float
    labels: Labels = ()
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent as a Bridge reported it. What was not reported is None and shown as a dash."""

    id: str
    project: str
    status: AgentStatus
    reported_status: str  # the service's own word
    name: str = ""
    type: str = ""
    measured_at: Instant | None = None
    last_activity: Instant | None = None
    task: str | None = None
    task_progress: float | None = None  # 0 to 100
    task_started: Instant | None = None
    task_due: Instant | None = None
    tasks_completed: float | None = None
    tasks_failed: float | None = None
    average_duration: float | None = None  # seconds
    uptime: float | None = None  # seconds
    can_start: bool | None = None
    can_stop: bool | None = None
    can_pause: bool | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as a Bridge listed it."""

    id: str
    name: str
    path: str = ""
    description: str = ""
    icon: str = ""
    color: str = ""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of one target, or of one project behind a Bridge. A failure is a result: `cause` says which.

    `agents` and `projects` are None when the reading does not speak of them, a tuple (maybe empty) when it does;
    `agents_complete` tells a full list from an update that names only the agents that changed.
    """

    target: str
    started: Instant
    received: Instant
    interval: float
    project: str = ""
    samples: tuple[Sample, ...] = ()
    cause: Cause | None = None
    detail: str = ""
    permanent: bool = False
    retry_after: float | None = None
    health: Health | None = None
    version: str = ""
    simulated: bool = False
    skew: float | None = None  # their clock minus ours in seconds, from the Date header; None when not told
    measured: Instant | None = None  # by our clock, when the service timestamps its answer; else None: `started`
    holds: float | None = None  # seconds until the next reading, when that is not the interval: a backed-off target
    pushed: bool = False  # came over the stream: a partial reading that says nothing of the target's outcome
    agents: tuple[Agent, ...] | None = None
    agents_complete: bool = False
    projects: tuple[Project, ...] | None = None

    @property
    def duration(self) -> float:
        """Seconds from asking to the last byte."""
        return (self.received - self.started) / 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Events are only ever added."""

    at: Instant
    kind: str  # e.g. "target.down", "agent.failed", "collector.started"
    level: Level
    text: str
    target: str = ""
    project: str = ""
    agent: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, `since` included, `until` not."""

    since: Instant
    until: Instant

    @property
    def seconds(self) -> float:
        return (self.until - self.since) / 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a signed-in person (later also a token or a screen).

    `projects` are the ids the actor may see; an empty tuple means all for admins and none for everybody else.
    """

    user: int
    name: str
    role: Role
    projects: tuple[str, ...]
    session: str  # the token's jti

    def may(self, role: Role) -> bool:
        order = list(Role)
        return order.index(self.role) >= order.index(role)

    def sees(self, project: str) -> bool:
        """Whether things of `project` are visible; "" is what belongs to no project."""
        return not project or self.role is Role.ADMIN or project.lower() in self.projects
