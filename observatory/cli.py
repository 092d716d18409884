"""The command line: `observatory <command>`, the same as `python -m observatory <command>`."""

import argparse
import contextlib
import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from observatory import config
from observatory.config import Settings
from observatory.errors import ConfigurationError, Invalid, ObservatoryError
from observatory.supervision import ROOT, Child, environment, refusal, require_free_port

KEPT_IN_DEMO = {"host", "port", "interval", "streams", "workers", "log_level"}


def main(argv: Sequence[str] | None = None) -> int:
    arguments, rest = parser().parse_known_args(argv)
    if rest and arguments.run not in WITH_OPTIONS:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(arguments.run(rest) or 0)
    except ConfigurationError as error:
        print(refusal(error), file=sys.stderr)
        return 2
    except Invalid as error:
        for fault in error.faults:
            print(f"observatory: {fault['message']}", file=sys.stderr)
        return 2
    except ObservatoryError as error:
        print(f"observatory: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("observatory", description="Monitoring and control for the Happy DevKit.")
    commands = made.add_subparsers(metavar="command", required=True)
    for name, (run, help_) in COMMANDS.items():
        commands.add_parser(name, help=help_, add_help=run not in WITH_OPTIONS).set_defaults(run=run)
    return made


def serve(_: Sequence[str]) -> int:
    """The web server, with the collector beside it unless that runs elsewhere. Replaces this process."""
    check()  # every fault is told before anything starts
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "app:server"]
    os.execve(sys.executable, command, environment())  # noqa: S606 — our own interpreter


def check() -> Settings:
    """The settings, when nothing of the configuration is wrong and the port is free. Raises ConfigurationError."""
    from observatory import processes

    settings = processes.load_settings()
    require_free_port(settings)
    return settings


def demo(_: Sequence[str]) -> int:
    """Everything from nothing, simulated, in a data folder that goes away again."""
    with tempfile.TemporaryDirectory(prefix="observatory-demo-", ignore_cleanup_errors=True) as folder:
        password = os.environ.get("OBSERVATORY_ADMIN_PASSWORD") or secrets.token_urlsafe(9) + "!aA1"
        alone(Path(folder), password)
        settings = config.load()
        require_free_port(settings)
        server = Child(lambda: serve([]))
        if listening(settings, server):
            welcome(settings, password)
        return server.wait()


def alone(folder: Path, password: str) -> None:
    """Settings of the environment that would bring a demo into contact with anything real are put aside."""
    empty = folder / "observatory.toml"
    empty.touch()
    for item in fields(Settings):
        for name in item.metadata["names"] if item.name not in KEPT_IN_DEMO else ():
            for variable in (name, config.PREFIX + name, name + "_FILE"):
                os.environ.pop(variable, None)
    os.environ |= {
        "OBSERVATORY_ENV": "development",
        "OBSERVATORY_CONFIG": str(empty),
        "OBSERVATORY_DATA": str(folder),
        "OBSERVATORY_ADMIN_PASSWORD": password,
        "OBSERVATORY_LOG_LEVEL": os.environ.get("OBSERVATORY_LOG_LEVEL", "warning"),
        "MOCK_MODE": "true",
    }


def listening(settings: Settings, server: Child) -> bool:
    """Wait until the server takes connections; False when it ended instead."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 — compared, not bound
    pause = threading.Event()
    while server.running():
        with contextlib.suppress(OSError), socket.create_connection((host, settings.port), timeout=1):
            return True
        pause.wait(0.1)
    return False


def welcome(settings: Settings, password: str) -> None:
    print(
        f"\n  Happy Observatory, with a simulated DevKit\n\n"
        f"    open      http://{settings.host}:{settings.port}\n"
        f"    user      admin\n"
        f"    password  {password}\n\n"
        f"  Every number from it is simulated and says so. Ctrl-C ends it all.\n",
        flush=True,
    )


def collect(_: Sequence[str]) -> int:
    """The collector as a process of its own."""
    from observatory import processes

    return processes.collect(processes.load_settings())


def simulate(argv: Sequence[str]) -> int:
    """The DevKit simulator."""
    from observatory import simulator

    return simulator.main(list(argv))


def user(argv: Sequence[str]) -> int:
    """People: who may sign in, as what."""
    from observatory import cli_people

    return cli_people.users(argv)


def token(argv: Sequence[str]) -> int:
    """API tokens."""
    from observatory import cli_people

    return cli_people.tokens(argv)


def doctor(argv: Sequence[str]) -> int:
    """What works, what does not, and what to do about it."""
    from observatory.doctor import command

    return command.main(argv)


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
    "user": (user, "people: who may sign in, as what; `observatory user` lists what can be done"),
    "token": (token, "API tokens; `observatory token` lists what can be done"),
    "doctor": (doctor, "what works, what does not, what to do; `--contract`: what real services keep of the contract"),
    "migrate": (migrate, "bring the database to this release's schema"),
    "config": (show_config, "every setting and its value"),
}
WITH_OPTIONS = {simulate, user, token, doctor}  # they read what follows their name by themselves
