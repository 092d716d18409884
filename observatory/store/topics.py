"""The revision and its topics: how readers learn that something changed."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from observatory.store.engine import Store
from observatory.store.schema import revision, topics
from observatory.store.sql import upsert

_POSITION = select(revision.c.epoch, revision.c.value)  # made once: it is asked many times a second
TARGETS, AGENTS, EVENTS, PROJECTS = "targets", "agents", "events", "projects"
WATCHLIST = "watchlist"  # what administrators added or paused: the collector follows it


LATEST = select(revision.c.epoch, select(func.max(topics.c.revision)).scalar_subquery().label("revision"))
RAISED = update(revision).values(value=revision.c.value + 1).returning(revision.c.value)


class Position(NamedTuple):
    """Where a reader stands. The epoch differs between databases, so a count from another one is recognised."""

    epoch: str
    revision: int


def raise_revision(connection: Connection) -> int:
    """The next revision. The row stays locked until commit, so revisions become visible in their order."""
    return int(connection.execute(RAISED).scalar_one())


def touch(connection: Connection, now: int, names: Iterable[str]) -> None:
    """Note that `names` changed at revision `now`."""
    upsert(connection, topics, [{"topic": name, "revision": now} for name in sorted(names)], update=["revision"])


def position(store: Store) -> Position:
    with store.ask() as connection:
        row = connection.execute(_POSITION).one()
    return Position(row.epoch, row.value)


def latest(store: Store) -> Position:
    """Where the topics stand: new points alone do not move it."""
    with store.ask() as connection:
        row = connection.execute(LATEST).one()
    return Position(row.epoch, row.revision or 0)


def changed_at(store: Store, topic: str) -> int:
    """The revision at which `topic` last changed; 0 when it never did."""
    with store.read() as connection:
        return connection.execute(select(topics.c.revision).where(topics.c.topic == topic)).scalar() or 0


def touched_since(store: Store, seen: int) -> frozenset[str]:
    """Topics that changed after revision `seen`."""
    with store.read() as connection:
        return frozenset(connection.execute(select(topics.c.topic).where(topics.c.revision > seen)).scalars())
