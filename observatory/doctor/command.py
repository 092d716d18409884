"""`observatory doctor`, and with `--contract` the report on services."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from observatory import config, discovery, log
from observatory.config import Settings
from observatory.context import wall_clock
from observatory.doctor import checkup, report
from observatory.doctor.asking import BRIDGE, CONSOLE, DEVKIT, MCP, TIMEOUT, Service
from observatory.doctor.examine import examine, kept
from observatory.errors import ConfigurationError

T = TypeVar("T")
HELP = {
    BRIDGE: "Bridge server, such as http://localhost:52521",
    MCP: "MCP daemon",
    DEVKIT: "Happy DevKit API",
    CONSOLE: "Nexus Console",
}


def main(argv: Sequence[str]) -> int:
    """0 when all is well. Raises ConfigurationError for a report on services of settings that cannot be used."""
    parser = options()
    given = parser.parse_args(argv)
    named = {name: getattr(given, name) for name in HELP if getattr(given, name)}
    if not given.contract and (named or given.bridge_ws or given.token_env):
        parser.error("addresses and a token belong to --contract")
    log.configure("error", process="command line")
    if not given.contract:
        checks = checkup.checkup(clock=wall_clock)
        print(checkup.as_json(checks) if given.json else checkup.told(checks))
        return 0 if checkup.well(checks) else 1
    if given.bridge_ws and BRIDGE not in named:
        parser.error("--bridge-ws goes with --bridge")
    services = (
        given_services(named, given.bridge_ws or "", token(given.token_env)) if named else services_of(given.token_env)
    )
    rulings = examine(services, clock=wall_clock, timeout=given.timeout)
    print(report.as_json(services, rulings) if given.json else report.told(services, rulings))
    return 0 if kept(rulings) else 1


def options() -> argparse.ArgumentParser:
    about = "What works, what does not, and what to do about it. Ends with 0 when all is well, else with 1."
    parser = argparse.ArgumentParser("observatory doctor", description=about)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--contract",
        action="store_true",
        help="which clauses of the DevKit's contract real services keep: those of the settings, or exactly those named "
        "here. Nothing is sent but questions",
    )
    for name, help_ in HELP.items():
        parser.add_argument(f"--{name}", metavar="URL", type=parsing(config.web_url), help=help_)
    parser.add_argument(
        "--bridge-ws",
        metavar="URL",
        type=parsing(config.socket_url),
        help="its WebSocket; follows --bridge",
    )
    parser.add_argument(
        "--token-env", metavar="NAME", default="", help="the variable that holds a bearer token for the services"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=parsing(config.seconds),
        default=TIMEOUT,
        help="for each question (%(default)g)",
    )
    return parser


def parsing(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of settings for argparse, which shows only its own errors' words."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as fault:
            raise argparse.ArgumentTypeError(str(fault)) from None

    return parsed


def token(variable: str) -> str:
    """The token in it, "" when no variable is named. Raises ConfigurationError when there is none in it."""
    found = os.environ.get(variable, "").strip() if variable else ""
    if variable and not found:
        raise ConfigurationError([f"--token-env: {variable} is not set."])
    return found


def given_services(named: Mapping[str, str], bridge_ws: str, bearer: str) -> list[Service]:
    """Exactly those; they are shown no credential of our settings, which was not meant for them."""
    return [Service(name, url, bridge_ws if name == BRIDGE else "", bearer) for name, url in named.items()]


def services_of(token_env: str) -> list[Service]:
    """Those of the settings, on their default ports where no setting names them."""
    settings = config.load(create_secrets=False)
    bearer = token(token_env)
    bridge = Service(
        BRIDGE,
        settings.bridge_url or discovery.DEFAULTS[discovery.BRIDGE],
        settings.bridge_ws_url,
        bearer,
        key(settings),
    )
    return [
        bridge,
        Service(MCP, settings.mcp_daemon_url or discovery.DEFAULTS[discovery.MCP_DAEMON], token=bearer),
        Service(
            DEVKIT,
            settings.devkit_api_url or discovery.DEFAULTS[discovery.DEVKIT_API],
            token=bearer or settings.api_token,
        ),
        Service(CONSOLE, settings.nexus_console_url or discovery.DEFAULTS[discovery.NEXUS_CONSOLE], token=bearer),
    ]


def key(settings: Settings) -> tuple[tuple[str, str], ...]:
    return (("X-API-Key", settings.bridge_api_key),) if settings.bridge_api_key else ()
