"""The stand-in DevKit as a process of its own, on free ports."""

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import Process

ON_FREE_PORTS = ("--bridge-port", "0", "--mcp-port", "0", "--devkit-port", "0", "--console-port", "0")
# Its addresses under the names by which the product takes them.
VARIABLES = {
    "bridge": "BRIDGE_API_URL",
    "bridge_ws": "BRIDGE_WS_URL",
    "mcp_daemon": "MCP_DAEMON_URL",
    "devkit_api": "HAPPY_DEVKIT_API",
    "nexus_console": "NEXUS_CONSOLE_URL",
}


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator. `urls`: bridge, bridge_ws, mcp_daemon, devkit_api, nexus_console, control."""

    urls: dict[str, str]
    process: Process

    def __getitem__(self, name: str) -> str:
        return self.urls[name]

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make the product watch it."""
        return {variable: self.urls[name] for name, variable in VARIABLES.items()}

    def control(self, path: str, /, **order: object) -> dict[str, Any]:
        """Use the switchboard: `control("faults", service="bridge", mode="down")`. Answers what it answers."""
        request = urllib.request.Request(f"{self['control']}/{path}", json.dumps(order).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
        with opener.open(request, timeout=5) as answer:
            said: dict[str, Any] = json.loads(answer.read())
        return said

    def quirk(self, name: str, *, on: bool = True) -> None:
        """Make a quirk of the contract's §9, such as `Q7`, or put it back."""
        self.control("quirk", name=name, on=on)


@contextmanager
def running(log: Path, *arguments: str) -> Iterator[Simulator]:
    """A simulator, started and answering; ended at the end. It also ends by itself when this process is gone."""
    command = ["-m", "observatory.simulator", *ON_FREE_PORTS, "--parent-pid", str(os.getpid()), *arguments]
    with Process(command, log, pipe=True) as process:
        assert process.child.stdout is not None
        line = process.child.stdout.readline()  # its first line says where it listens; at its end the line is empty
        if not line:
            process.fail("ended before it said where it listens")
        yield Simulator(json.loads(line), process)
