"""Users and their sessions."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Exists, bindparam, delete, exists, insert, select, update

from observatory.errors import StoreError
from observatory.model import DAY, Actor, Instant, Role
from observatory.store.engine import Store
from observatory.store.schema import sessions, user_projects, users
from observatory.store.sql import upsert

KEPT_AFTER_EXPIRY = 30 * DAY  # ended sessions stay that long, for the administrator's list


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the sign-in needs it. `projects` are lower-case ids, sorted."""

    id: int
    name: str
    password_hash: str
    role: Role
    projects: tuple[str, ...]
    disabled: bool


# One row for each project of the user, one row without a project for a user who has none. No row: no session.
# Made once: every request asks it, and putting it together costs a fifth of the whole question.
_SESSION = (
    select(users.c.id, users.c.name, users.c.role, user_projects.c.project, sessions.c.expires_ms)
    .select_from(
        sessions.join(users, users.c.id == sessions.c.user_id).outerjoin(
            user_projects, user_projects.c.user_id == users.c.id
        )
    )
    .where(
        sessions.c.jti == bindparam("jti"),
        sessions.c.ended_ms.is_(None),
        sessions.c.expires_ms > bindparam("now"),
        users.c.disabled_ms.is_(None),
    )
)


def create_user(
    store: Store, name: str, password_hash: str, role: Role, *, projects: Iterable[str] = (), now: Instant
) -> int:
    """Add a user and answer its id. Raises StoreError when the name is taken."""
    with store.write() as connection:
        if not _add(connection, name, password_hash, role, now):
            raise StoreError(f"There is a user named {name} already.")
        user = int(connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one())
        ids = sorted({project.lower() for project in projects})
        if ids:
            connection.execute(insert(user_projects), [{"user_id": user, "project": one} for one in ids])
    return user


def find_user(store: Store, name: str) -> Account | None:
    """The user named `name`, disabled ones too; None when there is none."""
    with store.read() as connection:
        row = connection.execute(select(users).where(users.c.name == name)).first()
        if row is None:
            return None
        chosen = select(user_projects.c.project).where(user_projects.c.user_id == row.id)
        projects = tuple(sorted(connection.execute(chosen).scalars()))
    return Account(row.id, row.name, row.password_hash, Role(row.role), projects, row.disabled_ms is not None)


def set_password_hash(store: Store, user: int, password_hash: str) -> None:
    with store.write() as connection:
        connection.execute(update(users).where(users.c.id == user).values(password_hash=password_hash))


def has_admin(store: Store) -> bool:
    """Whether an administrator exists who is not disabled."""
    with store.read() as connection:
        return bool(connection.execute(select(_an_admin())).scalar())


def ensure_admin(store: Store, password_hash: str, *, now: Instant) -> bool:
    """Add the administrator `admin` if there is none yet. Answers whether it did.

    Two processes that start together add one: the name is unique and the second insert does nothing.
    """
    with store.write() as connection:
        if connection.execute(select(_an_admin())).scalar():
            return False
        return _add(connection, "admin", password_hash, Role.ADMIN, now)


def open_session(
    store: Store, user: int, jti: str, *, issued: Instant, expires: Instant, address: str = "", user_agent: str = ""
) -> None:
    """Remember a new session. Sessions that are long over are dropped on the way."""
    with store.write() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_ms < issued - KEPT_AFTER_EXPIRY))
        connection.execute(
            insert(sessions).values(
                jti=jti,
                user_id=user,
                issued_ms=issued,
                expires_ms=expires,
                address=address[:100],
                user_agent=user_agent[:300],
            )
        )


def session_actor(store: Store, jti: str, *, now: Instant) -> Actor | None:
    """Who holds the session; None when it is unknown, ended or expired, or when its user is disabled."""
    with store.read() as connection:
        rows = connection.execute(_SESSION, {"jti": jti, "now": now}).all()
    if not rows:
        return None
    projects = tuple(sorted(row.project for row in rows if row.project is not None))
    return Actor(user=rows[0].id, name=rows[0].name, role=Role(rows[0].role), projects=projects, session=jti)


def end_session(store: Store, jti: str, *, now: Instant) -> bool:
    """End a session for good. Answers whether it was open until now."""
    statement = update(sessions).where(sessions.c.jti == jti, sessions.c.ended_ms.is_(None)).values(ended_ms=now)
    with store.write() as connection:
        return connection.execute(statement).rowcount == 1


def _add(connection: Connection, name: str, password_hash: str, role: Role, now: Instant) -> bool:
    """Add a user unless the name is taken. Hashes are salted: after a race, the one that stands there tells who won."""
    hash_of = select(users.c.password_hash).where(users.c.name == name)
    if connection.execute(hash_of).first() is not None:
        return False
    row = {"name": name, "password_hash": password_hash, "role": role.value, "created_ms": now}
    upsert(connection, users, [row], key=["name"])
    return bool(connection.execute(hash_of).scalar_one() == password_hash)


def _an_admin() -> Exists:
    return exists().where(users.c.role == Role.ADMIN.value, users.c.disabled_ms.is_(None))
