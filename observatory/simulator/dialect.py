"""How the simulator speaks: the contract's canonical form, or another that a client must bear too (contract §9)."""

import json
import random
from dataclasses import asdict, dataclass, fields
from typing import Any

from observatory.simulator.clock import iso, naive

# The first of each is canonical.
CHOICES: dict[str, tuple[str, ...]] = {
    "envelope": ("E1", "E2", "E3", "mixed"),
    "case": ("camel", "snake", "mixed"),
    "time": ("iso", "naive", "epoch", "epoch-seconds"),
    "wrapping": ("wrapped", "bare"),
    "rates": ("fraction", "percent"),
    "agents": ("list", "map"),
    "frames": ("ok", "malformed", "duplicated", "reordered"),
    "agent_words": ("process", "interface"),
}
TWINS = {
    "lastActivity": "last_activity", "currentTask": "current_task", "tasksCompleted": "tasks_completed",
    "tasksFailed": "tasks_failed", "successRate": "success_rate", "cpuUsage": "cpu_usage",
}  # fmt: skip
RATES = {"success_rate", "successRate", "completionRate", "completion_rate"}
ENVELOPES = ("E1", "E2", "E3")
E2_TYPES = {"metrics": "telemetry", "agent_status_update": "agent_status", "agent_status_full": "agent_status"}


class UnknownSwitch(ValueError):
    """There is no such switch, or it has no such position."""


@dataclass
class Dialect:
    """`agent_words`: on the stream an agent is `running|stopped|error` (process), or as REST has it (interface)."""

    envelope: str = "E1"
    case: str = "camel"
    time: str = "iso"
    wrapping: str = "wrapped"
    rates: str = "fraction"
    agents: str = "list"
    frames: str = "ok"
    agent_words: str = "process"
    failure_rate: float = 0.0
    latency: float = 0.0  # seconds added to each answer

    def switch(self, positions: dict[str, Any]) -> None:
        """Set several at once, all or none. Raises UnknownSwitch."""
        for name, value in positions.items():
            if name in CHOICES:
                good = value in CHOICES[name]
            else:
                good = name in {"failure_rate", "latency"} and isinstance(value, (int, float)) and value >= 0
            if not good:
                raise UnknownSwitch(f"{name} cannot be {value!r}; it is one of {CHOICES.get(name, 'the switches')}")
        for name, value in positions.items():
            setattr(self, name, value)

    def positions(self) -> dict[str, Any]:
        return asdict(self)

    def reset(self) -> None:
        for item in fields(self):
            setattr(self, item.name, item.default)

    def stamp(self, t: int) -> str | int | float:
        """A moment as a JSON value."""
        if self.time == "iso":
            return iso(t)
        return naive(t) if self.time == "naive" else t if self.time == "epoch" else t / 1000

    def unlucky(self) -> bool:
        """Whether this answer is one of those that fail at random."""
        return self.failure_rate > 0 and random.random() < self.failure_rate

    def listed(self, agents: list[dict[str, Any]]) -> list[dict[str, Any]] | dict[str, dict[str, Any]]:
        return agents if self.agents == "list" else {agent["id"]: agent for agent in agents}

    def wrapped(self, key: str, payload: dict[str, Any]) -> Any:
        """The payload, or what stands under `key` alone."""
        return payload if self.wrapping == "wrapped" else payload[key]

    def body(self, payload: Any) -> bytes:
        if self.case != "camel" or self.rates != "fraction":
            payload = self.translate(payload)
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()

    def translate(self, node: Any) -> Any:
        """The same tree with the twins' other names and with rates as percent, as switched."""
        if isinstance(node, list):
            return [self.translate(item) for item in node]
        if not isinstance(node, dict):
            return node
        out = {}
        for key, value in node.items():
            if self.rates == "percent" and key in RATES and isinstance(value, (int, float)):
                value = round(value * 100, 2)
            other = self.case == "snake" or (self.case == "mixed" and len(key) % 2 == 0)
            out[TWINS.get(key, key) if other else key] = self.translate(value)
        return out

    def frame(self, type: str, project: str, data: dict[str, Any], t: int, *, number: int = 0) -> str:
        """One frame of the stream. `number` counts frames; `mixed` takes turns by it."""
        envelope = ENVELOPES[number % 3] if self.envelope == "mixed" else self.envelope
        if envelope == "E3" and type in {"metrics", "agent_status_full"}:
            return self.text(flat(type, data))
        if envelope == "E2" and type in E2_TYPES:
            status = data.get("status")
            if isinstance(status, dict):
                data = {**data, "status": status.get("status", "unknown")}
            type = E2_TYPES[type]
        whole: dict[str, Any] = {"type": type, "timestamp": self.stamp(t)}
        if project:
            whole["projectId"] = project
        return self.text({**whole, "data": data})

    def text(self, frame: dict[str, Any]) -> str:
        return self.body(frame).decode()


def flat(type: str, data: dict[str, Any]) -> dict[str, Any]:
    """The E3 form: no project, no time, one list or map under its own name."""
    if type == "metrics":
        return {"type": "metrics", "metrics": data}
    agents = [{"id": id, **status} for id, status in data["agents"].items()]
    return {"type": "agent_status", "agents": agents}
