"""Terminals: the dashboard's dialect (B17 to B19) and the console's own (B20, B21)."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from observatory.contract.normalise import (
    PRESENT,
    Flag,
    Megabytes,
    Message,
    Number,
    Order,
    Percent,
    Text,
    Time,
    Words,
    wrapped,
)

NEAREST = ("local", "container", "remote")  # which type is taken when the preferred one is not there


class Whereabouts(Message):
    """A terminal's `metadata`. `uptime` in seconds."""

    cwd: Text = ""
    shell: Text = ""
    uptime: Number = None


class Terminal(Message):
    """`type` is `local`, `remote` or `container`, `status` is `active`, `inactive` or `unknown`."""

    id: Text = ""
    project_id: Text = ""
    url: Text = ""
    type: Text = "local"
    status: Text = "unknown"
    metadata: Whereabouts | None = None


class Terminals(Message):
    """B17, wrapped or as a bare array (Q12). None at all is an answer too (Q20)."""

    endpoints: Annotated[tuple[Terminal, ...], PRESENT]

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "endpoints")


def or_default(found: Sequence[Terminal], console_url: str, project: str = "") -> tuple[Terminal, ...]:
    """What was found, or the one terminal that is assumed where nothing was: the console (Q20)."""
    assumed = Terminal(id="local-default", project_id=project, url=console_url, type="local", status="unknown")
    return tuple(found) or (assumed,)


def best(found: Sequence[Terminal], preferred: str = "local") -> Terminal:
    """The active one of the preferred type, else the nearest active one, else the first. `found` is not empty."""
    active = [terminal for terminal in found if terminal.status == "active"]
    wanted = (terminal for type in (preferred, *NEAREST) for terminal in active if terminal.type == type)
    return next(wanted, found[0])


class TerminalMetrics(Message):
    """B19. `uptime` in seconds."""

    endpoint: Text = ""
    sessions_active: Number = None
    total_commands: Number = None
    cpu_usage: Percent = None
    memory_usage: Megabytes = None
    last_activity: Time = None
    uptime: Number = None

    @model_validator(mode="after")
    def not_empty(self) -> "TerminalMetrics":
        if not self.model_fields_set:
            raise ValueError("has none of a terminal's metrics")
        return self


class TerminalReport(Order):
    """What B18 takes: CPU in percent, memory in megabytes, times as ISO text."""

    project_id: str
    endpoint: str
    sessions_active: int = Field(ge=0)
    total_commands: int = Field(ge=0)
    cpu_usage: float | None = None
    memory_usage: float | None = None
    last_activity: str | None = None
    timestamp: str


class Received(Message):
    """B18's answer."""

    success: Flag = None


class ConsoleEndpoint(Message):
    """One entry of B20. `health` is the service's own word; region, capabilities and health may be missing."""

    id: Text
    url: Text
    protocol: Text = ""
    region: Text = ""
    health: Text = ""
    capabilities: Words = ()


class ConsoleEndpoints(Message):
    """B20, as a bare array or wrapped (Q12)."""

    endpoints: Annotated[tuple[ConsoleEndpoint, ...], PRESENT]

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "endpoints")


class Latency(Order):
    """Milliseconds; all 0 without samples."""

    min: float = 0
    max: float = 0
    avg: float = 0
    p95: float = 0
    p99: float = 0


class SessionMetrics(Order):
    """One session of B21: times as epoch milliseconds."""

    session_id: str
    start_time: int
    end_time: int | None = None
    command_count: int = Field(default=0, ge=0)
    bytes_transferred: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    latency: Latency = Latency()


class SessionBatch(Order):
    """What B21 takes."""

    project_id: str
    metrics: tuple[SessionMetrics, ...]


class Accepted(Message):
    """B21's answer."""

    accepted: Number
