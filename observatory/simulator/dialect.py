"""How the simulator speaks: the contract's canonical form, or another that a client must bear too (contract §9)."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from observatory.simulator.clock import http_date, iso, naive
from observatory.simulator.distort import Form, translate
from observatory.simulator.switches import ALIASES, AMOUNTS, CHOICES

TIMES = ("iso", "seconds", "naive", "epoch", "epoch-seconds", "date")


class UnknownSwitch(ValueError):
    """There is no such switch, or it has no such position."""


@dataclass
class Dialect:
    """The position of every switch; `switches` tells what they mean."""

    auth: str = "open"
    socket_auth: str = "handshake"
    limits: str = "off"
    throttling: str = "contract"
    login: str = "contract"
    envelope: str = "E1"
    frames: str = "ok"
    frame_project: str = "present"
    agent_words: str = "process"
    case: str = "camel"
    time: str = "iso"
    wrapping: str = "wrapped"
    rates: str = "fraction"
    memory: str = "contract"
    telemetry: str = "contract"
    agents: str = "list"
    status: str = "contract"
    task: str = "object"
    uptime: str = "duration"
    flags: str = "derived"
    ids: str = "plain"
    lists: str = "full"
    objects: str = "present"
    numbers: str = "finite"
    counters: str = "steady"
    mcp_url: str = "text"
    health: str = "contract"
    errors: str = "status"
    details: str = "contract"
    command_result: str = "contract"
    console_result: str = "whole"
    output: str = "text"
    framing: str = "allowed"
    devkit: str = "unlisted"
    commands: str = "obeyed"
    failure_rate: float = 0.0
    command_failure_rate: float = 0.0
    latency: float = 0.0
    command_latency: float = 0.0
    command_delay: float = 0.0
    date_skew: float = 0.0
    body_age: float = 0.0
    limit: float = 0.0
    ping_every: float = 0.0
    frame_rate: float = 0.0
    turns: Iterator[int] = field(
        default_factory=itertools.count, repr=False, compare=False
    )  # whose turn it is in a mix

    def switch(self, positions: dict[str, Any]) -> None:
        """Set several at once, all or none. Raises UnknownSwitch."""
        checked = {name: position(name, value) for name, value in positions.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def positions(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in self.switches()}

    def reset(self) -> None:
        for item in self.switches():
            setattr(self, item.name, item.default)

    def switches(self) -> list[Field[Any]]:
        return [item for item in fields(self) if item.name != "turns"]

    def stamp(self, t: int) -> str | int | float:
        """A moment as a JSON value."""
        form = TIMES[next(self.turns) % len(TIMES)] if self.time == "mixed" else self.time
        match form:
            case "naive":
                return naive(t)
            case "epoch":
                return t
            case "epoch-seconds":
                return t / 1000
            case "seconds":
                return f"{naive(t)[:-4]}Z"
            case "date":
                return http_date(t // 1000)
        return iso(t)

    def unlucky(self, rate: float) -> bool:
        """Whether this answer is one of the share `rate` that fails at random."""
        return rate > 0 and random.random() < rate

    def listed(self, agents: list[dict[str, Any]]) -> list[dict[str, Any]] | dict[str, dict[str, Any]]:
        agents = self.some(agents)
        return agents if self.agents == "list" else {agent["id"]: agent for agent in agents}

    def some(self, items: list[Any]) -> list[Any]:
        """The list, or none of it."""
        return items if self.lists == "full" else []

    def wrapped(self, key: str, payload: dict[str, Any]) -> Any:
        """The payload, or what stands under `key` alone."""
        return payload if self.wrapping == "wrapped" else payload[key]

    def body(self, payload: Any) -> bytes:
        return self.text(payload).encode(errors="replace")  # half a surrogate may have come in and goes out again

    def text(self, payload: Any) -> str:
        form = Form(self.case, self.rates == "percent", self.numbers, self.objects == "null")
        if form != Form():
            payload = translate(payload, form)
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        # JSON knows no Infinity; a number too large for a float means it in every reader.
        return text.replace(":Infinity", ":1e999").replace(":-Infinity", ":-1e999")


def position(name: str, value: Any) -> str | float:
    """`value` as the switch `name` takes it. Raises UnknownSwitch."""
    if name in CHOICES and isinstance(value, str):
        value = ALIASES.get(value.lower(), value)
        if value in CHOICES[name].positions:
            return str(value)
    if name in AMOUNTS and isinstance(value, (int, float)) and not isinstance(value, bool):
        amount = AMOUNTS[name]
        if amount.low <= value <= amount.high:
            return value
    possible = ", ".join(CHOICES[name].positions) if name in CHOICES else "a number" if name in AMOUNTS else "no switch"
    raise UnknownSwitch(f"{name} cannot be {value!r}: {possible}")
