"""The Happy DevKit API: H1 to H6."""

from observatory.clients.base import Session, asking, segment
from observatory.clients.bridge import SCAN_TIMEOUT, allowed, idempotent
from observatory.clients.prometheus import Exporter
from observatory.contract.devkit import (
    Action,
    AgentList,
    CommandResult,
    Found,
    MetricHistory,
    ProjectList,
    ServiceHealth,
)
from observatory.contract.prometheus import Exposition
from observatory.errors import TargetError
from observatory.model import Cause


class DevKit:
    """Methods raise TargetError, and TargetRefused when the API says no; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")
        self.exporter = Exporter(session, f"{self.url}/metrics")

    def health(self) -> ServiceHealth:
        """Health where the contract has it, else at the older path."""
        try:
            return self.session.health(f"{self.url}/api/health")
        except TargetError as error:
            if error.cause is not Cause.HTTP_ERROR:
                raise
        return self.session.health(f"{self.url}/health")

    def metrics(self) -> Exposition:
        return self.exporter.metrics()

    def agents(self) -> AgentList:
        """Of all projects: each agent names its own."""
        return self.session.get(f"{self.url}/api/agents", AgentList)

    def act(self, agent: str, action: Action, *, key: str) -> CommandResult:
        url = f"{self.url}/api/agents/{segment(allowed(agent))}/{action}"
        return self.session.send(url, {}, CommandResult, headers=idempotent(key))

    def projects(self) -> ProjectList:
        return self.session.get(f"{self.url}/api/projects", ProjectList)

    def scan(self, path: str) -> Found:
        return self.session.send(f"{self.url}/api/projects/scan", {"path": path}, Found, timeout=SCAN_TIMEOUT)

    def history(self, metric: str) -> MetricHistory:
        return self.session.get(asking(f"{self.url}/api/v1/query", metric=metric), MetricHistory)
