"""The simulator as a program: its options, its size, its broadcast file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.contract.conftest import simulator

NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z


@pytest.fixture(scope="module")
def large() -> Iterator[dict[str, str]]:
    """Fifty projects of twenty agents."""
    with simulator("--projects", "50", "--agents", "20", "--frame-rate", "500") as urls:
        yield urls


@pytest.fixture(scope="module")
def help_text() -> str:
    command = [sys.executable, "-m", "observatory", "simulate", "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_the_world_can_be_large(large: dict[str, str], http: httpx.Client) -> None:
    projects = http.get(f"{large['bridge']}/api/projects").json()["projects"]
    agents = http.get(f"{large['devkit_api']}/api/agents").json()["agents"]

    assert len(projects) == len({project["id"] for project in projects}) == 50
    assert len(agents) == len({(agent["projectId"], agent["id"]) for agent in agents}) == 1000
    assert {agent["status"] for agent in agents} > {"running", "idle"}


def test_a_large_world_streams_over_one_socket(large: dict[str, str]) -> None:
    with connect(f"{large['bridge_ws']}/ws", proxy=None, compression=None) as stream:
        for number in range(5, 51):
            stream.send(json.dumps({"type": "subscribe", "projectId": f"project-{number:03}"}))
        seen: set[str] = set()
        while len(seen) < 46:
            frame = json.loads(stream.recv(timeout=10))
            if frame["type"] == "metrics":
                seen.add(frame["projectId"])

    assert "project-050" in seen


def test_a_world_can_be_small(http: httpx.Client) -> None:
    with simulator("--projects", "1", "--agents", "1") as urls:
        agents = http.get(f"{urls['devkit_api']}/api/agents").json()["agents"]

    assert [(agent["projectId"], agent["id"]) for agent in agents] == [("loom", "weaver-07")]


def test_options_set_what_the_switchboard_can_change(http: httpx.Client) -> None:
    options = ("--auth", "jwt", "--time", "epoch-ms", "--agents-as", "map", "--latency", "0.001", "--quirk", "Q2",
               "--quirk", "Q12", "--fault", "mcp-daemon=503@/status", "--fault", "nexus-console=refused",
               "--api-token", "letmein")  # fmt: skip
    with simulator(*options) as urls:
        state = http.get(urls["control"]).json()
        allowed = http.get(f"{urls['bridge']}/api/projects", headers={"Authorization": "Bearer letmein"})
        refused = http.get(f"{urls['bridge']}/api/projects")
        broken, whole = (http.get(urls["mcp_daemon"] + path).status_code for path in ("/status", "/metrics"))
        with pytest.raises(httpx.ConnectError):
            http.get(urls["nexus_console"])

    switches = state["switches"]
    assert (switches["auth"], switches["time"], switches["agents"]) == ("jwt", "epoch", "map")
    assert (switches["latency"], switches["rates"], switches["wrapping"]) == (0.001, "percent", "bare")
    assert (allowed.status_code, refused.status_code, broken, whole) == (200, 401, 503, 200)


@pytest.mark.parametrize(
    "options",
    [
        ["--time", "sundial"], ["--latency", "long"], ["--failure-rate", "2"], ["--quirk", "Q0"], ["--projects", "0"],
        ["--fault", "bridge"], ["--fault", "bridge=sulking"], ["--fault", "nobody=down"],
        ["--fault", "bridge=slow,long"],
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_said_in_words(options: list[str]) -> None:
    command = [sys.executable, "-m", "observatory.simulator", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_help_explains_every_switch_fault_and_quirk(help_text: str, large: dict[str, str], http: httpx.Client) -> None:
    known = http.get(f"{large['control']}/switches").json()

    names = [name for name in (*known["choices"], *known["amounts"]) if name != "agents"]
    assert [name for name in names if f"--{name.replace('_', '-')} " not in help_text] == []
    assert [name for name in known["quirks"] if f"  {name} " not in help_text] == []
    assert [name for name in known["faults"] if f"  {name} " not in help_text] == []


def test_every_switch_has_its_canonical_position_at_first(http: httpx.Client) -> None:
    with simulator() as urls:
        switches = http.get(urls["control"]).json()["switches"]
        known = http.get(f"{urls['control']}/switches").json()

    assert switches == {
        **{name: positions[0] for name, positions in known["choices"].items()},
        **dict.fromkeys(known["amounts"], 0.0),
    }


def test_two_of_one_seed_say_the_same(http: httpx.Client) -> None:
    paths = ["/api/projects/kiln/agents", "/api/telemetry/metrics", "/api/terminals/local-kiln/metrics"]
    options = ("--clock", str(NOON), "--seed", "11")
    said = []
    for _ in range(2):
        with simulator(*options) as urls:
            said.append([http.get(urls["bridge"] + path).json() for path in paths])

    assert said[0] == said[1]


# the broadcast file


@pytest.fixture(scope="module")
def broadcasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The switchboard, and the file it writes."""
    path = tmp_path_factory.mktemp("shared") / "config" / "broadcast.json"
    with simulator("--broadcast-file", str(path), "--clock", str(NOON)) as urls:
        yield f"{urls['control']}/broadcast", path


def test_an_entry_is_written_into_the_broadcast_file(broadcasting: tuple[str, Path], http: httpx.Client) -> None:
    url, path = broadcasting
    changes = [{"file": "console-types.ts", "breaking": True, "description": "data is now required"}]
    order: dict[str, Any] = {"type": "BREAKING_CHANGE_DETECTED", "severity": "high", "changes": changes}

    http.post(url, json=order).raise_for_status()

    assert json.loads(path.read_text()) == {**order, "timestamp": "2026-11-22T12:00:00.000Z"}
    assert [entry.name for entry in path.parent.iterdir()] == ["broadcast.json"]


def test_the_broadcast_file_can_be_broken_and_taken_away(broadcasting: tuple[str, Path], http: httpx.Client) -> None:
    url, path = broadcasting

    http.post(url, json={"raw": "{not json"}).raise_for_status()
    broken = path.read_text()
    http.post(url, json={"remove": True}).raise_for_status()

    assert broken == "{not json"
    assert not path.exists()


@pytest.mark.parametrize("order", [{}, {"type": "PARTY"}, {"type": "INFO", "severity": "wild"}])
def test_an_entry_that_breaks_the_schema_is_refused(
    broadcasting: tuple[str, Path], http: httpx.Client, order: dict[str, str]
) -> None:
    assert http.post(broadcasting[0], json=order).status_code == 400


def test_without_a_file_nothing_is_written(large: dict[str, str], http: httpx.Client) -> None:
    assert http.post(f"{large['control']}/broadcast", json={"type": "INFO"}).status_code == 409
