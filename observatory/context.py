"""What a request may reach: the services of this process, and who asks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

from flask import current_app, g, request

from observatory import audit
from observatory.errors import Unauthenticated
from observatory.model import Actor, AuditRecord, Instant, Subject
from observatory.people import Administration
from observatory.store.engine import Store
from observatory.watchlist import Watchlist


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
    session_secret: str  # signs what is no session: derives the bearer token of /metrics, the keys of links
    clock: Callable[[], Instant] = wall_clock
    session_length: float = 86400.0  # seconds
    production: bool = False
    trusted_proxies: int = 0
    limits: Mapping[str, str] = field(default_factory=dict)  # group → limit, where it is not the default
    limits_url: str = ""  # Redis, which counts for all processes; "" for our own database
    allowed_origins: tuple[str, ...] = ()  # of other sites whose scripts may call the API with a bearer token
    address: str = ""  # where people reach us, for links; "" for what the request says
    private_targets: bool = False  # what administrators add may lie in private networks and on this machine
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


def subject(name: str = "") -> Subject:
    """Who makes this request, for the audit log. `name` is what a stranger calls himself."""
    who = actor_or_none()
    address, agent = request.remote_addr or "unknown", request.headers.get("User-Agent") or "unknown"
    return Subject(who.user if who else None, who.name if who else name, address, agent)


def record(
    event: str,
    *,
    name: str = "",
    by: Subject | None = None,
    action: str = "",
    resource: str = "",
    project: str = "",
    reason: str = "",
    details: Mapping[str, object] | None = None,
    times: int = 1,
) -> AuditRecord:
    """What the audit log is told of this request. An API token is named beside the person it speaks for."""
    who, more = actor_or_none(), dict(details or {})
    if who is not None and who.token is not None:
        more["keyId"] = who.token
    return audit.entry(
        event,
        by or subject(name),
        at=services().clock(),
        action=action,
        resource=resource,
        project=project,
        reason=reason,
        method=request.method,
        path=request.path,
        details=more,
        times=times,
    )


def note(event: str, **what: Any) -> None:
    """Put something that was refused into the audit log."""
    audit.note(services().store, record(event, **what))


def administration() -> Administration:
    """Users, sessions and tokens, handled by who makes this request."""
    here = services()
    return Administration(here.store, here.session_secret, here.address or request.host_url, here.clock, record)


def watchlist() -> Watchlist:
    """The list of targets, handled by who makes this request."""
    here = services()
    return Watchlist(here.store, actor(), here.clock, record, here.private_targets)
