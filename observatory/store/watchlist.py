"""What administrators add to the targets, and what they pause. Every change says in the audit log who made it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from observatory.errors import Conflict, NotFound
from observatory.model import AuditRecord, Event, Expect, Instant, Kind, Labels, Origin, Target
from observatory.store import audit, events
from observatory.store.engine import Store
from observatory.store.schema import added_targets, contexts, pauses, projects, targets
from observatory.store.sql import AnyRow, insert_new
from observatory.store.topics import EVENTS, WATCHLIST, raise_revision, touch


@dataclass(frozen=True, slots=True)
class Definition:
    """A target as an administrator describes it. Secrets are named by the variables that hold them."""

    name: str
    kind: Kind
    url: str
    interval: float | None = None  # seconds; None: as the setting says
    timeout: float | None = None
    labels: Labels = ()
    project: str = ""
    token_env: str = ""
    headers_env: tuple[tuple[str, str], ...] = ()  # header, variable
    expect: Expect | None = None

    def target(self, interval: float, variable: Callable[[str], str]) -> Target:
        """What is read: with `interval` where none was given, and the secrets that `variable` knows."""
        return Target(
            name=self.name,
            kind=self.kind,
            url=self.url,
            origin=Origin.ADMIN,
            interval=self.interval or interval,
            timeout=self.timeout,
            labels=self.labels,
            project=self.project,
            token=variable(self.token_env) if self.token_env else "",
            headers=tuple((header, variable(name)) for header, name in self.headers_env),
            expect=self.expect,
        )


def all_added(store: Store) -> list[Definition]:
    with store.read() as connection:
        rows = connection.execute(select(added_targets).order_by(added_targets.c.name)).all()
    return [definition_of(row) for row in rows]


def find(store: Store, name: str) -> Definition | None:
    """What an administrator added under this name; None when nobody did."""
    with store.read() as connection:
        row = connection.execute(select(added_targets).where(added_targets.c.name == name)).first()
    return None if row is None else definition_of(row)


def paused(store: Store) -> frozenset[str]:
    """The names of what was paused here."""
    with store.read() as connection:
        return frozenset(connection.execute(select(pauses.c.name)).scalars())


def add(
    store: Store, wanted: Definition, *, now: Instant, pause: bool = False, told: Event, audited: AuditRecord
) -> None:
    """Raises Conflict when somebody else names a target so, or an administrator did before."""
    with store.write() as connection:
        if named_by(connection, wanted.name) not in {None, Origin.ADMIN}:
            raise Conflict(f"A service named {wanted.name} is watched already.")
        row = {**row_of(wanted), "added_ms": now, "changed_ms": now}
        if not insert_new(connection, added_targets, row, key=["name"]):
            raise Conflict(f"A service named {wanted.name} was added before.")
        connection.execute(delete(pauses).where(pauses.c.name == wanted.name))
        if pause:
            connection.execute(insert(pauses).values(name=wanted.name, since_ms=now))
        tell(connection, told, audited)


def change(store: Store, wanted: Definition, *, now: Instant, told: Event, audited: AuditRecord) -> None:
    """Raises NotFound when nobody added a target of that name."""
    with store.write() as connection:
        mine = added_targets.c.name == wanted.name
        changed = connection.execute(update(added_targets).where(mine).values(**row_of(wanted), changed_ms=now))
        if not changed.rowcount:
            raise NotFound(f"No service named {wanted.name} was added here.")
        tell(connection, told, audited)


def remove(store: Store, name: str, *, audited: AuditRecord) -> None:
    """What it told until now stays as long as anything is kept. Raises NotFound when nobody added it."""
    with store.write() as connection:
        if not connection.execute(delete(added_targets).where(added_targets.c.name == name)).rowcount:
            raise NotFound(f"No service named {name} was added here.")
        if named_by(connection, name) in {None, Origin.ADMIN}:
            connection.execute(delete(pauses).where(pauses.c.name == name))
        tell(connection, None, audited)


def pause(store: Store, name: str, *, now: Instant, told: Event, audited: AuditRecord) -> None:
    """Raises NotFound, and Conflict when it is paused already."""
    with store.write() as connection:
        if is_paused(connection, name) or not insert_new(
            connection, pauses, {"name": name, "since_ms": now}, key=["name"]
        ):
            raise Conflict(f"{name} is paused already.")
        tell(connection, told, audited)


def resume(store: Store, name: str, *, told: Event, audited: AuditRecord) -> None:
    """Raises NotFound, and Conflict when it is not paused, or not from here."""
    with store.write() as connection:
        still = is_paused(connection, name)
        if not connection.execute(delete(pauses).where(pauses.c.name == name)).rowcount:
            raise Conflict(
                f"{name} is paused in observatory.toml. Take `paused` out of its entry there."
                if still
                else f"{name} is not paused."
            )
        tell(connection, told, audited)


def is_paused(connection: Connection, name: str) -> bool:
    """As the collector has it. Raises NotFound when there is no such target, watched or just added."""
    added = select(added_targets.c.name).where(added_targets.c.name == name)
    found = connection.execute(
        select(targets.c.paused).where(targets.c.name == name, targets.c.gone_ms.is_(None))
    ).scalar()
    if found is None and connection.execute(added).first() is None:
        raise NotFound(f"No service is called {name!r}.")
    return bool(found)


def tell(connection: Connection, told: Event | None, audited: AuditRecord) -> None:
    revision = raise_revision(connection)
    if told is not None:
        events.record(connection, [told])
    audit.record(connection, audited)
    touch(connection, revision, {WATCHLIST, EVENTS} if told else {WATCHLIST})


def named_by(connection: Connection, name: str) -> str | None:
    """Who names the target that is watched under `name`; None when none is."""
    query = select(targets.c.origin).where(targets.c.name == name, targets.c.gone_ms.is_(None))
    return connection.execute(query).scalar()


def row_of(wanted: Definition) -> dict[str, object]:
    return {
        "name": wanted.name,
        "kind": wanted.kind.value,
        "url": wanted.url,
        "interval_ms": milliseconds(wanted.interval),
        "timeout_ms": milliseconds(wanted.timeout),
        "labels": json.dumps(wanted.labels),
        "project": wanted.project,
        "token_env": wanted.token_env,
        "headers_env": json.dumps(wanted.headers_env),
        "expect": None if wanted.expect is None else json.dumps(expectation(wanted.expect)),
    }


def definition_of(row: AnyRow) -> Definition:
    expect: Mapping[str, object] | None = json.loads(row.expect) if row.expect else None
    return Definition(
        name=row.name,
        kind=Kind(row.kind),
        url=row.url,
        interval=seconds(row.interval_ms),
        timeout=seconds(row.timeout_ms),
        labels=pairs(row.labels),
        project=row.project,
        token_env=row.token_env,
        headers_env=pairs(row.headers_env),
        expect=None if expect is None else Expect(**expect),  # type: ignore[arg-type]
    )


def expectation(expect: Expect) -> dict[str, object]:
    return {"status": expect.status, "json": dict(expect.json)}


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    found: Sequence[tuple[str, str]] = json.loads(text)
    return tuple((name, value) for name, value in found)


def milliseconds(length: float | None) -> int | None:
    return None if length is None else round(length * 1000)


def seconds(length_ms: int | None) -> float | None:
    return None if length_ms is None else length_ms / 1000


class McpServer(NamedTuple):
    """An MCP server as a Bridge passed on what a project says of it."""

    name: str
    url: str
    project: str


def mcp_servers(store: Store, bridges: Sequence[str]) -> list[McpServer]:
    """What these Bridges last told of MCP servers, in their context first, then in their projects: each URL once.

    A server belongs to the project that names its URL or has its path, else to one of its own id, which is nobody's.
    """
    told = (
        select(contexts.c.target_id, contexts.c.servers)
        .join(targets, targets.c.id == contexts.c.target_id)
        .where(targets.c.name.in_(bridges))
        .order_by(targets.c.name)
    )
    listed = (
        select(projects)
        .join(targets, targets.c.id == projects.c.target_id)
        .where(targets.c.name.in_(bridges), projects.c.gone_ms.is_(None))
        .order_by(targets.c.name, projects.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(listed).all()
        servers = [(row.target_id, one) for row in connection.execute(told) for one in json.loads(row.servers)]
    found: dict[str, McpServer] = {}
    for target, server in servers:
        url, name = str(server.get("url") or ""), str(server.get("id") or server.get("name") or "")
        path = str(server.get("project_path") or server.get("projectPath") or "")
        owner = next(
            (r.id for r in rows if r.target_id == target and (r.mcp_url == url or (path and r.path == path))), name
        )
        if url and name:
            found.setdefault(url.rstrip("/"), McpServer(name, url, owner))
    for row in rows:
        if row.mcp_url:
            found.setdefault(row.mcp_url.rstrip("/"), McpServer(row.id, row.mcp_url, row.id))
    return list(found.values())


def project_paths(store: Store, bridges: Sequence[str]) -> list[tuple[str, str]]:
    """Id and folder of each project that these Bridges list and that names one, by Bridge, then id."""
    query = (
        select(projects.c.id, projects.c.path)
        .join(targets, targets.c.id == projects.c.target_id)
        .where(targets.c.name.in_(bridges), projects.c.gone_ms.is_(None), projects.c.path != "")
        .order_by(targets.c.name, projects.c.id)
    )
    with store.read() as connection:
        return [(row.id, row.path) for row in connection.execute(query)]
