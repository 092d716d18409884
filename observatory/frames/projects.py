"""Projects as Bridges list them, the MCP servers they tell of, and how current all of that is."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import pandas as pd

from observatory.model import Actor, Cause
from observatory.store import contexts, projects
from observatory.store.engine import Store
from observatory.store.sql import AnyRow

SOURCES = {
    "source": "str", "project": "str", "measured": "Int64", "received": "Int64", "interval": "float64", "cause": "str",
    "simulated": "bool",
}  # fmt: skip
CURRENT = {
    "id": "str", "name": "str", "path": "str", "description": "str", "icon": "str", "color": "str",
    "dashboards": "str", "telemetry_map": "str", "has_mcp": "boolean", "mcp_url": "str", "bridge_url": "str",
    "ws_url": "str", **SOURCES,
}  # fmt: skip
SERVERS = {
    "id": "str", "name": "str", "path": "str", "url": "str", "status": "str", "capabilities": "object", **SOURCES,
}  # fmt: skip
CONTEXTS = {**SOURCES, "available": "boolean", "listed": "int64"}
SILENT = {Cause.UNREACHABLE, Cause.TIMEOUT, Cause.THROTTLED}


def ids(store: Store) -> frozenset[str]:
    """Every project that a Bridge lists now, in small letters: ids are compared without case."""
    return frozenset(row.id.lower() for row in projects.current(store))


def current(store: Store, actor: Actor) -> pd.DataFrame:
    """Every project of the actor's that a Bridge lists, by id, then source. Empty with all columns if none.

    Columns: id, name, path, description, icon, color, mcp_url, bridge_url, ws_url str; dashboards, telemetry_map str:
    JSON objects as they were told; has_mcp boolean; source str: the Bridge; project str: the id again; measured (when
    the Bridge last told the list, by our clock), received Int64 ms; interval float64 s; cause str: why nothing newer
    came, "" when it did; simulated bool. What was not told is null, or "".
    """
    records = [
        {
            "id": row.id, "name": row.name, "path": row.path, "description": row.description, "icon": row.icon,
            "color": row.color, "dashboards": row.dashboards, "telemetry_map": row.telemetry_map,
            "has_mcp": row.has_mcp, "mcp_url": row.mcp_url, "bridge_url": row.bridge_url, "ws_url": row.ws_url,
            **source_record(row, row.id),
        }
        for row in projects.current(store)
        if actor.sees(row.id) and actor.sees(row.of_target)
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(CURRENT)).astype(CURRENT)


def bridges(store: Store, actor: Actor) -> pd.DataFrame:
    """The Bridges the actor may see, by name, whether they ever answered or not.

    Columns: source str; project str: ""; measured, received Int64 ms of the last good answer; interval float64 s; cause
    str: why nothing newer came; simulated bool.
    """
    return sources(row for row in projects.bridges(store) if actor.sees(row.of_target))


def readings(store: Store, actor: Actor, project: str = "") -> pd.DataFrame:
    """How current what Bridges tell of the actor's projects is: columns as `bridges`, a row for each project of each.

    `project` cuts to one, in whatever case.
    """
    wanted = project.lower()
    return sources(
        row
        for row in projects.readings_of(store)
        if actor.sees(row.project) and actor.sees(row.of_target) and wanted in ("", row.project.lower())
    )


def sources(rows: Iterable[AnyRow]) -> pd.DataFrame:
    records = [source_record(row, row.project) for row in rows]
    return pd.DataFrame(records, columns=list(SOURCES)).astype(SOURCES)


def source_record(row: AnyRow, project: str) -> dict[str, object]:
    return {
        "source": row.target, "project": project, "measured": row.measured_ms, "received": row.answered_ms,
        "interval": row.interval_ms / 1000, "cause": Cause.PAUSED if row.paused else row.cause,
        "simulated": row.simulated,
    }  # fmt: skip


def mcp_contexts(store: Store, actor: Actor) -> pd.DataFrame:
    """The Bridges the actor may see, by name, and whether each says that there are MCP servers.

    Columns as `bridges`, of what they tell of MCP servers; and available boolean, null when it was never told, listed
    int64: how many servers it names, also those that are not the actor's to see.
    """
    records = [
        {**context_record(row), "available": row.available, "listed": len(servers_of(row))}
        for row in contexts.current(store)
        if actor.sees(row.of_target)
    ]
    return pd.DataFrame(records, columns=list(CONTEXTS)).astype(CONTEXTS)


def mcp_servers(store: Store, actor: Actor) -> pd.DataFrame:
    """The MCP servers that Bridges tell of and the actor may see, by Bridge, in its order.

    A server belongs to the project that bears its id, lies at its path, or names its address as its own; one that
    belongs to none is everybody's. Columns: id, name, path, url, status str; capabilities object: a list of str; the
    rest as `mcp_contexts`, project "" for one that belongs to none.
    """
    listed = projects.current(store, gone=True)  # what was somebody's does not become everybody's
    records = [
        {
            "id": server["id"], "name": server["name"], "path": server["project_path"], "url": server["url"],
            "status": server["status"], "capabilities": server["capabilities"], **context_record(row), "project": owner,
        }
        for row in contexts.current(store)
        for server in servers_of(row)
        for owner in [owner_of(server, (project for project in listed if project.target == row.target))]
        if actor.sees(row.of_target) and actor.sees(owner)
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(SERVERS)).astype(SERVERS)


def servers_of(row: AnyRow) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(row.servers or "[]"))


def owner_of(server: Mapping[str, str], listed: Iterator[AnyRow]) -> str:
    """The id of the project that a server belongs to, "" when it belongs to none of these."""
    id, path, url = server["id"].lower(), server["project_path"].rstrip("/"), server["url"]
    for project in listed:
        same_path = bool(path) and path == project.path.rstrip("/")
        if id == project.id.lower() or same_path or (url and url == project.mcp_url):
            return str(project.id)
    return ""


def context_record(row: AnyRow) -> dict[str, object]:
    """How current a Bridge's word on MCP servers is. Why there is no newer one, the Bridge's own silence may say."""
    since = row.started_ms is None or (row.tried_ms or 0) > row.started_ms
    silence = row.own_cause if since and row.own_cause in SILENT else ""
    return {
        "source": row.target, "project": "", "measured": row.measured_ms, "received": row.answered_ms,
        "interval": (row.interval_ms or row.own_interval_ms) / 1000,
        "cause": Cause.PAUSED if row.paused else silence or row.cause or "", "simulated": row.simulated,
    }  # fmt: skip
