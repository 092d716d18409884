"""What the Bridge server sends and takes: one door to its messages, which stand in a module a subject."""

from observatory.contract.bridge_agents import AgentList, OneAgent, ReportedAgent
from observatory.contract.bridge_commands import (
    Action,
    AgentOrder,
    CommandResult,
    ConsoleOrder,
    ConsoleOutput,
    ConsoleResult,
)
from observatory.contract.bridge_context import BridgeStatus, McpContext, McpSummary
from observatory.contract.bridge_projects import Found, NewProject, OneProject, ProjectList
from observatory.contract.bridge_telemetry import GlobalTelemetry, ProjectTelemetry
from observatory.contract.bridge_terminals import (
    Accepted,
    ConsoleEndpoints,
    Received,
    SessionBatch,
    Terminal,
    TerminalMetrics,
    TerminalReport,
    Terminals,
    best,
    or_default,
)
from observatory.contract.health import ServiceHealth

__all__ = [
    "Accepted",
    "Action",
    "AgentList",
    "AgentOrder",
    "BridgeStatus",
    "CommandResult",
    "ConsoleEndpoints",
    "ConsoleOrder",
    "ConsoleOutput",
    "ConsoleResult",
    "Found",
    "GlobalTelemetry",
    "McpContext",
    "McpSummary",
    "NewProject",
    "OneAgent",
    "OneProject",
    "ProjectList",
    "ProjectTelemetry",
    "Received",
    "ReportedAgent",
    "ServiceHealth",
    "SessionBatch",
    "Terminal",
    "TerminalMetrics",
    "TerminalReport",
    "Terminals",
    "best",
    "or_default",
]
