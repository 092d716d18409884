"""Services to speak to: those of the command line, or a simulator in a process of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

FREE_PORTS = [part for name in ("bridge", "mcp", "devkit", "console") for part in (f"--{name}-port", "0")]


@dataclass(frozen=True)
class Services:
    """Base addresses; "" for a service that is not there. `control`: the switchboard, if the services are simulated."""

    bridge: str
    bridge_ws: str
    mcp: str
    devkit: str
    console: str
    control: str = ""

    @property
    def simulated(self) -> bool:
        return bool(self.control)

    @property
    def daemon_ws(self) -> str:
        return "ws" + self.mcp.removeprefix("http")

    @property
    def devkit_ws(self) -> str:
        return "ws" + self.devkit.removeprefix("http")

    @property
    def console_ws(self) -> str:
        return "ws" + self.console.removeprefix("http")


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    given = {name: request.config.getoption(f"--{name}-url", default=None) or "" for name in
             ("bridge", "bridge-ws", "mcp", "devkit", "console")}  # fmt: skip
    if any(given.values()):
        ws = given["bridge-ws"] or "ws" + given["bridge"].removeprefix("http")
        yield Services(given["bridge"], ws, given["mcp"], given["devkit"], given["console"])
        return
    with simulator() as urls:
        yield Services(
            urls["bridge"], urls["bridge_ws"], urls["mcp_daemon"], urls["devkit_api"], urls["nexus_console"],
            urls["control"],
        )  # fmt: skip


@contextlib.contextmanager
def simulator(*options: str) -> Iterator[dict[str, str]]:
    """A running simulator on free ports; yields its addresses."""
    command = [sys.executable, "-m", "observatory.simulator", "--quiet", *FREE_PORTS, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(5) == 0


@pytest.fixture(autouse=True)
def what_is_the_simulators_own(request: pytest.FixtureRequest) -> None:
    """No other services need to keep what `test_simulator_*` claims."""
    if request.path.name.startswith("test_simulator_") and not request.getfixturevalue("services").simulated:
        pytest.skip("needs the simulator")


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def bridge(services: Services, http: httpx.Client) -> Callable[..., httpx.Response]:
    return asking(http, services.bridge, simulated=services.simulated)


@pytest.fixture
def mcp(services: Services, http: httpx.Client) -> Callable[..., httpx.Response]:
    return asking(http, services.mcp, simulated=services.simulated)


@pytest.fixture
def devkit(services: Services, http: httpx.Client) -> Callable[..., httpx.Response]:
    return asking(http, services.devkit, simulated=services.simulated)


@pytest.fixture
def console(services: Services, http: httpx.Client) -> Callable[..., httpx.Response]:
    return asking(http, services.console, simulated=services.simulated)


def asking(http: httpx.Client, base: str, *, simulated: bool) -> Callable[..., httpx.Response]:
    """GET on a service. Whatever it answers, a simulator must say that it is one."""
    if not base:
        pytest.skip("no address of this service was given")

    def get(path: str, **params: Any) -> httpx.Response:
        response = http.get(base + path, params=params or None)
        if simulated:
            assert response.headers["X-Simulated"] == "1"
            assert "Date" in response.headers
        return response

    return get


@pytest.fixture
def project(bridge: Callable[..., httpx.Response]) -> str:
    """The id of a project that the Bridge lists."""
    return str(bridge("/api/projects").json()["projects"][0]["id"])


@pytest.fixture
def open_socket(services: Services) -> Iterator[Callable[[str], "Stream"]]:
    """Opens WebSockets on the Bridge and closes them after the test."""
    if not services.bridge:
        pytest.skip("no address of the Bridge was given")
    with contextlib.ExitStack() as stack:

        def open_(path: str) -> Stream:
            url = services.bridge_ws + path
            return Stream(stack.enter_context(connect(url, proxy=None, open_timeout=5, close_timeout=1)))

        yield open_


@dataclass
class Stream:
    """One WebSocket. Frames of other types that come in between are skipped."""

    socket: ClientConnection

    def send(self, frame: object) -> None:
        self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def next(self, *, timeout: float = 10) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.socket.recv(timeout=timeout))
        return frame

    def until(self, type: str, *, timeout: float = 10) -> dict[str, Any]:
        """The next frame of `type`. Raises TimeoutError when none comes in `timeout` seconds after the last frame."""
        while (frame := self.next(timeout=timeout))["type"] != type:
            pass
        return frame


@pytest.fixture
def control(services: Services, http: httpx.Client) -> Iterator[Callable[..., httpx.Response]]:
    """POST to the simulator's control endpoint; all that was set or done is put back after the test."""
    if not services.simulated:
        pytest.skip("needs the simulator")

    def post(path: str, /, **body: Any) -> httpx.Response:
        return http.post(f"{services.control}/{path}", json=body)

    yield post
    post("reset").raise_for_status()
    http.cookies.clear()


@pytest.fixture
def send(services: Services, http: httpx.Client, control: Callable[..., httpx.Response]) -> Callable[..., Any]:
    """POST of JSON to a simulated service: `send("bridge", "/api/projects/scan", path="~")`. What it did is undone."""

    def post(service: str, path: str, /, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        base: str = getattr(services, service)
        return http.post(base + path, json=body, headers=headers)

    return post


@pytest.fixture
def open_at(services: Services, control: Callable[..., httpx.Response]) -> Iterator[Callable[..., "Stream"]]:
    """Opens WebSockets on any simulated service: `open_at("devkit_ws", "/ws")`. They are closed after the test."""
    with contextlib.ExitStack() as stack:

        def open_(service: str, path: str, **options: Any) -> Stream:
            url = getattr(services, service) + path
            return Stream(
                stack.enter_context(
                    connect(url, proxy=None, open_timeout=5, close_timeout=1, max_queue=None, **options)
                )
            )

        yield open_
