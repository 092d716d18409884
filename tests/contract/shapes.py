"""Claims about values that the contract makes in many places."""

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STATUSES = {"idle", "running", "paused", "completed", "failed"}
TYPES = {"mcp-tool", "test-guardian", "orchestrator", "analyzer"}
PROCESS_STATUSES = {"running", "stopped", "error", "starting"}


def instant(text: Any) -> datetime:
    """An ISO 8601 time in UTC with milliseconds and `Z`."""
    assert isinstance(text, str)
    assert INSTANT.fullmatch(text), text
    return datetime.fromisoformat(text)


def number(value: Any, low: float = 0, high: float = float("inf")) -> float:
    assert isinstance(value, (int, float)), value
    assert not isinstance(value, bool)
    assert low <= value <= high, value
    return value


def text(value: Any, *, longest: int = 500) -> str:
    assert isinstance(value, str)
    assert 0 < len(value) <= longest
    return value


def points(trend: list[dict[str, Any]], *, count: int, seconds: float) -> None:
    """`count` points of a time and a value, oldest first, `seconds` apart."""
    assert len(trend) == count
    times = [instant(point["timestamp"]) for point in trend]
    assert {(after - before).total_seconds() for before, after in pairwise(times)} == {seconds}
    for point in trend:
        number(point["value"])


def agent(body: dict[str, Any]) -> None:
    """One agent as REST has it (§4.1, flags of §4.3)."""
    text(body["id"], longest=100)
    text(body["name"])
    assert body["type"] in TYPES
    text(body["projectId"])
    assert body["status"] in STATUSES
    assert body["canStart"] is (body["status"] in {"idle", "completed", "failed"})
    assert body["canStop"] is (body["status"] in {"running", "paused"})
    assert body["canPause"] in ({True, False} if body["status"] == "running" else {False})
    instant(body["lastActivity"])
    command = body["lastCommand"]
    instant(command["timestamp"])
    assert command["source"] in {"cli", "dashboard", "api"}
    assert command["result"] in {"success", "failed"}
    for name in ("tasksCompleted", "tasksFailed", "avgDuration", "uptime"):
        number(body["metrics"][name])
    if "currentTask" in body:
        task(body["currentTask"])


def task(body: dict[str, Any]) -> None:
    text(body["name"])
    number(body["progress"], 0, 100)
    started = instant(body["startTime"])
    if "estimatedCompletion" in body:
        assert instant(body["estimatedCompletion"]) > started


def process(body: dict[str, Any]) -> None:
    """One agent as the stream has it (§3.3)."""
    assert body["status"] in PROCESS_STATUSES
    for name in {"startTime", "stopTime", "lastUpdate"} & body.keys():
        instant(body[name])
    if "resources" in body:
        number(body["resources"]["cpu"], 0, 100)
        number(body["resources"]["memory"])
    assert body.get("healthStatus", "unknown") in {"healthy", "unhealthy", "unknown"}


def failure(response: Any, status: int, error: str) -> dict[str, Any]:
    """The error body of §2.0."""
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/json")
    body: dict[str, Any] = response.json()
    assert body["error"] == error
    if "timestamp" in body:
        instant(body["timestamp"])
    return body
