"""The audit log: only ever added to. A denial that repeats within its minute raises its row's count, and retention
removes the old; nothing else touches a row. Who did something stands apart, where it can be forgotten.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, Select, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from observatory.model import MINUTE, AuditRecord, Instant, Subject
from observatory.store.engine import Store
from observatory.store.schema import audit, audit_subjects
from observatory.store.sql import AnyRow, printable, upsert

LONGEST = 300  # characters of an address, a user agent, a path
MOST_ROWS = 10_000


class Wanted(NamedTuple):
    """What of the log is asked for; "" and None leave a question open. `before` is the id to go on from."""

    event: str = ""  # its beginning: "auth." is all of them
    user: str = ""
    text: str = ""  # found in resource, project, reason, path or address
    since: Instant | None = None
    until: Instant | None = None
    before: int | None = None


def record(connection: Connection, entry: AuditRecord) -> None:
    """Add `entry` inside the transaction of what it tells of: both are there, or neither."""
    row = {
        "at_ms": entry.at,
        "until_ms": entry.at,
        "event": entry.event,
        "level": entry.level.value,
        "subject_id": subject_id(connection, entry.subject),
        "action": entry.action,
        "resource": entry.resource[:LONGEST],
        "project": entry.project[:LONGEST],
        "reason": entry.reason[:LONGEST],
        "method": entry.method,
        "path": entry.path[:LONGEST],
        "details": json.dumps(entry.details, ensure_ascii=False, default=str),
        "times": entry.times,
        "repeat_key": repeat_key(entry) if entry.repeated else None,
    }
    connection.execute(adding(connection.dialect.name), printable(row))


@cache
def adding(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """The insert of a record. A row without a repeat key meets no other, so for it this is a plain insert."""
    insert = sqlite.insert(audit) if dialect == "sqlite" else postgresql.insert(audit)
    again = {"until_ms": insert.excluded.until_ms, "times": audit.c.times + insert.excluded.times}
    return insert.on_conflict_do_update(index_elements=["repeat_key"], set_=again)


def repeat_key(entry: AuditRecord) -> str:
    """What denials have in common that become one row: event, address, minute."""
    return f"{entry.event} {entry.subject.address[:LONGEST]} {entry.at // MINUTE}"


def subject_id(connection: Connection, subject: Subject) -> int:
    parts = (subject.name[:LONGEST], subject.address[:LONGEST], subject.user_agent[:LONGEST])
    key = hashlib.sha256(json.dumps([subject.user, *parts]).encode()).hexdigest()
    known = select(audit_subjects.c.id).where(audit_subjects.c.key == key)
    found = connection.execute(known).scalar()
    if found is None:
        names = dict(zip(("name", "address", "user_agent"), parts, strict=True))
        upsert(connection, audit_subjects, [{"key": key, "user_id": subject.user, **names}], key=["key"])
        found = connection.execute(known).scalar_one()
    return int(found)


def add(store: Store, *entries: AuditRecord) -> None:
    """Add entries that tell of nothing in our own database: a denial, a sign-in that failed."""
    with store.write() as connection:
        for entry in entries:
            record(connection, entry)


def found(store: Store, wanted: Wanted, limit: int) -> Sequence[AnyRow]:
    """The newest first, at most `limit`: the columns of `audit` and of its subject."""
    with store.read() as connection:
        return connection.execute(narrowed(wanted).limit(min(limit, MOST_ROWS))).all()


def narrowed(wanted: Wanted) -> "Select[tuple[object, ...]]":
    subject = audit_subjects.c
    query = (
        select(audit, subject.user_id, subject.name, subject.address, subject.user_agent)
        .join(audit_subjects, audit_subjects.c.id == audit.c.subject_id)
        .order_by(audit.c.id.desc())
    )
    if wanted.event:
        query = query.where(audit.c.event.startswith(wanted.event, autoescape=True))
    if wanted.user:
        query = query.where(func.lower(subject.name) == wanted.user.lower())
    if wanted.text:
        columns = (audit.c.resource, audit.c.project, audit.c.reason, audit.c.path, subject.address)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    if wanted.since is not None:
        query = query.where(audit.c.until_ms >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at_ms < wanted.until)
    if wanted.before is not None:
        query = query.where(audit.c.id < wanted.before)
    return query


def forget(connection: Connection, user: int) -> None:
    """Empty who `user` was. What was done stays, by a subject without a name."""
    of_user = audit_subjects.c.user_id == user
    nobody = {"name": "", "address": "", "user_agent": ""}
    for key in connection.execute(select(audit_subjects.c.id).where(of_user)).scalars().all():
        gone = update(audit_subjects).where(audit_subjects.c.id == key)
        connection.execute(gone.values(**nobody, key=f"forgotten {key}"))


def retain(store: Store, since: Instant) -> int:
    """Remove what is older than `since`, and subjects of whom nothing is left. Answers how many rows went."""
    with store.write() as connection:
        went = connection.execute(delete(audit).where(audit.c.until_ms < since)).rowcount
        if went:
            told = select(audit.c.id).where(audit.c.subject_id == audit_subjects.c.id)
            connection.execute(delete(audit_subjects).where(~told.exists()))
    return went
