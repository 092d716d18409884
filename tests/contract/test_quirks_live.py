"""Our clients and the simulator, two readings of one contract, with every quirk on: what is told stays the same.

Where a quirk takes something away, the rest is the same, and what is gone is named.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from observatory.clients.bridge import Bridge
from observatory.collector.channel import Timing
from observatory.collector.stream import BridgeStream
from observatory.contract.bridge import NewProject
from observatory.contract.nexus import Output
from observatory.contract.sign_in import SignedIn
from observatory.errors import TargetError, TargetRefused
from observatory.model import Kind, Origin, Project, Scrape, Target
from tests.support import simulator as simulators
from tests.support.calls import NOW, READS, SENDS, SILENT, a_session, now, told
from tests.support.simulator import Simulator
from tests.support.waiting import wait_for

ASKED = {name: call for name, call in (READS | SILENT).items() if name not in {"B15", "B19", "resource"}}
DOCUMENTS = ["B9", "B16 agents", "H2"]  # lists of agents
TASK = {"task_progress", "task_started", "task_due"}
# Nothing of what reads bring may change under these.
HARMLESS = ["Q2", "Q7", "Q9", "Q10", "Q13", "Q14", "Q15", "Q17", "Q23", "Q24", "Q25"]


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator whose clock stands, so that two answers to one question are the same."""
    still = ("--clock", str(NOW), "--incidents-anchor", str(NOW))  # at its anchor nothing goes wrong by itself
    with simulators.running(tmp_path_factory.mktemp("quirks") / "log", *still) as running:
        yield running


@pytest.fixture(scope="module")
def canonical(devkit: Simulator) -> dict[str, Any]:
    return {name: ask(devkit, name) for name in ASKED}


@pytest.fixture
def quirk(devkit: Simulator, request: pytest.FixtureRequest) -> Iterator[str]:
    name: str = request.param
    devkit.control("quirk", name=name, on=True)
    try:
        yield name
    finally:
        devkit.control("quirk", name=name, on=False)


def under(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("quirk", names, indirect=True)


def address(devkit: Simulator, name: str) -> str:
    return devkit[{"M": "mcp_daemon", "H": "devkit_api", "N": "nexus_console"}.get(name[0], "bridge")]


def ask(devkit: Simulator, name: str) -> Any:
    """What a call brings, or its failure."""
    url = address(devkit, name)
    with contextlib.closing(a_session(url)) as session:
        try:
            return told((READS | SENDS | SILENT)[name].ask(session, url))
        except TargetError as error:
            return error


def cut(agents: dict[str, Any], *without: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in agent.items() if key not in without} for agent in agents["agents"]]


@under(*HARMLESS)
def test_what_is_said_otherwise_means_the_same(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    assert {name: ask(devkit, name) for name in ASKED} == canonical


@under("Q1")
def test_names_in_snake_case_and_a_task_as_text(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    for name in ASKED:
        found = ask(devkit, name)
        if name in DOCUMENTS:  # of a task that is text only its name is left
            assert cut(found) == cut(canonical[name], *TASK)
        elif name == "B9 one":
            assert found | {"current_task": 0} == canonical[name] | {"current_task": 0}
        else:
            assert found == canonical[name]


@under("Q3")
def test_memory_the_other_way_round(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    found = ask(devkit, "B13")
    assert found.pop("devkit_memory_bytes") > 1e9
    assert found == {name: v for name, v in canonical["B13"].items() if name != "devkit_memory_ratio"} | found
    found = ask(devkit, "B12")
    assert 0 < found["project_memory_ratio{project=loom}"] <= 1
    assert not any(name.startswith("project_memory_bytes{project=loom}") for name in found)


@under("Q4")
def test_telemetry_on_the_others_path(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    found, project = ask(devkit, "B13"), canonical["B12"]
    assert found["devkit_cpu_ratio"] == pytest.approx(project["project_cpu_ratio{project=loom}"])
    assert found["devkit_agents_active"] == project["project_agents_active{project=loom}"]
    found, whole = ask(devkit, "B12"), canonical["B13"]
    assert found["project_cpu_ratio{project=loom}"] == pytest.approx(whole["devkit_cpu_ratio"])
    assert found["project_tasks_completion_ratio{project=loom}"] == whole["devkit_tasks_success_ratio"]


@under("Q5")
def test_every_form_of_time(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    def rough(value: Any) -> Any:
        """Without what is below a second, which not every form has."""
        if isinstance(value, dict):
            return {rough(key): rough(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rough(item) for item in value]
        return value // 1000 if isinstance(value, int) and value > 10**12 else value

    assert {name: rough(ask(devkit, name)) for name in ASKED} == {name: rough(canonical[name]) for name in ASKED}


@under("Q6")
def test_uptimes_that_are_starts(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    assert {name: ask(devkit, name) for name in ASKED if name != "B9 one"} == {
        name: brought for name, brought in canonical.items() if name != "B9 one"
    }


@under("Q8")
def test_statuses_that_are_objects(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    for name in DOCUMENTS:  # the object says when it was written
        assert cut(ask(devkit, name), "measured_at") == cut(canonical[name], "measured_at")


@under("Q11")
def test_errors_with_200(quirk: str, devkit: Simulator) -> None:
    assert {name: str(ask(devkit, name).cause) for name in READS} == dict.fromkeys(READS, "malformed")


@under("Q12")
def test_bare_replies(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    for name in ASKED:
        if name in {*DOCUMENTS, "M6 agents"}:  # the time stood beside the list
            assert cut(ask(devkit, name), "measured_at") == cut(canonical[name], "measured_at")
        else:
            assert ask(devkit, name) == canonical[name]


@under("Q13", "Q14")
@pytest.mark.parametrize("name", ["B14", "B16 console", "M6 console", "M6 command"])
def test_results_in_any_form(name: str, quirk: str, devkit: Simulator) -> None:
    found = ask(devkit, name)
    devkit.control("quirk", name=quirk, on=False)
    kept = ("success", "output", "at")
    assert {key: found[key] for key in kept} == {key: value for key, value in ask(devkit, name).items() if key in kept}


@under("Q15")
def test_details_of_any_shape(quirk: str, devkit: Simulator) -> None:
    with contextlib.closing(a_session(devkit["bridge"])) as session, pytest.raises(TargetRefused) as caught:
        Bridge(session, devkit["bridge"]).create_project(NewProject(name="Kiln", path="../etc"))
    assert caught.value.status == 400
    assert caught.value.message.startswith("Invalid request (path: ")


@under("Q16")
def test_throttling_in_other_words(quirk: str, devkit: Simulator) -> None:
    found = ask(devkit, "B13")
    assert str(found.cause) == "throttled"
    assert 0 < found.retry_after <= 60


@under("Q17")
def test_a_login_with_a_cookie_alone(quirk: str, devkit: Simulator) -> None:
    url = devkit["nexus_console"]
    who = {"username": "viewer", "password": "view123"}
    with contextlib.closing(a_session(url)) as session:
        found = session.send(f"{url}/auth/login", who, SignedIn)
    assert (found.user.id, found.token) == ("viewer", "")


@under("Q18")
def test_a_bad_gateway(quirk: str, devkit: Simulator) -> None:
    assert {str(ask(devkit, name).cause) for name in READS if name[0] == "B"} == {"http_error"}
    assert [terminal["id"] for terminal in ask(devkit, "B17 fallback")] == ["local-default"]


@under("Q19")
def test_null_instead_of_objects(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    for name in DOCUMENTS:
        assert cut(ask(devkit, name)) == cut(canonical[name], "task", *TASK, "last_command")
    assert ask(devkit, "M5") == {}
    assert [project["id"] for project in ask(devkit, "B5")] == [project["id"] for project in canonical["B5"]]
    assert ask(devkit, "B12") == canonical["B12"]


@under("Q20")
def test_empty_lists(quirk: str, devkit: Simulator) -> None:
    assert {name: ask(devkit, name) for name in DOCUMENTS} == {
        name: {"agents": [], "samples": {}} for name in DOCUMENTS
    }
    assert ask(devkit, "M2") == {"mcp_daemon_tools": 0}
    assert [terminal["id"] for terminal in ask(devkit, "B17 fallback")] == ["local-default"]


@under("Q21")
def test_flags_against_the_status(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    flags = ("can_start", "can_stop", "can_pause")
    for name in DOCUMENTS:
        found = ask(devkit, name)
        assert cut(found) != cut(canonical[name])
        assert cut(found, *flags) == cut(canonical[name], *flags)


@under("Q22")
def test_an_address_that_is_a_number(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    without = [{key: v for key, v in project.items() if key != "mcp_server_url"} for project in canonical["B5"]]
    assert ask(devkit, "B5") == ask(devkit, "H4") == without


@under("Q26")
def test_ids_of_any_kind(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    found = ask(devkit, "B9")
    assert cut(found, "id") == cut(canonical["B9"], "id")
    with contextlib.closing(a_session(devkit["bridge"])) as session:
        for agent in found["agents"]:
            one = Bridge(session, devkit["bridge"]).agent("loom", agent["id"])
            assert one is not None
            assert one.id == agent["id"]


@under("Q27")
def test_health_as_text(quirk: str, devkit: Simulator) -> None:
    names = ["B1", "M3", "H1", "N1", "store health"]
    assert {name: ask(devkit, name) for name in names} == {name: {"status": "healthy"} for name in names}


@under("Q28")
def test_numbers_that_cannot_be(quirk: str, devkit: Simulator, canonical: dict[str, Any]) -> None:
    for name in ("B12", "B13", "M4", "M6 telemetry"):
        found = ask(devkit, name)
        assert found.keys() < canonical[name].keys()
        assert all(0 <= value < 1e15 for value in found.values())


@under("Q25")
def test_a_terminal_prints_the_same_in_every_writing(quirk: str, devkit: Simulator) -> None:
    url = devkit["nexus_console"].replace("http:", "ws:") + "/terminal/ws"
    printed: list[str] = []
    with connect(url, proxy=None, open_timeout=5, close_timeout=1) as terminal:
        terminal.send(json.dumps({"type": "session_create", "data": {"cols": 80, "rows": 24}}))
        session = until(terminal, "session_created", printed)["sessionId"]
        for _ in range(8):  # twice in each writing
            terminal.send(json.dumps({"type": "pty_input", "sessionId": session, "data": "git status\r"}))
            wanted = len("".join(printed)) + 1
            while "working tree clean" not in "".join(printed)[wanted - 1 :]:
                until(terminal, "pty_output", printed)

    told = "".join(printed)
    assert told.count("nothing to commit, working tree clean") == 8
    assert "\ufffd" not in told


def until(terminal: ClientConnection, type: str, printed: list[str]) -> dict[str, Any]:
    """The next message of a type; what terminals print on the way is kept. Bytes are output, too."""
    output = Output()
    while True:
        message = terminal.recv(timeout=10)
        content: dict[str, Any] = {"type": "pty_output", "data": message}
        if isinstance(message, str):
            content = json.loads(message)
        if content["type"] == "pty_output":
            printed.append(output.text(content["data"], encoding=content.get("encoding", "")))
        if content["type"] == type:
            return content


@pytest.mark.parametrize("name", ["Q9", "Q10", "Q23"])
def test_the_stream_tells_the_same(name: str, tmp_path: Path) -> None:
    got: list[Scrape] = []
    with simulators.running(tmp_path / "log", "--quirk", name) as devkit:
        target = Target("b", Kind.BRIDGE, devkit["bridge"], Origin.FILE, ws_url=devkit["bridge_ws"])
        stream = BridgeStream(target, emit=got.extend, clock=now, timing=Timing(pace=0.0))
        stream.projects([Project("loom", "Loom")])
        stream.start()
        try:
            wait_for(lambda: got, timeout=20, what="the first frame")
            for _ in range(7):  # in as many envelopes
                devkit.control("push", projectId="loom", type="metrics", data={"cpu": 41.5})
            wait_for(lambda: 0.415 in loads(got), timeout=20, what="what was pushed")
        finally:
            stream.stop()
            stream.join(5)

    assert {scrape.project for scrape in got} <= {"loom", ""}
    assert all(scrape.simulated for scrape in got)


def loads(scrapes: list[Scrape]) -> list[float]:
    return [s.value for scrape in list(scrapes) for s in scrape.samples if s.name == "project_host_cpu_ratio"]
