"""The list of what to watch, kept current while we run: what its sources say now, brought together.

Two things are apart. `news` looks whether the file or the watchlist changed, which is cheap and often asked; `explore`
looks for services where some may be, which takes as long as they take to answer.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from observatory import config, discovery, log
from observatory.auth.tokens import metrics_token
from observatory.clients.addresses import Rule, url_fault
from observatory.config import Settings
from observatory.errors import ConfigurationError, StoreError
from observatory.model import DAY, Event, Instant, Level, Origin, Target
from observatory.store import events, targets, topics, watchlist
from observatory.store.engine import Store
from observatory.store.sql import AnyRow
from observatory.submodules import mcp_server_url

FILE_NAME = "observatory.toml"
LEAVES_AFTER = DAY  # something that nobody set and that has not answered for so long is not there any more
PROBES = 8  # at a time
MOST_SERVERS = 100  # of projects
PREFIX = "TARGET_"  # an administrator's entry may name only such variables: others are none of its business

logger = log.get(__name__)
Tell = Callable[[str, Level, str], None]  # kind, level, text of an event


class Stamp(NamedTuple):
    """By what a file that was written again is known without reading it."""

    modified: int
    size: int
    inode: int


class TargetFile:
    """The `[[target]]` entries as they were last read well. A broken or missing file leaves them as they are."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], tell: Tell) -> None:
        """Raises ConfigurationError with every fault of the file: at the start there is no list to go on with."""
        self.path = (settings.config or Path(FILE_NAME)).absolute()
        self.interval, self.environ, self.tell = settings.interval, environ, tell
        self.stamp = stamp_of(self.path)
        self.targets: list[Target] = []
        self.settings: dict[str, str] = {}
        self.digest = b""
        self.trouble = ""  # of a kind of event; "" while all is well
        if settings.config is not None:
            content = self.content()
            self.targets, self.settings = self.read(content)
            self.digest = digest_of(content)

    def look(self, *, thorough: bool = False) -> bool:
        """Read the file if it is another than before; `thorough` does not believe its date. Answers whether the list
        changed."""
        stamp = stamp_of(self.path)
        if stamp == self.stamp and not (thorough and stamp):
            return False
        self.stamp = stamp
        if stamp is None:
            self.lose("missing", [f"{self.path.name} is not there any more."])
            return False
        try:
            content = self.content()
        except ConfigurationError as error:
            self.lose("broken", error.faults)
            return False
        return digest_of(content) != self.digest and self.take(content)

    def take(self, content: bytes) -> bool:
        self.digest = digest_of(content)
        try:
            found, settings = self.read(content)
        except ConfigurationError as error:
            self.trouble = ""  # each broken content is told once
            self.note("broken", error.faults)
            return False
        said = [
            f"{self.path.name} can be read again." if self.trouble else f"{self.path.name} was read again.",
            *differences(self.targets, found),
            *(["[settings] changed: that takes effect at the next start."] if settings != self.settings else []),
        ]
        kind = "targets.file_mended" if self.trouble else "targets.file_changed"
        self.tell(kind, Level.INFO, " ".join(said))
        changed = found != self.targets
        self.targets, self.settings, self.trouble = found, settings, ""
        return changed

    def read(self, content: bytes) -> tuple[list[Target], dict[str, str]]:
        """Raises ConfigurationError with every fault of targets and settings, each once."""
        faults = config.settings_faults(self.path, content)
        found: list[Target] = []
        try:
            found = discovery.from_content(self.path, content, self.environ, self.interval)
        except ConfigurationError as error:
            faults += error.faults
        if faults:
            raise ConfigurationError(list(dict.fromkeys(faults)))
        return found, config.settings_table(self.path, content)[0]

    def content(self) -> bytes:
        """Raises ConfigurationError."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ConfigurationError([f"{self.path} cannot be read ({error.strerror})."]) from error

    def lose(self, trouble: str, faults: Sequence[str]) -> None:
        self.digest = b""  # whatever is there next is read
        self.note(trouble, faults)

    def note(self, trouble: str, faults: Sequence[str]) -> None:
        """Tell of a trouble, unless it is the one that was told already."""
        if trouble == self.trouble:
            return
        self.trouble = trouble
        logger.warning("targets_file_unusable", trouble=trouble, faults=faults)
        # Where the file lies is for those who run us, not for everybody's eyes.
        said = [fault.replace(str(self.path), self.path.name) for fault in faults]
        kept = "What it named before is watched on." if self.targets else ""
        self.tell(f"targets.file_{trouble}", Level.WARNING, " ".join([*said, kept]).strip())


class Registry:
    """What to watch. Called, it answers at once from what is known; `news` and `explore` bring in what is new."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Callable[[], Instant],
        environ: Mapping[str, str] = os.environ,
        simulated: Mapping[str, str] | None = None,
    ) -> None:
        """`simulated` are the simulator's addresses: then nothing is read but that, the file and the watchlist."""
        self.settings, self.store, self.clock = settings, store, clock
        self.environ, self.simulated = environ, simulated
        self.untold: list[Event] = []
        self.looking = threading.Lock()  # `news` and `explore` are asked by two threads
        self.file = TargetFile(settings, environ, self.tell)
        self.found: list[Target] = []
        self.revision = -1  # of the watchlist
        self.wanting: set[tuple[str, str]] = set()  # variables that were missed and told of

    def __call__(self) -> list[Target]:
        """The targets, each once. Raises StoreError."""
        added = [one.target(self.settings.interval, partial(self.variable, one.name)) for one in self.added()]
        resting = watchlist.paused(self.store)
        merged = discovery.merge(self.set_here(), self.found, added, [self.itself()])
        return [replace(one, paused=True) if names_of(one) & resting else one for one in merged]

    def news(self) -> bool:
        """Whether the list may be another one since this was last asked. Raises StoreError."""
        revision = topics.changed_at(self.store, topics.WATCHLIST)
        changed = self.look() | (revision != self.revision)
        self.revision = revision
        return changed

    def explore(self) -> None:
        """Look for what nobody set: services on default ports, and the MCP servers of projects. Raises StoreError."""
        self.look(thorough=True)
        if self.simulated is not None:
            return
        rows = [row for row in targets.current(self.store) if row.gone_ms is None]
        kept = {row.name: row.url for row in rows if self.stays(row)}
        possible = self.possible(rows)
        unknown = [target for target in possible if kept.get(target.name) != target.url]
        with ThreadPoolExecutor(PROBES, thread_name_prefix="probe") as pool:
            there = pool.map(partial(discovery.probe, clock=self.clock), unknown)
            answered = {target.name for target, answers in zip(unknown, there, strict=True) if answers}
        found: dict[str, Target] = {}
        for target in possible:
            if target.name in answered or target not in unknown:
                found.setdefault(base_of(target), target)
        self.found = list(found.values())

    def look(self, *, thorough: bool = False) -> bool:
        """Look at the file, and tell what is to be told. Whether the list changed."""
        with self.looking:
            changed = self.file.look(thorough=thorough)
            self.tell_all()
        return changed

    def stays(self, row: AnyRow) -> bool:
        """Whether something that was found before is still counted on: for a while, also when it does not answer."""
        if row.origin not in {Origin.DISCOVERED, Origin.PROJECT}:
            return False
        return bool(row.paused) or self.clock() - int(row.answered_ms or row.added_ms) < LEAVES_AFTER

    def possible(self, rows: Sequence[AnyRow]) -> list[Target]:
        """Everything that may be there, whether it answers or not. Of two that say the same place the first counts."""
        ours = self.set_here()
        on_ports = discovery.candidates(self.settings, [target.name for target in ours])
        taken = {discovery.place(target.url) for target in ours}
        trusted = [row for row in rows if self.trusts(row)]
        servers = [*self.of_projects(trusted), *discovery.mcp_candidates(self.settings.interval)]
        servers += self.of_submodules([row.name for row in trusted if is_here(row.url)])
        found: dict[str, Target] = {}
        for target in [*on_ports, *(one for one in servers if base_of(one) not in taken)]:
            found.setdefault(target.name, target)
        return list(found.values())

    def trusts(self, row: AnyRow) -> bool:
        """Whether the word of a Bridge leads anywhere: a simulated one's does not, nor one's that was added here."""
        return not row.simulated and (row.origin != Origin.ADMIN or self.settings.private_targets)

    def of_projects(self, bridges: Sequence[AnyRow]) -> list[Target]:
        """The MCP servers that Bridges tell of: a project said where they are, on this machine or its network."""
        told = watchlist.mcp_servers(self.store, [row.name for row in bridges])
        return self.servers([(server.name, server.url, server.project) for server in told])

    def of_submodules(self, bridges: Sequence[str]) -> list[Target]:
        """The MCP servers that projects of Bridges on this machine bring along."""
        paths = watchlist.project_paths(self.store, bridges)
        return self.servers([(id, url, id) for id, path in paths if (url := mcp_server_url(path))])

    def servers(self, told: Sequence[tuple[str, str, str]]) -> list[Target]:
        """Targets of MCP servers by name, URL and project; each place once, and none where no project may lead."""
        found: dict[str, Target] = {}
        for name, url, project in told[:MOST_SERVERS]:
            target = discovery.mcp_server(name, url, project, self.settings.interval)
            fault = url_fault(target.url, Rule.LOCAL) or name_fault(target.name)
            if fault:
                logger.info("mcp_server_left_out", server=name, fault=fault)
            elif all(target.url != other.url for other in found.values()):
                found.setdefault(target.name, target)
        return list(found.values())

    def set_here(self) -> list[Target]:
        """What the environment and the file name, or the simulator instead of the environment."""
        if self.simulated is not None:
            return [*discovery.simulated(self.simulated, self.settings.interval), *self.file.targets]
        return [*discovery.from_settings(self.settings), *self.file.targets]

    def added(self) -> list[watchlist.Definition]:
        return watchlist.all_added(self.store)

    def itself(self) -> Target:
        address = f"http://127.0.0.1:{self.settings.port}"
        if self.settings.collector == "external" and self.settings.api_url:
            address = self.settings.api_url
        token = metrics_token(self.settings.session_secret)
        return discovery.itself(f"{address}/metrics", token, self.settings.interval)

    def variable(self, target: str, name: str) -> str:
        """The content of a variable that an administrator's entry names, "" when it is not set, which is told once."""
        content = self.environ.get(name, "").strip() if name.startswith(PREFIX) else ""
        if not content and (target, name) not in self.wanting:
            self.wanting.add((target, name))
            self.tell(
                "target.variable_missing", Level.WARNING, f"{target} needs the variable {name}, which is not set."
            )
        return content

    def tell(self, kind: str, level: Level, text: str) -> None:
        self.untold.append(Event(self.clock(), kind, level, text))

    def tell_all(self) -> None:
        """Write down what was not told yet; while the database is away it waits."""
        waiting = list(self.untold)
        if not waiting:
            return
        try:
            events.add(self.store, *waiting)
        except StoreError as error:
            logger.warning("event_not_stored", error=str(error))
            return
        del self.untold[: len(waiting)]


def stamp_of(path: Path) -> Stamp | None:
    """None when there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def differences(before: Sequence[Target], after: Sequence[Target]) -> list[str]:
    """What became of the entries of a file, in sentences."""
    old, new = ({target.name: target for target in found} for found in (before, after))
    words = {
        "Added": [name for name in new if name not in old],
        "Changed": [name for name in new if name in old and new[name] != old[name]],
        "Removed": [name for name in old if name not in new],
    }
    return [f"{word}: {', '.join(names)}." for word, names in words.items() if names]


def names_of(target: Target) -> set[str]:
    """Every name somebody gave it."""
    return {target.name, *(name for _, name in target.also)}


def base_of(server: Target) -> str:
    return discovery.place(server.url.removesuffix(discovery.MCP_HEALTH))


def is_here(url: str) -> bool:
    """Whether a service is on this machine, so that the folders it names are."""
    return urlsplit(discovery.place(url)).hostname == "localhost"


def name_fault(name: str) -> str:
    try:
        discovery.name_of(name)
    except ValueError as fault:
        return f"The name {fault}."
    return ""
