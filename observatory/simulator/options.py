"""The command line of the simulator: where it listens, which world it shows, and how it speaks at first."""

import argparse
from collections.abc import Callable
from pathlib import Path

from observatory.simulator.access import API_KEY, API_TOKEN
from observatory.simulator.clock import parse_instant
from observatory.simulator.dialect import UnknownSwitch, position
from observatory.simulator.faults import MODES, SERVICES, Fault, is_mode
from observatory.simulator.quirks import QUIRKS
from observatory.simulator.switches import AMOUNTS, CHOICES, option

PORTS = {"bridge": 52521, "mcp": 5174, "devkit": 8000, "console": 3001}  # contract §1.1
DEFAULT_SEED = 7
EPILOG = """\
The first line on standard output is JSON with the addresses. Everything but ports, world and files can also be changed
while it runs, by POST of JSON to the `control` address, from this machine only:
  clock {now}   switch {name: position, …} or {reset: true}   quirk {name, on}   restart {}
  faults {service, mode, path, seconds} or {incidents}   set {path, value}   push {projectId, type, data}
  close {code, reason, path}   token {user, seconds, claims}   revoke {token}   broadcast {type, message, …}
  forget {}, which undoes what clients have done   reset {}, which also puts back all that was set
GET of it tells everything that is set, GET switches what can be.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="observatory simulate",
        description="A stand-in Happy DevKit on local ports. Nothing it says is real.",
        epilog=EPILOG + faults_help() + quirks_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_places(parser)
    add_world(parser)
    add_access(parser)
    add_manners(parser)
    return parser


def add_places(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where")
    for name, port in PORTS.items():
        group.add_argument(f"--{name}-port", type=int, default=port, help="default %(default)s; 0: a free one")
    group.add_argument("--control-port", type=int, default=0, help="of the switchboard, on 127.0.0.1 (default: free)")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    group.add_argument("--parent-pid", type=int, help="end when this process is gone")
    group.add_argument("--quiet", action="store_true", help="print the line of addresses and nothing else")


def add_world(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the world")
    group.add_argument("--seed", type=int, default=DEFAULT_SEED, help="which world (default %(default)s)")
    group.add_argument("--projects", type=whole, help="how many projects (default 4)")
    group.add_argument("--agents", type=whole, help="how many agents in each (default 3 to 5)")
    group.add_argument("--clock", type=instant, help="stand still at this time: epoch ms or ISO 8601")
    group.add_argument("--incidents-anchor", type=instant, help="incidents lie around this time (default: the start)")
    group.add_argument("--broadcast-file", type=Path, metavar="PATH", help="where `control/broadcast` writes")


def add_access(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("secrets of --auth jwt")
    group.add_argument("--jwt-secret", help="signs tokens (default: one of this process)")
    group.add_argument("--api-token", default=API_TOKEN, help="a bearer token that may everything (%(default)s)")
    group.add_argument("--api-key", default=API_KEY, help="what X-API-Key must be (%(default)s)")


def add_manners(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("switches; the first position is the canonical one")
    for name, choice in CHOICES.items():
        positions = "|".join(choice.positions)
        group.add_argument(option(name), dest=f"switch_{name}", type=checked(name), metavar=positions, help=choice.help)
    for name, amount in AMOUNTS.items():
        group.add_argument(
            option(name), dest=f"switch_{name}", type=checked(name), metavar="NUMBER", help=f"{amount.help} (0)"
        )
    group = parser.add_argument_group("what is wrong from the start; both may be given several times")
    group.add_argument("--quirk", action="append", default=[], choices=QUIRKS, metavar="Q1…Q28", help="see below")
    group.add_argument(
        "--fault", action="append", default=[], type=fault, metavar="SERVICE=MODE[,SECONDS][@PATH]",
        help=f"of {', '.join(SERVICES)}; modes see below",
    )  # fmt: skip


def faults_help() -> str:
    lines = [f"  {mode:<12} {help}" for mode, help in MODES.items()]
    return "\n".join(["", "modes of faults, besides a status from 400 to 599:", *lines, ""])


def quirks_help() -> str:
    lines = [f"  {name:<4} {quirk.help}" for name, quirk in QUIRKS.items()]
    return "\n".join(["", "quirks of the contract's §9:", *lines])


def switched(options: argparse.Namespace) -> dict[str, str | float]:
    """The switches that were set."""
    set_ = {name: getattr(options, f"switch_{name}") for name in (*CHOICES, *AMOUNTS)}
    return {name: value for name, value in set_.items() if value is not None}


def checked(name: str) -> Callable[[str], str | float]:
    """What turns the text of an option into a position of the switch `name`."""

    def convert(text: str) -> str | float:
        try:
            return position(name, float(text) if name in AMOUNTS else text)
        except (UnknownSwitch, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def fault(text: str) -> tuple[str, Fault]:
    """`bridge=slow,0.5@/api/projects`."""
    service, _, rest = text.partition("=")
    manner, _, path = rest.partition("@")
    mode, _, seconds = manner.partition(",")
    if service not in SERVICES or not is_mode(mode):
        raise argparse.ArgumentTypeError("must be SERVICE=MODE, such as bridge=hang")
    try:
        return service, Fault(mode, path, float(seconds) if seconds else None)
    except ValueError:
        raise argparse.ArgumentTypeError("seconds must be a number") from None


def whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 1000")
    return int(text)


def instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be epoch milliseconds or ISO 8601") from None
