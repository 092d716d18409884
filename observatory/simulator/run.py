"""The simulator as a program: its servers, one line that says where they are, and an end within a second."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from observatory.simulator import quirks
from observatory.simulator.access import Access
from observatory.simulator.bridge import Bridge
from observatory.simulator.clock import Clock
from observatory.simulator.commands import Commander
from observatory.simulator.console import Console
from observatory.simulator.control import Control
from observatory.simulator.daemon import Daemon
from observatory.simulator.devkit import DevKitApi
from observatory.simulator.dialect import Dialect
from observatory.simulator.faults import Faults
from observatory.simulator.options import DEFAULT_SEED, parser, switched
from observatory.simulator.population import population
from observatory.simulator.roster import PROJECTS, ProjectPlan
from observatory.simulator.stream import Hub
from observatory.simulator.universe import Universe
from observatory.simulator.wire import Listener
from observatory.simulator.world import World

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    bridge: int = 0
    mcp: int = 0
    devkit: int = 0
    console: int = 0
    control: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """What is shown and to whom."""

    seed: int = DEFAULT_SEED
    plans: tuple[ProjectPlan, ...] = PROJECTS
    clock: int | None = None
    anchor: int | None = None
    access: Access = field(default_factory=Access)
    broadcast_file: Path | None = None


class Simulator:
    """The whole stand-in. Ports that are 0 become free ones; `urls` is valid after `start`, which raises OSError."""

    def __init__(self, stage: Stage, *, ports: Ports, host: str = LOOPBACK) -> None:
        self.host = host
        clock = Clock(stage.clock)
        faults = Faults(Clock().now() if stage.anchor is None else stage.anchor)
        self.universe = Universe(World(stage.seed, stage.plans), clock, faults, Dialect(), stage.access)
        commander = Commander(self.universe)
        self.hub = Hub(self.universe, commander)
        bridge = Bridge(self.hub, commander)
        self.control = Listener(Control(self.hub, stage.broadcast_file), LOOPBACK, ports.control)
        bridge.gates.append(("control", self.control.service.answer))
        self.listeners = {
            "bridge": Listener(bridge, host, ports.bridge),
            "mcp-daemon": Listener(Daemon(self.hub, commander), host, ports.mcp),
            "devkit-api": Listener(DevKitApi(self.hub, commander), host, ports.devkit),
            "nexus-console": Listener(Console(self.universe), host, ports.console),
        }
        self.turning = threading.Lock()  # one at a time opens and closes listeners

    def start(self) -> None:
        listeners = [*self.listeners.values(), self.control]
        for listener in listeners:
            listener.bind()
        for listener in listeners:
            listener.start()
        self.hub.start()
        self.universe.faults.changed = self.refuse
        self.refuse()

    def stop(self) -> None:
        self.universe.faults.changed = lambda: None
        self.hub.stop()
        for listener in (*self.listeners.values(), self.control):
            listener.stop()

    def refuse(self) -> None:
        """Let nothing listen where connections are to be refused, and listen again where they are not."""
        with self.turning:
            for name, listener in self.listeners.items():
                refused = self.universe.faults.refused(name)
                if refused and not listener.closing:
                    listener.stop()
                elif listener.closing and not refused:
                    listener.bind()
                    listener.start()

    @property
    def urls(self) -> dict[str, str]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        bridge, mcp, devkit, console = (f"{host}:{listener.port}" for listener in self.listeners.values())
        return {
            "bridge": f"http://{bridge}",
            "bridge_ws": f"ws://{bridge}",
            "mcp_daemon": f"http://{mcp}",
            "devkit_api": f"http://{devkit}",
            "nexus_console": f"http://{console}",
            "control": f"http://{LOOPBACK}:{self.control.port}/control",
        }


def run(argv: Sequence[str] | None = None) -> int:
    """The command. Returns 0 after a wished-for end, 1 when a port is taken."""
    options = parser().parse_args(argv)
    simulator = made(options)
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


def made(options: argparse.Namespace) -> Simulator:
    """The simulator that the command line asks for."""
    access = Access(api_token=options.api_token, api_key=options.api_key)
    access.secret = options.jwt_secret or access.secret
    stage = Stage(
        seed=options.seed,
        plans=population(options.projects, options.agents),
        clock=options.clock,
        anchor=options.incidents_anchor,
        access=access,
        broadcast_file=options.broadcast_file,
    )
    ports = Ports(
        options.bridge_port, options.mcp_port, options.devkit_port, options.console_port, options.control_port
    )  # fmt: skip
    simulator = Simulator(stage, ports=ports, host=options.host)
    for name in options.quirk:
        quirks.turn(simulator.universe, name, on=True)
    simulator.universe.switch(switched(options))
    for service, fault in options.fault:
        simulator.universe.faults.order(service, fault)
    return simulator


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
