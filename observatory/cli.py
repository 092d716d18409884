"""The command line: `observatory <command>`, the same as `python -m observatory <command>`."""

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from observatory import config, log
from observatory.config import Settings
from observatory.errors import ConfigurationError, ObservatoryError

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    arguments, rest = parser().parse_known_args(argv)
    if rest and arguments.run is not simulate:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(arguments.run(rest) or 0)
    except ConfigurationError as error:
        print("Happy Observatory cannot start:", *(f"  - {fault}" for fault in error.faults), sep="\n", file=sys.stderr)
        return 2
    except ObservatoryError as error:
        print(f"observatory: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("observatory", description="Monitoring and control for the Happy DevKit.")
    commands = made.add_subparsers(metavar="command", required=True)
    for name, (run, help_) in COMMANDS.items():
        commands.add_parser(name, help=help_, add_help=name != "simulate").set_defaults(run=run)
    return made


def serve(_: Sequence[str]) -> int:
    """The web server, with the collector beside it unless that runs elsewhere. Replaces this process."""
    config.load(create_secrets=False)  # every fault is told before anything starts
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "app:server"])  # noqa: S606 — our own interpreter


def demo(_: Sequence[str]) -> int:
    """Everything from nothing, simulated, in a data folder that goes away again."""
    folder = tempfile.mkdtemp(prefix="observatory-demo-")
    password = os.environ.get("OBSERVATORY_ADMIN_PASSWORD") or secrets.token_urlsafe(9) + "!aA1"
    os.environ |= {
        "OBSERVATORY_DATA": folder,
        "OBSERVATORY_ADMIN_PASSWORD": password,
        "MOCK_MODE": "true",
        "OBSERVATORY_LOG_LEVEL": os.environ.get("OBSERVATORY_LOG_LEVEL", "warning"),
    }
    os.environ.pop("NEXT_PUBLIC_MOCK_MODE", None)
    settings = config.load()
    web = os.fork()
    if web == 0:
        serve([])
    welcome(settings, password)
    return wait_for(web, then=lambda: shutil.rmtree(folder, ignore_errors=True))


def welcome(settings: Settings, password: str) -> None:
    print(
        f"\n  Happy Observatory, with a simulated DevKit\n\n"
        f"    open      http://{settings.host}:{settings.port}\n"
        f"    user      admin\n"
        f"    password  {password}\n\n"
        f"  Every number you will see is simulated and says so. Ctrl-C ends it all.\n",
        flush=True,
    )


def wait_for(child: int, then: Callable[[], None]) -> int:
    """Wait for the child's end; pass on what we are asked to end with. Answers its exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells the whole group, the child too
    _, status = os.waitpid(child, 0)
    then()
    return os.waitstatus_to_exitcode(status)


def collect(_: Sequence[str]) -> int:
    """The collector as a process of its own."""
    from observatory import processes

    return processes.collect(config.load())


def simulate(argv: Sequence[str]) -> int:
    """The DevKit simulator."""
    from observatory import simulator

    return simulator.main(list(argv))


def migrate(_: Sequence[str]) -> int:
    """Bring the database to this release's schema."""
    from observatory.store.engine import migrate as bring_forward
    from observatory.store.engine import open_store

    store = open_store(config.load(create_secrets=False).store_url)
    bring_forward(store)
    store.close()
    print("The database is at this release's schema.")
    return 0


def show_config(_: Sequence[str]) -> int:
    """Every setting, its value, and what it is for."""
    settings = config.load(create_secrets=False)
    for item in fields(Settings):
        names = item.metadata["names"]
        value = getattr(settings, item.name)
        shown = ("set" if value else "not set") if item.metadata["secret"] else value
        print(f"{names[0]} = {shown}\n    {item.metadata['help']}")
    return 0


COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "serve": (serve, "the web server, with the collector beside it"),
    "demo": (demo, "everything from nothing, with a simulated DevKit"),
    "collect": (collect, "the collector as a process of its own"),
    "simulate": (simulate, "the DevKit simulator"),
    "migrate": (migrate, "bring the database to this release's schema"),
    "config": (show_config, "every setting and its value"),
}
