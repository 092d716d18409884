"""`observatory doctor --contract`: what is told of the simulator, and of servers that are not it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from observatory.context import wall_clock
from observatory.doctor import report
from observatory.doctor.asking import BRIDGE, CONSOLE, DEVKIT, MCP, Service
from observatory.doctor.clauses import CLAUSES, STREAM, THROUGHOUT, UNTRIED
from observatory.doctor.examine import Ruling, examine, kept
from observatory.doctor.findings import Verdict
from tests.support import exporter, foreign
from tests.support import simulator as simulators
from tests.support.answering import Answering, reset, saying
from tests.support.commands import Command, Commands
from tests.support.foreign import Foreign
from tests.support.processes import Process, answers, free_port
from tests.support.simulator import Simulator

# Without limits none can be told, and the DevKit API is asked for nothing that it would refuse.
NEEDS_A_LIMIT = {f"{letter}.{name}" for letter in "BH" for name in ("limits", "limits-exposed", "throttled")}
UNTOLD_OF_THE_SIMULATOR = NEEDS_A_LIMIT | {"H.errors"} | {clause.id for clause in UNTRIED}
QUIRKS = {
    "Q1": "B9.names", "Q2": "B13.rate", "Q3": "B13.percent", "Q4": "B12.shape", "Q5": "B9.times", "Q6": "B9.uptime",
    "Q7": "B9.agents", "Q8": "B9.status", "Q9": "WS.envelope", "Q10": "WS.projectId", "Q11": "B5.answers",
    "Q12": "B7.project", "Q16": "B.throttled", "Q18": "B5.answers", "Q19": "B9.nulls", "Q21": "B9.flags",
    "Q22": "B5.mcpServerUrl", "Q23": "WS.order", "Q24": "N2.framed", "Q27": "B1.answers", "Q28": "B13.keys",
}  # fmt: skip
# These lie in what is answered to a POST, in a terminal, or within what the contract allows.
OUT_OF_SIGHT = ("Q13", "Q14", "Q15", "Q17", "Q20", "Q25", "Q26")
# What the server by other hands is found to do.
FOREIGN = {
    "B1.status": ("holds", ""),
    "B1.features": ("cannot be told", ""),
    "B1.timestamp": ("does not hold", "we can read the answer all the same"),
    "B2.answers": ("does not hold", ""),
    "B2.healthy": ("cannot be told", ""),
    "B3.answers": ("does not hold", ""),
    "B5.projects": ("holds", ""),
    "B5.timestamp": ("does not hold", "as Q5"),
    "B5.mcpServerUrl": ("does not hold", "as Q22"),
    "B7.same": ("holds", ""),
    "B7.case": ("cannot be told", ""),
    "B7.unknown": ("does not hold", "as Q11"),
    "B9.agents": ("does not hold", "as Q12"),
    "B9.names": ("does not hold", "as Q1"),
    "B9.status": ("does not hold", "we can read the answer all the same"),
    "B9.one": ("holds", ""),
    "B9.unknown-agent": ("does not hold", "as Q20"),
    "B9.unknown-project": ("does not hold", ""),
    "B9.bad-project": ("does not hold", ""),
    "B12.answers": ("cannot be told", ""),
    "B13.shape": ("does not hold", ""),
    "B13.keys": ("cannot be told", ""),
    "B15.answers": ("does not hold", ""),
    "B20.answers": ("does not hold", "as Q18"),
    "B.json": ("holds", ""),
    "B.no-store": ("does not hold", "we keep no answer of a service anyway"),
    "B.errors": ("does not hold", "as Q11"),
    "WS.root": ("holds", ""),
    "WS.channel": ("holds", ""),
    "WS.subscribe": ("holds", ""),
    "WS.full": ("does not hold", "as Q9"),
    "WS.keepalive": ("does not hold", "any frame within 65 s keeps the connection"),
    "WS.json": ("does not hold", "we skip what is none"),
    "WS.envelope": ("does not hold", "as Q9"),
    "WS.projectId": ("does not hold", "as Q10"),
    "WS.order": ("cannot be told", ""),
}


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulators.running(tmp_path_factory.mktemp("report") / "log") as running:
        yield running


@pytest.fixture
def quirk(devkit: Simulator, request: pytest.FixtureRequest) -> Iterator[str]:
    name: str = request.param
    devkit.quirk(name)
    yield name
    devkit.quirk(name, on=False)


@pytest.fixture(scope="module")
def other() -> Iterator[Foreign]:
    with foreign.running() as running:
        yield running


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as running:
        yield running


@pytest.fixture
def observatory(commands: Commands, tmp_path: Path) -> Command:
    nothing = tmp_path / "observatory.toml"
    nothing.touch()
    return commands.with_environment({"OBSERVATORY_CONFIG": str(nothing), "OBSERVATORY_DATA": str(tmp_path / "data")})


def services_of(devkit: Simulator) -> list[Service]:
    return [
        Service(BRIDGE, devkit["bridge"], devkit["bridge_ws"]),
        Service(MCP, devkit["mcp_daemon"]),
        Service(DEVKIT, devkit["devkit_api"]),
        Service(CONSOLE, devkit["nexus_console"]),
    ]


def examined(*services: Service, timeout: float = 5.0) -> dict[str, Ruling]:
    return {one.id: one for one in examine(services, clock=wall_clock, timeout=timeout)}


def with_verdict(rulings: dict[str, Ruling], verdict: Verdict) -> set[str]:
    return {id for id, one in rulings.items() if one.verdict is verdict}


def test_every_clause_has_a_name_of_its_own():
    ids = [clause.id for clause in (*CLAUSES, *STREAM, *THROUGHOUT, *UNTRIED)]

    assert len(set(ids)) == len(ids)


def test_of_the_simulator_everything_holds_that_can(devkit: Simulator):
    rulings = examined(*services_of(devkit))

    assert with_verdict(rulings, Verdict.BROKEN) == set()
    assert with_verdict(rulings, Verdict.UNTOLD) == UNTOLD_OF_THE_SIMULATOR
    assert len(rulings) == len((*CLAUSES, *STREAM, *THROUGHOUT, *UNTRIED))
    assert kept(rulings.values())


@pytest.mark.parametrize("quirk", QUIRKS, indirect=True)
def test_a_quirk_is_found_by_its_clause_and_tolerated_under_its_number(quirk: str, devkit: Simulator):
    rulings = examined(*services_of(devkit), timeout=2)

    found = rulings[QUIRKS[quirk]]
    assert (found.verdict, found.quirk, found.tolerated) == (Verdict.BROKEN, quirk, f"as {quirk}"), found
    others = {rulings[id].quirk for id in with_verdict(rulings, Verdict.BROKEN)}
    assert others - {"Q10" if quirk == "Q9" else quirk} <= {quirk}  # some envelopes have no place for a project
    assert f"Does not hold, tolerated as {quirk}." in report.told(services_of(devkit), list(rulings.values()))


@pytest.mark.parametrize("quirk", OUT_OF_SIGHT, indirect=True)
def test_a_quirk_that_no_question_shows_is_not_made_up(quirk: str, devkit: Simulator):
    assert with_verdict(examined(*services_of(devkit)), Verdict.BROKEN) == set()


def test_limits_are_judged_where_there_are_some(devkit: Simulator):
    devkit.control("switch", limits="on")
    try:
        rulings = examined(Service(BRIDGE, devkit["bridge"], devkit["bridge_ws"]))
    finally:
        devkit.control("switch", limits="off")

    assert rulings["B.limits"].verdict is rulings["B.limits-exposed"].verdict is Verdict.HOLDS


def test_who_wants_a_token_cannot_be_told_without(devkit: Simulator):
    devkit.control("switch", auth="jwt")
    try:
        rulings = examined(Service(BRIDGE, devkit["bridge"], devkit["bridge_ws"]))
    finally:
        devkit.control("switch", auth="open")

    assert rulings["B1.status"].verdict is Verdict.HOLDS
    assert rulings["B5.answers"].verdict is Verdict.UNTOLD
    assert "turned us away with 401" in rulings["B5.answers"].why


def test_of_a_server_by_other_hands_each_clause_is_told_rightly(other: Foreign):
    rulings = examined(Service(BRIDGE, other.url, other.ws_url), timeout=2)

    assert {id: (rulings[id].verdict.value, rulings[id].tolerated) for id in FOREIGN} == FOREIGN
    assert {method for method, _, _ in other.asked} == {"GET"}
    assert {frame["type"] for frame in other.said} <= {"subscribe", "ping"}
    of_status = rulings["B2.answers"]
    assert of_status.asked == f"GET {other.url}/api/bridge/status"
    assert "{'healthy': True}" in of_status.came


def test_a_folder_of_files_keeps_nothing_of_the_contract(tmp_path: Path):
    port = free_port()
    url, served = f"http://127.0.0.1:{port}", tmp_path / "served"
    served.mkdir()
    arguments = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(served)]
    with Process(arguments, tmp_path / "log") as process:
        process.wait_until(lambda: answers(url))
        rulings = examined(*(Service(name, url) for name in (BRIDGE, MCP, DEVKIT, CONSOLE)))

    assert with_verdict(rulings, Verdict.HOLDS) == {"N2.page", "N2.framed"}
    assert rulings["B1.answers"].why == "It was answered with 404."
    assert rulings["B5.ids"].verdict is Verdict.UNTOLD
    assert not kept(rulings.values())


def test_an_exporter_is_told_by_its_metrics_alone():
    with exporter.python_itself() as address:
        rulings = examined(Service(DEVKIT, address.removesuffix("/metrics")))

    assert rulings["H5.text"].verdict is Verdict.HOLDS
    assert rulings["H2.status"].verdict is Verdict.UNTOLD


def test_what_does_not_answer_cannot_be_told():
    rulings = examined(*(Service(name, "http://127.0.0.1:9") for name in (BRIDGE, MCP, DEVKIT, CONSOLE)))

    assert with_verdict(rulings, Verdict.UNTOLD) == set(rulings)
    assert "unreachable" in rulings["B1.answers"].why


def test_who_hangs_or_hangs_up_is_soon_asked_no_more():
    with Answering(lambda connection, _path: reset(connection)) as curt, Answering(saying(b"")) as slow:
        slow.script = slow.hang
        rulings = examined(Service(MCP, curt.url), Service(BRIDGE, slow.url), timeout=0.3)
        asked = len(slow.requests), len(curt.requests)

    assert with_verdict(rulings, Verdict.UNTOLD) == set(rulings)
    assert asked == (2, 2)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_report_says_what_was_asked_what_came_and_where_it_stands(observatory: Command, other: Foreign):
    words = ("doctor", "--contract", "--bridge", other.url, "--bridge-ws", other.ws_url, "--timeout", "2")
    text = " ".join(observatory(*words, fails=1).stdout.split())

    assert "✕ B5.timestamp The list says when it was made. Does not hold, tolerated as Q5." in text
    assert f"Contract §2.1 B5. Asked: GET {other.url}/api/projects Came: 200 application/json:" in text
    assert "✕ B2.answers The Bridge's status is answered with 200 and JSON. Does not hold, not tolerated." in text
    told = json.loads(observatory(*words, "--json", fails=1).stdout)
    assert (told["kept"], told["services"]) == (False, {"bridge": other.url})
    assert {one["verdict"] for one in told["clauses"]} == {"holds", "does not hold", "cannot be told"}


def test_the_services_of_the_settings_are_asked_unless_others_are_named(
    commands: Commands, tmp_path: Path, devkit: Simulator
):
    nothing = tmp_path / "observatory.toml"
    nothing.touch()
    command = commands.with_environment({"OBSERVATORY_CONFIG": str(nothing), **devkit.environment})

    text = command("doctor", "--contract").stdout

    assert "0 do not, 21 cannot be told." in text.splitlines()[1]
    assert all(devkit[name] in text for name in ("bridge", "mcp_daemon", "devkit_api", "nexus_console"))


def test_only_the_token_that_is_named_is_shown_to_a_server_that_is_named(
    commands: Commands, tmp_path: Path, other: Foreign
):
    secrets = {"API_TOKEN": "of-the-settings", "BRIDGE_API_KEY": "of-the-settings", "THEIR_TOKEN": "theirs"}
    command = commands.with_environment({"OBSERVATORY_DATA": str(tmp_path), **secrets})
    words = ("doctor", "--contract", "--devkit", other.url)
    other.asked.clear()

    command(*words, fails=1)
    assert not any("settings" in str(headers) or "authorization" in headers for _, _, headers in other.asked)
    other.asked.clear()
    command(*words, "--token-env", "THEIR_TOKEN", fails=1)
    assert {headers["authorization"] for _, _, headers in other.asked} == {"Bearer theirs"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--contract", "--bridge", "localhost"), "must be an address that starts with http://"),
        (("--contract", "--bridge", "http://user:secret@localhost"), "must not hold a user or password"),
        (("--bridge", "http://localhost"), "belong to --contract"),
        (("--contract", "--bridge-ws", "ws://localhost"), "--bridge-ws goes with --bridge"),
        (("--contract", "--mcp", "http://localhost", "--token-env", "NOT_SET"), "NOT_SET is not set"),
        (("--contract", "--timeout", "soon"), "must be a duration"),
        (("--contract", "--whatever"), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_asked_is_refused(observatory: Command, words: tuple[str, ...], told: str):
    assert told in " ".join(observatory("doctor", *words, fails=2).stderr.split())
