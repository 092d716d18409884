"""`GET /api/targets`: what is watched, how it is, and how old that is."""

from typing import Any

import pandas as pd
from flask import Blueprint, Response, jsonify

from observatory import control, freshness
from observatory.auth.roles import requires
from observatory.context import actor, services
from observatory.errors import NotFound
from observatory.frames import services as frames
from observatory.model import Instant, Role

blueprint = Blueprint("targets", __name__, url_prefix="/api")


@blueprint.get("/targets")
def targets() -> Response:
    """`{"targets": […]}`, worst first: what the caller may see. Ages are of the moment of the answer."""
    now = services().clock()
    df = frames.current(services().store, actor(), now)
    return jsonify({"targets": [described(row, now) for row in df.to_dict("records")]})


@blueprint.post("/targets/<path:name>/probe")
@requires(Role.OPERATOR)
def probe(name: str) -> tuple[Response, int]:
    """Have the target read within a second: 202. 404 for a name that nobody watches, or that the caller may not see."""
    known = frames.current(services().store, actor(), services().clock())["name"]
    if name not in set(known):
        raise NotFound(f"No service is called {name!r}.")
    control.probe(services().store, name, actor(), services().clock())
    return jsonify({"target": name, "asked": True}), 202


def described(row: dict[Any, Any], now: Instant) -> dict[str, object]:
    measured = known(row["measured"])
    age = freshness.age(measured, now)
    return {
        "name": row["name"],
        "kind": row["kind"],
        "url": row["url"],
        "origin": row["origin"],
        "project": row["project"] or None,
        "state": row["state"],
        "cause": row["cause"] or None,
        "detail": row["detail"] or None,
        "health": row["health"] or None,
        "version": row["version"] or None,
        "simulated": row["simulated"],
        "measuredAt": measured,
        "receivedAt": known(row["received"]),
        "since": known(row["since"]),
        "ageSeconds": None if age is None else round(age, 3),
        "intervalSeconds": row["interval"],
        "latencyMs": None if pd.isna(row["latency"]) else round(row["latency"] * 1000, 1),
        "skewSeconds": None if pd.isna(row["skew"]) else row["skew"],
    }


def known(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
