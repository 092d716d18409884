"""What Bridges tell of MCP servers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_, func, select

from observatory.model import Kind, Scrape
from observatory.store.engine import Store
from observatory.store.schema import contexts, readings, targets
from observatory.store.sql import AnyRow, storable, upsert

OUTCOME = ["started_ms", "interval_ms", "cause", "detail"]
TOLD = ["measured_ms", "answered_ms", "available", "servers"]
MOST, LONGEST = 500, 200_000  # servers of a Bridge, and characters of all of them


def store_context(connection: Connection, target: int, scrape: Scrape) -> bool:
    """Keep what `scrape` tells of MCP servers, or why it does not; says whether anything changed that pages show.

    What was told last stays while nothing is.
    """
    context = scrape.context
    if context is None:
        return False
    before = connection.execute(select(contexts).where(contexts.c.target_id == target)).first()
    row: dict[str, Any] = {
        "target_id": target,
        "started_ms": scrape.started,
        "interval_ms": round(scrape.interval * 1000),
        "cause": context.cause or "",
        "detail": context.detail,
    }
    if context.cause is None:
        row |= {
            "measured_ms": min(scrape.measured or scrape.started, scrape.received),
            "answered_ms": scrape.received,
            "available": context.available,
            "servers": listed(scrape),
        }
    upsert(connection, contexts, [row], update=OUTCOME if context.cause else [*OUTCOME, *TOLD])
    shown = ("cause",) if context.cause else ("cause", "available", "servers")
    return before is None or any(getattr(before, name) != row[name] for name in shown)


def listed(scrape: Scrape) -> str:
    """The servers as JSON; so many that they cannot be a person's own are cut."""
    servers = [asdict(server) for server in (scrape.context.servers if scrape.context else ())[:MOST]]
    while True:
        text = storable(json.dumps(servers, ensure_ascii=False))
        if len(text) <= LONGEST:
            return text
        servers = servers[: len(servers) // 2]


def current(store: Store) -> Sequence[AnyRow]:
    """Every Bridge that is watched, with what it tells of MCP servers; all of that is null where it was never asked.

    `tried_ms` is when it was last asked anything, `own_cause` why that failed.
    """
    query = (
        select(
            targets.c.name.label("target"),
            targets.c.project.label("of_target"),
            targets.c.simulated,
            targets.c.paused,
            targets.c.interval_ms.label("own_interval_ms"),
            func.coalesce(readings.c.cause, "").label("own_cause"),
            readings.c.started_ms.label("tried_ms"),
            contexts,
        )
        .outerjoin(readings, and_(readings.c.target_id == targets.c.id, readings.c.project == ""))
        .outerjoin(contexts, contexts.c.target_id == targets.c.id)
        .where(targets.c.kind == Kind.BRIDGE, targets.c.gone_ms.is_(None))
        .order_by(targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()
