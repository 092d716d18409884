"""The MCP daemon: M1 to M6, and M5 also of a project's own MCP server."""

from collections.abc import Mapping
from typing import Any

from observatory.clients.base import HEALTH_TIMEOUT, Session
from observatory.clients.bridge import Bridge
from observatory.contract.bridge import (
    AgentList,
    AgentOrder,
    CommandResult,
    ConsoleOrder,
    ConsoleResult,
    ProjectTelemetry,
    ServiceHealth,
)
from observatory.contract.mcp_daemon import Capabilities, DaemonMetrics, DaemonStatus, McpIdentity
from observatory.contract.names import DAEMON


class McpDaemon:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")
        self.facade = Bridge(session, url)  # M6: it serves a project of its own, in the Bridge's words

    def status(self) -> DaemonStatus:
        return self.session.get(f"{self.url}/status", DaemonStatus, timeout=HEALTH_TIMEOUT)

    def capabilities(self) -> Capabilities:
        return self.session.get(f"{self.url}/capabilities", Capabilities)

    def health(self) -> ServiceHealth:
        return self.session.health(f"{self.url}/health")

    def metrics(self) -> DaemonMetrics:
        return self.session.get(f"{self.url}/metrics", DaemonMetrics)

    def identity(self) -> McpIdentity:
        return self.session.get(f"{self.url}/mcp/health", McpIdentity, timeout=HEALTH_TIMEOUT)

    def agents(self) -> AgentList:
        return self.facade.agents(DAEMON)

    def telemetry(self) -> ProjectTelemetry:
        return self.facade.project_telemetry(DAEMON)

    def command(self, command: str, *, key: str, parameters: Mapping[str, Any] | None = None) -> CommandResult:
        """A command for the daemon's own agent."""
        return self.facade.command(DAEMON, AgentOrder(command=command, parameters=dict(parameters or {})), key=key)

    def execute(self, order: ConsoleOrder, *, key: str) -> ConsoleResult:
        return self.facade.execute(DAEMON, order, key=key)
