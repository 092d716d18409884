"""API tokens: a program's key to what its owner may do, or less. Only a hash of the secret is kept."""

import json
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update
from sqlalchemy.sql.selectable import Select

from observatory.errors import Conflict, StoreError
from observatory.model import MINUTE, Actor, AuditRecord, Instant, Role
from observatory.store import audit
from observatory.store.engine import Store
from observatory.store.schema import api_tokens, user_projects, users
from observatory.store.sql import AnyRow, printable


def _holder(which: str) -> "Select[tuple[object, ...]]":
    # One row for each project of the owner, one row without a project for an owner who has none. Made once.
    return (
        select(
            api_tokens.c.id.label("token"),
            api_tokens.c.role.label("scope"),
            api_tokens.c.projects.label("cut"),
            api_tokens.c.used_ms,
            users.c.id,
            users.c.name,
            users.c.role,
            user_projects.c.project,
        )
        .select_from(
            api_tokens.join(users, users.c.id == api_tokens.c.user_id).outerjoin(
                user_projects, user_projects.c.user_id == users.c.id
            )
        )
        .where(
            api_tokens.c[which] == bindparam("key"),
            api_tokens.c.ended_ms.is_(None),
            api_tokens.c.expires_ms > bindparam("now"),
            users.c.disabled_ms.is_(None),
        )
    )


_OF_SECRET, _OF_ID = _holder("hash"), _holder("id")


def create(
    store: Store,
    user: int,
    name: str,
    hash_: str,
    role: Role,
    *,
    projects: Sequence[str] | None,
    now: Instant,
    expires: Instant,
    told: AuditRecord,
) -> int:
    """Add a token and answer its id. `projects` None means all that its owner may see. Raises Conflict for a name that
    a token of this owner has already."""
    row = {
        "user_id": user,
        "name": name,
        "hash": hash_,
        "role": role.value,
        "projects": None if projects is None else json.dumps(sorted(project.lower() for project in projects)),
        "created_ms": now,
        "expires_ms": expires,
    }
    with store.write() as connection:
        taken = select(api_tokens.c.id).where(
            api_tokens.c.user_id == user, api_tokens.c.name == name, api_tokens.c.ended_ms.is_(None)
        )
        if connection.execute(taken).first() is not None:
            raise Conflict(f"There is a token named {name} already.")
        key = connection.execute(insert(api_tokens).returning(api_tokens.c.id), printable(row)).scalar_one()
        audit.record(connection, told)
    return int(key)


def actor(store: Store, hash_: str, *, now: Instant) -> Actor | None:
    """Who the token speaks for: never more than its owner may, nor more than it was made for. None when it is unknown,
    revoked or expired, or when its owner is disabled."""
    with store.ask() as connection:
        rows = connection.execute(_OF_SECRET, {"key": hash_, "now": now}).all()
    if not rows:
        return None
    if rows[0].used_ms is None or now - rows[0].used_ms >= MINUTE:
        with suppress(StoreError):  # a database that takes no writes just now may be read all the same
            mark_used(store, rows[0].token, now)
    return _actor(rows)


def holder(store: Store, token: int, *, now: Instant) -> Actor | None:
    """The same by the token's id, for who was let in by it before."""
    with store.ask() as connection:
        rows = connection.execute(_OF_ID, {"key": token, "now": now}).all()
    return _actor(rows) if rows else None


def _actor(rows: Sequence[AnyRow]) -> Actor:
    first = rows[0]
    owner, scope, cut = Role(first.role), Role(first.scope), first.cut
    projects = {row.project for row in rows if row.project is not None}
    if cut is not None:
        wanted = set(json.loads(cut))
        projects = wanted if owner is Role.ADMIN else projects & wanted
    role = min(owner, scope, key=list(Role).index)
    everything = owner is Role.ADMIN and cut is None  # an admin's token of a lesser role sees what its owner does
    return Actor(first.id, first.name, role, tuple(sorted(projects)), "", token=first.token, everything=everything)


def mark_used(store: Store, token: int, now: Instant) -> None:
    with store.write() as connection:
        connection.execute(update(api_tokens).where(api_tokens.c.id == token).values(used_ms=now))


def current(store: Store, *, user: str = "") -> Sequence[AnyRow]:
    """Every token that was not revoked, the newest first: its columns, and `user`, the name of its owner."""
    query = (
        select(api_tokens, users.c.name.label("user"))
        .join(users, users.c.id == api_tokens.c.user_id)
        .where(api_tokens.c.ended_ms.is_(None))
        .order_by(api_tokens.c.id.desc())
    )
    if user:
        query = query.where(users.c.name == user)
    with store.read() as connection:
        return connection.execute(query).all()


def revoke(store: Store, token: int, *, now: Instant, told: AuditRecord) -> bool:
    """End a token for good. Answers whether it was good until now. Its name is free again."""
    with store.write() as connection:
        ended = end_where(connection, api_tokens.c.id == token, now)
        if ended:
            audit.record(connection, told)
    return ended > 0


def end_of_user(connection: Connection, user: int, now: Instant) -> int:
    """End every token of a user; how many that were."""
    return end_where(connection, api_tokens.c.user_id == user, now)


def end_where(connection: Connection, condition: "ColumnElement[bool]", now: Instant) -> int:
    statement = update(api_tokens).where(condition, api_tokens.c.ended_ms.is_(None))
    return connection.execute(statement.values(ended_ms=now)).rowcount
