"""Sessions: who is signed in, from when to when. One row a token; a session goes on through all its tokens."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.selectable import Select

from observatory.model import DAY, MINUTE, Actor, AuditRecord, Instant, Role
from observatory.store import audit
from observatory.store.engine import Store
from observatory.store.schema import sessions, user_projects, users
from observatory.store.sql import AnyRow, printable

KEPT_AFTER_EXPIRY = 30 * DAY  # ended sessions stay that long, for the administrator's list
OVERLAP = MINUTE  # a token that was renewed still answers: other tabs have asked with it already


class Held(NamedTuple):
    """Who holds a token, and whether it is the newest of its session."""

    actor: Actor
    newest: bool


def _holder(which: str) -> "Select[tuple[object, ...]]":
    # One row for each project of the user, one row without a project for a user who has none. No row: no session.
    # Made once: every request asks it, and putting it together costs a fifth of the whole question.
    return (
        select(
            users.c.id,
            users.c.name,
            users.c.role,
            user_projects.c.project,
            sessions.c.session,
            sessions.c.issued_ms,
            sessions.c.expires_ms,
            sessions.c.renewed_ms,
            sessions.c.confirmed_ms,
        )
        .select_from(
            sessions.join(users, users.c.id == sessions.c.user_id).outerjoin(
                user_projects, user_projects.c.user_id == users.c.id
            )
        )
        .where(
            sessions.c[which] == bindparam("key"),
            sessions.c.ended_ms.is_(None),
            sessions.c.expires_ms > bindparam("now"),
            users.c.disabled_ms.is_(None),
        )
    )


_OF_TOKEN, _OF_SESSION = _holder("jti"), _holder("session")


def begin(
    connection: Connection,
    user: int,
    jti: str,
    *,
    issued: Instant,
    expires: Instant,
    address: str = "",
    user_agent: str = "",
    session: str = "",
    confirmed: Instant | None = None,
) -> None:
    """Remember a new token, of a new session unless one is named. Sessions that are long over are dropped."""
    connection.execute(delete(sessions).where(sessions.c.expires_ms < issued - KEPT_AFTER_EXPIRY))
    row = {
        "jti": jti,
        "session": session or jti,
        "user_id": user,
        "issued_ms": issued,
        "expires_ms": expires,
        "confirmed_ms": confirmed,
        "address": address[:100],
        "user_agent": user_agent[:300],
    }
    connection.execute(insert(sessions), printable(row))


def open_session(
    store: Store,
    user: int,
    jti: str,
    *,
    issued: Instant,
    expires: Instant,
    address: str = "",
    user_agent: str = "",
    told: AuditRecord | None = None,
) -> None:
    """A person signed in just now, with the password."""
    with store.write() as connection:
        begin(
            connection, user, jti, issued=issued, expires=expires, address=address, user_agent=user_agent,
            confirmed=issued,
        )  # fmt: skip
        if told is not None:
            audit.record(connection, told)


def actor(store: Store, jti: str, *, now: Instant) -> Held | None:
    """Who presents the token. None when it is unknown, ended or expired, or when its user is disabled."""
    with store.ask() as connection:
        rows = connection.execute(_OF_TOKEN, {"key": jti, "now": now}).all()
    return Held(_actor(rows), rows[0].renewed_ms is None) if rows else None


def holder(store: Store, session: str, *, now: Instant) -> Actor | None:
    """Who holds the session, whatever its present token is; None when it is over."""
    with store.ask() as connection:
        rows = connection.execute(_OF_SESSION, {"key": session, "now": now}).all()
    return _actor(rows) if rows else None


def _actor(rows: Sequence[AnyRow]) -> Actor:
    projects = tuple(sorted({row.project for row in rows if row.project is not None}))
    first = rows[0]
    confirmed = max((row.confirmed_ms for row in rows if row.confirmed_ms is not None), default=None)
    return Actor(first.id, first.name, Role(first.role), projects, first.session, confirmed=confirmed)


def renew(store: Store, jti: str, successor: str, *, issued: Instant, expires: Instant) -> bool:
    """Let `successor` take over from the token `jti`, which goes on for a minute. False when another was quicker, or
    the session ended meanwhile: then nothing was changed."""
    with store.write() as connection:
        token = connection.execute(
            update(sessions)
            .where(sessions.c.jti == jti, sessions.c.ended_ms.is_(None), sessions.c.renewed_ms.is_(None))
            .values(renewed_ms=issued, expires_ms=issued + OVERLAP)
            .returning(
                sessions.c.user_id,
                sessions.c.session,
                sessions.c.confirmed_ms,
                sessions.c.address,
                sessions.c.user_agent,
            )
        ).first()
        if token is None:
            return False
        begin(
            connection,
            token.user_id,
            successor,
            issued=issued,
            expires=expires,
            address=token.address,
            user_agent=token.user_agent,
            session=token.session,
            confirmed=token.confirmed_ms,
        )
    return True


def confirm(store: Store, session: str, now: Instant, told: AuditRecord) -> None:
    """The password was given again."""
    with store.write() as connection:
        connection.execute(update(sessions).where(sessions.c.session == session).values(confirmed_ms=now))
        audit.record(connection, told)


def end(store: Store, session: str, *, now: Instant, told: AuditRecord | None = None) -> bool:
    """End a session for good, with every token of it. Answers whether it was open until now."""
    with store.write() as connection:
        ended = end_where(connection, sessions.c.session == session, now)
        if ended and told is not None:
            audit.record(connection, told)
    return ended > 0


def end_of_user(connection: Connection, user: int, now: Instant) -> int:
    """End every session of a user; how many tokens that were."""
    return end_where(connection, sessions.c.user_id == user, now)


def end_where(connection: Connection, condition: "ColumnElement[bool]", now: Instant) -> int:
    open_ = (sessions.c.ended_ms.is_(None), sessions.c.expires_ms > now)
    return connection.execute(update(sessions).where(condition, *open_).values(ended_ms=now)).rowcount


def current(store: Store, *, now: Instant, user: str = "") -> Sequence[AnyRow]:
    """Open sessions, the newest sign-in first: `session user since_ms expires_ms confirmed_ms address user_agent`."""
    query = (
        select(
            sessions.c.session,
            users.c.name.label("user"),
            func.min(sessions.c.issued_ms).label("since_ms"),
            func.max(sessions.c.expires_ms).label("expires_ms"),
            func.max(sessions.c.confirmed_ms).label("confirmed_ms"),
            func.max(sessions.c.address).label("address"),
            func.max(sessions.c.user_agent).label("user_agent"),
        )
        .join(users, users.c.id == sessions.c.user_id)
        .where(users.c.disabled_ms.is_(None))
        .group_by(sessions.c.session, users.c.name)
        .having(func.max(sessions.c.expires_ms) > now, func.max(sessions.c.ended_ms).is_(None))
        .order_by(func.min(sessions.c.issued_ms).desc())
    )
    if user:
        query = query.where(users.c.name == user)
    with store.read() as connection:
        return connection.execute(query).all()
