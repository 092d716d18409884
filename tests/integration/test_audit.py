"""The audit log: what stands in it, what never does, and that nothing is taken out but by time."""

import ast
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from observatory import audit as told
from observatory.model import DAY, Role
from observatory.store import accounts, audit
from observatory.store.engine import Store
from tests.support.clock import NOON
from tests.support.told import a_record
from tests.support.website import Website, callback_body

Make = Callable[..., Website]
STORE = Path(__file__).parents[2] / "observatory" / "store"


def log(website: Website, query: str = "") -> list[dict[str, Any]]:
    """The newest first, without the sign-in that reading it takes."""
    lines = website.signed_in("ada").get(f"/api/admin/audit?{query}").get_json()["lines"]
    return [line for line in lines if line["user"] != "ada"]


def events(website: Website) -> list[str]:
    return [line["event"] for line in reversed(log(website))]


# ── what the contract names ──────────────────────────────────────────────────────────────────────────────────────────


def test_signing_in_and_out_is_told_with_who_and_from_where(website: Website):
    client = website.signed_in("victor")
    client.post("/api/auth/logout", headers={"User-Agent": "a browser"})

    out, into = log(website)

    assert (into["event"], into["level"], into["user"], into["address"]) == (
        "auth.login.success", "info", "victor", "127.0.0.1",
    )  # fmt: skip
    assert (out["event"], out["userAgent"], out["method"], out["path"]) == (
        "auth.logout", "a browser", "POST", "/api/auth/logout",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"), [("victor", "wrong password"), ("nobody", "unknown user"), ("dora", "disabled")]
)
def test_a_failed_sign_in_tells_why_though_the_caller_is_not_told(website: Website, name: str, reason: str):
    accounts.create_user(website.store, "dora", "x", Role.VIEWER, now=NOON)
    accounts.change(website.store, "dora", now=NOON, told=a_record(), disabled=True)
    website.anonymous().post("/api/auth/login", json={"username": name, "password": "wrong"})

    line = log(website, "event=auth.login.failed")[0]

    assert (line["level"], line["user"], line["reason"]) == ("warning", name, reason)


def test_every_refusal_has_its_name(make_website: Make):
    website = make_website(limits={"global": "2 per minute"})
    token = website.token("victor")
    bearer = {"Authorization": f"Bearer {token}"}
    website.anonymous().get("/api/targets", headers={"Authorization": "Bearer nonsense"})
    website.signed_in("victor").post("/api/extra")
    for _ in range(3):
        website.anonymous().get("/api/auth/check", headers=bearer)
    website.anonymous().post("/api/auth/login", json={})
    website.signed_in("olga").get("/broken")
    website.clock.advance(86_400)
    website.anonymous().get("/api/targets", headers=bearer)

    assert {
        "auth.token.invalid", "auth.token.expired", "access.denied.permission", "rate_limit.exceeded",
        "validation.failed", "security.error",
    } <= set(events(website))  # fmt: skip


def test_a_stranger_without_a_token_is_no_event(website: Website):
    website.anonymous().get("/api/targets")

    assert log(website) == []


# ── repeated denials ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_repeated_denials_of_an_address_are_one_counted_line_a_minute(website: Website):
    def knock(times: int) -> None:
        for _ in range(times):
            website.anonymous().get("/api/targets", headers={"Authorization": "Bearer nonsense"})

    knock(5)
    website.clock.advance(59)
    knock(2)
    website.clock.advance(1)
    knock(1)

    lines = log(website, "event=auth.token.invalid")

    assert [(line["times"], line["at"]) for line in lines] == [(1, NOON + 60_000), (7, NOON)]
    assert lines[1]["until"] == NOON + 59_000


def test_other_addresses_and_changes_are_lines_of_their_own(store: Store):
    denied = {"event": "access.denied.permission", "repeated": True}
    audit.add(
        store,
        a_record(**denied, address="203.0.113.1"),
        a_record(**denied, address="203.0.113.2"),
        a_record(**denied, address="203.0.113.1"),
        a_record("user.created"),
        a_record("user.created"),
    )

    found = audit.found(store, audit.Wanted(), 10)

    assert sorted((row.event, row.times) for row in found) == [
        ("access.denied.permission", 1), ("access.denied.permission", 2), ("user.created", 1), ("user.created", 1),
    ]  # fmt: skip


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_change_of_an_administrator_is_told(website: Website):
    client = website.signed_in("ada")
    client.post("/api/admin/users", json={"name": "mira", "role": "viewer", "projectIds": ["loom"]})
    client.patch("/api/admin/users/mira", json={"role": "operator"})
    client.patch("/api/admin/users/mira", json={"disabled": True})
    client.patch("/api/admin/users/mira", json={"disabled": False})
    client.post("/api/admin/users/mira/reset")
    made = client.post("/api/admin/tokens", json={"owner": "olga", "name": "export", "days": 1}).get_json()
    client.delete(f"/api/admin/tokens/{made['id']}")
    client.delete("/api/admin/users/olga/sessions")
    client.delete("/api/admin/users/mira")
    client.get("/api/admin/audit/export")

    lines = client.get("/api/admin/audit").get_json()["lines"]
    told_ = [(line["event"], line["resource"], line["user"]) for line in reversed(lines)]

    mira = next(line for line in lines if line["event"] == "user.erased")["resource"]
    assert told_ == [
        ("auth.login.success", "", "ada"),
        ("user.created", "mira", "ada"),
        ("user.changed", "mira", "ada"),
        ("user.disabled", "mira", "ada"),
        ("user.enabled", "mira", "ada"),
        ("user.password_reset", "mira", "ada"),
        ("api_key.created", "olga: export", "ada"),
        ("api_key.revoked", "olga: export", "ada"),
        ("session.ended", "olga", "ada"),
        ("user.erased", mira, "ada"),
        ("audit.exported", "", "ada"),
    ]
    assert made["token"] not in json.dumps(lines)


def test_a_change_that_fails_is_not_told_as_done(website: Website):
    client = website.signed_in("ada")

    refused = client.patch("/api/admin/users/ada", json={"role": "viewer"})

    assert refused.status_code == 409
    assert "user.changed" not in [line["event"] for line in client.get("/api/admin/audit").get_json()["lines"]]
    found = accounts.find_user(website.store, "ada")
    assert found is not None and found.role == "admin"


def test_a_token_of_a_program_is_named_beside_its_owner(website: Website):
    client = website.signed_in("ada")
    made = client.post("/api/admin/tokens", json={"owner": "victor", "name": "script", "days": 1}).get_json()
    bearer = {"Authorization": f"Bearer {made['token']}"}

    website.anonymous().post(
        "/_dash-update-component", json=callback_body("press", "children", "press"), headers=bearer
    )

    line = log(website, "event=access.denied")[0]
    assert (line["user"], line["details"]) == ("victor", {"keyId": made["id"]})


# ── reading it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(website: Website) -> Website:
    audit.add(
        website.store,
        a_record("user.created", at=NOON - 3000, name="olga", resource="mira", project="loom"),
        a_record("auth.login.failed", at=NOON - 2000, name="mallory", reason="wrong 100% password"),
        a_record("auth.logout", at=NOON - 1000, name="Victor", address="198.51.100.7"),
    )
    return website


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("event=auth.", ["auth.logout", "auth.login.failed"]),
        ("event=auth.login.failed", ["auth.login.failed"]),
        ("event=a_th.", []),
        ("user=victor", ["auth.logout"]),
        ("text=LOOM", ["user.created"]),
        ("text=100%25", ["auth.login.failed"]),
        ("text=198.51", ["auth.logout"]),
        (f"since={NOON - 2000}&until={NOON - 1000}", ["auth.login.failed"]),
        ("limit=1", ["auth.logout"]),
    ],
)
def test_it_can_be_narrowed(filled: Website, query: str, wanted: list[str]):
    assert [line["event"] for line in log(filled, f"until={NOON}&{query}" if "until" not in query else query)] == wanted


def test_it_can_be_paged_through(filled: Website):
    client = filled.signed_in("ada")
    first = client.get(f"/api/admin/audit?limit=2&until={NOON}").get_json()["lines"]
    rest = client.get(f"/api/admin/audit?limit=2&until={NOON}&before={first[-1]['id']}").get_json()["lines"]

    assert [line["event"] for line in [*first, *rest]] == ["auth.logout", "auth.login.failed", "user.created"]


def test_it_can_be_exported_and_holds_no_formula(website: Website):
    audit.add(website.store, a_record("auth.login.failed", name="=cmd|' /C calc'!A0", reason="wrong"))
    client = website.signed_in("ada")

    answer = client.get("/api/admin/audit/export?event=auth.login.failed")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    lines = client.get("/api/admin/audit/export?event=auth.login.failed&format=jsonl").text.splitlines()

    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-2026-01-01.csv"'
    assert [(row["at"], row["user"]) for row in rows] == [("2026-01-01T12:00:00.000Z", "'=cmd|' /C calc'!A0")]
    assert [json.loads(line)["user"] for line in lines] == ["=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "since=-1", "color=red", "event=a&event=b"])
def test_a_faulty_question_is_refused(website: Website, query: str):
    assert website.signed_in("ada").get(f"/api/admin/audit?{query}").status_code == 400


# ── secrets, people, time ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        *((name, "x", "[REDACTED]") for name in (
            "password", "passwordHash", "newPassword", "token", "accessToken", "jwt", "JWT_SECRET", "apiKey",
            "Authorization", "setCookie", "sessionId", "creditCard", "ssn",
        )),
        ("password", None, None),
        ("email", "mira@example.org", "mi***@example.org"),
        ("userEmail", "m@example.org", "m***@example.org"),
        ("email", "no address", "[REDACTED]"),
        ("email", "a@b@c", "[REDACTED]"),
        ("phone", "+49 30 1234567", "+49 30 ***4567"),
        ("phoneNumber", "1234", "1234"),
        ("name", "mira", "mira"),
        ("port", 8050, 8050),
    ],
)  # fmt: skip
def test_secrets_are_taken_out_by_the_names_of_their_fields(field: str, value: object, shown: object):
    original = {"outer": [{"deep": {field: value}}]}

    assert told.redacted(original) == {"outer": [{"deep": {field: shown}}]}
    assert original == {"outer": [{"deep": {field: value}}]}


def test_who_is_forgotten_leaves_lines_without_a_name(store: Store):
    user = accounts.create_user(store, "mira", "x", Role.VIEWER, now=NOON)
    subject = a_record().subject
    gone = type(subject)(user, "mira", "203.0.113.9", "a browser")
    again = type(subject)(user, "mira", "203.0.113.10", "another browser")
    accounts.create_user(store, "ada", "x", Role.ADMIN, now=NOON)
    for one in (gone, again):
        audit.add(store, type(a_record())(NOON, "auth.logout", a_record().level, one))

    accounts.erase(store, "mira", now=NOON, told=a_record("user.erased"))

    found = audit.found(store, audit.Wanted(event="auth."), 10)
    assert [(row.name, row.address, row.user_agent, row.user_id) for row in found] == [("", "", "", user)] * 2
    assert accounts.find_user(store, "mira") is None


def test_after_ninety_days_a_line_goes_and_its_subject_with_it(store: Store):
    audit.add(store, a_record("old.thing", at=NOON - 91 * DAY, name="old"), a_record("new.thing", name="new"))

    assert audit.retain(store, NOON - 90 * DAY) == 1
    assert [row.name for row in audit.found(store, audit.Wanted(), 10)] == ["new"]
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM audit_subjects").scalars().all() == ["new"]


def test_nothing_but_retention_takes_a_line_out_and_nothing_changes_one():
    """Every statement on the table, wherever it stands: an update or a delete but that one would be found here."""
    found = []
    for path in STORE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"update", "delete"}:
                found += [
                    (path.name, node.func.id) for one in node.args if isinstance(one, ast.Name) and one.id == "audit"
                ]

    assert found == [("audit.py", "delete")]
