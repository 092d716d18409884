"""Each quirk of the contract's §9 can be made by its number, shows, and can be put back."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.contract.conftest import Services

Control = Callable[..., httpx.Response]
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
LOOM = "/api/projects/loom"
TELEMETRY = f"{LOOM}/telemetry/metrics"


@dataclass(frozen=True)
class Look:
    """Ways to look at the services."""

    services: Services
    http: httpx.Client
    open_at: Callable[..., Any]
    control: Control

    def get(self, path: str, service: str = "bridge", **params: str) -> httpx.Response:
        return self.http.get(getattr(self.services, service) + path, params=params or None)

    def post(self, path: str, service: str = "bridge", **body: Any) -> httpx.Response:
        return self.http.post(getattr(self.services, service) + path, json=body)

    def agents(self) -> Any:
        return self.get(f"{LOOM}/agents").json()["agents"]

    def telemetry(self) -> Any:
        return self.get("/api/telemetry/metrics").json()["metrics"]

    def frames(self, count: int) -> list[dict[str, Any]]:
        """The first frames after a subscription that carry something."""
        stream = self.open_at("bridge_ws", f"/ws{LOOM.removeprefix('/api')}")
        stream.send({"type": "subscribe", "projectId": "loom"})
        assert stream.next()["type"] == "subscribed"
        for number in range(count):
            self.control("push", projectId="loom", type="metrics", data={"cpu": number, "memory": 5})
        return [stream.next() for _ in range(count)]

    def outputs(self) -> list[str | bytes]:
        """What the terminal prints on being opened, as it comes."""
        stream = self.open_at("console_ws", "/terminal/ws")
        stream.next()
        stream.send({"type": "session_create"})
        stream.next()
        printed = [stream.socket.recv(timeout=5)]
        for text in ("help\n", "x", "y", "z"):
            stream.send({"type": "pty_input", "data": text})
            printed.append(stream.socket.recv(timeout=5))
        return printed


def times(look: Look) -> list[object]:
    return [point["timestamp"] for point in look.telemetry()["timeline"]]


def is_iso(time: object) -> bool:
    return isinstance(time, str) and re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", time) is not None


def repeated(look: Look) -> bool:
    cpus = [frame["data"].get("cpu") for frame in look.frames(6)]
    return len(set(cpus)) < len(cpus)


# What shows a quirk: true while it is on, false while it is not.
SIGNS: dict[str, Callable[[Look], bool]] = {
    "Q1": lambda look: any("last_activity" in agent for agent in look.agents()),
    "Q2": lambda look: look.telemetry()["agents"]["success_rate"] > 1,
    "Q3": lambda look: look.telemetry()["system"]["memory"] > 100 and "max" not in memory_of(look),
    "Q4": lambda look: "system" not in look.telemetry() and "system" in look.get(TELEMETRY).json()["metrics"],
    "Q5": lambda look: len({(type(time), is_iso(time)) for time in times(look)}) > 2,
    "Q6": lambda look: all(agent["metrics"]["uptime"] > 10**12 for agent in look.agents()),
    "Q7": lambda look: isinstance(look.agents(), dict),
    "Q8": lambda look: all(isinstance(agent["status"], dict) for agent in look.agents()),
    "Q9": lambda look: len({tuple(sorted(frame)) for frame in look.frames(14)}) > 3,
    "Q10": lambda look: all("projectId" not in frame for frame in look.frames(2)),
    "Q11": lambda look: look.get(f"{LOOM}/agents").json().keys() == {"error", "timestamp"},
    "Q12": lambda look: isinstance(look.get(f"{LOOM}/agents").json(), list),
    "Q13": lambda look: not {"success", "status"} & look.post(f"{LOOM}/console/execute", command="help").json().keys(),
    "Q14": lambda look: "executedAt" in ordered(look),
    "Q15": lambda look: isinstance(look.get(TELEMETRY, timeRange="1y").json()["details"], list),
    "Q16": lambda look: look.get("/api/projects").headers.get("Retry-After", "").endswith("GMT"),
    "Q17": lambda look: "userId" in look.post("/auth/login", "console", username="admin", password="admin123").text,
    "Q18": lambda look: look.get("/api/health").status_code == 502,
    "Q19": lambda look: all(agent["lastCommand"] is None for agent in look.agents()),
    "Q20": lambda look: look.agents() == [] and look.post("/api/terminals/discover").json()["endpoints"] == [],
    "Q21": lambda look: any(agent["canStart"] == (agent["status"] == "running") for agent in look.agents()),
    "Q22": lambda look: look.get(LOOM).json()["project"]["mcpServerUrl"] == 8001,
    "Q23": repeated,
    "Q24": lambda look: look.get("/", "console").headers.get("X-Frame-Options") == "DENY",
    "Q25": lambda look: len({form(output) for output in look.outputs()}) > 2,
    "Q26": lambda look: all(re.search(r"[@#/? ]|x{20}", agent["id"]) for agent in look.agents()),
    "Q27": lambda look: look.get("/api/health").text == "OK",
    "Q28": lambda look: odd(look.get("/api/telemetry/metrics").text),
}


def memory_of(look: Look) -> Any:
    return look.get(TELEMETRY).json()["metrics"]["performance"]["memory"]


def ordered(look: Look) -> Any:
    return look.post(f"{LOOM}/agents/command", agentId="weaver-07", command="restart").json()


def form(output: str | bytes) -> str:
    if isinstance(output, bytes):
        return "binary"
    frame = json.loads(output)
    return str(frame.get("encoding", type(frame["data"]).__name__))


def odd(text: str) -> bool:
    metrics = json.loads(text)["metrics"]
    numbers = [*metrics["system"].values(), *metrics["performance"].values()]
    complete = len(numbers) == 7
    return not complete and any(number < 0 for number in numbers) and any(math.isinf(number) for number in numbers)


@pytest.mark.parametrize("name", SIGNS)
def test_a_quirk_can_be_made_and_put_back(
    services: Services, http: httpx.Client, open_at: Callable[..., Any], control: Control, name: str
) -> None:
    control("clock", now=NOON)  # nothing changes by itself between two looks
    control("set", path="agents.loom.weaver-07.status", value="running")
    look = Look(services, http, open_at, control)
    seen = [SIGNS[name](look)]

    for on in (True, False):
        assert control("quirk", name=name, on=on).status_code == 200
        seen.append(SIGNS[name](look))

    assert seen == [False, True, False]


def test_every_quirk_of_the_contract_has_its_switch(services: Services, http: httpx.Client, control: Control) -> None:
    quirks = http.get(f"{services.control}/switches").json()["quirks"]

    assert list(quirks) == [f"Q{number}" for number in range(1, 29)] == list(SIGNS)


def test_counters_begin_anew_with_the_last_quirk(services: Services, http: httpx.Client, control: Control) -> None:
    before = http.get(f"{services.mcp}/metrics").json()["requests_total"]

    control("switch", counters="restarted")
    after = http.get(f"{services.mcp}/metrics").json()["requests_total"]
    control("switch", counters="steady")

    assert before > after
    assert after < 5
    assert http.get(f"{services.mcp}/metrics").json()["requests_total"] >= before


def test_an_exotic_agent_can_be_asked_for_and_commanded(
    services: Services, http: httpx.Client, control: Control
) -> None:
    control("switch", ids="exotic")
    url = f"{services.bridge}/api/projects/scopecam/agents"
    ids = [agent["id"] for agent in http.get(url).json()["agents"]]

    assert max(map(len, ids)) == 100
    for id in ids:
        assert http.get(url, params={"agentId": id}).json()["id"] == id
        assert http.post(f"{url}/command", json={"agentId": id, "command": "restart"}).json()["agentId"] == id


def test_an_unknown_quirk_is_refused(control: Control) -> None:
    assert control("quirk", name="Q29").status_code == 400
