"""Who may sign in, what is open in their name, and what was done: for administrators only."""

import json
from collections import Counter

import pandas as pd

from observatory.model import DAY, Instant
from observatory.store import accounts, api_tokens, limits
from observatory.store import audit as log
from observatory.store import sessions as open_sessions
from observatory.store.audit import Wanted
from observatory.store.engine import Store
from observatory.store.sql import AnyRow

__all__ = ["Wanted", "audit", "everybody", "marks", "sessions", "tokens"]

EVERYBODY = {
    "name": "str", "role": "str", "state": "str", "projects": "object", "created": "int64", "sessions": "int64",
    "tokens": "int64",
}  # fmt: skip
SESSIONS = {
    "session": "str", "user": "str", "since": "int64", "expires": "int64", "address": "str", "agent": "str",
}  # fmt: skip
TOKENS = {
    "id": "int64", "owner": "str", "name": "str", "role": "str", "projects": "object", "created": "int64",
    "expires": "int64", "used": "Int64", "state": "str",
}  # fmt: skip
AUDIT = {
    "id": "int64", "at": "int64", "until": "int64", "times": "int64", "event": "str", "level": "str", "user": "str",
    "user_id": "Int64", "address": "str", "agent": "str", "action": "str", "resource": "str", "project": "str",
    "reason": "str", "method": "str", "path": "str", "details": "object",
}  # fmt: skip
MARKS = {"group": "str", "who": "str", "near": "int64", "met": "int64", "allowed": "int64", "last": "int64"}
SOON = 7 * DAY


def everybody(store: Store, now: Instant) -> pd.DataFrame:
    """Every account by name, the disabled last.

    Columns: name, role str; state str `active`, `invited` (has no password) or `disabled`; projects tuple of ids;
    created int64 ms; sessions, tokens int64: how many are open.
    """
    signed_in = Counter(row.user for row in open_sessions.current(store, now=now))
    keys = Counter(row.user for row in api_tokens.current(store) if row.expires_ms > now)
    records = [
        (one.name, one.role, state_of(one), one.projects, one.created, signed_in[one.name], keys[one.name])
        for one in accounts.all_users(store)
    ]
    return pd.DataFrame(records, columns=list(EVERYBODY)).astype(EVERYBODY)


def state_of(account: accounts.Account) -> str:
    if account.disabled:
        return "disabled"
    return "active" if account.password_hash else "invited"


def sessions(store: Store, now: Instant, user: str = "") -> pd.DataFrame:
    """Open sessions, the newest sign-in first. Columns: session, user, address, agent str; since, expires int64 ms."""
    records = [
        (row.session, row.user, row.since_ms, row.expires_ms, row.address, row.user_agent)
        for row in open_sessions.current(store, now=now, user=user)
    ]
    return pd.DataFrame(records, columns=list(SESSIONS)).astype(SESSIONS)


def tokens(store: Store, now: Instant) -> pd.DataFrame:
    """API tokens that were not revoked, the newest first.

    Columns: id int64; owner, name, role str; projects tuple of ids, None for all that the owner may see; created,
    expires int64 ms; used Int64 ms, NA when it never was; state str `valid`, `expiring` (within a week) or `expired`.
    """
    records = [
        (
            row.id, row.user, row.name, row.role, None if row.projects is None else tuple(json.loads(row.projects)),
            row.created_ms, row.expires_ms, row.used_ms, token_state(row.expires_ms, now),
        )
        for row in api_tokens.current(store)
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(TOKENS)).astype(TOKENS)


def token_state(expires: Instant, now: Instant) -> str:
    if expires <= now:
        return "expired"
    return "expiring" if expires - now < SOON else "valid"


def audit(store: Store, wanted: Wanted, limit: int) -> pd.DataFrame:
    """The audit log, the newest first, at most `limit` lines.

    Columns: id, at, until (ms, of the last of `times` alike), times int64; event, level, user ("" when a stranger gave
    no name or the person was erased), address, agent, action, resource, project, reason, method, path str; user_id
    Int64, NA for a stranger; details dict.
    """
    records = [line(row) for row in log.found(store, wanted, limit)]
    return pd.DataFrame(records, columns=list(AUDIT)).astype(AUDIT)


def line(row: AnyRow) -> tuple[object, ...]:
    return (
        row.id, row.at_ms, row.until_ms, row.times, row.event, row.level, row.name, row.user_id, row.address,
        row.user_agent, row.action, row.resource, row.project, row.reason, row.method, row.path,
        json.loads(row.details),
    )  # fmt: skip


def marks(store: Store, now: Instant) -> pd.DataFrame:
    """Who met a limit within the last day or came near one, the latest first: one row a group and caller.

    Columns: group, who str; near int64 (windows of which four fifths were used), met int64 (requests turned away),
    allowed int64 a window, last int64 ms.
    """
    records = [
        (row.group, row.who, row.near, row.met, row.allowed, row.last_ms) for row in limits.marks(store, now - DAY)
    ]
    df = pd.DataFrame(records, columns=list(MARKS)).astype(MARKS)
    by_caller = df.groupby(["group", "who"], as_index=False, sort=False)
    return by_caller.agg({"near": "sum", "met": "sum", "allowed": "first", "last": "max"})
