"""The MCP daemon."""

from observatory.clients.base import HEALTH_TIMEOUT, Session
from observatory.contract.bridge import ServiceHealth
from observatory.contract.mcp_daemon import Capabilities, DaemonMetrics, DaemonStatus


class McpDaemon:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    def status(self) -> DaemonStatus:
        return self.session.get(f"{self.url}/status", DaemonStatus, timeout=HEALTH_TIMEOUT)

    def capabilities(self) -> Capabilities:
        return self.session.get(f"{self.url}/capabilities", Capabilities)

    def health(self) -> ServiceHealth:
        return self.session.health(f"{self.url}/health")

    def metrics(self) -> DaemonMetrics:
        return self.session.get(f"{self.url}/metrics", DaemonMetrics)
