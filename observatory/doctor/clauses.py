"""The clauses of the contract that a client relies on and that can be asked without changing anything.

`{project}` and `{agent}` in a path are ones that the Bridge lists. A service's clauses are asked in this order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from observatory.contract.bridge import (
    AgentList,
    BridgeStatus,
    ConsoleEndpoints,
    ConsoleOutput,
    GlobalTelemetry,
    McpContext,
    McpSummary,
    OneAgent,
    OneProject,
    ProjectList,
    ProjectTelemetry,
)
from observatory.contract.devkit import MetricHistory
from observatory.contract.health import ServiceHealth
from observatory.contract.mcp_daemon import Capabilities, DaemonMetrics, DaemonStatus, McpIdentity
from observatory.contract.nexus import ConsoleTerminals
from observatory.doctor import claims, frames, lists, manners, telemetry
from observatory.doctor.asking import BRIDGE, CONSOLE, DEVKIT, MCP, Heard, Reply
from observatory.doctor.findings import Finding, Replies, untold
from observatory.doctor.lists import each_agent, each_project

Raw = TypeVar("Raw", Reply, Replies, Heard)


@dataclass(frozen=True, slots=True)
class Clause(Generic[Raw]):
    """One claim, its place in the contract, and how it is judged.

    `whole`: it is judged by an answer of any status; the others need a success with JSON. `without` tells what we do
    where a service does not keep it, "" where something of ours then goes wrong.
    """

    id: str
    section: str
    sentence: str
    service: str
    path: str
    check: Callable[[Raw], Finding]
    whole: bool = False
    without: str = ""


PROJECT, AGENT = "/api/projects/{project}", "/api/projects/{project}/agents/status?agentId={agent}"
AGENTS, TELEMETRY = f"{PROJECT}/agents/status", f"{PROJECT}/telemetry/metrics"
NOBODY, NOWHERE = "no-such-agent-here", "no-such-project-here"
UNKEPT, UNASKED = "we keep no answer of a service anyway", "we ask by the id as it is listed"
FALLS_BACK = "only a chart of the service's own history is cut short"

# What our own clients make of an answer: whether a deviation is tolerated is tried, not believed.
READERS: Mapping[tuple[str, str], type[BaseModel]] = {
    (BRIDGE, "/api/health"): ServiceHealth,
    (BRIDGE, "/api/bridge/status"): BridgeStatus,
    (BRIDGE, "/api/mcp/context"): McpContext,
    (BRIDGE, "/api/mcp/status"): McpSummary,
    (BRIDGE, "/api/projects"): ProjectList,
    (BRIDGE, PROJECT): OneProject,
    (BRIDGE, AGENTS): AgentList,
    (BRIDGE, AGENT): OneAgent,
    (BRIDGE, TELEMETRY): ProjectTelemetry,
    (BRIDGE, "/api/telemetry/metrics"): GlobalTelemetry,
    (BRIDGE, f"{PROJECT}/console/output"): ConsoleOutput,
    (BRIDGE, "/api/agents/status"): AgentList,
    (BRIDGE, "/api/terminal/endpoints"): ConsoleEndpoints,
    (MCP, "/status"): DaemonStatus,
    (MCP, "/capabilities"): Capabilities,
    (MCP, "/health"): ServiceHealth,
    (MCP, "/metrics"): DaemonMetrics,
    (MCP, "/mcp/health"): McpIdentity,
    (MCP, "/api/projects/mcp-daemon/agents/status"): AgentList,
    (DEVKIT, "/api/health"): ServiceHealth,
    (DEVKIT, "/api/agents"): AgentList,
    (DEVKIT, "/api/projects"): ProjectList,
    (DEVKIT, "/api/v1/query?metric=system.cpu.usage"): MetricHistory,
    (CONSOLE, "/health"): ServiceHealth,
    (CONSOLE, "/api/console/terminals"): ConsoleTerminals,
}


def clause(id: str, section: str, sentence: str, at: tuple[str, str], check: Callable[[Reply], Finding],
           *, without: str = "", whole: bool = False) -> Clause[Reply]:  # fmt: skip
    return Clause(id, section, sentence, *at, check, whole, without)


def answered(id: str, section: str, what: str, at: tuple[str, str]) -> Clause[Reply]:
    """That there is an answer at all, on which the other clauses of it rest."""
    health = at[1].endswith("/health") and id != "M5"
    check = claims.answers_health if health else claims.answers
    return clause(f"{id}.answers", section, f"{what} is answered with 200 and JSON.", at, check, whole=True)


def refused(id: str, section: str, sentence: str, at: tuple[str, str], status: int, words: str) -> Clause[Reply]:
    return clause(id, section, sentence, at, claims.refuses(status, words), whole=True)


def agents_of(id: str, section: str, at: tuple[str, str]) -> list[Clause[Reply]]:
    """What is true of a list of agents wherever it comes from."""
    each = [
        ("ids", "An agent's id has 1 to 100 characters.", lists.agent_id, "§4.1"),
        ("status", f"An agent's status is one of {', '.join(lists.STATUSES)}.", lists.agent_status, "§4.2"),
        ("names", "Fields of an agent are written in camelCase.", lists.camel_names, "§4.1"),
        ("task", "The current task is an object with a name.", lists.task_object, "§4.1"),
        ("progress", "Progress of a task is a percentage from 0 to 100.", lists.task_progress, "§4.1"),
        ("flags", "canStart, canStop and canPause follow from the status.", lists.flags_fit, "§4.3"),
        ("times", "Times of an agent are ISO 8601 in UTC with milliseconds and Z.", lists.agent_times, "conventions"),
        ("counters", "Numbers of an agent are finite and not negative.", lists.counters, "§4.1"),
        ("uptime", "An agent's uptime is a duration in milliseconds.", lists.uptime, "§4.1"),
        ("projectId", "Each agent says its project.", lists.in_project, "§4.1"),
    ]
    return [
        answered(id, section, "The list of agents", at),
        clause(f"{id}.agents", section, "Agents come as a list under `agents`.", at, claims.wrapped("agents")),
        *(clause(f"{id}.{name}", where, told, at, each_agent(check)) for name, told, check, where in each),
        clause(f"{id}.nulls", section, "What is not there is left out, not null.", at, claims.no_nulls),
    ]


def projects_of(id: str, section: str, at: tuple[str, str]) -> list[Clause[Reply]]:
    return [
        answered(id, section, "The list of projects", at),
        clause(f"{id}.projects", section, "Projects come as a list under `projects`.", at, claims.wrapped("projects")),
        clause(f"{id}.timestamp", section, "The list says when it was made.", at, claims.stamped),
        clause(f"{id}.ids", "§5.1", "A project's id is a UUID or a slug of 3 to 64 characters.", at,
               each_project(lists.project_id)),
        clause(f"{id}.unique", "§5.1", "No id is listed twice, whatever its case.", at, lists.unique_ids),
        clause(f"{id}.names", "§5.2", "Each project has a name of up to 100 characters.", at,
               each_project(lists.project_name)),
        clause(f"{id}.paths", "§5.2", "A project's path is absolute or starts with ~.", at,
               each_project(lists.project_path)),
        clause(f"{id}.mcpServerUrl", "§5.2", "`mcpServerUrl` is a text, and not on the port of old.", at,
               each_project(lists.mcp_server_url)),
        clause(f"{id}.nulls", section, "What is not there is left out, not null.", at, claims.no_nulls),
    ]  # fmt: skip


def health_of(id: str, section: str, at: tuple[str, str], *, full: bool = True) -> list[Clause[Reply]]:
    words = ", ".join(claims.HEALTH)
    found = [
        answered(id, section, "Health", at),
        clause(f"{id}.status", section, f"`status` is one of {words}.", at, claims.one_of("status", claims.HEALTH)),
    ]
    if full:
        found += [
            clause(f"{id}.version", section, "Health names the version.", at, claims.text("version")),
            clause(f"{id}.features", section, "`features` is a list of texts.", at, claims.each_text("features")),
            clause(f"{id}.timestamp", section, "Health says when it was told.", at, claims.stamped),
        ]
    return found


B1, B2, B3, B4 = ((BRIDGE, f"/api/{path}") for path in ("health", "bridge/status", "mcp/context", "mcp/status"))
B5, B7, B9, B9_ONE = (BRIDGE, "/api/projects"), (BRIDGE, PROJECT), (BRIDGE, AGENTS), (BRIDGE, AGENT)
B12, B13 = (BRIDGE, TELEMETRY), (BRIDGE, "/api/telemetry/metrics")
B15, B16 = (BRIDGE, f"{PROJECT}/console/output"), (BRIDGE, "/api/agents/status")
B20 = (BRIDGE, "/api/terminal/endpoints")
M1, M2, M3, M4, M5 = ((MCP, path) for path in ("/status", "/capabilities", "/health", "/metrics", "/mcp/health"))
M6 = (MCP, "/api/projects/mcp-daemon/agents/status")
H1, H2, H4, H5 = ((DEVKIT, path) for path in ("/api/health", "/api/agents", "/api/projects", "/metrics"))
H6 = (DEVKIT, "/api/v1/query?metric=system.cpu.usage")
N1, N2, N5 = ((CONSOLE, path) for path in ("/health", "/", "/api/console/terminals"))

CLAUSES: tuple[Clause[Reply], ...] = (
    *health_of("B1", "§2.1 B1", B1),
    answered("B2", "§2.1 B2", "The Bridge's status", B2),
    clause("B2.healthy", "§2.1 B2", "`healthy` is true or false.", B2, claims.flag("healthy")),
    answered("B3", "§2.1 B3", "The MCP context", B3),
    clause("B3.isAvailable", "§2.1 B3", "`isAvailable` is true or false.", B3, claims.flag("isAvailable")),
    clause("B3.servers", "§2.1 B3", "Each server is active, inactive or in error.", B3, telemetry.servers),
    answered("B4", "§2.1 B4", "The short MCP status", B4),
    clause("B4.available", "§2.1 B4", "`available` is true or false.", B4, claims.flag("available")),
    *projects_of("B5", "§2.1 B5", B5),
    answered("B7", "§2.1 B7", "One project", B7),
    clause("B7.project", "§2.1 B7", "A project comes under `project`.", B7, claims.wrapped("project", dict)),
    clause("B7.same", "§2.1 B7", "It is the project that was asked for.", B7, lists.same_project),
    clause("B7.case", "§5.1", "Ids are compared without regard to case.", (BRIDGE, "/api/projects/{PROJECT}"),
           lists.same_project, without=UNASKED),
    refused("B7.unknown", "§2.0", "An unknown project is 404 `Project not found`.",
            (BRIDGE, f"/api/projects/{NOWHERE}"), 404, "Project not found"),
    *agents_of("B9", "§2.1 B9", B9),
    clause("B9.timestamp", "§2.1 B9", "The list says when it was made.", B9, claims.stamped),
    answered("B9.one", "§2.1 B9", "One agent", B9_ONE),
    clause("B9.one", "§2.1 B9", "With `agentId` that agent comes, unwrapped.", B9_ONE, lists.one_agent),
    refused("B9.unknown-agent", "§2.1 B9", "An unknown agent is 404 `Agent not found`.",
            (BRIDGE, f"{AGENTS}?agentId={NOBODY}"), 404, "Agent not found"),
    refused("B9.unknown-project", "§2.0", "Agents of an unknown project are 404 `Project not found`.",
            (BRIDGE, f"/api/projects/{NOWHERE}/agents/status"), 404, "Project not found"),
    refused("B9.bad-project", "§5.1", "A malformed project id is 400 `Invalid project ID format`.",
            (BRIDGE, "/api/projects/under_score/agents/status"), 400, "Invalid project ID format"),
    answered("B12", "§2.1 B12", "A project's telemetry", B12),
    clause("B12.projectId", "§2.1 B12", "It says the project.", B12, claims.text("projectId")),
    clause("B12.shape", "§2.1 B12", "It holds testRuns, performance and agents.", B12, telemetry.project_shape),
    clause("B12.rate", "units", "`completionRate` is a fraction.", B12,
           telemetry.ratio("metrics.agents.completionRate")),
    clause("B12.memory", "units", "Memory is in megabytes.", B12, telemetry.megabytes),
    clause("B12.numbers", "§2.1 B12", "Numbers are finite and not negative.", B12, claims.sound_numbers),
    clause("B12.trend", "§2.1 B12", "The trend of the CPU is 60 rising points, a minute apart.", B12,
           telemetry.cpu_trend, without=FALLS_BACK),
    clause("B12.timestamp", "§2.1 B12", "It says when it was measured.", B12, claims.stamped),
    answered("B13", "§2.1 B13", "Global telemetry", B13),
    clause("B13.shape", "§2.1 B13", "It holds system, agents and performance.", B13, telemetry.global_shape),
    clause("B13.keys", "§2.1 B13", "None of the required keys is missing.", B13, telemetry.global_keys),
    clause("B13.percent", "units", "cpu, memory and disk are percentages.", B13, telemetry.percents),
    clause("B13.rate", "units", "`success_rate` is a fraction.", B13, telemetry.ratio("metrics.agents.success_rate")),
    clause("B13.numbers", "§2.1 B13", "Numbers are finite and not negative.", B13, claims.sound_numbers),
    clause("B13.timeline", "§2.1 B13", "`timeline` is 12 rising points, five minutes apart.", B13, telemetry.timeline,
           without=FALLS_BACK),
    clause("B13.timestamp", "§2.1 B13", "It says when it was measured.", B13, claims.stamped),
    clause("B13.minutes", "§2.1 B13", "`minutes` that are no number are ignored.",
           (BRIDGE, "/api/telemetry/metrics?minutes=many"), claims.answers, whole=True, without="we send numbers only"),
    answered("B15", "§2.1 B15", "Recent output of the console", B15),
    clause("B15.entries", "§2.1 B15", "It comes as a list under `entries`.", B15, claims.wrapped("entries")),
    answered("B16", "§2.1 B16", "The list of the default project's agents", B16),
    clause("B16.agents", "§2.1 B16", "Agents come as a list under `agents`.", B16, claims.wrapped("agents")),
    answered("B20", "§2.1 B20", "The list of terminal endpoints", B20),
    refused("errors.unknown-path", "§2.0", "An unknown path is 404 in the form of an error.",
            (BRIDGE, "/api/no-such-path-here"), 404, ""),
    answered("M1", "§2.2 M1", "The daemon's status", M1),
    clause("M1.daemon_running", "§2.2 M1", "`daemon_running` is true or false.", M1, claims.flag("daemon_running")),
    clause("M1.version", "§2.2 M1", "It names the version.", M1, claims.text("version")),
    clause("M1.uptime", "§2.2 M1", "`uptime` is a number of seconds.", M1, claims.amount("uptime")),
    answered("M2", "§2.2 M2", "The list of tools", M2),
    clause("M2.capabilities", "§2.2 M2", "Tools come as a list under `capabilities`.", M2,
           claims.wrapped("capabilities")),
    clause("M2.tools", "§2.2 M2", "Each has a `tool` and a `description`.", M2, telemetry.tools),
    *health_of("M3", "§2.2 M3", M3, full=False),
    answered("M4", "§2.2 M4", "The daemon's use of the machine", M4),
    clause("M4.cpu_usage", "§2.2 M4", "`cpu_usage` is a number.", M4, claims.amount("cpu_usage")),
    clause("M4.memory_usage", "§2.2 M4", "`memory_usage` is a number of megabytes.", M4, claims.amount("memory_usage")),
    answered("M5", "§2.2 M5", "The probe of MCP servers", M5),
    clause("M5.config", "§2.2 M5", "It names the server under `config`.", M5, claims.text("config.name")),
    answered("M6", "§2.2 M6", "The list of the daemon's agents", M6),
    clause("M6.agents", "§2.2 M6", "Agents come as a list under `agents`.", M6, claims.wrapped("agents")),
    *health_of("H1", "§2.3 H1", H1),
    *agents_of("H2", "§2.3 H2", H2),
    *projects_of("H4", "§2.3 H4", H4),
    clause("H5.text", "§2.3 H5", "Metrics are text of Prometheus.", H5, telemetry.exposition, whole=True),
    answered("H6", "§2.3 H6", "A query", H6),
    clause("H6.points", "§2.3 H6", "It holds 60 rising points, a minute apart.", H6, telemetry.query_points,
           without=FALLS_BACK),
    *health_of("N1", "§2.4 N1", N1, full=False),
    clause("N1.version", "§2.4 N1", "Health names the version.", N1, claims.text("version")),
    clause("N2.page", "§2.4 N2", "There is a page.", N2, telemetry.page, whole=True),
    clause("N2.framed", "§7.1", "It may be shown in a frame.", N2, telemetry.framed, whole=True),
    answered("N5", "§2.4 N5", "The list of terminals", N5),
    clause("N5.terminals", "§2.4 N5", "They come as a list under `terminals`.", N5, claims.wrapped("terminals")),
)  # fmt: skip


def throughout(service: str, letter: str) -> tuple[Clause[Replies], ...]:
    """What is judged by all answers of a service together."""
    return (
        Clause(f"{letter}.json", "conventions", "JSON is sent as application/json.", service, "",
               manners.said_to_be_json, without="we read JSON whatever it is called"),
        Clause(f"{letter}.no-store", "§2.0", "Answers say that they must not be kept.", service, "", manners.not_kept,
               without=UNKEPT),
        Clause(f"{letter}.errors", "§2.0", "Errors have a status of their own and say `error` in JSON.", service, "",
               manners.errors_in_form),
        Clause(f"{letter}.limits", "§2.0", "A limit is told as two whole numbers and an ISO time.", service, "",
               manners.limits_told),
        Clause(f"{letter}.limits-exposed", "§2.0", "Scripts of browsers may read the limit.", service, "",
               manners.limits_exposed, without="no browser of ours asks it"),
        Clause(f"{letter}.throttled", "§2.0", "429 says `Too many requests` and how many seconds to wait.", service, "",
               manners.throttles),
    )  # fmt: skip


THROUGHOUT = (*throughout(BRIDGE, "B"), *throughout(DEVKIT, "H"))

CHANNEL, ROOT = "/ws/projects/{project}", "/ws"
POLLED = "we read the services by polling then"

STREAM: tuple[Clause[Heard], ...] = (
    Clause("WS.root", "§3.1", "The root channel opens.", BRIDGE, ROOT, frames.opens, without=POLLED),
    Clause("WS.channel", "§3.1", "A project's channel opens.", BRIDGE, CHANNEL, frames.opens,
           without="we listen on the root channel"),
    Clause("WS.subscribe", "§3.2", "`subscribe` is acknowledged.", BRIDGE, CHANNEL, frames.acknowledged,
           without="we do not wait for it"),
    Clause("WS.full", "§3.2", "A full status of the agents follows.", BRIDGE, CHANNEL, frames.full_status),
    Clause("WS.keepalive", "§3.4", "`ping` is answered with `pong`.", BRIDGE, CHANNEL, frames.answered_ping,
           without="any frame within 65 s keeps the connection"),
    Clause("WS.json", "§3.3", "Frames are JSON objects.", BRIDGE, CHANNEL, frames.all_objects,
           without="we skip what is none"),
    Clause("WS.envelope", "§3.3", "Frames have the envelope E1.", BRIDGE, CHANNEL, frames.canonical_envelope),
    Clause("WS.timestamp", "§3.3", "Times are ISO 8601 in UTC with milliseconds and Z.", BRIDGE, CHANNEL,
           frames.frame_times),
    Clause("WS.projectId", "§3.3", "Frames about a project name it.", BRIDGE, CHANNEL, frames.frame_projects),
    Clause("WS.order", "§3.3", "Frames come once, and in order.", BRIDGE, CHANNEL, frames.in_order),
)  # fmt: skip


def untried(id: str, section: str, sentence: str, service: str, why: str) -> Clause[Any]:
    return Clause(id, section, sentence, service, "", lambda _: untold(why))


ACTS = "Asking for it would change something there."
SIGNS_IN = "It takes a password, and this report gives none away."

# What is left out on purpose, so that nobody takes silence for consent.
UNTRIED: tuple[Clause[Any], ...] = (
    untried("B6", "§2.1 B6", "A project can be added.", BRIDGE, ACTS),
    untried("B8", "§2.1 B8", "A path can be scanned for projects.", BRIDGE, ACTS),
    untried("B10", "§2.1 B10", "An agent can be told to start, stop, pause, resume and restart.", BRIDGE, ACTS),
    untried("B11", "§2.1 B11", "The same by a path for each action.", BRIDGE, ACTS),
    untried("B14", "§2.1 B14", "A console command is carried out.", BRIDGE, ACTS),
    untried("B16.command", "§2.1 B16", "Agents and the console of the default project take commands.", BRIDGE, ACTS),
    untried("B17", "§2.1 B17", "Terminals are discovered.", BRIDGE, ACTS),
    untried("B18", "§2.1 B18", "Metrics of terminals are taken.", BRIDGE, ACTS),
    untried("B21", "§2.1 B21", "A batch of metrics is taken.", BRIDGE, ACTS),
    untried("H3", "§2.3 H3", "An agent can be told what to do.", DEVKIT, ACTS),
    untried("H4.scan", "§2.3 H4", "A path can be scanned for projects.", DEVKIT, ACTS),
    untried("N3", "§2.4 N3", "A session becomes a token of the terminal.", CONSOLE, SIGNS_IN),
    untried("N4", "§2.4 N4", "People sign in, and renew their token.", CONSOLE, SIGNS_IN),
    untried("N5.commands", "§2.4 N5", "A command reaches a terminal.", CONSOLE, ACTS),
)
