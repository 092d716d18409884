"""The simulator's own promises: its clock, its faults, its switches and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.contract.conftest import FREE_PORTS, Services, simulator

Ask = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z


def test_a_set_clock_rules_bodies_and_the_date_header(bridge: Ask, control: Control) -> None:
    control("clock", now=NOON + 1234)

    response = bridge("/api/health")

    assert response.json()["timestamp"] == "2026-11-22T12:00:01.234Z"
    assert response.headers["Date"] == "Sun, 22 Nov 2026 12:00:01 GMT"


def test_what_was_live_then_is_the_trend_now(bridge: Ask, control: Control) -> None:
    control("clock", now=NOON)
    then = bridge("/api/projects/loom/telemetry/metrics").json()["metrics"]["performance"]
    world_then = bridge("/api/telemetry/metrics").json()["metrics"]

    control("clock", now=NOON + 600_000 + 7)
    now = bridge("/api/projects/loom/telemetry/metrics").json()["metrics"]["performance"]
    timeline = bridge("/api/telemetry/metrics").json()["metrics"]["timeline"]

    for name in ("cpu", "memory"):
        trend = {point["timestamp"]: point["value"] for point in now[name]["trend"]}
        assert trend["2026-11-22T12:00:00.000Z"] == then[name]["current"]
    point = next(p for p in timeline if p["timestamp"] == "2026-11-22T12:00:00.000Z")
    assert point["cpu"] == world_then["system"]["cpu"]
    assert point["active_agents"] == world_then["agents"]["active"]


def test_a_pinned_value_shows_and_can_be_let_go(bridge: Ask, control: Control) -> None:
    control("set", path="system.cpu", value=99.5)
    assert bridge("/api/telemetry/metrics").json()["metrics"]["system"]["cpu"] == 99.5

    control("set", path="system.cpu", value=None)
    assert bridge("/api/telemetry/metrics").json()["metrics"]["system"]["cpu"] < 99


def test_a_value_that_does_not_exist_cannot_be_pinned(control: Control) -> None:
    assert control("set", path="system.cpus", value=1).status_code == 404
    assert control("set", path="system.cpu", value="high").status_code == 400


@pytest.mark.parametrize(("mode", "status"), [("500", 500), ("503", 503), ("throttled", 429), ("rejected", 401)])
def test_a_fault_answers_with_its_status(mcp: Ask, control: Control, mode: str, status: int) -> None:
    control("faults", service="mcp-daemon", mode=mode)

    response = mcp("/status")

    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status == 429)
    assert "error" in response.json()


def test_down_resets_the_connection(mcp: Ask, control: Control) -> None:
    control("faults", service="mcp-daemon", mode="down")
    with pytest.raises(httpx.NetworkError):
        mcp("/status")

    control("faults", service="mcp-daemon", mode="ok")
    assert mcp("/status").status_code == 200


def test_a_hang_says_nothing_and_ends_with_the_fault(services: Services, control: Control) -> None:
    control("faults", service="devkit-api", mode="hang")
    with httpx.Client(trust_env=False, timeout=0.4) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.get(f"{services.devkit}/api/health")

    control("faults", service="devkit-api", mode="ok")
    assert httpx.get(f"{services.devkit}/api/health", trust_env=False).status_code == 200


def test_slow_takes_its_time(console: Ask, control: Control) -> None:
    control("faults", service="nexus-console", mode="slow", seconds=0.3)
    before = time.monotonic()

    assert console("/health").status_code == 200
    assert time.monotonic() - before >= 0.3


def test_html_comes_with_200(bridge: Ask, control: Control) -> None:
    control("faults", service="bridge", mode="html")

    response = bridge("/api/health")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_malformed_is_not_json(bridge: Ask, control: Control) -> None:
    control("faults", service="bridge", mode="malformed")

    with pytest.raises(json.JSONDecodeError):
        bridge("/api/projects").json()


def test_cut_ends_before_the_promised_length(bridge: Ask, control: Control) -> None:
    control("faults", service="bridge", mode="cut")

    with pytest.raises(httpx.RemoteProtocolError):
        bridge("/api/projects")


def test_a_fault_can_be_of_some_paths_only(bridge: Ask, control: Control) -> None:
    control("faults", service="bridge", mode="500", path="/api/projects/loom/telemetry")

    assert bridge("/api/projects/loom/telemetry/metrics").status_code == 500
    assert bridge("/api/projects/loom/agents").status_code == 200
    assert bridge("/api/projects/kiln/telemetry/metrics").status_code == 200


def test_a_bridge_that_goes_down_takes_its_streams_along(services: Services, control: Control) -> None:
    with connect(f"{services.bridge_ws}/ws", proxy=None) as stream:
        control("faults", service="bridge", mode="down")

        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=5)

    assert closed.value.rcvd is None, "no close frame: 1006"


@pytest.mark.parametrize("body", [{"service": "nobody", "mode": "ok"}, {"service": "bridge", "mode": "sulking"}])
def test_an_order_that_makes_no_sense_is_refused(control: Control, body: dict[str, str]) -> None:
    assert control("faults", **body).status_code == 400


def test_incidents_lie_where_the_anchor_says() -> None:
    hour, minute = 3_600_000, 60_000
    with (
        simulator("--clock", str(NOON), "--incidents-anchor", str(NOON)) as urls,
        httpx.Client(trust_env=False) as http,
    ):

        def status(before: float, url: str) -> int:
            http.post(f"{urls['control']}/clock", json={"now": int(NOON - before)})
            return http.get(url).status_code

        daemon, telemetry = urls["mcp_daemon"] + "/status", "/api/projects/atlas/telemetry/metrics"
        assert status(14 * hour - 24 * minute, daemon) == 503
        assert status(14 * hour - 25 * minute, daemon) == 200
        assert status(3.4 * hour, urls["devkit_api"] + "/api/health") == 504, "a hang is not waited out"
        assert status(6.25 * hour - minute, urls["bridge"] + telemetry) == 500
        assert status(6.25 * hour - minute, urls["bridge"] + "/api/projects/atlas/agents") == 200
        with pytest.raises(httpx.NetworkError):
            status(9 * hour - minute, urls["nexus_console"] + "/health")
        for around in range(-15, 16):
            for url in (daemon, urls["devkit_api"] + "/api/health", urls["nexus_console"] + "/health"):
                assert status(around * minute, url) == 200
            assert status(around * minute, urls["bridge"] + telemetry) == 200


def test_switches_change_the_form_and_not_the_world(bridge: Ask, control: Control) -> None:
    control("clock", now=NOON)
    plain = bridge("/api/projects/loom/agents").json()

    control("switch", case="snake", time="epoch", agents="map")
    other = bridge("/api/projects/loom/agents").json()

    assert other["timestamp"] == NOON
    for agent in plain["agents"]:
        twin = other["agents"][agent["id"]]
        assert twin["metrics"]["tasks_completed"] == agent["metrics"]["tasksCompleted"]
        assert isinstance(twin["last_activity"], int)


@pytest.mark.parametrize(("envelope", "type"), [("E1", "metrics"), ("E2", "telemetry"), ("E3", "metrics")])
def test_the_envelope_of_the_stream_can_be_switched(
    services: Services, control: Control, envelope: str, type: str
) -> None:
    control("switch", envelope=envelope)
    with connect(f"{services.bridge_ws}/ws/projects/loom", proxy=None) as stream:
        stream.send('{"type":"subscribe","projectId":"loom"}')
        frames = [json.loads(stream.recv(timeout=8)) for _ in range(3)]

    frame = next(f for f in frames if f["type"] == type)
    assert ("projectId" in frame) == (envelope != "E3")
    assert ("metrics" in frame) == (envelope == "E3")


@pytest.mark.parametrize(
    ("frames", "arrive"),
    [("ok", ["1", "2"]), ("duplicated", ["1", "1", "2", "2"]), ("reordered", ["2", "1"]), ("malformed", [None, None])],
)
def test_frames_can_be_damaged(services: Services, control: Control, frames: str, arrive: list[str | None]) -> None:
    control("clock", now=NOON)  # no agent changes, so nothing comes between
    with connect(f"{services.bridge_ws}/ws/projects/loom", proxy=None) as stream:
        stream.send('{"type":"subscribe","projectId":"loom"}')
        while json.loads(stream.recv(timeout=8))["type"] != "metrics":
            pass
        control("switch", frames=frames)
        for number in ("1", "2"):
            control("push", projectId="loom", type="log", data={"level": "info", "message": number})

        received = [stream.recv(timeout=8) for _ in arrive]

    assert [message_of(text) for text in received] == arrive


def message_of(frame: str | bytes) -> str | None:
    """The message of a log frame, None when it is not JSON."""
    try:
        message: str = json.loads(frame)["data"]["message"]
    except json.JSONDecodeError:
        return None
    return message


def test_bare_answers_and_percentages(bridge: Ask, mcp: Ask, control: Control) -> None:
    control("switch", wrapping="bare", rates="percent")

    assert isinstance(bridge("/api/projects/loom/agents").json(), list)
    assert isinstance(mcp("/capabilities").json(), list)
    assert bridge("/api/projects/loom").json()["id"] == "loom"
    assert bridge("/api/telemetry/metrics").json()["metrics"]["agents"]["success_rate"] > 1


def test_a_switch_that_does_not_exist_changes_nothing(control: Control) -> None:
    assert control("switch", case="snake", loudness=11).status_code == 400
    assert control("switch").json()["case"] == "camel"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_and_says_goodbye(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "observatory.simulator", "--quiet", *FREE_PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        urls = json.loads(process.stdout.readline())
        with connect(f"{urls['bridge_ws']}/ws", proxy=None) as stream, httpx.Client(trust_env=False) as idle:
            idle.get(f"{urls['mcp_daemon']}/health")
            before = time.monotonic()
            os.kill(process.pid, number)
            with pytest.raises(ConnectionClosed) as closed:
                stream.recv(timeout=5)
            assert process.wait(5) == 0

    assert time.monotonic() - before < 1
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_it_ends_when_its_parent_is_gone() -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    command = [sys.executable, "-m", "observatory.simulator", "--quiet", *FREE_PORTS, "--parent-pid", str(parent.pid)]
    with parent, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline()
        parent.terminate()
        parent.wait(5)

        assert process.wait(5) == 0


def test_a_taken_port_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = [*FREE_PORTS, "--mcp-port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", "observatory.simulator", *options], capture_output=True, text=True, timeout=10,
            check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr
