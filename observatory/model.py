"""The nouns. Standard library only, so that every layer may speak of them.

An instant is an integer of milliseconds since 1970 UTC, everywhere below the browser: it cannot be naive,
it is what the database holds, and the viewer's zone is known to the viewer's browser alone.
A duration is a float of seconds unless its name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

Instant: TypeAlias = int  # milliseconds since 1970-01-01T00:00:00Z
Labels: TypeAlias = tuple[tuple[str, str], ...]  # sorted by key

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def iso(at: Instant) -> str:
    """ISO 8601 UTC with milliseconds and Z."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    PROJECT = "project"  # a project names its MCP server, and a Bridge passes it on
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


class StreamState(StrEnum):
    """How a Bridge's WebSocket is. One that is connected and tells nothing is not live: its projects are polled."""

    HEARD = "heard"
    SILENT = "silent"  # connected, nothing heard
    DOWN = "down"


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
    also: tuple[tuple[Origin, str], ...] = ()  # who else names it, and what they call it


class Sample(NamedTuple):
    """One value of one series. `at` is None when the value belongs to the moment its scrape started.

    Times that a service reports are its own clock's; the scrape's `skew` brings them to ours.
    """

    name: str
    value: float
    labels: Labels = ()
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class LastCommand:
    """The last command that an agent was given, as its service tells: `source` is who gave it, `result` what came."""

    type: str
    at: Instant | None = None
    source: str = ""
    result: str = ""


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
    last_command: LastCommand | None = None
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
    ws_url: str = ""  # where its own stream is, when that is not the Bridge's
    bridge_url: str = ""
    mcp_url: str = ""
    has_mcp: bool | None = None
    dashboards: Mapping[str, object] = field(default_factory=dict)
    telemetry_map: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server that a Bridge knows of. `url` is a project's word."""

    id: str
    name: str = ""
    project_path: str = ""
    url: str = ""
    status: str = ""  # active, inactive, error
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class McpContext:
    """What a Bridge tells of MCP servers, or why it did not."""

    available: bool | None = None
    servers: tuple[McpServer, ...] = ()
    cause: Cause | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What is known of a Bridge's WebSocket at one moment.

    `since` is when the state began: of a silent one since when nothing was heard. `partial` says that some projects
    have a connection of their own which is not as good as the best. `counts` are frames by type, `unused` those that
    were left out by reason.
    """

    state: StreamState
    since: Instant
    heard: Instant | None = None  # the last frame that told something
    cause: Cause | None = None  # why it is down, or a part of it
    detail: str = ""
    partial: bool = False
    opened: int = 0  # how often a connection was open
    counts: Mapping[str, int] = field(default_factory=dict)
    unused: Mapping[str, int] = field(default_factory=dict)


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
    events: tuple["Event", ...] = ()  # what it says has happened
    context: McpContext | None = None  # of MCP servers; it has an outcome of its own, and is pushed

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
    """Who asks: a signed-in person, or a program with that person's API token (later also a screen).

    `projects` are the ids the actor may see; an empty tuple means all for admins and none for everybody else. An API
    token says by `everything` what it sees: an administrator's may be of a lesser role, or cut to projects.
    """

    user: int
    name: str
    role: Role
    projects: tuple[str, ...]
    session: str  # which session, through all renewals of its token; "" for an API token
    token: int | None = None  # which API token, None for a session
    everything: bool | None = None  # None: as the role says
    confirmed: Instant | None = field(default=None, compare=False)  # when the password was last given in this session

    def may(self, role: Role) -> bool:
        order = list(Role)
        return order.index(self.role) >= order.index(role)

    def sees(self, project: str) -> bool:
        """Whether things of `project` are visible; "" is what belongs to no project."""
        return not project or self.sees_all or project.lower() in self.projects

    @property
    def sees_all(self) -> bool:
        """Whether nothing is cut away."""
        return self.role is Role.ADMIN if self.everything is None else self.everything


@dataclass(frozen=True, slots=True)
class Subject:
    """Who did something, as the audit log keeps it apart from what was done. `user` is None for a stranger."""

    user: int | None = None
    name: str = ""
    address: str = "unknown"
    user_agent: str = "unknown"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit log: who did or tried what, and what came of it. `details` hold no secrets.

    A `repeated` one is a denial: those of the same event and address within a minute become one line with a count.
    """

    at: Instant
    event: str  # the contract's names (`auth.login.failed`), ours for changes (`user.created`)
    level: Level
    subject: Subject
    action: str = ""
    resource: str = ""
    project: str = ""
    reason: str = ""
    method: str = ""
    path: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    repeated: bool = False
    times: int = 1
