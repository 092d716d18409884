"""`GET /api/targets`: what is watched, how it is, and how old that is."""

from typing import Any, Literal

import pandas as pd
from flask import Blueprint
from pydantic import Field

from observatory import control, freshness
from observatory.api.edge import Message, operation
from observatory.api.fields import TargetName, Time
from observatory.auth.roles import requires
from observatory.context import actor, record, services
from observatory.frames import services as frames
from observatory.frames import streams
from observatory.model import Cause, Health, Instant, Origin, Role, State, StreamState

blueprint = Blueprint("targets", __name__, url_prefix="/api")


class Stream(Message):
    """A Bridge's WebSocket: heard, connected and silent, or down while the projects are polled alone."""

    state: StreamState
    since: Time = Field(description="When the state began; of a silent stream since when nothing was heard.")
    heard_at: Time | None = Field(description="When a frame last told something.")
    cause: Cause | None = Field(description="Why it, or a part of it, is down.")


class Also(Message):
    origin: Origin
    name: str = Field(examples=["shop"])


class Watched(Message):
    name: str = Field(examples=["bridge-server"])
    kind: str = Field(examples=["bridge"])
    url: str = Field(examples=["http://127.0.0.1:8080"])
    origin: str = Field(examples=["environment"], description="Who named it.")
    also_named_by: tuple[Also, ...] = Field(description="Who else names the same thing, and what they call it.")
    status: Literal["online", "offline", "degraded", "unknown"] = Field(
        description="In the words of the DevKit's registry: offline without an answer, degraded with a wrong one."
    )
    last_check: Time | None = Field(description="When it was last asked, whatever came of it.")
    project: str | None = Field(examples=["loom"], description="null: visible to everybody who is signed in.")
    state: State
    cause: Cause | None = Field(description="Why the last reading failed; null when it did not.")
    detail: str | None = Field(examples=["no answer in 10 s"])
    health: Health | None = Field(description="What the service says of itself.")
    version: str | None = Field(examples=["1.4.2"])
    simulated: bool
    measured_at: Time | None = Field(description="When the newest good value was true, by our clock.")
    received_at: Time | None
    since: Time | None = Field(description="When the present outcome began; of a gone one, when it went.")
    age_seconds: float | None = Field(examples=[3.2], description="Of the moment of this answer.")
    interval_seconds: float = Field(examples=[10.0])
    latency_ms: float | None = Field(examples=[20.4])
    skew_seconds: float | None = Field(examples=[0.1], description="Its clock minus ours.")
    stream: Stream | None = Field(description="null: it has none.")


class Targets(Message):
    targets: tuple[Watched, ...]


class TargetPath(Message):
    name: TargetName


class Asked(Message):
    target: str = Field(examples=["bridge-server"])
    asked: bool = True


@blueprint.get("/targets")
@operation("What is watched, worst first, as far as the caller may see it", Targets)
def targets() -> Targets:
    now = services().clock()
    df = frames.current(services().store, actor(), now)
    heard = streams.current(services().store, actor(), now).to_dict("records")
    found = {row["target"]: stream(row) for row in heard}
    return Targets(targets=tuple(described(row, now, found.get(row["name"])) for row in df.to_dict("records")))


@blueprint.post("/targets/<path:name>/probe")
@requires(Role.OPERATOR)
@operation(
    "Have a service read within a second",
    Asked,
    status=202,
    path=TargetPath,
    also={404: "Nobody watches a service of that name, or it is not the caller's to see."},
)
def probe(name: str) -> Asked:
    audited = record("target.probed", resource=name)
    control.probe(services().store, name, actor(), services().clock(), audited=audited)
    return Asked(target=name)


def described(row: dict[Any, Any], now: Instant, stream: Stream | None) -> Watched:
    measured = known(row["measured"])
    age = freshness.age(measured, now)
    return Watched(
        name=row["name"],
        kind=row["kind"],
        url=row["url"],
        origin=row["origin"],
        also_named_by=tuple(Also(origin=origin, name=name) for origin, name in row["also"]),
        status=registry_status(row),
        last_check=known(row["checked"]),
        project=row["project"] or None,
        state=row["state"],
        cause=row["cause"] or None,
        detail=row["detail"] or None,
        health=row["health"] or None,
        version=row["version"] or None,
        simulated=row["simulated"],
        measured_at=measured,
        received_at=known(row["received"]),
        since=known(row["since"]),
        age_seconds=None if age is None else round(age, 3),
        interval_seconds=row["interval"],
        latency_ms=None if pd.isna(row["latency"]) else round(row["latency"] * 1000, 1),
        skew_seconds=None if pd.isna(row["skew"]) else row["skew"],
        stream=stream,
    )


def registry_status(row: dict[Any, Any]) -> Literal["online", "offline", "degraded", "unknown"]:
    if row["state"] in {State.PAUSED, State.GONE} or known(row["checked"]) is None:
        return "unknown"
    if not row["cause"]:
        return "online"
    return "offline" if row["cause"] in {Cause.UNREACHABLE, Cause.TIMEOUT} else "degraded"


def stream(row: dict[Any, Any]) -> Stream:
    return Stream(state=row["state"], since=row["since"], heard_at=known(row["heard"]), cause=row["cause"] or None)


def known(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
