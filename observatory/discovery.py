"""Which targets there are: the environment, the file's `[[target]]`, what answers on the default ports, and the MCP
servers of projects.

A variable that is set makes a target always. On a default port, or where a project says that its MCP server is,
something becomes a target only after it answered in the contract's shape: another program may well listen there.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from observatory.clients.addresses import rule_of
from observatory.clients.base import Session
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.mcp_daemon import McpDaemon
from observatory.clients.nexus import Nexus
from observatory.config import Settings, seconds, web_url
from observatory.errors import ConfigurationError, TargetError
from observatory.model import Expect, Instant, Kind, Labels, Origin, Target

BRIDGE, MCP_DAEMON, DEVKIT_API, NEXUS_CONSOLE = "bridge-server", "mcp-daemon", "devkit-api", "nexus-console"
OBSERVATORY = "observatory"

KINDS = {
    BRIDGE: Kind.BRIDGE,
    MCP_DAEMON: Kind.MCP_DAEMON,
    DEVKIT_API: Kind.DEVKIT_API,
    NEXUS_CONSOLE: Kind.NEXUS_CONSOLE,
}
DEFAULTS = {
    BRIDGE: "http://localhost:52521",
    MCP_DAEMON: "http://localhost:5174",
    DEVKIT_API: "http://localhost:8000",
    NEXUS_CONSOLE: "http://localhost:3001",
}
SIMULATED = {
    "bridge": BRIDGE,
    "mcp_daemon": MCP_DAEMON,
    "devkit_api": DEVKIT_API,
    "nexus_console": NEXUS_CONSOLE,
}

ENTRY_KEYS = {
    "name", "kind", "url", "interval", "timeout", "labels", "project", "paused", "token_env", "headers_env", "expect",
}  # fmt: skip
FILE_TABLES = {"settings", "target"}
OURS = {"simulated", "reported", "project", "agent"}  # labels that say where a number comes from
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NAME_LIMIT = 100
PRECEDENCE = (
    Origin.BUILTIN, Origin.SIMULATOR, Origin.ENVIRONMENT, Origin.FILE, Origin.DISCOVERED, Origin.PROJECT, Origin.ADMIN,
)  # fmt: skip
IMPLIED = {"http": 80, "https": 443, "ws": 80, "wss": 443}
HERE = {"127.0.0.1", "::1"}  # other spellings of localhost
MCP_HEALTH = "/mcp/health"
MCP_PORTS = (5173, 3000, 8080, 8000, 8090)  # on which MCP servers usually listen (§5.4)
MISSING = object()


def from_settings(settings: Settings) -> list[Target]:
    """The services that the environment names."""
    bridge = service(BRIDGE, settings.bridge_url, settings)
    named = [
        replace(bridge, ws_url=settings.bridge_ws_url or None),
        service(MCP_DAEMON, settings.mcp_daemon_url, settings),
        service(DEVKIT_API, settings.devkit_api_url, settings),
        service(NEXUS_CONSOLE, settings.nexus_console_url, settings),
    ]
    return [target for target in named if target.url]


def candidates(settings: Settings, taken: Iterable[str] = ()) -> list[Target]:
    """What may be running on the default ports, without the names in `taken`. Each is a target once `probe` says so."""
    known = set(taken)
    found = [service(name, url, settings) for name, url in DEFAULTS.items() if name not in known]
    return [replace(target, origin=Origin.DISCOVERED) for target in found]


def service(name: str, url: str, settings: Settings) -> Target:
    """One of the DevKit's four services, with the credentials that are its own."""
    key = settings.bridge_api_key
    return Target(
        name=name,
        kind=KINDS[name],
        url=url.rstrip("/"),
        origin=Origin.ENVIRONMENT,
        interval=settings.interval,
        token=settings.api_token if name == DEVKIT_API else "",
        headers=(("X-API-Key", key),) if name == BRIDGE and key else (),
    )


def simulated(urls: Mapping[str, str], interval: float = 10.0) -> list[Target]:
    """The simulator's services, from the addresses it printed."""
    return [
        Target(
            name=name,
            kind=KINDS[name],
            url=urls[key].rstrip("/"),
            origin=Origin.SIMULATOR,
            interval=interval,
            ws_url=urls.get("bridge_ws") if name == BRIDGE else None,
            simulated=True,
        )
        for key, name in SIMULATED.items()
        if key in urls
    ]


def itself(url: str, token: str, interval: float = 10.0) -> Target:
    """The observatory's own metrics. `url` is the whole address of them."""
    return Target(OBSERVATORY, Kind.OBSERVATORY, url, Origin.BUILTIN, interval=interval, token=token)


def merge(*lists: Iterable[Target]) -> list[Target]:
    """All targets, each thing once, by who named it: environment before file before discovered before admin.

    The same thing has the same name, or is of the same kind at the same place; whoever names it too is mentioned in
    `also`. One source may ask a place in two ways: its own two names stay two. What is built in comes first of all, so
    that no entry can take its name.
    """
    kept: dict[str, Target] = {}
    known_as: dict[str, str] = {}  # every name that was given → the one it is kept under
    at: dict[tuple[Kind, str], str] = {}
    for target in sorted((one for found in lists for one in found), key=lambda t: PRECEDENCE.index(t.origin)):
        here = (target.kind, place(target.url))
        name = known_as.get(target.name) or at.get(here)
        if name is None or (target.name not in known_as and kept[name].origin is target.origin):
            kept[target.name] = target
            at.setdefault(here, target.name)
            name = target.name
        else:
            kept[name] = replace(kept[name], also=(*kept[name].also, (target.origin, target.name)))
        known_as.setdefault(target.name, name)
    return list(kept.values())


def place(url: str) -> str:
    """Where a URL leads, in one spelling: small letters, `localhost`, the port always, no slash at the end."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or IMPLIED.get(parts.scheme)
    except ValueError:
        return url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{'localhost' if host in HERE else host}:{port}{parts.path.rstrip('/')}{query}"


def mcp_server(name: str, url: str, project: str, interval: float) -> Target:
    """The MCP server of a project, as something to be asked whether it is there: what it can do is told elsewhere."""
    base = ("http" + url.removeprefix("ws") if url.startswith("ws") else url).rstrip("/")
    return Target(
        name=f"mcp-{name}",
        kind=Kind.HTTP,
        url=base + MCP_HEALTH,
        origin=Origin.PROJECT,
        interval=interval,
        project=project,
        expect=Expect(),
    )


def mcp_candidates(interval: float) -> list[Target]:
    """What may be an MCP server on this machine that nobody tells of."""
    found = [mcp_server(str(port), f"http://localhost:{port}", "", interval) for port in MCP_PORTS]
    return [replace(target, origin=Origin.DISCOVERED) for target in found]


def probe(target: Target, *, clock: Callable[[], Instant]) -> bool:
    """Whether a service of the target's kind answers there, in the contract's shape. Never raises."""
    asks = {
        Kind.BRIDGE: answers_as_bridge,
        Kind.MCP_DAEMON: answers_as_daemon,
        Kind.DEVKIT_API: answers_as_devkit,
        Kind.NEXUS_CONSOLE: answers_as_console,
        Kind.HTTP: answers_as_mcp_server,
    }
    session = Session(target, clock=clock, rule=rule_of(target))
    try:
        return target.kind in asks and asks[target.kind](session, target.url)
    except TargetError:
        return False
    finally:
        session.close()


def answers_as_bridge(session: Session, url: str) -> bool:
    """Many programs have a health page, few list projects: both have to be there, or refused for want of a token."""
    bridge = Bridge(session, url)
    health = bridge.health()
    if health.status is None or not health.version:
        return False
    try:
        bridge.projects()
    except TargetError as error:
        return error.permanent
    return True


def answers_as_daemon(session: Session, url: str) -> bool:
    McpDaemon(session, url).status()
    return True


def answers_as_devkit(session: Session, url: str) -> bool:
    devkit = DevKit(session, url)
    health = devkit.health()
    return health.status is not None and bool(devkit.metrics().samples)


def answers_as_console(session: Session, url: str) -> bool:
    """By its health only: a page on `/` could be anybody's."""
    health = Nexus(session, url).health()
    return health.status is not None and bool(health.version)


def answers_as_mcp_server(session: Session, url: str) -> bool:
    return McpDaemon(session, url.removesuffix(MCP_HEALTH)).identity().config is not None


def from_file(path: Path | None, environ: Mapping[str, str], interval: float = 10.0) -> list[Target]:
    """The `[[target]]` entries of the configuration file, whose default interval is `interval`.

    Raises ConfigurationError with every fault of the file, one sentence each.
    """
    if path is None:
        return []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be read ({error.strerror})."]) from error
    return from_content(path, content, environ, interval)


def from_content(path: Path, content: bytes, environ: Mapping[str, str], interval: float = 10.0) -> list[Target]:
    """The same, of a file that was read."""
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path} is not valid TOML: {error}."]) from error
    faults = [f"{path}: unknown table {key!r}." for key in document if key not in FILE_TABLES]
    entries = document.get("target", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError([*faults, f"{path}: targets are written as [[target]]."])
    found = [Entry(path, place, entry, environ, faults) for place, entry in enumerate(entries, 1)]
    targets = [entry.target(interval) for entry in found]
    faults += twice(path, [target.name for target in targets])
    if faults:
        raise ConfigurationError(faults)
    return targets


def twice(path: Path, names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    return [f"{path}: target {name!r} stands there more than once." for name in repeated]


class Entry:
    """One `[[target]]` being read. Every fault goes to `faults`; a faulty value gives way to its default."""

    def __init__(
        self, path: Path, place: int, entry: Mapping[str, Any], environ: Mapping[str, str], faults: list[str]
    ) -> None:
        name = entry.get("name")
        self.where = f"{path}: target {name!r}" if isinstance(name, str) and name else f"{path}: target {place}"
        self.entry, self.environ, self.faults = entry, environ, faults

    def target(self, interval: float) -> Target:
        self.faults += [f"{self.where}: unknown key {key!r}." for key in self.entry if key not in ENTRY_KEYS]
        timeout = self.value("timeout", None, duration)
        return Target(
            name=self.value("name", MISSING, name_of) or "",
            kind=self.value("kind", MISSING, kind_of) or Kind.HTTP,
            url=self.value("url", MISSING, url_of) or "",
            origin=Origin.FILE,
            interval=self.value("interval", interval, duration),
            timeout=timeout,
            labels=self.value("labels", (), labels_of),
            project=self.value("project", "", string),
            paused=self.value("paused", False, boolean),
            token=self.value("token_env", "", self.variable),
            headers=self.value("headers_env", (), self.headers),
            expect=self.expect(),
        )

    def value(self, key: str, default: Any, parse: Callable[[Any], Any]) -> Any:
        """The parsed value of a key, its default when it is not there; None when it is required or faulty."""
        if key not in self.entry:
            if default is not MISSING:
                return default
            self.fault(key, "is required")
            return None
        try:
            return parse(self.entry[key])
        except ValueError as fault:
            self.fault(key, str(fault))
            return None if default is MISSING else default

    def fault(self, key: str, text: str) -> None:
        self.faults.append(f"{self.where}: {key} {text}.")

    def variable(self, value: Any) -> str:
        """The content of the environment variable that `value` names."""
        name = string(value)
        if not self.environ.get(name):
            raise ValueError(f"names the environment variable {name}, which is not set")
        return self.environ[name].strip()

    def headers(self, value: Any) -> tuple[tuple[str, str], ...]:
        named = table(value)
        wrong = [name for name in named if not HEADER.fullmatch(name)]
        if wrong:
            raise ValueError(f"has {wrong[0]!r}, which cannot be a header's name")
        return tuple((name, self.variable(variable)) for name, variable in named.items())

    def expect(self) -> Expect | None:
        expect: Expect | None = self.value("expect", None, expectation)
        if expect is not None and self.entry.get("kind") != Kind.HTTP:
            self.fault("expect", "is for targets of kind http")
        return expect


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return value


def name_of(value: Any) -> str:
    name = string(value)
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise ValueError(f"must be 1 to {NAME_LIMIT} printable characters")
    if name == OBSERVATORY:
        raise ValueError(f"must not be {OBSERVATORY!r}, which is the observatory itself")
    return name


def kind_of(value: Any) -> Kind:
    try:
        return Kind(string(value))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Kind)}") from None


def url_of(value: Any) -> str:
    return web_url(string(value))


def duration(value: Any) -> float:
    """Seconds, from a number or from text such as `30s`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a duration such as 5s, 2m or 24h")
    return seconds(str(value))


def labels_of(value: Any) -> Labels:
    for name, content in table(value).items():
        if not LABEL.fullmatch(name) or name in OURS:
            raise ValueError(f"has {name!r}, which cannot be a label of a target")
        if not isinstance(content, str):
            raise ValueError(f"has {name!r}, whose value must be text")
    return tuple(sorted(value.items()))


def expectation(value: Any) -> Expect:
    content = table(value)
    unknown = [key for key in content if key not in {"status", "json"}]
    if unknown:
        raise ValueError(f"has the unknown key {unknown[0]!r}")
    status = content.get("status", 200)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError("has a status that is no HTTP status")
    wanted = content.get("json", {})
    if not isinstance(wanted, dict) or not all(path.startswith("$") for path in wanted):
        raise ValueError('must have json as a table of paths such as "$.status"')
    return Expect(status=status, json=wanted)
