"""Every way in which a service may fail can be ordered, of any service, and ends when it is called off."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.contract import shapes
from tests.contract.conftest import Services

Control = Callable[..., httpx.Response]
SERVICES = {
    "bridge": ("bridge", "/api/health"),
    "mcp-daemon": ("mcp", "/health"),
    "devkit-api": ("devkit", "/api/health"),
    "nexus-console": ("console", "/health"),
}
# The exception of httpx that each fault of the transport ends in.
TRANSPORT = {
    "refused": httpx.ConnectError,
    "down": (httpx.ReadError, httpx.RemoteProtocolError),
    "reset": (httpx.ReadError, httpx.RemoteProtocolError),
    "cut": httpx.RemoteProtocolError,
    "hang": httpx.ReadTimeout,
    "hang-body": httpx.ReadTimeout,
    "redirect": httpx.TooManyRedirects,
}
# What each fault of the answer answers: status, start of the type.
ANSWERS = {
    "html": (200, "text/html"),
    "bad-gateway": (502, "text/html"),
    "text": (200, "text/plain"),
    "empty": (200, "application/json"),
    "malformed": (200, "application/json"),
    "wrong-types": (200, "application/json"),
    "error-body": (200, "application/json"),
    "throttled": (429, "application/json"),
    "rejected": (401, "application/json"),
    "500": (500, "application/json"),
    "503": (503, "application/json"),
}


@pytest.fixture
def url(services: Services) -> Callable[[str], str]:
    """Where a service tells its health."""

    def of(service: str) -> str:
        name, path = SERVICES[service]
        return str(getattr(services, name)) + path

    return of


@pytest.mark.parametrize("mode", TRANSPORT)
@pytest.mark.parametrize("service", SERVICES)
def test_a_fault_of_the_transport_is_one_and_ends(
    url: Callable[[str], str], control: Control, service: str, mode: str
) -> None:
    control("faults", service=service, mode=mode)
    impatient = httpx.Client(trust_env=False, timeout=0.3, follow_redirects=True)
    with impatient, pytest.raises(TRANSPORT[mode]):  # type: ignore[arg-type]
        impatient.get(url(service))

    assert control("faults", service=service, mode="ok").status_code == 200
    assert httpx.get(url(service), trust_env=False).status_code == 200


@pytest.mark.parametrize("mode", ANSWERS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_fault_of_the_answer_is_one_and_ends(
    url: Callable[[str], str], http: httpx.Client, control: Control, service: str, mode: str
) -> None:
    control("faults", service=service, mode=mode)
    response = http.get(url(service))

    control("faults", service=service, mode="ok")

    assert (response.status_code, response.headers["content-type"].split(";")[0]) == ANSWERS[mode]
    assert response.headers["X-Simulated"] == "1"
    assert http.get(url(service)).status_code == 200


def test_a_reset_comes_in_the_middle_of_the_body(services: Services, control: Control) -> None:
    control("faults", service="bridge", mode="reset", path="/api/projects")

    with socket.create_connection(("127.0.0.1", httpx.URL(services.bridge).port)) as raw:
        raw.sendall(b"GET /api/projects HTTP/1.1\r\nHost: here\r\n\r\n")
        received = raw.recv(65_536)
        with pytest.raises(ConnectionResetError):
            drain(raw)

    assert received.startswith(b"HTTP/1.1 200")


def drain(raw: socket.socket) -> None:
    """Read until the other side ends."""
    while raw.recv(65_536):
        pass


def test_a_dripping_body_comes_whole_in_the_end(
    http: httpx.Client, url: Callable[[str], str], control: Control
) -> None:
    control("faults", service="nexus-console", mode="drip", seconds=0.001)

    with http.stream("GET", url("nexus-console")) as response:
        pieces = list(response.iter_raw())

    assert len(pieces) > 10
    assert json.loads(b"".join(pieces))["status"] == "healthy"


def test_a_huge_body_can_be_left_early(http: httpx.Client, url: Callable[[str], str], control: Control) -> None:
    control("faults", service="bridge", mode="huge")

    with http.stream("GET", url("bridge")) as response:
        first = next(response.iter_raw())

    assert int(response.headers["content-length"]) == 50_000_000
    assert first.startswith(b'"')
    assert control("faults", service="bridge", mode="ok").status_code == 200
    assert http.get(url("bridge")).status_code == 200


def test_wrong_types_are_json_of_another_shape(http: httpx.Client, services: Services, control: Control) -> None:
    control("faults", service="bridge", mode="wrong-types")

    body = http.get(f"{services.bridge}/api/projects").json()

    assert isinstance(body["projects"], str)
    assert isinstance(body["timestamp"], list)


@pytest.mark.parametrize(
    ("mode", "seconds", "date_off", "body_off"),
    [
        ("wrong-clock", -600, -600, -600),
        ("wrong-clock", 90, 90, 90),
        ("wrong-date", 45, 45, 0),
        ("stale", 120, 0, -120),
        ("stale", None, 0, -300),
    ],
)
def test_a_clock_can_be_wrong(
    http: httpx.Client, url: Callable[[str], str], control: Control, mode: str, seconds: float | None, date_off: int,
    body_off: int,
) -> None:  # fmt: skip
    control("clock", now=1_795_348_800_000)
    right = http.get(url("mcp-daemon"))
    control("faults", service="mcp-daemon", mode=mode, seconds=seconds)

    wrong = http.get(url("mcp-daemon"))

    dates = [parsedate_to_datetime(answer.headers["Date"]) for answer in (right, wrong)]
    stamps = [shapes.instant(answer.json()["timestamp"]) for answer in (right, wrong)]
    assert dates[1] - dates[0] == timedelta(seconds=date_off)
    assert stamps[1] - stamps[0] == timedelta(seconds=body_off)


def test_all_clocks_can_be_wrong_by_a_switch(http: httpx.Client, url: Callable[[str], str], control: Control) -> None:
    control("clock", now=1_795_348_800_000)
    control("switch", date_skew=-30, body_age=10)

    for service in ("bridge", "mcp-daemon", "devkit-api"):
        answer = http.get(url(service))
        assert answer.headers["Date"] == "Sun, 22 Nov 2026 11:59:30 GMT"
        assert answer.json()["timestamp"] == "2026-11-22T11:59:50.000Z"


def test_a_bridge_that_refuses_can_still_be_called_off(services: Services, control: Control) -> None:
    control("faults", service="bridge", mode="refused")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", httpx.URL(services.bridge).port), timeout=5)

    control("faults", service="bridge", mode="ok")

    assert httpx.get(f"{services.bridge}/api/health", trust_env=False).status_code == 200


def test_refusing_takes_open_streams_along(
    services: Services, open_at: Callable[..., object], control: Control
) -> None:
    stream = open_at("devkit_ws", "/ws")
    control("faults", service="devkit-api", mode="refused")

    with pytest.raises(ConnectionClosed):
        stream.next()  # type: ignore[attr-defined]


def test_refusing_is_of_a_whole_service(control: Control) -> None:
    assert control("faults", service="bridge", mode="refused", path="/api/health").status_code == 400


def test_answers_fail_at_random_at_the_rate_that_is_switched(
    http: httpx.Client, url: Callable[[str], str], control: Control
) -> None:
    control("switch", failure_rate=0.5)

    statuses = {http.get(url("devkit-api")).status_code for _ in range(100)}

    assert statuses == {200, 500}


def test_failures_may_come_with_200(http: httpx.Client, services: Services, control: Control) -> None:
    control("switch", errors="with-200")

    response = http.get(f"{services.bridge}/api/projects/no-such-project")

    assert response.status_code == 200
    assert response.json()["error"] == "Project not found"
