"""What our processes do: preparing the database, collecting, and the simulator in mock mode."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import httpx

from observatory import config, discovery, log
from observatory.audit import entry
from observatory.auth import passwords
from observatory.clients.base import tls
from observatory.collector.loop import Collector, backfill
from observatory.config import Settings
from observatory.context import wall_clock
from observatory.errors import ConfigurationError, ObservatoryError
from observatory.model import DAY, HOUR, MINUTE, AuditRecord, Instant, Window
from observatory.people import COMMAND_LINE, Administration
from observatory.registry import Registry
from observatory.store import accounts, runs
from observatory.store.chunks import Keep
from observatory.store.engine import Store, migrate, open_store, require_schema
from observatory.supervision import environment, when_parent_ends

SIMULATOR = [sys.executable, "-m", "observatory.simulator", "--quiet"]
PORTS = list(chain.from_iterable((f"--{name}-port", "0") for name in ("bridge", "mcp", "devkit", "console")))
HISTORY = DAY + HOUR  # so that every moment of the last day has a yesterday to be compared with
FAR_STEP = 15 * MINUTE  # one reading a cell of the history bars
CLOSE, CLOSE_STEP = 30 * MINUTE, 2 * MINUTE  # the last half hour, closer
EVERYWHERE = "0.0.0.0"  # noqa: S104 — compared, not bound

logger = log.get(__name__)


def load_settings() -> Settings:
    """The settings. Raises ConfigurationError with every fault of the whole configuration, its targets included."""
    faults: list[str] = []
    settings = None
    try:
        settings = config.load()
    except ConfigurationError as error:
        faults += error.faults
    try:
        discovery.from_file(config.config_path(os.environ), os.environ)
    except ConfigurationError as error:
        faults += error.faults
    if settings is None or faults:
        raise ConfigurationError(list(dict.fromkeys(faults)))
    return settings


def prepare() -> None:
    """Look at the whole configuration, bring the database to this release, create the first administrator.

    Raises ConfigurationError with every fault, SchemaOutdated, StoreError.
    """
    settings = load_settings()
    store = ready_store(settings)
    ensure_admin(store, settings)
    store.close()


def ready_store(settings: Settings) -> Store:
    """The store at this release's schema. SQLite is brought there; PostgreSQL has to be (`observatory migrate`)."""
    store = open_store(settings.store_url)
    if store.sqlite:
        migrate(store)
    else:
        require_schema(store)
    return store


def ensure_admin(store: Store, settings: Settings) -> None:
    """While no administrator can sign in, let `admin` be one: with the password of the settings, or with a link in the
    log by which one is chosen once. Each start makes another link, and the older one stops working."""
    if accounts.has_admin(store):
        return
    now, password = wall_clock(), settings.admin_password
    told = told_by_command("user.first_admin", resource="admin")
    if password:
        faults = passwords.violations(password, production=settings.production)
        if faults and settings.production:
            raise ConfigurationError([f"OBSERVATORY_ADMIN_PASSWORD: {fault}" for fault in faults])
        accounts.ensure_admin(store, passwords.hash_password(password), now=now, told=told)
        return
    link = administration(store, settings).link()
    if accounts.ensure_admin(store, accounts.NO_PASSWORD, now=now, link=(link.hash, link.expires), told=told):
        words = ("First sign-in as admin: choose a password at", f"  {link.url}", elsewhere(settings))
        print("", *filter(None, words), sep="\n  ", end="\n\n", file=sys.stderr, flush=True)


def administration(store: Store, settings: Settings) -> Administration:
    """What the command line does to users and tokens: whoever can start us here may do everything."""
    host = "127.0.0.1" if settings.host == EVERYWHERE else settings.host
    address = settings.api_url or f"http://{host}:{settings.port}"
    return Administration(store, settings.session_secret, address, wall_clock, told_by_command, at_the_machine=True)


def elsewhere(settings: Settings) -> str:
    """A remark beside a link whose address may not be the one that people use, "" where it is."""
    if settings.api_url or settings.host != EVERYWHERE:
        return ""
    return "API_URL is not set: where people reach us by another address, put that one before /setup/."


def told_by_command(
    event: str, *, resource: str = "", reason: str = "", details: Mapping[str, object] | None = None
) -> AuditRecord:
    return entry(event, COMMAND_LINE, at=wall_clock(), resource=resource, reason=reason, details=details)


def collect(settings: Settings) -> int:
    """Run the collector until SIGTERM, SIGINT or the parent's end. Answers the exit code."""
    log.configure(settings.log_level, process="collector")
    store = ready_store(settings)
    holder = f"{os.getpid()}-{secrets.token_hex(4)}"
    simulator = Simulator() if settings.mock_mode else None
    registry = Registry(settings, store, clock=wall_clock, simulated=simulator.urls if simulator else None)
    collector = Collector(
        store,
        registry,
        news=registry.news,
        explore=registry.explore,
        clock=wall_clock,
        holder=holder,
        keep=Keep.of_seconds(settings.retention_raw, settings.retention_5m, settings.retention_1h),
        audit_retention=settings.audit_retention,
        telemetry=settings.telemetry_enabled,
        private_targets=settings.private_targets,
        shared_state=at_home(settings.shared_state_dir),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: collector.stop())
    when_parent_ends(collector.stop)
    try:
        collector.run(beside=(lambda working: live_through(working, simulator)) if simulator else None)
    finally:
        if simulator is not None:
            simulator.end()
        store.close()
    return 0


def at_home(folder: Path | None) -> Path | None:
    """`folder` with `~` as its place; None when there is none, or nobody knows where home is."""
    try:
        return None if folder is None else folder.expanduser()
    except RuntimeError:
        return None


class Simulator:
    """A running simulator on free ports, which ends with us."""

    def __init__(self, *options: str) -> None:
        command = [*SIMULATOR, *PORTS, "--parent-pid", str(os.getpid()), *options]
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)  # noqa: S603 — ours
        assert self.process.stdout is not None  # noqa: S101 — asked for above
        line = self.process.stdout.readline()
        if not line:
            raise ObservatoryError("The simulator did not start.")
        self.urls: dict[str, str] = json.loads(line)
        self.http = httpx.Client(verify=tls(), trust_env=False)

    def set_clock(self, at: Instant) -> None:
        self.http.post(f"{self.urls['control']}/clock", json={"now": at}).raise_for_status()

    def end(self) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def live_through(collector: Collector, simulator: Simulator) -> None:
    """Give a new store the simulated last day, read from a second simulator whose clock is set step by step."""
    now = wall_clock()
    wanted = discovery.simulated(simulator.urls)
    if runs.within(collector.store, [target.name for target in wanted], Window(now - DAY, now - HOUR)):
        return
    started = time.monotonic()
    past = Simulator("--clock", str(now - HISTORY), "--incidents-anchor", str(now))
    try:
        same_names = discovery.simulated(past.urls)
        for steps in (range(now - HISTORY, now - CLOSE, FAR_STEP), range(now - CLOSE, now, CLOSE_STEP)):
            backfill(collector.writer, same_names, set_clock=past.set_clock, steps=steps, elapsed=time.monotonic)
    finally:
        past.end()
    logger.info("history_simulated", seconds=round(time.monotonic() - started, 2))
