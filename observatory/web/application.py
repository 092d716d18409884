"""From settings to a running application: the one place where the web process puts its parts together."""

from pathlib import Path
from urllib.parse import urlsplit

from dash import Dash

from observatory.answers import Answers
from observatory.api import targets
from observatory.components import shell
from observatory.config import Settings
from observatory.context import Check, Services, wall_clock
from observatory.store import leases
from observatory.store.engine import Store, open_store
from observatory.web import create_app, realtime

ROOT = Path(__file__).resolve().parent.parent.parent


def application(settings: Settings) -> Dash:
    """The dashboard over the settings' database, which must be at this release's schema."""
    store = open_store(settings.store_url)
    services = Services(
        store=store,
        secrets=settings.jwt_secret,
        session_secret=settings.session_secret,
        session_length=settings.session_length,
        production=settings.production,
        trusted_proxies=settings.trusted_proxies,
        limits=settings.limits,
        limits_url=settings.redis_url,
        address=settings.api_url,
        allowed_origins=settings.allowed_origins,
        private_targets=settings.private_targets,
        console_origin=origin_of(settings.nexus_console_url),
        checks=(lambda: collector_check(store),),
    )
    notice = shell.ephemeral_disk() if settings.production and settings.sqlite else None
    app = create_app(
        services,
        pages_folder=ROOT / "pages",
        assets_folder=ROOT / "assets",
        cache_folder=settings.data / "static-cache",
        layout=lambda: shell.shell(notice),
        blueprints=[targets.blueprint, realtime.blueprint],
    )
    shell.connect(app)
    caps = realtime.Caps(settings.streams, settings.streams_per_session, settings.streams_per_address)
    app.server.extensions["observatory_answers"] = Answers()
    app.server.extensions["observatory_hub"] = realtime.Hub(store, services.clock, caps)
    return app


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def collector_check(store: Store) -> Check:
    """Whether a collector is at work: somebody holds the lease."""
    lease = leases.current(store, "collector")
    now = wall_clock()
    if lease is None:
        return Check("collector", False, "No collector has run yet")
    if lease.until < now:
        return Check("collector", False, f"No collector has been at work for {(now - lease.until) // 1000} s")
    return Check("collector", True, "A collector is at work")
