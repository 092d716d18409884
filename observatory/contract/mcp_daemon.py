"""What the MCP daemon sends: M1 to M5. M3 is shaped like the Bridge's health, M6 is the Bridge's own."""

from typing import Any

from pydantic import Field, model_validator

from observatory.contract.normalise import Id, Megabytes, Message, Number, Percent, Text, Time, some, wrapped
from observatory.model import Sample


class DaemonStatus(Message):
    """M1. Only `daemon_running` is required."""

    daemon_running: bool = Field(strict=True)
    version: Text = ""
    uptime: Number = None
    timestamp: Time = None

    def samples(self) -> tuple[Sample, ...]:
        running = 1.0 if self.daemon_running else 0.0
        return tuple(some([("mcp_daemon_running", running), ("mcp_daemon_uptime_seconds", self.uptime)]))


class Tool(Message):
    tool: Id
    description: Text = ""


class Capabilities(Message):
    """M2, wrapped or as a bare array (Q12)."""

    capabilities: tuple[Tool, ...]

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "capabilities")

    def samples(self) -> tuple[Sample, ...]:
        return (Sample("mcp_daemon_tools", float(len(self.capabilities))),)


class DaemonMetrics(Message):
    """M4. At least one of its numbers has to be there."""

    cpu_usage: Percent = None
    memory_usage: Megabytes = None
    requests_total: Number = None
    active_connections: Number = None
    timestamp: Time = None

    @model_validator(mode="after")
    def not_empty(self) -> "DaemonMetrics":
        if not self.model_fields_set - {"timestamp"}:
            raise ValueError("has none of the daemon's metrics")
        return self

    def samples(self) -> tuple[Sample, ...]:
        values = (
            ("mcp_daemon_cpu_ratio", self.cpu_usage),
            ("mcp_daemon_memory_bytes", self.memory_usage),
            ("mcp_daemon_requests_total", self.requests_total),
            ("mcp_daemon_connections", self.active_connections),
        )
        return tuple(some(values))


class Identity(Message):
    name: Text = ""
    version: Text = ""


class McpIdentity(Message):
    """M5: who answers on a port where an MCP server may be. `config` may be null (Q19)."""

    config: Identity | None
