"""What our processes do: preparing the database, collecting, and the simulator in mock mode."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from itertools import chain

import httpx

from observatory import config, discovery, log
from observatory.auth import passwords
from observatory.auth.tokens import metrics_token
from observatory.clients.base import tls
from observatory.collector.loop import Collector, backfill
from observatory.config import Settings
from observatory.context import wall_clock
from observatory.errors import ConfigurationError, ObservatoryError
from observatory.model import DAY, HOUR, MINUTE, Instant, Origin, Target, Window
from observatory.store import accounts, runs, targets
from observatory.store.engine import Store, migrate, open_store, require_schema
from observatory.supervision import environment, when_parent_ends

SIMULATOR = [sys.executable, "-m", "observatory.simulator", "--quiet"]
PORTS = list(chain.from_iterable((f"--{name}-port", "0") for name in ("bridge", "mcp", "devkit", "console")))
HISTORY = DAY + HOUR  # so that every moment of the last day has a yesterday to be compared with
FAR_STEP = 15 * MINUTE  # one reading a cell of the history bars
CLOSE, CLOSE_STEP = 30 * MINUTE, 2 * MINUTE  # the last half hour, closer

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
    """Create the first administrator while there is none, with the password of the settings or one made now."""
    if accounts.has_admin(store):
        return
    password = settings.admin_password or secrets.token_urlsafe(12) + "!aA1"
    faults = passwords.violations(password, production=True) if settings.production else ()
    if faults:
        raise ConfigurationError([f"OBSERVATORY_ADMIN_PASSWORD: {fault}" for fault in faults])
    created = accounts.ensure_admin(store, passwords.hash_password(password), now=wall_clock())
    if created and not settings.admin_password:
        print(f"\n  First sign-in: user admin, password {password}\n", file=sys.stderr, flush=True)


def collect(settings: Settings) -> int:
    """Run the collector until SIGTERM, SIGINT or the parent's end. Answers the exit code."""
    log.configure(settings.log_level, process="collector")
    store = ready_store(settings)
    holder = f"{os.getpid()}-{secrets.token_hex(4)}"
    simulator = Simulator() if settings.mock_mode else None
    collector = Collector(
        store,
        TargetList(settings, store, simulator),
        clock=wall_clock,
        holder=holder,
        retention=settings.retention,
        telemetry=settings.telemetry_enabled,
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


class TargetList:
    """What to watch, asked anew every half minute. Once in use, a broken file leaves the last good list."""

    def __init__(self, settings: Settings, store: Store, simulator: "Simulator | None") -> None:
        self.settings, self.store, self.simulator = settings, store, simulator
        self.from_file = discovery.from_file(settings.config, os.environ, settings.interval)

    def __call__(self) -> list[Target]:
        own = discovery.itself(self.own_address(), metrics_token(self.settings.session_secret), self.settings.interval)
        if self.simulator is not None:
            simulated = discovery.simulated(self.simulator.urls, self.settings.interval)
            return discovery.merge(simulated, self.file(), [own])
        named = discovery.merge(discovery.from_settings(self.settings), self.file())
        return discovery.merge(named, self.discovered({target.name for target in named}), [own])

    def own_address(self) -> str:
        if self.settings.collector == "external" and self.settings.api_url:
            return f"{self.settings.api_url}/metrics"
        return f"http://127.0.0.1:{self.settings.port}/metrics"

    def file(self) -> list[Target]:
        try:
            self.from_file = discovery.from_file(self.settings.config, os.environ, self.settings.interval)
        except ConfigurationError as error:
            logger.warning("targets_file_broken", faults=error.faults)
        return self.from_file

    def discovered(self, taken: set[str]) -> list[Target]:
        """Services on their default ports: those that ever answered, and those that answer now."""
        known = {row.name for row in targets.current(self.store) if row.origin == Origin.DISCOVERED}
        possible = discovery.candidates(self.settings, taken)
        return [target for target in possible if target.name in known or discovery.probe(target, clock=wall_clock)]


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
