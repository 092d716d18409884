"""Adding to what is watched, changing and removing that, and pausing anything: for administrators."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from pydantic import Field

from observatory.api.edge import Message, operation
from observatory.api.fields import Line, TargetName
from observatory.auth.roles import requires
from observatory.context import watchlist
from observatory.model import Expect, Kind, Role
from observatory.store.watchlist import Definition

routes = Blueprint("watchlist", __name__, url_prefix="/api/targets")

UNKNOWN = {404: "No service of that name was added here, or it is not the caller's to see."}
NOT_SEEN = {404: "Nobody watches a service of that name, or it is not the caller's to see."}
VARIABLES = "Names of variables that hold the secrets; each begins with TARGET_."
LONGEST_URL = 2000


class Expected(Message):
    """What an HTTP endpoint must answer to count as up."""

    status: int = Field(200, ge=100, le=599)
    values: dict[str, str | int | float | bool | None] = Field(
        {}, alias="json", max_length=20, examples=[{"$.status": "ok"}]
    )


class Facts(Message):
    kind: Kind = Field(examples=["http"])
    url: Line = Field(min_length=1, max_length=LONGEST_URL, examples=["https://shop.example/health"])
    interval_seconds: float | None = Field(None, ge=1, le=86_400, description="null: as the setting says.")
    timeout_seconds: float | None = Field(None, ge=0.1, le=86_400, description="null: as the contract says.")
    labels: dict[str, str] = Field({}, max_length=20, examples=[{"team": "blue"}])
    project: Line = Field("", max_length=64, description='Who may see it; "" for everybody who is signed in.')
    token_env: Line = Field("", max_length=110, examples=["TARGET_SHOP_TOKEN"], description=VARIABLES)
    headers_env: dict[str, str] = Field({}, max_length=20, examples=[{"X-Key": "TARGET_SHOP_KEY"}])
    expect: Expected | None = Field(None, description="For kind `http` alone.")


class Added(Facts):
    name: TargetName


class NewTarget(Added):
    paused: bool = False


class TargetChange(Message):
    """Whatever is given is set."""

    kind: Kind | None = None
    url: Line | None = Field(None, min_length=1, max_length=LONGEST_URL, examples=["https://shop.example/health"])
    interval_seconds: float | None = Field(None, ge=1, le=86_400)
    timeout_seconds: float | None = Field(None, ge=0.1, le=86_400)
    labels: dict[str, str] | None = Field(None, max_length=20)
    project: Line | None = Field(None, max_length=64)
    token_env: Line | None = Field(None, max_length=110)
    headers_env: dict[str, str] | None = Field(None, max_length=20)
    expect: Expected | None = None


class TargetPath(Message):
    name: TargetName


class Removed(Message):
    removed: bool = True


class Paused(Message):
    target: str = Field(examples=["shop"])
    paused: bool


@routes.post("")
@requires(Role.ADMIN)
@operation(
    "Watch something more; the first reading comes within a second",
    Added,
    status=201,
    body=NewTarget,
    also={409: "A service of that name is watched already.", 404: NOT_SEEN[404]},
)
def add_target(body: NewTarget) -> Added:
    given = {name: getattr(body, name) for name in Facts.model_fields}
    wanted = Definition(name=body.name, **fields_of(given))
    watchlist().add(wanted, paused=body.paused)
    return added(wanted)


@routes.patch("/<service:name>")
@requires(Role.ADMIN)
@operation("Change what was added", Added, path=TargetPath, body=TargetChange, also=UNKNOWN)
def change_target(name: str, body: TargetChange) -> Added:
    unset = {"kind", "url"}  # of these null says nothing
    given = {key: getattr(body, key) for key in body.model_fields_set}
    return added(
        watchlist().change(name, fields_of({k: v for k, v in given.items() if v is not None or k not in unset}))
    )


@routes.delete("/<service:name>")
@requires(Role.ADMIN)
@operation("Stop watching what was added; its history stays as long as any", Removed, path=TargetPath, also=UNKNOWN)
def remove_target(name: str) -> Removed:
    watchlist().remove(name)
    return Removed()


@routes.post("/<path:name>/pause")
@requires(Role.ADMIN)
@operation(
    "Do not ask a service for a while, whoever named it",
    Paused,
    path=TargetPath,
    also={**NOT_SEEN, 409: "It is paused already."},
)
def pause_target(name: str) -> Paused:
    watchlist().pause(name)
    return Paused(target=name, paused=True)


@routes.post("/<path:name>/resume")
@requires(Role.ADMIN)
@operation(
    "Ask a paused service again",
    Paused,
    path=TargetPath,
    also={**NOT_SEEN, 409: "It is not paused, or it is in observatory.toml."},
)
def resume_target(name: str) -> Paused:
    watchlist().resume(name)
    return Paused(target=name, paused=False)


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent as the fields of a Definition; null stands for nothing."""
    names = {"interval_seconds": "interval", "timeout_seconds": "timeout"}
    return {names.get(key, key): field_of(key, value) for key, value in given.items()}


def field_of(key: str, value: Any) -> Any:
    if key in {"labels", "headers_env"}:
        return tuple(sorted((value or {}).items()))
    if key == "expect":
        return None if value is None else Expect(value.status, value.values)
    if key == "url":
        return value.rstrip("/")
    return "" if value is None and key in {"project", "token_env"} else value


def added(wanted: Definition) -> Added:
    expect = wanted.expect
    return Added(
        name=wanted.name,
        kind=wanted.kind,
        url=wanted.url,
        interval_seconds=wanted.interval,
        timeout_seconds=wanted.timeout,
        labels=dict(wanted.labels),
        project=wanted.project,
        token_env=wanted.token_env,
        headers_env=dict(wanted.headers_env),
        expect=None if expect is None else Expected.model_validate({"status": expect.status, "json": expect.json}),
    )
