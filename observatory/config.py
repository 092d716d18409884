"""Every setting, once: name, type, default, help. Environment first, then `[settings]` of observatory.toml.

A name of the DevKit's is accepted with and without `NEXT_PUBLIC_`; the prefixed one wins. A secret may come from a
file: `JWT_SECRET_FILE=/run/secrets/jwt`. Loading collects every fault and raises them at once.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from observatory.errors import ConfigurationError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PREFIX = "NEXT_PUBLIC_"
URL_LIMIT = 2000  # characters
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
WEAK = {"secret", "changeme", "change-me", "password", "development", "<generated-secret>"}


def boolean(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError("must be a port number from 1 to 65535")
    return int(text)


def count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("must be a whole number, 0 or more")
    return int(text)


def seconds(text: str) -> float:
    """A duration such as `10`, `5s`, `2m`, `24h` or `7d`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        value = float(number) * unit
    except ValueError:
        raise ValueError("must be a duration such as 5s, 2m or 24h") from None
    if not 0 < value < float("inf"):
        raise ValueError("must be longer than nothing")
    return value


def folder(text: str) -> Path | None:
    return Path(text) if text.strip() else None


def web_url(text: str) -> str:
    return address(text, ("http", "https"))


def socket_url(text: str) -> str:
    return address(text, ("ws", "wss"))


def address(text: str, schemes: tuple[str, ...]) -> str:
    if len(text) > URL_LIMIT:
        raise ValueError(f"must not be longer than {URL_LIMIT} characters")
    if " " in text or not text.isprintable():  # some of these the parser would take out in silence
        raise ValueError("must not hold spaces or control characters")
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if good and "@" in parts.netloc:
        raise ValueError("must not hold a user or password: a token goes into token_env, a header into headers_env")
    if not good:
        raise ValueError(f"must be an address that starts with {' or '.join(s + '://' for s in schemes)}")
    return text.rstrip("/")


def origins(text: str) -> tuple[str, ...]:
    """Origins as browsers write them, separated by commas."""
    return tuple(dict.fromkeys(origin(part.strip()) for part in text.split(",") if part.strip()))


def origin(text: str) -> str:
    """`scheme://host[:port]`, in small letters and without the port that the scheme implies."""
    match = ORIGIN.fullmatch(text.lower())
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        raise ValueError(
            f"must be origins such as https://tool.example or http://localhost:3000, which {text!r} is not"
        )
    implied = {"http": "80", "https": "443"}[match["scheme"]]
    port = "" if match["port"] in {None, implied} else f":{int(match['port'])}"
    return f"{match['scheme']}://{match['host']}{port}"


def redis_url(text: str) -> str:
    if urlsplit(text).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must be an address that starts with redis:// or rediss://")
    return text


def limit(text: str) -> str:
    """A limit as Flask-Limiter reads it, such as `60 per minute` or `5 per 15 minutes`."""
    import limits

    try:
        limits.parse(text)
    except ValueError:
        raise ValueError("must be a limit such as `60 per minute` or `5 per 15 minutes`") from None
    return text


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def setting(
    parse: Callable[[str], Any], default: Any, help: str, *names: str, secret: bool = False, shown: str = ""
) -> Any:
    """A field of Settings. `names` are its variables, the first wins; `shown` describes a computed default."""
    meta = {"parse": parse, "help": help, "names": names, "secret": secret, "shown": shown}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and the file say. Only entry points read it; below them values come in as arguments."""

    environment: str = setting(
        one_of("development", "production"), "development",
        "In production a missing or weak secret stops the start.", "OBSERVATORY_ENV",
        shown="production when DYNO is set or the bind address is not loopback, else development",
    )  # fmt: skip
    host: str = setting(
        str, "127.0.0.1", "Address to listen on.", "OBSERVATORY_HOST", shown="127.0.0.1; in production 0.0.0.0"
    )
    port: int = setting(port, 8050, "Port to listen on.", "PORT")
    data: Path = setting(Path, Path("var"), "Folder of the SQLite file and of generated secrets.", "OBSERVATORY_DATA")
    config: Path | None = setting(
        Path, None, "The configuration file.", "OBSERVATORY_CONFIG", shown="./observatory.toml if it exists"
    )
    database_url: str = setting(
        str, "", "PostgreSQL, as postgresql:// or postgres://. Without it SQLite in the data folder.", "DATABASE_URL",
        secret=True,
    )  # fmt: skip
    jwt_secret: tuple[str, ...] = setting(
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()), (),
        "Signs sessions: at least 32 characters. Several, separated by commas: the first signs, all verify.",
        "JWT_SECRET", secret=True, shown="generated into the data folder in development; required in production",
    )  # fmt: skip
    session_secret: str = setting(
        str, "", "Signs what is no session, such as links to choose a password: at least 32 characters.",
        "SESSION_SECRET", secret=True, shown="generated into the data folder in development; required in production",
    )  # fmt: skip
    session_length: float = setting(seconds, 86400.0, "How long a session lasts, such as 24h.", "JWT_EXPIRY")
    admin_password: str = setting(
        str, "", "Password of the first administrator, `admin`. Acts only while no administrator exists.",
        "OBSERVATORY_ADMIN_PASSWORD", secret=True, shown="a link in the log, by which one is chosen once",
    )  # fmt: skip
    collector: str = setting(
        one_of("beside", "external"), "beside",
        "`beside`: the web process starts the collector. `external`: it runs as a process of its own.",
        "OBSERVATORY_COLLECTOR",
    )  # fmt: skip
    workers: int = setting(count, 1, "Web worker processes.", "OBSERVATORY_WORKERS")
    streams: int = setting(
        count, 250, "Open live streams a worker can hold; each takes a thread.", "OBSERVATORY_STREAMS"
    )
    trusted_proxies: int = setting(
        count, 0, "How many reverse proxies of yours stand in front.", "TRUSTED_PROXIES",
        shown="0; 1 when TRUST_PROXY_HEADERS is true or DYNO is set",
    )  # fmt: skip
    trust_proxy_headers: bool = setting(boolean, False, "The same as TRUSTED_PROXIES=1.", "TRUST_PROXY_HEADERS")
    allowed_origins: tuple[str, ...] = setting(
        origins, (),
        "Other sites whose scripts may call /api with a bearer token, separated by commas: each scheme://host[:port].",
        "ALLOWED_ORIGINS",
    )  # fmt: skip
    log_level: str = setting(
        one_of("debug", "info", "warning", "error"), "info", "How much is logged.", "OBSERVATORY_LOG_LEVEL"
    )
    streams_per_session: int = setting(
        count, 12, "Open live streams of one session: a tab holds one.", "OBSERVATORY_STREAMS_PER_SESSION"
    )
    streams_per_address: int = setting(
        count, 200, "Open live streams from one address.", "OBSERVATORY_STREAMS_PER_ADDRESS"
    )
    redis_url: str = setting(
        redis_url, "", "Redis: counts all limits for all processes. Sessions stay in the database.", "REDIS_URL",
        secret=True, shown="the database counts sign-ins and commands, each process its reads",
    )  # fmt: skip
    limit_auth: str = setting(
        limit, "5 per 15 minutes", "Failed sign-ins of one name from one address.", "OBSERVATORY_LIMIT_AUTH"
    )
    limit_auth_address: str = setting(
        limit, "30 per 15 minutes", "Failed sign-ins from one address, whatever the name.",
        "OBSERVATORY_LIMIT_AUTH_ADDRESS",
    )  # fmt: skip
    limit_anonymous: str = setting(
        limit, "100 per 15 minutes", "API requests without a session, by address.", "OBSERVATORY_LIMIT_ANONYMOUS"
    )
    limit_global: str = setting(
        limit, "1000 per minute", "API requests of a session or token that no other group counts.",
        "OBSERVATORY_LIMIT_GLOBAL",
    )  # fmt: skip
    limit_projects: str = setting(limit, "30 per minute", "Requests below /api/projects.", "OBSERVATORY_LIMIT_PROJECTS")
    limit_agents: str = setting(limit, "60 per minute", "Requests below /api/agents.", "OBSERVATORY_LIMIT_AGENTS")
    limit_telemetry: str = setting(
        limit, "120 per minute", "Requests below /api/telemetry and /api/series.", "OBSERVATORY_LIMIT_TELEMETRY"
    )
    limit_commands: str = setting(
        limit, "60 per minute", "What is asked of a service: commands, and readings out of turn.",
        "OBSERVATORY_LIMIT_COMMANDS",
    )  # fmt: skip
    limit_reports: str = setting(
        limit, "60 per minute", "Reports of browsers about the content policy, by address.",
        "OBSERVATORY_LIMIT_REPORTS",
    )  # fmt: skip
    limit_ui: str = setting(
        limit, "600 per minute", "Pages, their callbacks and streams, of a session.", "OBSERVATORY_LIMIT_UI"
    )
    audit_retention: float = setting(
        seconds, 90 * 86400.0, "How long the audit log is kept, such as 90d.", "OBSERVATORY_AUDIT_RETENTION"
    )
    interval: float = setting(seconds, 10.0, "How often a target is read, such as 10s.", "OBSERVATORY_INTERVAL")
    private_targets: bool = setting(
        boolean, False,
        "true: targets that administrators add may lie in private networks and on this machine. Link-local and "
        "metadata addresses stay refused; what the environment or the file names may lie anywhere.",
        "OBSERVATORY_PRIVATE_TARGETS",
    )  # fmt: skip
    retention: float = setting(
        seconds, 30 * 86400.0, "Older name of OBSERVATORY_RETENTION_RAW, used when that is not set.",
        "OBSERVATORY_RETENTION",
    )  # fmt: skip
    retention_raw: float = setting(
        seconds, 30 * 86400.0, "How long every sample is kept, such as 30d.", "OBSERVATORY_RETENTION_RAW"
    )
    retention_5m: float = setting(
        seconds, 180 * 86400.0, "How long samples are kept in buckets of five minutes; no shorter than every sample.",
        "OBSERVATORY_RETENTION_5M",
    )  # fmt: skip
    retention_1h: float = setting(
        seconds, 5 * 365 * 86400.0,
        "How long samples are kept in buckets of an hour, with outcomes and events; no shorter than the others.",
        "OBSERVATORY_RETENTION_1H",
    )  # fmt: skip
    shared_state_dir: Path | None = setting(
        folder, Path("~/.shared-config"),
        "Folder of broadcast.json, whose messages become events. Set and empty: none is read.", "SHARED_STATE_DIR",
    )  # fmt: skip
    mock_mode: bool = setting(
        boolean, False, "Start the DevKit simulator and read that. Every number then says simulated.", "MOCK_MODE"
    )
    use_real_data: bool = setting(
        boolean, True, "Older inverse of MOCK_MODE, used when MOCK_MODE is not set.", "USE_REAL_DATA"
    )
    telemetry_enabled: bool = setting(
        boolean, True, "false: telemetry of the services is not read.", "TELEMETRY_ENABLED"
    )
    bridge_url: str = setting(
        web_url, "", "Bridge server, REST.", "BRIDGE_API_URL", "BRIDGE_SERVER_URL",
        shown="http://localhost:52521 if it answers there",
    )  # fmt: skip
    bridge_ws_url: str = setting(
        socket_url, "", "Bridge server, WebSocket.", "BRIDGE_WS_URL", "WS_URL", shown="follows BRIDGE_API_URL"
    )
    mcp_daemon_url: str = setting(
        web_url, "", "MCP daemon.", "MCP_DAEMON_URL", shown="http://localhost:5174 if it answers there"
    )
    devkit_api_url: str = setting(
        web_url, "", "Happy DevKit API.", "HAPPY_DEVKIT_API",
        shown="API_URL in production, else http://localhost:8000 if it answers there",
    )  # fmt: skip
    api_url: str = setting(web_url, "", "The observatory's own public address.", "API_URL")
    nexus_console_url: str = setting(
        web_url, "", "Nexus Console.", "NEXUS_CONSOLE_URL", shown="http://localhost:3001 if it answers there"
    )
    api_token: str = setting(str, "", "Bearer token for the DevKit API.", "API_TOKEN", secret=True)
    bridge_api_key: str = setting(str, "", "Sent to the Bridge as X-API-Key.", "BRIDGE_API_KEY", secret=True)

    @property
    def limits(self) -> dict[str, str]:
        """Every limit by the name of its group."""
        return {name.removeprefix(LIMIT): getattr(self, name) for name in LIMITED}

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def store_url(self) -> str:
        """The database as SQLAlchemy names it; Heroku's `postgres://` too."""
        if not self.database_url:
            return f"sqlite:///{(self.data / 'observatory.sqlite3').absolute()}"
        return "postgresql+psycopg://" + self.database_url.split("://", 1)[1]

    @property
    def sqlite(self) -> bool:
        return not self.database_url


LIMIT = "limit_"
LIMITED = tuple(item.name for item in fields(Settings) if item.name.startswith(LIMIT))
DEFAULT_LIMITS = {item.name.removeprefix(LIMIT): str(item.default) for item in fields(Settings) if item.name in LIMITED}


def load(environ: Mapping[str, str] | None = None, *, create_secrets: bool = True) -> Settings:
    """Settings from the environment and the file. Raises ConfigurationError with every fault."""
    environ = os.environ if environ is None else environ
    faults: list[str] = []
    path = config_path(environ)
    from_file, file_faults = read_settings_table(path)
    faults += file_faults
    values: dict[str, Any] = {"config": path}
    for item in fields(Settings):
        name, text = find(environ, item.metadata["names"], faults)
        if name is None and item.name in from_file:
            name, text = f"{item.name} in {path}", from_file[item.name]
        if name is None or item.name == "config":
            continue
        try:
            values[item.name] = item.metadata["parse"](text)
        except ValueError as fault:
            shown = "" if item.metadata["secret"] else f" (it is {text!r})"
            faults.append(f"{name} {fault}{shown}.")
    derive(values, environ)
    draft = Settings(**values)
    faults += check(draft, environ)
    if faults:
        raise ConfigurationError(faults)
    return with_secrets(draft) if create_secrets else draft


def config_path(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("OBSERVATORY_CONFIG")
    if named:
        return Path(named)
    here = Path("observatory.toml")
    return here if here.exists() else None


def read_settings_table(path: Path | None) -> tuple[dict[str, str], list[str]]:
    """The `[settings]` table with every value as text, and what is wrong with it."""
    if path is None:
        return {}, []
    try:
        return settings_table(path, path.read_bytes())
    except OSError as error:
        return {}, [f"OBSERVATORY_CONFIG: {path} cannot be read ({error.strerror})."]


def settings_table(path: Path, content: bytes) -> tuple[dict[str, str], list[str]]:
    """The same, of a file that was read."""
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{path} is not valid TOML: {error}."]
    table = document.get("settings", {})
    if not isinstance(table, dict):
        return {}, [f"{path}: settings must be a table."]
    known = {item.name for item in fields(Settings)} - {"config"}
    faults = [f"{path}: unknown setting {key!r}." for key in table if key not in known]
    texts = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in table.items() if k in known}
    return texts, faults


def settings_faults(path: Path, content: bytes) -> list[str]:
    """What is wrong with the `[settings]` of a file that was read, as far as the table alone shows it."""
    texts, faults = settings_table(path, content)
    for item in fields(Settings):
        try:
            if item.name in texts:
                item.metadata["parse"](texts[item.name])
        except ValueError as fault:
            shown = "" if item.metadata["secret"] else f" (it is {texts[item.name]!r})"
            faults.append(f"{item.name} in {path} {fault}{shown}.")
    return faults


def find(environ: Mapping[str, str], names: tuple[str, ...], faults: list[str]) -> tuple[str | None, str]:
    """The first of `names` that is set, prefixed before plain, also from a file named by `<name>_FILE`."""
    for name in names:
        for candidate in (PREFIX + name, name):
            if environ.get(candidate):
                return candidate, environ[candidate].strip()
        file = environ.get(name + "_FILE")
        if file:
            try:
                return name + "_FILE", Path(file).read_text().strip()
            except OSError as error:
                faults.append(f"{name}_FILE: {file} cannot be read ({error.strerror}).")
    return None, ""


def derive(values: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Defaults that depend on other settings."""
    host = values.get("host")
    on_dyno = bool(environ.get("DYNO"))
    if "environment" not in values:
        exposed = host is not None and host not in LOOPBACK
        values["environment"] = "production" if on_dyno or exposed else "development"
    named = [environ.get(f"{prefix}SHARED_STATE_DIR") for prefix in (PREFIX, "")]
    if "" in named and not any(named):
        values["shared_state_dir"] = None  # elsewhere an empty variable is one that is not set
    production = values["environment"] == "production"
    values["data"] = Path(values.get("data", "var")).absolute()  # whatever is read later from another folder
    values.setdefault("host", "0.0.0.0" if production else "127.0.0.1")  # noqa: S104 — the platform routes to it
    if "trusted_proxies" not in values and (values.get("trust_proxy_headers") or on_dyno):
        values["trusted_proxies"] = 1
    if "retention" in values:
        values.setdefault("retention_raw", values["retention"])
    if "mock_mode" not in values and values.get("use_real_data") is False:
        values["mock_mode"] = True
    rest, socket = values.get("bridge_url"), values.get("bridge_ws_url")
    if socket:
        for suffix in ("/ws", "/bridge"):
            socket = socket.removesuffix(suffix)
        values["bridge_ws_url"] = socket
    if rest and not socket:
        values["bridge_ws_url"] = "ws" + rest.removeprefix("http")
    if socket and not rest:
        values["bridge_url"] = "http" + socket.removeprefix("ws")
    if production and "devkit_api_url" not in values and values.get("api_url"):
        values["devkit_api_url"] = values["api_url"]


def check(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Faults that one value alone does not show."""
    faults = []
    scheme = settings.database_url.split("://", 1)[0]
    if settings.database_url and scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        faults.append("DATABASE_URL must start with postgresql:// or postgres://.")
    if settings.production:
        if not settings.jwt_secret:
            faults.append("JWT_SECRET is required in production: 32 random characters or more.")
        if not settings.session_secret:
            faults.append("SESSION_SECRET is required in production: 32 random characters or more.")
        if settings.sqlite and settings.collector == "external":
            faults.append("OBSERVATORY_COLLECTOR=external needs DATABASE_URL: two dynos do not share a disk.")
    for value in settings.jwt_secret:
        faults += weak("JWT_SECRET", value)
    if settings.session_secret:
        faults += weak("SESSION_SECRET", settings.session_secret)
    if settings.workers < 1:
        faults.append("OBSERVATORY_WORKERS must be at least 1.")
    return faults


def weak(name: str, value: str) -> list[str]:
    if value.lower() in WEAK or len(value) < 32 or len(set(value)) < 8:
        return [f"{name} is too weak: 32 random characters or more, such as `openssl rand -hex 32` prints."]
    return []


def with_secrets(settings: Settings) -> Settings:
    """In development, secrets that are not set are made once and kept in the data folder, readable by us alone."""
    return replace(
        settings,
        jwt_secret=settings.jwt_secret or (kept_secret(settings.data, "jwt.secret"),),
        session_secret=settings.session_secret or kept_secret(settings.data, "session.secret"),
    )


def kept_secret(folder: Path, name: str) -> str:
    """The secret in `folder/name`, made if it is not there. Two processes that start together agree on one."""
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(scratch, path)  # fails if another process was first; then its secret is ours too
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError([f"OBSERVATORY_DATA: {path} cannot be written ({error.strerror})."]) from error
