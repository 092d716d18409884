"""What a request may reach: the services of this process, and who asks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from flask import current_app, g

from observatory.errors import Unauthenticated
from observatory.model import Actor, Instant
from observatory.store.engine import Store


class Check(NamedTuple):
    """One line of the health answer. `message` is a sentence; it stands in logs and in `/api/health`."""

    name: str
    passed: bool
    message: str


def wall_clock() -> Instant:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators and the few settings that requests need. Made once by the entry point."""

    store: Store
    secrets: tuple[str, ...]  # sign sessions: the first signs, all verify
    metrics_secret: str  # derives the bearer token of /metrics
    clock: Callable[[], Instant] = wall_clock
    session_length: float = 86400.0  # seconds
    production: bool = False
    trusted_proxies: int = 0
    console_origin: str = ""  # may be shown in a frame; "" when there is no console
    checks: tuple[Callable[[], Check], ...] = ()  # of /api/health and /readyz, besides server and database


class Addresses(Protocol):
    """Who knows the address of a file the browser loads."""

    def url(self, name: str) -> str: ...


def services() -> Services:
    return cast(Services, current_app.extensions["observatory"])


def asset_url(name: str) -> str:
    """The fingerprinted address of one of our files, such as `app.css` or `public/favicon.svg`."""
    return cast(Addresses, current_app.extensions["observatory_assets"]).url(name)


def actor() -> Actor:
    """Who is signed in. Raises Unauthenticated."""
    found = actor_or_none()
    if found is None:
        raise Unauthenticated("Authentication required")
    return found


def actor_or_none() -> Actor | None:
    return cast("Actor | None", g.get("actor"))
