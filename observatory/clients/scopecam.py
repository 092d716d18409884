"""The Bridge's telemetry store and its ScopeCam extension, where they are installed (§2.6)."""

from observatory.clients.base import Session, asking, segment
from observatory.clients.bridge import idempotent
from observatory.clients.prometheus import Exporter
from observatory.contract.health import ServiceHealth
from observatory.contract.prometheus import Exposition
from observatory.contract.scopecam import Resource, ScopecamMetrics, ToolOrder, ToolResult


class ScopeCam:
    """Methods raise TargetError, and TargetRefused when it is not installed; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")
        self.exporter = Exporter(session, f"{self.url}/telemetry/export?format=prometheus")

    def health(self) -> ServiceHealth:
        return self.session.health(f"{self.url}/telemetry/health")

    def export(self) -> Exposition:
        return self.exporter.metrics()

    def metrics(self, project: str) -> ScopecamMetrics:
        return self.session.get(asking(f"{self.url}/api/scopecam/metrics", project=project), ScopecamMetrics)

    def resource(self, name: str) -> Resource:
        return self.session.get(f"{self.url}/api/scopecam/resources/{segment(name)}", Resource)

    def run_tool(self, order: ToolOrder, *, key: str) -> ToolResult:
        url = f"{self.url}/api/scopecam/tools/execute"
        return self.session.send(url, order.body(), ToolResult, headers=idempotent(key))
