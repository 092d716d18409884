"""This observatory, looked at once: settings, data, database, collector, people, clock, services, port."""

import json
import os
import shutil
import socket
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from urllib.parse import urlsplit

import httpx
import redis

from observatory import config, discovery
from observatory.clients.base import tls
from observatory.collector.loop import LEASE
from observatory.collector.scrape import open_reader
from observatory.config import Settings
from observatory.doctor.report import indented
from observatory.errors import ConfigurationError, SchemaOutdated, StoreError
from observatory.model import SECOND, Instant, Origin, Scrape, Target, iso, title
from observatory.registry import Registry
from observatory.store import accounts, leases
from observatory.store.engine import Store, open_store, require_schema
from observatory.supervision import require_free_port

SPACE = 200_000_000  # bytes that should be free for the database to grow into
SKEW = 5.0  # seconds between two clocks that are too many
BUILT = 1_735_689_600_000  # 2025 began: a clock before this was never set
PATIENCE = 5.0  # seconds for an answer
READERS = 8  # services asked at a time
HERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 — compared, not bound


class State(StrEnum):
    WORKS = "works"
    FAILS = "fails"
    UNTOLD = "cannot be told"


MARKS = {State.WORKS: "✓", State.FAILS: "✕", State.UNTOLD: "?"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: how it is, in a sentence, and what to do about it."""

    name: str
    state: State
    sentence: str
    advice: tuple[str, ...] = ()


def works(name: str, sentence: str) -> Check:
    return Check(name, State.WORKS, sentence)


def fails(name: str, sentence: str, *advice: str) -> Check:
    return Check(name, State.FAILS, sentence, advice)


def untold(name: str, sentence: str, *advice: str) -> Check:
    return Check(name, State.UNTOLD, sentence, advice)


def checkup(environ: Mapping[str, str] = os.environ, *, clock: Callable[[], Instant]) -> list[Check]:
    """Every check, whatever the others say. Changes nothing: not even a database is made that is not there."""
    settings, faults = settings_of(environ)
    if settings is None:
        return [*faults, untold("the rest", "It depends on the settings. Mend them first, then ask again.")]
    found = [*(faults or [works("settings", settings_told(settings))]), secrets(settings), data_folder(settings)]
    found += redis_answers(settings)
    store, database = opened(settings)
    found.append(database)
    if store is not None:
        try:
            found += [*asking_store("collector", partial(collector, store, settings, clock)),
                      *asking_store("administrator", partial(administrator, store))]  # fmt: skip
            readings = read_all(targets(settings, store, environ), settings, clock)
        finally:
            store.close()
    else:
        found += [untold(name, "The database would tell.") for name in ("collector", "administrator")]
        readings = read_all(targets(settings, None, environ), settings, clock)
    return [*found, *services(readings), clock_is_sane(readings, clock()), port(settings)]


# ── settings and the machine ─────────────────────────────────────────────────────────────────────────────────────────


def settings_of(environ: Mapping[str, str]) -> tuple[Settings | None, list[Check]]:
    """The settings, None when they cannot be used; and every fault of theirs and of the targets in the file."""
    faults: list[str] = []
    settings = None
    try:
        settings = config.load(environ, create_secrets=False)
    except ConfigurationError as error:
        faults += error.faults
    try:
        discovery.from_file(config.config_path(environ), environ)
    except ConfigurationError as error:
        faults += error.faults
    advice = "docs/configuration.md tells every setting, `observatory config` those that hold."
    return settings, [fails("settings", fault, advice) for fault in dict.fromkeys(faults)]


def settings_told(settings: Settings) -> str:
    file = f"environment and {settings.config}" if settings.config else "environment; there is no observatory.toml"
    return f"Nothing is wrong with the settings ({settings.environment}; from {file})."


def secrets(settings: Settings) -> Check:
    """In production config has refused to go on without them."""
    both = {"JWT_SECRET": settings.jwt_secret, "SESSION_SECRET": settings.session_secret}
    missing = [name for name, value in both.items() if not value]
    if not missing:
        return works("secrets", "JWT_SECRET and SESSION_SECRET are set and strong enough.")
    words = " and ".join(missing)
    return works("secrets", f"{words}: made at the first start and kept in {settings.data}, as this is no production.")


def data_folder(settings: Settings) -> Check:
    name, folder = "data folder", settings.data
    advice = "OBSERVATORY_DATA names another folder; it has to belong to the user that runs the observatory."
    if not folder.exists():
        above = next(one for one in folder.parents if one.exists())
        if os.access(above, os.W_OK | os.X_OK) and above.is_dir():
            return works(name, f"{folder} is not there yet and can be made.")
        return fails(name, f"{folder} is not there and cannot be made in {above}.", advice)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"?")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return fails(name, f"{folder} cannot be written ({error.strerror}).", advice)
    if free < SPACE:
        return fails(
            name,
            f"{folder} can be written, but only {free // 1_000_000} MB are free on its disk.",
            "Free some space, or shorten OBSERVATORY_RETENTION.",
        )
    return works(name, f"{folder} can be written, {free / 1e9:.1f} GB are free.")


def redis_answers(settings: Settings) -> list[Check]:
    if not settings.redis_url:
        return []
    where = urlsplit(settings.redis_url).hostname or "its socket"
    try:
        with closing(
            redis.Redis.from_url(settings.redis_url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return [
            fails(
                "redis",
                f"Redis on {where} does not answer: {one_line(error)}",
                "See whether it runs and whether REDIS_URL leads to it, with its password.",
                "Without it limits are counted less exactly; taking REDIS_URL away leaves them to the database.",
            )
        ]
    return [works("redis", f"Redis on {where} answers; it counts the limits.")]


def port(settings: Settings) -> Check:
    """Whether we serve there, or could."""
    name, url = "port", f"http://{HERE.get(settings.host, settings.host)}:{settings.port}/healthz"
    try:
        with httpx.Client(verify=tls(), trust_env=False, timeout=PATIENCE) as http:
            answer = http.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return unserved(settings, f"answers otherwise: {one_line(error)}")
    if answer.is_success and answer.text.strip() == "ok":
        return works(name, f"Our server answers on {url}.")
    return unserved(settings, f"answers {url} with {answer.status_code}")


def unserved(settings: Settings, what: str) -> Check:
    try:
        require_free_port(settings)
    except ConfigurationError as error:
        if listens(settings):
            return fails(
                "port",
                f"Something on {settings.host}:{settings.port} that is not the observatory {what}.",
                f"See what it is: ss -ltnp | grep :{settings.port}",
                "PORT chooses another port for the observatory.",
            )
        return fails("port", *error.faults)
    except OSError as error:
        return fails("port", f"{settings.host} is no address to listen on: {one_line(error)}", "See OBSERVATORY_HOST.")
    return works("port", f"Port {settings.port} is free; no server of ours listens there now.")


def listens(settings: Settings) -> bool:
    try:
        with socket.create_connection((HERE.get(settings.host, settings.host).strip("[]"), settings.port), PATIENCE):
            return True
    except OSError:
        return False


# ── the database and what it holds ───────────────────────────────────────────────────────────────────────────────────


def opened(settings: Settings) -> tuple[Store | None, Check]:
    """The database when it can be worked with, and how it is."""
    name, file = "database", settings.data / "observatory.sqlite3"
    what = f"SQLite, {file}" if settings.sqlite else "PostgreSQL"
    if settings.sqlite and not file.exists():
        start = "`observatory serve` makes it; so does `observatory migrate`."
        return None, untold(name, f"There is no database yet ({what}).", start)
    store = open_store(settings.store_url)
    try:
        require_schema(store)
    except SchemaOutdated as error:
        store.close()
        return None, fails(name, f"It answers ({what}), and is older than this release.", one_line(error))
    except StoreError as error:
        store.close()
        advice = (
            f"See whether {file} is ours to read, and a database."
            if settings.sqlite
            else "See whether the server runs, and whether DATABASE_URL leads to it with the right user and password."
        )
        return None, fails(name, f"The database does not answer ({what}): {one_line(error)}", advice)
    return store, works(name, f"The database answers and is at this release's schema ({what}).")


def asking_store(name: str, check: Callable[[], Check]) -> list[Check]:
    try:
        return [check()]
    except StoreError as error:
        return [untold(name, f"The database did not tell: {one_line(error)}")]


def collector(store: Store, settings: Settings, clock: Callable[[], Instant]) -> Check:
    lease, now = leases.current(store, LEASE), clock()
    start = (
        "`observatory collect` runs it (OBSERVATORY_COLLECTOR is external)."
        if settings.collector == "external"
        else "`observatory serve` runs it beside the web server."
    )
    if lease is None:
        return fails("collector", "No collector has worked on this database yet: nothing is read.", start)
    if lease.until <= now:
        return fails(
            "collector", f"No collector is at work: the last one was heard {iso(lease.renewed)}.", start,
            "If it should be running, its log tells why it ended.",
        )  # fmt: skip
    if lease.renewed > now + SKEW * SECOND:
        return fails(
            "collector", f"The collector's clock is ahead of ours: it was heard {iso(lease.renewed)}, in our future.",
            "Let both machines keep their time by NTP: timedatectl status",
        )  # fmt: skip
    return works("collector", f"A collector is at work, heard {max(now - lease.renewed, 0) / SECOND:.0f} s ago.")


def administrator(store: Store) -> Check:
    if accounts.has_admin(store):
        return works("administrator", "There is an administrator who can sign in.")
    return fails(
        "administrator",
        "Nobody can sign in as administrator.",
        "Each start of the observatory prints a link by which `admin` chooses a password.",
        "`observatory user create NAME --role admin` prints one now, for NAME.",
    )


# ── services ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def targets(settings: Settings, store: Store | None, environ: Mapping[str, str]) -> list[Target]:
    """What is to be watched, without ourselves, and what may be on the default ports."""
    try:
        named = [*discovery.from_settings(settings), *discovery.from_file(settings.config, environ, settings.interval)]
    except ConfigurationError:
        named = discovery.from_settings(settings)  # the file's faults were told
    else:
        try:
            if store is not None:
                registry = Registry(settings, store, clock=lambda: 0, environ=environ)
                named = [one for one in registry() if one.origin is not Origin.BUILTIN]
        except StoreError:
            pass  # the database's failure was told; what the settings name is asked all the same
    if settings.mock_mode:
        named = [one for one in named if one.origin is not Origin.ENVIRONMENT]
        return discovery.merge(named)
    return discovery.merge(named, discovery.candidates(settings, [one.name for one in named]))


def read_all(
    wanted: Sequence[Target], settings: Settings, clock: Callable[[], Instant]
) -> list[tuple[Target, Scrape | None]]:
    """Each target and what came of one reading; None for one that is paused. What is on no default port is left out."""

    def read(target: Target) -> Scrape | None:
        if target.paused:
            return None
        reader = open_reader(target, clock=clock, telemetry=settings.telemetry_enabled)
        with closing(reader):
            return reader.begin()[0]

    there = [one for one in wanted if one.origin is not Origin.DISCOVERED or discovery.probe(one, clock=clock)]
    with ThreadPoolExecutor(READERS, thread_name_prefix="doctor") as pool:
        return list(zip(there, pool.map(read, there), strict=True))


def services(readings: Sequence[tuple[Target, Scrape | None]]) -> list[Check]:
    if not readings:
        return [
            fails(
                "services",
                "Nothing is watched: no setting names a service, and none answers on its default port.",
                "Name one, such as BRIDGE_API_URL=http://localhost:52521, or in observatory.toml.",
                "`observatory demo` shows everything with a simulated DevKit.",
            )
        ]
    return [service(target, scrape) for target, scrape in readings]


def service(target: Target, scrape: Scrape | None) -> Check:
    name = title(target.name)
    if scrape is None:
        return works(name, f"{name} is paused: it is not asked.")
    if scrape.cause is not None:
        from observatory.components import words  # brings Dash along, which is only worth it where there is trouble

        said = words.TROUBLES[scrape.cause][1]
        advice = words.advice({"cause": scrape.cause, "url": target.url})
        below = [line for line in advice if not line.endswith(" below.")]  # what stands on a page and not here
        detail = f": {scrape.detail}" if scrape.detail else ""
        return fails(name, f"{name} {said} at {target.url}{detail}", *below)
    took = f"{(scrape.received - scrape.started)} ms"
    if scrape.skew is not None and abs(scrape.skew) > SKEW:
        return fails(
            name, f"{name} answers in {took}, but its clock is {off(scrape.skew)} ours.",
            "Let both machines keep their time by NTP: timedatectl status", "Until then we correct its times by that.",
        )  # fmt: skip
    if scrape.health in {"degraded", "unhealthy"}:
        return fails(name, f"{name} answers in {took} and calls itself {scrape.health}.", "Its own log tells why.")
    mark = " (simulated)" if scrape.simulated or target.simulated else ""
    return works(name, f"{name} answers in {took} at {target.url}{mark}.")


def off(skew: float) -> str:
    return f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'}"


def clock_is_sane(readings: Sequence[tuple[Target, Scrape | None]], now: Instant) -> Check:
    """By the Date headers of what answered: where most others agree with each other and not with us, we are wrong."""
    skews = [scrape.skew for _, scrape in readings if scrape is not None and scrape.skew is not None]
    if now < BUILT:
        return fails("clock", f"The clock says {iso(now)}: it was never set.", "Set it: timedatectl set-ntp true")
    if len(skews) > 1 and abs(statistics.median(skews)) > SKEW:
        return fails(
            "clock",
            f"Our clock differs from those of most services: they are {off(statistics.median(skews))} it.",
            "Let this machine keep its time by NTP: timedatectl status",
        )
    if not skews:
        return works("clock", f"The clock says {iso(now)}; there was no other to compare it with.")
    return works("clock", f"The clock says {iso(now)}, and most of {len(skews)} others agree.")


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def well(checks: Sequence[Check]) -> bool:
    return all(check.state is State.WORKS for check in checks)


def told(checks: Sequence[Check]) -> str:
    """A line a check, and what to do about it below."""
    lines = []
    for check in checks:
        lines.append(f"{MARKS[check.state]} {check.name}: {check.sentence}")
        lines += [line for advice in check.advice for line in indented(advice)]
    bad = sum(check.state is not State.WORKS for check in checks)
    return "\n".join([*lines, "", "All is well." if not bad else f"{bad} of {len(checks)} need a look."])


def as_json(checks: Sequence[Check]) -> str:
    return json.dumps(
        {"well": well(checks), "checks": [asdict(check) for check in checks]}, ensure_ascii=False, indent=2
    )
