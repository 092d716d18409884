"""The switches: what each may be set to, and what it is for (contract §9). The first position is the canonical one."""

from dataclasses import dataclass

YEAR = 365 * 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Choice:
    positions: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A number between `low` and `high`; 0 is canonical."""

    help: str
    low: float = 0.0
    high: float = YEAR


CHOICES: dict[str, Choice] = {
    # who may, and how often
    "auth": Choice(("open", "jwt"), "whether the contract's auth column is enforced"),
    "socket_auth": Choice(("handshake", "first-frame"), "in jwt mode: when a WebSocket must show its token"),
    "limits": Choice(("off", "on"), "rate limits, in the contract's groups"),
    "throttling": Choice(("contract", "silent", "date"), "what 429 says of when to come again"),
    "login": Choice(("contract", "cookie", "access-token"), "what a login answers"),
    # the stream
    "envelope": Choice(("E1", "E2", "E3", "E4", "E5", "E6", "E7", "mixed"), "how frames are wrapped"),
    "frames": Choice(
        ("ok", "malformed", "duplicated", "reordered", "repeated", "stale"), "what happens to frames on their way"
    ),
    "frame_project": Choice(("present", "missing"), "whether frames name their project"),
    "agent_words": Choice(("process", "interface", "others"), "the words for an agent's status on the stream"),
    # the form of answers
    "case": Choice(("camel", "snake", "mixed"), "field names that have a twin"),
    "time": Choice(("iso", "seconds", "naive", "epoch", "epoch-seconds", "date", "mixed"), "how times are written"),
    "wrapping": Choice(("wrapped", "bare"), "lists and single things under their key, or alone"),
    "rates": Choice(("fraction", "percent"), "success and completion rates"),
    "memory": Choice(("contract", "swapped"), "megabytes where percent is canonical and the reverse"),
    "telemetry": Choice(("contract", "swapped"), "project telemetry on the global path and the reverse"),
    "agents": Choice(("list", "map"), "agents as a list, or as a map by id"),
    "status": Choice(("contract", "object", "text"), "an agent's status: as the contract has it, or always so"),
    "task": Choice(("object", "text"), "an agent's current task"),
    "uptime": Choice(("duration", "epoch"), "an agent's uptime, or really the time of its start"),
    "flags": Choice(("derived", "contradicting"), "canStart, canStop, canPause"),
    "ids": Choice(("plain", "exotic"), "agent ids with @, #, spaces, slashes, 100 characters"),
    "lists": Choice(("full", "empty"), "lists of agents, terminals and tools"),
    "objects": Choice(("present", "null"), "objects that may be absent"),
    "numbers": Choice(("finite", "negative", "infinite", "missing", "mixed"), "measured numbers"),
    "counters": Choice(("steady", "restarted"), "restarted: every counter and uptime begins anew at that moment"),
    "mcp_url": Choice(("text", "number", "old-port"), "mcpServerUrl of projects"),
    "health": Choice(("contract", "text", "checks", "diagnostics", "features"), "the body of health answers"),
    "errors": Choice(("status", "with-200"), "failures by status, or with 200 and an error key"),
    "details": Choice(("contract", "list", "tree"), "details of a refused request"),
    "command_result": Choice(("contract", "flat", "nested"), "what a command to an agent answers"),
    "console_result": Choice(("whole", "status", "success", "exit-code"), "by what a console answer tells success"),
    "output": Choice(("text", "bytes", "base64", "binary", "mixed"), "how the terminal's output is written"),
    "framing": Choice(("allowed", "refused"), "whether the console's page may be framed"),
    # the world
    "devkit": Choice(("unlisted", "listed"), "whether the default project devkit is in the list of projects"),
    "commands": Choice(("obeyed", "ignored", "failing"), "whether agents do what they are told"),
}
AMOUNTS: dict[str, Amount] = {
    "failure_rate": Amount("share of answers that are 500", high=1.0),
    "command_failure_rate": Amount("share of commands to agents that are 500", high=1.0),
    "latency": Amount("seconds added to each answer"),
    "command_latency": Amount("seconds until a command to an agent is answered"),
    "command_delay": Amount("seconds from a command's acceptance until the agent obeys"),
    "date_skew": Amount("seconds by which the Date header is ahead", low=-YEAR),
    "body_age": Amount("seconds by which bodies are older than they should be"),
    "limit": Amount("requests allowed in each group's window instead of the contract's; 0: the contract's"),
    "ping_every": Amount("seconds between two pings on a stream; 0: the contract's 30"),
    "frame_rate": Amount(
        "frames a second on each stream, over all it subscribed to; 0: the contract's cadence", high=10_000
    ),
}
ALIASES = {"iso-z": "iso", "epoch-ms": "epoch", "epoch-s": "epoch-seconds"}
FLAGS = {"agents": "agents-as"}  # `--agents` is their number


def option(name: str) -> str:
    """The name of a switch on the command line."""
    return "--" + FLAGS.get(name, name).replace("_", "-")
