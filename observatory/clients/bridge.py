"""The Bridge server over REST."""

from urllib.parse import quote

from observatory.clients.base import Session
from observatory.contract.bridge import AgentList, GlobalTelemetry, ProjectList, ProjectTelemetry, ServiceHealth


class Bridge:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    def health(self) -> ServiceHealth:
        return self.session.health(f"{self.url}/api/health")

    def projects(self) -> ProjectList:
        return self.session.get(f"{self.url}/api/projects", ProjectList)

    def agents(self, project: str) -> AgentList:
        return self.session.get(f"{self.of(project)}/agents/status", AgentList)

    def project_telemetry(self, project: str) -> ProjectTelemetry:
        return self.session.get(f"{self.of(project)}/telemetry/metrics", ProjectTelemetry)

    def telemetry(self) -> GlobalTelemetry:
        return self.session.get(f"{self.url}/api/telemetry/metrics", GlobalTelemetry)

    def of(self, project: str) -> str:
        return f"{self.url}/api/projects/{quote(project, safe='')}"
