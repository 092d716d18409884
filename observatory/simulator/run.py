"""The simulator as a program: four servers, one line that says where they are, and an end within a second."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from observatory.simulator.bridge import Bridge
from observatory.simulator.clock import Clock, parse_instant
from observatory.simulator.console import Console
from observatory.simulator.control import Control
from observatory.simulator.daemon import Daemon
from observatory.simulator.devkit import DevKitApi
from observatory.simulator.dialect import Dialect
from observatory.simulator.faults import Faults
from observatory.simulator.service import HttpService, Universe
from observatory.simulator.stream import Hub
from observatory.simulator.wire import Listener
from observatory.simulator.world import World

PORTS = {"bridge": 52521, "mcp": 5174, "devkit": 8000, "console": 3001}  # contract §1.1
DEFAULT_SEED = 7


@dataclass(frozen=True, slots=True)
class Ports:
    bridge: int = 0
    mcp: int = 0
    devkit: int = 0
    console: int = 0


class Simulator:
    """The whole stand-in. Ports that are 0 become free ones; `urls` is valid after `start`, which raises OSError."""

    def __init__(
        self, *, seed: int = DEFAULT_SEED, ports: Ports | None = None, host: str = "127.0.0.1",
        clock: int | None = None, anchor: int | None = None,
    ) -> None:  # fmt: skip
        ports = ports or Ports()
        self.host = host
        self.clock = Clock(clock)
        faults = Faults(Clock().now() if anchor is None else anchor)
        self.universe = Universe(World(seed), self.clock, faults, Dialect())
        self.hub = Hub(self.universe)
        bridge = Bridge(self.universe, self.hub)
        Control(bridge, self.hub)
        served: tuple[tuple[HttpService, int], ...] = (
            (bridge, ports.bridge),
            (Daemon(self.universe), ports.mcp),
            (DevKitApi(self.universe), ports.devkit),
            (Console(self.universe), ports.console),
        )
        self.listeners = [Listener(service, host, port) for service, port in served]

    def start(self) -> None:
        for listener in self.listeners:
            listener.bind()
        for listener in self.listeners:
            listener.start()
        self.hub.start()

    def stop(self) -> None:
        self.hub.stop()
        for listener in self.listeners:
            listener.stop()

    @property
    def urls(self) -> dict[str, str]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        bridge, mcp, devkit, console = (f"{host}:{listener.port}" for listener in self.listeners)
        return {
            "bridge": f"http://{bridge}",
            "bridge_ws": f"ws://{bridge}",
            "mcp_daemon": f"http://{mcp}",
            "devkit_api": f"http://{devkit}",
            "nexus_console": f"http://{console}",
            "control": f"http://{bridge}/control",
        }


def run(argv: Sequence[str] | None = None) -> int:
    """The command. Returns 0 after a wished-for end, 1 when a port is taken."""
    options = parser().parse_args(argv)
    simulator = Simulator(
        seed=options.seed,
        ports=Ports(options.bridge_port, options.mcp_port, options.devkit_port, options.console_port),
        host=options.host,
        clock=options.clock,
        anchor=options.incidents_anchor,
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator.start()
    except OSError as error:
        print(f"The simulator cannot listen: {error.strerror or error}. Ports are set with --*-port; 0 is a free one.",
              file=sys.stderr)  # fmt: skip
        return 1
    print(json.dumps(simulator.urls), flush=True)
    if not options.quiet:
        print("A simulated Happy DevKit is running; nothing it says is real. Ctrl+C ends it.", file=sys.stderr)
    wait(ended, options.parent_pid)
    simulator.stop()
    return 0


def wait(ended: threading.Event, parent: int | None) -> None:
    """Until `ended` is set or the process `parent` is gone, looked at each second."""
    child = parent is not None and os.getppid() == parent
    while not ended.wait(1.0 if parent is not None else None):
        if parent is not None and (os.getppid() != parent if child else not exists(parent)):
            return


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="observatory simulate", description="A stand-in Happy DevKit on local ports. Nothing it says is real."
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="which world (default %(default)s)")
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, help="default %(default)s; 0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--clock", type=instant, help="stand still at this time: epoch ms or ISO 8601")
    parser.add_argument("--incidents-anchor", type=instant, help="incidents lie around this time (default: the start)")
    parser.add_argument("--parent-pid", type=int, help="end when this process is gone")
    parser.add_argument("--quiet", action="store_true", help="print the line of addresses and nothing else")
    return parser


def instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be epoch milliseconds or ISO 8601") from None
