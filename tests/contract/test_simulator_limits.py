"""The simulator's rate limits, in the contract's groups (contract §2.0, §6.5)."""

from collections.abc import Callable

import httpx
import pytest

from tests.contract import shapes
from tests.contract.conftest import Services

Ask = Callable[..., httpx.Response]
Send = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
GROUPS = {
    "/api/projects": 30,
    "/api/projects/loom/agents": 60,
    "/api/agents/status": 60,
    "/api/projects/loom/telemetry/metrics": 120,
    "/api/metrics": 120,
    "/api/mcp/status": 100,
    "/api/health": 100,
}


@pytest.fixture(autouse=True)
def limited(control: Control) -> None:
    control("clock", now=NOON)
    control("switch", limits="on")


@pytest.mark.parametrize("path", GROUPS)
def test_a_group_has_the_contracts_limit(bridge: Ask, path: str) -> None:
    headers = bridge(path).headers

    assert headers["X-RateLimit-Limit"] == str(GROUPS[path])
    assert headers["X-RateLimit-Remaining"] == str(GROUPS[path] - 1)
    shapes.instant(headers["X-RateLimit-Reset"])
    assert "X-RateLimit-Reset" in headers["Access-Control-Expose-Headers"]


def test_one_request_too_many_is_429_until_the_window_ends(bridge: Ask, control: Control) -> None:
    statuses = [bridge("/api/projects").status_code for _ in range(31)]
    control("clock", now=NOON + 18_000)
    refused = bridge("/api/projects")
    control("clock", now=NOON + 60_000)

    assert statuses == [200] * 30 + [429]
    body = shapes.failure(refused, 429, "Too many requests")
    assert (refused.headers["Retry-After"], body["retryAfter"]) == ("42", 42)
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert bridge("/api/projects").status_code == 200


def test_groups_do_not_share_a_count(bridge: Ask, control: Control) -> None:
    control("switch", limit=1)

    statuses = [bridge(path).status_code for path in ("/api/projects", "/api/metrics", "/api/agents/status")]

    assert statuses == [200, 200, 200]
    assert bridge("/api/projects/kiln").status_code == 429


def test_the_sixth_login_in_a_quarter_of_an_hour_is_429(send: Send) -> None:
    statuses = [send("console", "/auth/login", username="admin", password="no").status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("throttling", "retry_after", "error", "reset"),
    [
        ("contract", "60", "Too many requests", "2026-11-22T12:01:00.000Z"),
        ("silent", None, "Too Many Requests", "2026-11-22T12:01:00.000Z"),
        ("date", "Sun, 22 Nov 2026 12:01:00 GMT", "Too Many Requests", "1795348860"),
    ],
)
def test_429_can_say_it_in_other_ways(
    bridge: Ask, control: Control, throttling: str, retry_after: str | None, error: str, reset: str
) -> None:
    control("switch", limit=1, throttling=throttling)
    bridge("/api/projects")

    refused = bridge("/api/projects")

    assert refused.status_code == 429
    assert refused.headers.get("Retry-After") == retry_after
    assert refused.json()["error"] == error
    assert refused.headers["X-RateLimit-Reset"] == reset


def test_without_limits_nothing_is_counted(bridge: Ask, control: Control) -> None:
    control("switch", limits="off", limit=1)

    assert [bridge("/api/projects").status_code for _ in range(3)] == [200, 200, 200]
    assert "X-RateLimit-Limit" not in bridge("/api/projects").headers


def test_the_other_services_do_not_limit_reads(services: Services, mcp: Ask, devkit: Ask, control: Control) -> None:
    control("switch", limit=1)

    assert [mcp("/status").status_code for _ in range(2)] == [200, 200]
    assert [devkit("/api/agents").status_code for _ in range(2)] == [200, 200]
