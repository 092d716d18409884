"""Users: who may sign in, as what, and to which projects. Every change says in the audit log who made it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from sqlalchemy import Connection, Exists, delete, exists, func, insert, select, update

from observatory.errors import Conflict, NotFound
from observatory.model import AuditRecord, Instant, Role
from observatory.store import api_tokens, audit, links, sessions
from observatory.store.engine import Store
from observatory.store.schema import api_tokens as api_tokens_table
from observatory.store.schema import audit_subjects, user_projects, users
from observatory.store.schema import sessions as sessions_table
from observatory.store.sql import upsert

NO_PASSWORD = ""  # no password is right: the user chooses one by a link


ADMINISTERS = (
    users.c.role == Role.ADMIN.value,
    users.c.disabled_ms.is_(None),
    users.c.password_hash != NO_PASSWORD,
)


@dataclass(frozen=True, slots=True)
class Account:
    """A user. `projects` are lower-case ids, sorted. `password_hash` is "" until the user chose a password."""

    id: int
    name: str
    password_hash: str
    role: Role
    projects: tuple[str, ...]
    disabled: bool
    created: Instant = 0


def create_user(
    store: Store,
    name: str,
    password_hash: str,
    role: Role,
    *,
    projects: Iterable[str] = (),
    now: Instant,
    link: tuple[str, Instant] | None = None,
    told: AuditRecord | None = None,
) -> int:
    """Add a user and answer its id; with `link` (hash, expiry), also the link by which a password is chosen.

    Raises Conflict when the name is taken; names that differ only in case are the same.
    """
    with store.write() as connection:
        if _id(connection, name) is not None or not _add(connection, name, password_hash, role, now):
            raise Conflict(f"There is a user named {name} already.")
        user = int(connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one())
        _put_projects(connection, user, projects)
        if link is not None:
            links.make(connection, user, link[0], now=now, expires=link[1])
        if told is not None:
            audit.record(connection, told)
    return user


def find_user(store: Store, name: str) -> Account | None:
    """The user named `name`, disabled ones too; None when there is none."""
    return next(iter(_accounts(store, name)), None)


def all_users(store: Store) -> list[Account]:
    """Everybody, by name; the disabled last."""
    return sorted(_accounts(store), key=lambda account: (account.disabled, account.name.lower()))


def _accounts(store: Store, name: str | None = None) -> list[Account]:
    query = select(users, user_projects.c.project).outerjoin(user_projects, user_projects.c.user_id == users.c.id)
    if name is not None:
        query = query.where(users.c.name == name)
    with store.read() as connection:
        rows = connection.execute(query).all()
    projects: dict[int, list[str]] = {row.id: [] for row in rows}
    for row in rows:
        if row.project is not None:
            projects[row.id].append(row.project)
    return [
        Account(
            row.id,
            row.name,
            row.password_hash,
            Role(row.role),
            tuple(sorted(projects[row.id])),
            row.disabled_ms is not None,
            row.created_ms,
        )
        for row in {row.id: row for row in rows}.values()
    ]


def set_password_hash(store: Store, user: int, password_hash: str) -> None:
    """The same password, hashed with today's parameters: nobody has to sign in again."""
    with store.write() as connection:
        connection.execute(update(users).where(users.c.id == user).values(password_hash=password_hash))


def set_password(store: Store, user: int, password_hash: str, *, now: Instant, told: AuditRecord) -> None:
    """A new password: every session and link of the user ends. API tokens go on; they are not made of the password."""
    with store.write() as connection:
        _new_password(connection, user, password_hash, now)
        audit.record(connection, told)


def set_password_by_link(store: Store, link: str, password_hash: str, *, now: Instant, told: AuditRecord) -> int | None:
    """The same, by the link whose hash is given, which is used up. None when it is not good any more."""
    with store.write() as connection:
        user = links.take(connection, link, now=now)
        if user is not None:
            _new_password(connection, user, password_hash, now)
            audit.record(connection, told)
    return user


def reset(
    store: Store, name: str, link: str, *, now: Instant, expires: Instant, told: AuditRecord, last: bool = False
) -> None:
    """Take the password away and end every session; by the link the user chooses another. Raises NotFound, and
    Conflict for the last administrator unless `last` says that he may go."""
    with store.write() as connection, nullcontext() if last else _keeping_an_admin(connection):
        user = _known(connection, name)
        _new_password(connection, user, NO_PASSWORD, now)
        links.make(connection, user, link, now=now, expires=expires)
        audit.record(connection, told)


def _new_password(connection: Connection, user: int, password_hash: str, now: Instant) -> None:
    connection.execute(update(users).where(users.c.id == user).values(password_hash=password_hash))
    sessions.end_of_user(connection, user, now)
    links.void(connection, user)


def change(
    store: Store,
    name: str,
    *,
    now: Instant,
    told: AuditRecord,
    role: Role | None = None,
    projects: Iterable[str] | None = None,
    disabled: bool | None = None,
) -> None:
    """Set what is given. Another role, or being disabled, ends every session; tokens are cut with the role, and end
    with the user. Raises NotFound, and Conflict for the last administrator who could undo it."""
    with store.write() as connection, _keeping_an_admin(connection):
        user = _known(connection, name)
        row = connection.execute(select(users).where(users.c.id == user)).one()
        values: dict[str, object] = {}
        if role is not None and role.value != row.role:
            values["role"] = role.value
        if disabled is not None and disabled != (row.disabled_ms is not None):
            values["disabled_ms"] = now if disabled else None
        if values:
            connection.execute(update(users).where(users.c.id == user).values(values))
            sessions.end_of_user(connection, user, now)
        if values.get("disabled_ms"):
            api_tokens.end_of_user(connection, user, now)
            links.void(connection, user)
        if projects is not None:
            connection.execute(delete(user_projects).where(user_projects.c.user_id == user))
            _put_projects(connection, user, projects)
        audit.record(connection, told)


def erase(store: Store, name: str, *, now: Instant, told: AuditRecord) -> None:
    """Forget a person: the user, sessions, tokens and links go, and the audit log forgets who it was. Raises NotFound,
    and Conflict for the last administrator."""
    with store.write() as connection, _keeping_an_admin(connection):
        user = _known(connection, name)
        sessions.end_of_user(connection, user, now)
        connection.execute(delete(sessions_table).where(sessions_table.c.user_id == user))
        connection.execute(delete(api_tokens_table).where(api_tokens_table.c.user_id == user))
        links.void(connection, user)
        connection.execute(delete(user_projects).where(user_projects.c.user_id == user))
        connection.execute(delete(users).where(users.c.id == user))
        audit.forget(connection, user)
        audit.record(connection, told)


def end_sessions(store: Store, name: str, *, now: Instant, told: AuditRecord) -> int:
    """End every session of a user, and say how many tokens that were. Raises NotFound."""
    with store.write() as connection:
        ended = sessions.end_of_user(connection, _known(connection, name), now)
        audit.record(connection, told)
    return ended


def has_admin(store: Store) -> bool:
    """Whether an administrator exists who is not disabled and has chosen a password."""
    with store.read() as connection:
        return bool(connection.execute(select(_an_admin())).scalar())


def ensure_admin(
    store: Store, password_hash: str, *, now: Instant, link: tuple[str, Instant] | None = None, told: AuditRecord
) -> bool:
    """Let `admin` be the administrator while there is none who can sign in: with a password, or with a link by which
    one is chosen. Answers whether it did.

    Two processes that start together do it once: the first to write has done it.
    """
    with store.write() as connection:
        if connection.execute(select(_an_admin())).scalar():
            return False
        user = _id(connection, "admin")
        if user is None:
            _add(connection, "admin", password_hash, Role.ADMIN, now)
            user = _known(connection, "admin")
        _new_password(connection, user, password_hash, now)  # an older link ends too
        connection.execute(update(users).where(users.c.id == user).values(role=Role.ADMIN.value, disabled_ms=None))
        if link is not None:
            links.make(connection, user, link[0], now=now, expires=link[1])
        audit.record(connection, told)
    return True


def _add(connection: Connection, name: str, password_hash: str, role: Role, now: Instant) -> bool:
    """Add a user unless the name is taken. After a race, whose row stands there tells who won."""
    before = connection.execute(select(func.max(users.c.id))).scalar() or 0
    row: dict[str, object] = {"name": name, "password_hash": password_hash, "role": role.value, "created_ms": now}
    if connection.dialect.name == "sqlite":  # it gives the id of an erased user again, of whom the audit log speaks on
        told = connection.execute(select(func.max(audit_subjects.c.user_id))).scalar() or 0
        row["id"] = max(before, told) + 1
    upsert(connection, users, [row], key=["name"])
    return bool(connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one() > before)


def _id(connection: Connection, name: str) -> int | None:
    return connection.execute(select(users.c.id).where(func.lower(users.c.name) == name.lower())).scalar()


def _known(connection: Connection, name: str) -> int:
    found = connection.execute(select(users.c.id).where(users.c.name == name)).scalar()
    if found is None:
        raise NotFound(f"There is no user named {name}.")
    return int(found)


def _put_projects(connection: Connection, user: int, projects: Iterable[str]) -> None:
    ids = sorted({project.lower() for project in projects})
    if ids:
        connection.execute(insert(user_projects), [{"user_id": user, "project": one} for one in ids])


@contextmanager
def _keeping_an_admin(connection: Connection) -> Iterator[None]:
    """Raise Conflict, and so undo the transaction, when it takes away the last who can administer. Where there is
    none (before the first sign-in, or while one has yet to choose a password) there is none to keep.

    The rows are locked: of two who take each other away at the same moment, one is too late.
    """
    before = connection.execute(select(users.c.id).where(*ADMINISTERS).with_for_update()).all()
    yield
    if before and not connection.execute(select(_an_admin())).scalar():
        raise Conflict("The last administrator cannot be taken away: make another one first.")


def _an_admin() -> Exists:
    return exists().where(*ADMINISTERS)
