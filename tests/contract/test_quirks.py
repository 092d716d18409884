"""Every quirk of the contract's §9, by its number: the bodies beside this file, and what has none.

A new surprising body is two files under `payloads`; how they look is told in `tests.support.payloads`.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from observatory.clients.bridge import Bridge
from observatory.collector.channel import Timing
from observatory.collector.circuit import Circuit
from observatory.collector.scrape import Reader, open_reader
from observatory.collector.stream import BridgeStream
from observatory.contract.bridge import Action, AgentList
from observatory.contract.bridge_commands import objection
from observatory.contract.frames import read as read_frame
from observatory.contract.nexus import Embedding, embedding
from observatory.model import Agent, AgentStatus, Kind, Origin, Project, Scrape, Target
from observatory.store import agents, targets
from observatory.store.buckets import roll
from observatory.store.engine import migrate, open_store
from observatory.store.scrapes import Recorder
from tests.support.answering import Answering, answer, reset, saying, serving
from tests.support.calls import AGENT, DONE, NOW, a_session, now
from tests.support.channels import Channels, channels
from tests.support.payloads import FOLDER, bodies, expected, read
from tests.support.waiting import wait_for

QUIRKS = [f"q{number:02}" for number in range(1, 29)]
WELL = {
    "/api/health": {"status": "healthy"},
    "/api/projects": [],
    "/api/telemetry/metrics": {"metrics": {"agents": {"active": 1}}},
}


def of(quirk: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("body", bodies(quirk), ids=lambda body: body.stem)


@of("q01")
def test_q01_both_spellings_of_a_name_say_the_same(body: Path) -> None:
    assert read(body) == expected(body)


@of("q02")
def test_q02_a_rate_is_a_fraction_whichever_way_it_came(body: Path) -> None:
    assert read(body) == expected(body)


@of("q03")
def test_q03_memory_is_percent_or_megabytes_by_its_size(body: Path) -> None:
    assert read(body) == expected(body)


@of("q04")
def test_q04_telemetry_is_told_apart_by_its_keys_not_by_its_path(body: Path) -> None:
    assert read(body) == expected(body)


@of("q05")
def test_q05_a_time_is_the_same_in_every_form(body: Path) -> None:
    assert read(body) == expected(body)


@of("q06")
def test_q06_an_uptime_that_is_a_start_is_counted_from_there(body: Path) -> None:
    assert read(body) == expected(body)


@of("q07")
def test_q07_agents_come_as_a_list_or_a_map(body: Path) -> None:
    assert read(body) == expected(body)


def test_q07_a_map_deletes_no_field_that_it_does_not_carry(tmp_path: Path) -> None:
    told = {**AGENT, "currentTask": {"name": "Index sources"}, "metrics": {"tasksCompleted": 118}}
    frame = read_frame('{"type": "agent_status_full", "data": {"agents": {"weaver-07": {"status": "running"}}}}')
    store = open_store(f"sqlite:///{tmp_path / 'observatory.sqlite3'}")
    try:
        migrate(store)
        targets.replace(store, [Target("b", Kind.BRIDGE, "http://b", Origin.FILE)], NOW)
        whole = AgentList.model_validate({"agents": [told]}).agents("loom", NOW)
        mapped = frame.agents().agents("loom", NOW)
        recorder = Recorder(store, lambda: NOW)
        recorder.append([Scrape("b", NOW - 2000, NOW - 1000, 10, "loom", agents=whole, agents_complete=True)])
        recorder.append([Scrape("b", NOW - 1000, NOW, 10, "loom", agents=mapped, pushed=True)])
        [row] = agents.current(store)
    finally:
        store.close()

    assert mapped[0].task is None
    assert (row.task, row.tasks_completed, row.name) == ("Index sources", 118, "Weaver")


@of("q08")
def test_q08_a_status_is_a_word_or_an_object(body: Path) -> None:
    assert read(body) == expected(body)


@of("q09")
def test_q09_envelopes_differ_and_say_the_same(body: Path) -> None:
    assert read(body) == expected(body)


@of("q10")
def test_q10_a_frame_may_name_its_project_elsewhere_or_not_at_all(body: Path) -> None:
    assert read(body) == expected(body)


def test_q10_a_frame_that_names_no_project_is_of_the_only_one() -> None:
    with streaming("loom") as (bridge, told):
        bridge.send({"type": "metrics", "timestamp": now(), "data": {"cpu": 50}})
        [scrape] = wait_for(lambda: list(told), what="what the frame tells")
    assert scrape.project == "loom"


@of("q11")
def test_q11_an_error_with_200_is_a_failure(body: Path) -> None:
    assert read(body) == expected(body)


@of("q12")
def test_q12_a_reply_is_wrapped_or_bare(body: Path) -> None:
    assert read(body) == expected(body)


@of("q13")
def test_q13_a_run_succeeded_by_the_first_sign_there_is(body: Path) -> None:
    assert read(body) == expected(body)


@of("q14")
def test_q14_a_result_lies_flat_or_nested(body: Path) -> None:
    assert read(body) == expected(body)


@of("q15")
def test_q15_details_of_any_shape_become_sentences(body: Path) -> None:
    assert read(body) == expected(body)


@of("q16")
def test_q16_a_429_says_in_any_way_when_to_come_again(body: Path) -> None:
    assert read(body) == expected(body)


@of("q17")
def test_q17_who_signed_in_is_told_under_either_name_with_or_without_a_token(body: Path) -> None:
    assert read(body) == expected(body)


@of("q18")
def test_q18_a_page_is_no_answer(body: Path) -> None:
    assert read(body) == expected(body)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("refused", "unreachable"), ("reset", "unreachable"), ("502", "http_error"), ("503", "http_error"),
     ("page", "malformed"), ("hang", "timeout")],
)  # fmt: skip
def test_q18_a_bridge_that_is_down_is_left_alone_longer_and_longer_and_heals(fault: str, cause: str) -> None:
    scripts = {
        "reset": lambda connection, _path: reset(connection),
        "502": saying(answer(502, "<h1>Bad gateway</h1>", headers={"Content-Type": "text/html"})),
        "503": saying(answer(503, "")),
        "page": saying(answer(200, "<!doctype html>", headers={"Content-Type": "text/html"})),
        "hang": lambda connection, _path: connection.recv(1),
    }
    circuit, told = Circuit(10, now), []
    with Answering(scripts.get(fault, saying(b""))) as server:
        url = nowhere() if fault == "refused" else server.url
        with reading(url) as reader:
            for _ in range(4):
                own, *_ = reader.read()
                circuit.note(own)
                told.append((own.cause, circuit.wait()))
        server.script = serving(WELL)
        with reading(server.url) as reader:
            circuit.note(reader.read()[0])

    assert told == [(cause, 10), (cause, 10), (cause, 20), (cause, 40)]
    assert (circuit.cause, circuit.wait()) == (None, 10)


@of("q19")
def test_q19_null_is_as_good_as_absent(body: Path) -> None:
    assert read(body) == expected(body)


@of("q20")
def test_q20_an_empty_list_is_no_exception(body: Path) -> None:
    assert read(body) == expected(body)


@of("q21")
def test_q21_flags_are_kept_as_they_came(body: Path) -> None:
    assert read(body) == expected(body)


@pytest.mark.parametrize(
    ("status", "flags", "command", "code"),
    [
        ("idle", {"can_pause": True}, "pause", "MUST_BE_RUNNING"),  # the fixture: a flag against the status
        ("running", {"can_start": True}, "start", "ALREADY_RUNNING"),
        ("idle", {"can_stop": True}, "stop", "NOT_RUNNING"),
        ("completed", {"can_stop": True}, "stop", "NOT_RUNNING"),
        ("running", {}, "resume", "NOT_PAUSED"),
        ("idle", {"can_start": False}, "start", "CANNOT_START"),
        ("running", {"can_stop": False}, "stop", "CANNOT_STOP"),
        ("running", {"can_pause": False}, "pause", "PAUSE_UNSUPPORTED"),
        ("running", {"can_start": False, "can_stop": False}, "restart", "CANNOT_START"),
        ("idle", {}, "start", ""), ("completed", {}, "start", ""), ("failed", {}, "start", ""),
        ("running", {}, "stop", ""), ("paused", {}, "stop", ""), ("failed", {"can_stop": True}, "stop", ""),
        ("running", {}, "pause", ""), ("paused", {}, "resume", ""), ("running", {}, "restart", ""),
        ("idle", {}, "status", ""), ("idle", {}, "configure", ""),
    ],
)  # fmt: skip
def test_q21_the_status_is_asked_before_the_flag(status: str, flags: dict[str, bool], command: str, code: str) -> None:
    agent = Agent("a", "loom", AgentStatus(status), status, **flags)  # type: ignore[arg-type]
    assert objection(command, agent) == code


@of("q22")
def test_q22_an_address_that_is_none_is_dropped(body: Path) -> None:
    assert read(body) == expected(body)


def test_q23_what_is_older_than_what_is_known_is_ignored() -> None:
    at = now()

    def update(status: str, age: int) -> dict[str, object]:
        data = {"agentId": "weaver-07", "status": {"status": status}}
        return {"type": "agent_status_update", "projectId": "loom", "timestamp": at - age, "data": data}

    with streaming("loom") as (bridge, told):
        bridge.send(update("running", 2000), update("error", 1000), update("running", 2000), update("stopped", 0))
        wait_for(lambda: heard(told)[-1:] == ["idle"], what="the last frame")

    assert heard(told) == ["running", "failed", "idle"]  # the second "running" came late


@pytest.mark.parametrize(
    ("answers", "ready", "waited", "shown"),
    [(True, False, 3, "waiting"), (True, True, 3, "shown"), (True, False, 10, "elsewhere"), (False, False, 3, "away"),
     (False, False, 99, "away"), (False, True, 1, "shown")],
)  # fmt: skip
def test_q24_a_console_that_may_not_be_framed_is_offered_elsewhere(
    answers: bool, ready: bool, waited: float, shown: str
) -> None:
    assert embedding(answers=answers, ready=ready, waited=waited) is Embedding(shown)


@of("q25")
def test_q25_terminal_output_comes_in_every_writing(body: Path) -> None:
    assert read(body) == expected(body)


@of("q26")
def test_q26_an_id_may_be_anything_of_a_hundred_characters(body: Path) -> None:
    assert read(body) == expected(body)


@pytest.mark.parametrize("id", ["a@b", "#1", "a/b", "two words", "100%", "what?", "grün", ".."])
def test_q26_an_id_survives_its_way_into_a_path(id: str) -> None:
    with Answering(saying(answer(200, DONE))) as server:
        Bridge(a_session(server.url), server.url).act("loom", id, Action.STOP, key="k")
    [(path, _)] = server.requests
    assert [unquote(part) for part in path.split("/")][4:] == ["agents", id, "stop"]


@of("q27")
def test_q27_health_is_there_by_its_status_code(body: Path) -> None:
    assert read(body) == expected(body)


@of("q28")
def test_q28_a_number_that_cannot_be_gives_none(body: Path) -> None:
    assert read(body) == expected(body)


@pytest.mark.parametrize(
    ("values", "rise"), [([5, 8, 9], 4), ([5, 8, 2, 3], 6), ([5, 0, 0], 0), ([7], 0), ([], 0)]
)  # fmt: skip
def test_q28_a_counter_that_falls_has_begun_anew(values: list[float], rise: float) -> None:
    at = np.arange(len(values), dtype=np.int64)
    assert roll(at, np.array(values, dtype=float), 100).increase.sum() == rise


def test_no_body_lies_where_nobody_reads_it() -> None:
    """Bodies of no quirk have folders named after what sends them, and are read here."""
    others = [folder.name for folder in sorted(FOLDER.iterdir()) if folder.name not in QUIRKS]
    assert [(body.name, read(body)) for folder in others for body in bodies(folder)] == [
        (body.name, expected(body)) for folder in others for body in bodies(folder)
    ]


@contextmanager
def streaming(*projects: str) -> Iterator[tuple[Channels, list[Scrape]]]:
    """The real stream on a real socket, subscribed to `projects`; and what it tells."""
    told: list[Scrape] = []
    with channels() as bridge:
        target = Target("b", Kind.BRIDGE, bridge.url, Origin.FILE)
        stream = BridgeStream(target, emit=told.extend, clock=now, timing=Timing(pace=0.0))
        stream.projects([Project(id, id.title()) for id in projects])
        stream.start()
        try:
            bridge.wait_for(*projects)
            yield bridge, told
        finally:
            stream.stop()
            stream.join(5)
    assert not stream.is_alive()


def heard(told: Sequence[Scrape]) -> list[str]:
    return [agent.status.value for scrape in told for agent in scrape.agents or ()]


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    reader = open_reader(Target("b", Kind.BRIDGE, url, Origin.FILE, timeout=0.3), clock=now)
    try:
        yield reader
    finally:
        reader.close()


def nowhere() -> str:
    """The address of a port on which nothing listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
