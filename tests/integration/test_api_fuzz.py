"""The running API against a thousand requests and more that its own description allows or forbids.

Schemathesis makes them: examples, edge cases of every field, random ones, and chains in which what one request made is
used by the next. Each answer must be one that the description states, in status, type, headers and shape; what is
forbidden must be refused, what is allowed accepted, and nothing may be answered without a valid token.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.support import product
from tests.support.hammer import Outcome, hammer
from tests.support.processes import free_port
from tests.support.waiting import wait_for

GROUPS = ("AUTH", "AUTH_ADDRESS", "ANONYMOUS", "GLOBAL", "PROJECTS", "AGENTS", "TELEMETRY", "COMMANDS", "REPORTS", "UI")
LIMITS = {
    f"OBSERVATORY_LIMIT_{group}": "100000 per minute" for group in GROUPS
}  # else a 429 would hide what we look for
ADMIN = "admin"
ENDS_ITSELF = ("sessions_logout", "sessions_password")  # operations after which the session would be over
# A token cannot be made for more than its owner may, nor a target be of a kind that its other fields do not fit, nor a
# URL lead where we do not go, nor a stretch of time end before it begins, nor a step be too short for it; no schema
# tells that.
PARTICULAR = (
    "admin_make_token", "watchlist_add_target", "watchlist_change_target", "query_history", "query_uptime",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """A product, and two ways in: a session of the administrator's, and an API token of the same."""

    url: str
    session: str
    token: str
    token_id: int

    def is_needed(self, case: Any) -> bool:
        """Whether a case could take away the way in."""
        ours = {ADMIN, str(self.token_id), jwt.decode(self.session, options={"verify_signature": False})["jti"]}
        return bool(ours & set(map(str, (case.path_parameters or {}).values())))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def running(request: pytest.FixtureRequest, tmp_path: Path, full_size: bool) -> Iterator[Running]:
    database = {}
    if request.param == "postgres":
        if not full_size:
            pytest.skip("on PostgreSQL in full size only")
        url = request.getfixturevalue("postgres_database")
        database = {"DATABASE_URL": url}
        product.observatory("migrate", log=tmp_path / "log", env={**product.SECRETS, **database}).child.wait(60)
    started = product.start(tmp_path / "product", free_port(), {**LIMITS, **database})
    try:
        yield entered(started.url)
    finally:
        started.process.end()


def entered(url: str) -> Running:
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
        wait_for(lambda: http.get("/api/health").status_code == 200, timeout=30, what="a healthy product")
        credentials = {"username": ADMIN, "password": product.PASSWORD}
        session = http.post("/api/auth/login", json=credentials).json()["token"]
        wanted = {"owner": ADMIN, "name": "hammer", "role": "admin"}
        made = http.post("/api/admin/tokens", json=wanted, headers={"Authorization": f"Bearer {session}"}).json()
    return Running(url, session, made["token"], made["id"])


def report(outcome: Outcome, who: str) -> str:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.statuses.items()))
    checks = ", ".join(f"{name}: {count}" for name, count in sorted(outcome.checks.items()))
    return (
        f"{outcome.total} cases of {len(outcome.cases)} operations by {who}, {len(outcome.findings)} findings\n"
        f"  answers {statuses}\n  passed checks {checks}"
    )


@pytest.mark.timeout(1200)
def test_nothing_is_found(running: Running, full_size: bool, capsys: pytest.CaptureFixture[str]) -> None:
    examples = 200 if full_size else 12
    by_session = hammer(
        running.url,
        running.session,
        examples=examples,
        without=ENDS_ITSELF,
        spared=running.is_needed,
        particular=PARTICULAR,
    )
    by_token = hammer(
        running.url, running.token, examples=examples // 3, spared=running.is_needed, particular=PARTICULAR
    )

    with capsys.disabled():
        print(f"\n{report(by_session, 'a session')}\n{report(by_token, 'an API token')}")
    assert not by_session.findings + by_token.findings, "\n\n".join([*by_session.findings, *by_token.findings])
    assert by_session.total + by_token.total >= 1000
    assert set(by_token.cases) == by_token.operations, "nothing was left out"
    assert by_session.checks["ignored_auth"] > 0, "whoever could not sign in finds nothing"
    assert by_session.statuses[200] + by_session.statuses[201] > by_session.total / 5
