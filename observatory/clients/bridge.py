"""The Bridge server over REST: B1 to B21."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from observatory.clients.base import HEALTH_TIMEOUT, READ_TIMEOUT, Session, asking, segment
from observatory.contract import names
from observatory.contract.bridge import (
    Accepted,
    Action,
    AgentList,
    AgentOrder,
    BridgeStatus,
    CommandResult,
    ConsoleEndpoints,
    ConsoleOrder,
    ConsoleOutput,
    ConsoleResult,
    Found,
    GlobalTelemetry,
    McpContext,
    McpSummary,
    NewProject,
    OneAgent,
    OneProject,
    ProjectList,
    ProjectTelemetry,
    Received,
    ReportedAgent,
    ServiceHealth,
    SessionBatch,
    Terminal,
    TerminalMetrics,
    TerminalReport,
    Terminals,
    or_default,
)
from observatory.errors import TargetError
from observatory.model import Cause

SCAN_TIMEOUT = 30.0  # the deploy limit of a request that is no command


class Bridge:
    """Methods raise TargetError, and TargetRefused when the Bridge says no; nothing else is expected of them.

    Where a project may be None, that is the Bridge's default project (B16). A `key` makes a repetition by somebody
    between us and the agent a no-op; we send everything once.
    """

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    # what the Bridge says of itself

    def health(self) -> ServiceHealth:
        return self.session.health(f"{self.url}/api/health")

    def status(self) -> BridgeStatus:
        return self.session.get(f"{self.url}/api/bridge/status", BridgeStatus)

    def mcp_context(self) -> McpContext:
        return self.session.get(f"{self.url}/api/mcp/context", McpContext)

    def mcp_status(self) -> McpSummary:
        return self.session.get(f"{self.url}/api/mcp/status", McpSummary)

    def telemetry(self, *, minutes: int | None = None) -> GlobalTelemetry:
        return self.session.get(asking(f"{self.url}/api/telemetry/metrics", minutes=minutes), GlobalTelemetry)

    # projects

    def projects(self) -> ProjectList:
        return self.session.get(f"{self.url}/api/projects", ProjectList)

    def project(self, project: str) -> OneProject:
        return self.session.get(self.of(project), OneProject)

    def create_project(self, project: NewProject) -> OneProject:
        return self.session.send(f"{self.url}/api/projects", project.body(), OneProject)

    def scan(self, path: str) -> Found:
        return self.session.send(f"{self.url}/api/projects/scan", {"path": path}, Found, timeout=SCAN_TIMEOUT)

    def project_telemetry(
        self, project: str, *, time_range: str | None = None, type: str | None = None
    ) -> ProjectTelemetry:
        url = asking(f"{self.of(project)}/telemetry/metrics", timeRange=time_range, type=type)
        return self.session.get(url, ProjectTelemetry)

    # agents

    def agents(self, project: str | None) -> AgentList:
        return self.session.get(f"{self.of(project)}/agents/status", AgentList)

    def agent(self, project: str | None, agent: str) -> ReportedAgent | None:
        """None when the Bridge answers with a list that is empty, as some do for an agent that they do not know."""
        url = asking(f"{self.of(project)}/agents/status", agentId=allowed(agent))
        return self.session.get(url, OneAgent).agent

    def command(self, project: str | None, order: AgentOrder, *, key: str) -> CommandResult:
        return self.session.send(
            f"{self.of(project)}/agents/command", order.body(), CommandResult, headers=idempotent(key)
        )

    def act(
        self, project: str, agent: str, action: Action, *, key: str, parameters: Mapping[str, Any] | None = None
    ) -> CommandResult:
        url = f"{self.of(project)}/agents/{segment(allowed(agent))}/{action}"
        body = {"parameters": dict(parameters)} if parameters else {}
        return self.session.send(url, body, CommandResult, headers=idempotent(key))

    # the console

    def execute(self, project: str | None, order: ConsoleOrder, *, key: str) -> ConsoleResult:
        return self.session.send(
            f"{self.of(project)}/console/execute", order.body(), ConsoleResult, headers=idempotent(key)
        )

    def console_output(self, project: str, *, since: str | None = None, limit: int | None = None) -> ConsoleOutput:
        return self.session.get(asking(f"{self.of(project)}/console/output", since=since, limit=limit), ConsoleOutput)

    # terminals

    def discover(self, project: str | None = None) -> Terminals:
        body = {"projectId": project} if project else {}
        return self.session.send(f"{self.url}/api/terminals/discover", body, Terminals, timeout=READ_TIMEOUT)

    def terminals(self, project: str | None, *, console_url: str) -> tuple[Terminal, ...]:
        """Those that discovery finds, or the console where it fails or finds none. Never empty, never raises."""
        try:
            found = self.discover(project).endpoints
        except TargetError:
            found = ()
        return or_default(found, console_url, project or "")

    def report_terminal(self, report: TerminalReport) -> bool:
        """Tell the Bridge of a terminal, and whether it took it. That it did not is nobody's failure: never raises."""
        try:
            url = f"{self.url}/api/terminals/metrics"
            return self.session.send(url, report.body(), Received, timeout=HEALTH_TIMEOUT).success is True
        except TargetError:
            return False

    def terminal_metrics(self, endpoint: str) -> TerminalMetrics:
        return self.session.get(f"{self.url}/api/terminals/{segment(endpoint)}/metrics", TerminalMetrics)

    def console_endpoints(self, project: str) -> ConsoleEndpoints:
        url = f"{self.url}/api/terminal/endpoints"
        return self.session.get(url, ConsoleEndpoints, headers=in_project(project))

    def send_session_metrics(self, batch: SessionBatch) -> Accepted:
        url = f"{self.url}/api/terminal/metrics"
        return self.session.send(
            url, batch.body(), Accepted, timeout=READ_TIMEOUT, headers=in_project(batch.project_id)
        )

    def of(self, project: str | None) -> str:
        return f"{self.url}/api" if project is None else f"{self.url}/api/projects/{segment(project)}"


def idempotent(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def in_project(project: str) -> dict[str, str]:
    """The console's dialect: the project in a header, and beside it the X-API-Key of the target."""
    return {"X-Project-ID": quote(project, safe="")}


def allowed(agent: str) -> str:
    """The id, if it is one that we ask about (Q26)."""
    fault = names.agent_id_fault(agent)
    if fault:
        raise TargetError(Cause.REJECTED, fault, permanent=True)
    return agent
