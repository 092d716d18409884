"""The collector's side of the Bridge's WebSocket, on real sockets."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from observatory.clients.addresses import Rule
from observatory.collector.channel import Channel, Ending, Timing, retry_delay
from observatory.collector.stream import BridgeStream, is_socket_url, socket_url
from observatory.model import (
    Agent,
    AgentStatus,
    Cause,
    Event,
    Kind,
    Level,
    McpContext,
    McpServer,
    Origin,
    Project,
    Scrape,
    StreamState,
    Target,
)
from tests.support import simulator as simulators
from tests.support.answering import Answering, answer, saying
from tests.support.channels import Channels, channels, closing, end
from tests.support.clock import Clock
from tests.support.waiting import wait_for

PROMPT = 2.0  # seconds within which `stop` has to end the thread
NEVER = 3600.0
LOOM, KILN = "/ws/projects/loom", "/ws/projects/kiln"


def now() -> int:
    return time.time_ns() // 1_000_000


class Told:
    """What a stream handed on."""

    def __init__(self) -> None:
        self.scrapes: list[Scrape] = []

    def __call__(self, scrapes: Sequence[Scrape]) -> None:
        self.scrapes += scrapes

    def values(self, name: str = "project_host_cpu_ratio", project: str = "loom") -> list[float]:
        mine = [scrape for scrape in self.scrapes if scrape.project == project]
        return [sample.value for scrape in mine for sample in scrape.samples if sample.name == name]

    @property
    def agents(self) -> list[Agent]:
        return [agent for scrape in self.scrapes for agent in scrape.agents or ()]

    @property
    def events(self) -> list[Event]:
        return [event for scrape in self.scrapes for event in scrape.events]


@contextmanager
def streaming(
    url: str,
    *projects: str | Project,
    token: str = "",
    clock: Callable[[], int] = now,
    ready: Callable[[], bool] = lambda: True,
    ws_url: str | None = None,
    **timing: float,
) -> Iterator[tuple[BridgeStream, Told]]:
    """A stream whose waits are short; it must end promptly."""
    got = Told()
    target = Target("b", Kind.BRIDGE, url, Origin.FILE, token=token, ws_url=ws_url)
    seconds = Timing(**{"retry_first": 0.02, "pace": 0.0, **timing})
    stream = BridgeStream(target, emit=got, clock=clock, ready=ready, timing=seconds)
    stream.projects(listed(*projects))
    stream.start()
    try:
        yield stream, got
    finally:
        began = time.monotonic()
        stream.stop()
        stream.join(5)
        assert time.monotonic() - began < PROMPT
        assert not stream.is_alive()


def listed(*projects: str | Project) -> list[Project]:
    return [p if isinstance(p, Project) else Project(p, p.title()) for p in projects]


def metrics(cpu: float, *, at: int | None = None, project: str | None = "loom") -> dict[str, object]:
    placed = {"projectId": project} if project else {}
    return {"type": "metrics", "timestamp": now() if at is None else at, "data": {"cpu": cpu}, **placed}


def update(status: object, *, at: int | None = None, agent: str = "weaver", **more: object) -> dict[str, object]:
    data = {"agentId": agent, "status": {"status": status, **more}}
    return {"type": "agent_status_update", "timestamp": now() if at is None else at, "projectId": "loom", "data": data}


def message(text: str, *, type: str = "log", level: str = "info", at: int | None = None, **more: object) -> object:
    data = {"message": text, "level": level, **more}
    return {"type": type, "timestamp": now() if at is None else at, "projectId": "loom", "data": data}


def state(stream: BridgeStream) -> StreamState | None:
    status = stream.status()
    return None if status is None else status.state


def cause(stream: BridgeStream) -> Cause | None:
    status = stream.status()
    return None if status is None else status.cause


# ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_metrics_become_samples_of_their_project_and_moment() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (_, got):
        bridge.wait_for("loom", "kiln")
        at = now()
        bridge.send(metrics(50, at=at))
        [scrape] = wait_for(lambda: got.scrapes)

    assert (scrape.target, scrape.project, scrape.pushed, scrape.measured, scrape.simulated) == (
        "b", "loom", True, at, False,
    )  # fmt: skip
    assert [(s.name, s.value, s.labels, s.at) for s in scrape.samples] == [
        ("project_host_cpu_ratio", 0.5, (("project", "loom"),), at)
    ]


def test_an_update_of_an_agent_is_told_with_what_it_uses() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(update("error", error="Timed out", resources={"cpu": 10}))
        [scrape] = wait_for(lambda: got.scrapes)

    [agent] = scrape.agents or ()
    assert (agent.id, agent.status, agent.error) == ("weaver", AgentStatus.FAILED, "Timed out")
    assert not scrape.agents_complete
    assert [(s.name, s.value) for s in scrape.samples] == [("agent_cpu_ratio", 0.1)]


def test_a_full_status_names_all_its_agents() -> None:
    full = {"type": "agent_status_full", "timestamp": now(), "projectId": "loom", "data": {
        "agents": {"a": {"status": "running"}, "b": {"status": "error", "error": "Timed out"}, "c": {}}}}  # fmt: skip
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(full)
        wait_for(lambda: got.agents)
    assert [(agent.id, agent.error) for agent in got.agents] == [("a", ""), ("b", "Timed out")]


@pytest.mark.parametrize(("type", "kind"), [("log", "project.log"), ("error", "project.error")])
def test_a_message_becomes_an_event_with_level_and_agent(type: str, kind: str) -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        at = now()
        bridge.send(message("Slow shard", type=type, level="warn", at=at, agentId="weaver"))
        wait_for(lambda: got.events)

    level = Level.ERROR if type == "error" else Level.WARNING
    assert got.events == [Event(at, kind, level, "Slow shard", target="b", project="loom", agent="weaver")]


def test_an_error_without_project_is_the_bridges_own() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (_, got):
        bridge.wait_for("loom", "kiln")
        bridge.send({"type": "error", "data": {"message": "Unknown project", "code": "NOT_FOUND"}})
        [event] = wait_for(lambda: got.events)
    assert (event.kind, event.project, event.text) == ("target.error", "", "Unknown project (NOT_FOUND)")


def test_what_a_simulator_tells_is_marked() -> None:
    with channels(simulated=True) as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(metrics(1), message("Hello"))
        wait_for(lambda: got.scrapes and got.events)
    assert all(scrape.simulated for scrape in got.scrapes)
    assert got.scrapes[0].samples[0].labels == (("project", "loom"), ("simulated", "true"))
    assert got.events[0].simulated


ENVELOPES: dict[str, list[object]] = {
    "E1": [metrics(50, at=1_756_797_300_000), update("error", at=1_756_797_300_000)],
    "E2": [
        {"type": "telemetry", "projectId": "loom", "data": {"metric": "cpu", "value": 50}, "timestamp": "2025-09-02"},
        {"type": "agent_status", "projectId": "loom", "data": {"agentId": "weaver", "status": "error"}},
    ],
    "E3": [
        {"type": "metrics", "metrics": {"cpu": 50}},
        {"type": "agent_status", "agents": [{"id": "weaver", "status": "error"}]},
    ],
    "E4": [
        {"type": "metrics", "data": {"cpu": 50}},
        {"type": "agent-activity", "data": {"activeAgents": 1, "totalTasks": 2, "completedTasks": 1}},
        {"type": "agent-status", "data": {"projectId": "loom", "agentId": "weaver", "status": "failed"}},
    ],
    "E5": [
        {"type": "metric", "payload": {"name": "cpu", "value": 50, "timestamp": 1_756_797_300, "labels": {}}},
        {"type": "event", "payload": {"name": "deploy", "value": 1, "labels": {"projectId": "loom"}}},
        update("error"),
    ],
    "E6": [
        {"type": "metrics", "data": {"cpu": 50}},
        {"type": "agent_update", "data": {"id": "weaver", "status": "failed"}},
        {"type": "console_output", "data": {"output": "x"}},
    ],
    "E7": [
        {"specversion": "1.0", "type": "bridge.metrics", "data": {"cpu": 50}},
        {"specversion": "1.0", "type": "bridge.frame", "data": update("error")},
    ],
}  # fmt: skip


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_envelope_tells_the_same(envelope: str) -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(*ENVELOPES[envelope])
        wait_for(lambda: got.values() and got.agents)
        assert stream.counts["malformed"] + stream.counts["unknown"] == 0
    assert got.values() == [0.5]
    assert [(agent.id, agent.status) for agent in got.agents] == [("weaver", AgentStatus.FAILED)]


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_metrics_that_come_late_or_twice_are_left_out() -> None:
    at = now()
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=at), metrics(2, at=at - 1), metrics(1, at=at))
        wait_for(lambda: stream.unused["old"] == 2)
    assert got.values() == [0.01]


def test_a_late_word_about_one_agent_is_left_out_and_one_about_another_is_not() -> None:
    at = now()
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(update("running", at=at), update("error", at=at - 1), update("error", at=at - 1, agent="other"))
        wait_for(lambda: stream.counts["agent_status_update"] == 3 and len(got.agents) == 2)
    assert [(agent.id, agent.status.value) for agent in got.agents] == [("weaver", "running"), ("other", "failed")]


def test_a_message_that_comes_twice_is_one_event() -> None:
    at = now()
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(message("Slow", at=at), message("Slow", at=at), message("Slower", at=at))
        wait_for(lambda: stream.counts["log"] == 3 and len(got.events) == 2)
    assert [event.text for event in got.events] == ["Slow", "Slower"]


def test_a_frame_dated_far_ahead_does_not_silence_those_after_it() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=now() + 3_600_000))
        wait_for(got.values)
        bridge.send(metrics(2))
        assert wait_for(lambda: len(got.values()) == 2)


def test_a_bridge_that_comes_back_with_an_earlier_clock_is_heard() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(metrics(1))
        wait_for(got.values)
        bridge.open[-1].close(1012)
        wait_for(lambda: bridge.told("subscribe") == ["loom", "loom"])
        bridge.send(metrics(2, at=now() - 60_000))
        wait_for(lambda: got.values() == [0.01, 0.02])


def test_malformed_frames_are_counted_and_skipped() -> None:
    junk = ["{", "[]", "null", '{"type": 4}', b"\xff\x00", '{"type": "metrics", "projectId": "loom", "data": [1]}']
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(*junk, metrics(7))
        wait_for(got.values)
        assert stream.counts["malformed"] == len(junk)
        assert bridge.opened == 1


def test_types_nobody_knows_are_counted_under_one_name() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(*({"type": f"horoscope-{number}", "projectId": "loom"} for number in range(50)), metrics(7))
        wait_for(got.values)
        assert dict(stream.counts) == {"unknown": 50, "metrics": 1}


def test_frames_of_projects_nobody_subscribed_to_are_ignored() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (stream, got):
        bridge.wait_for("loom", "kiln")
        bridge.send(metrics(1, project="other"), metrics(2))
        wait_for(got.values)
        assert (stream.unused["unsubscribed"], len(got.scrapes)) == (1, 1)


def test_a_frame_without_project_belongs_to_the_only_one() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (_, got):
        bridge.wait_for("loom")
        bridge.send(metrics(9, project=None))
        wait_for(got.values)


def test_a_frame_without_project_belongs_to_none_of_several() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (stream, got):
        bridge.wait_for("loom", "kiln")
        bridge.send(metrics(9, project=None), metrics(7))
        wait_for(got.values)
        assert (stream.unused["unplaced"], got.values()) == (1, [0.07])


def test_a_project_is_told_whatever_the_case_of_its_id() -> None:
    with channels() as bridge, streaming(bridge.url, "Loom", "kiln") as (_, got):
        bridge.wait_for("Loom", "kiln")
        bridge.send(metrics(9, project="LOOM"))
        wait_for(lambda: got.values(project="Loom"))


CONTEXT = {"type": "context", "data": {"isAvailable": True, "servers": [{"id": "loom", "status": "active"}]}}


def test_context_tells_what_the_bridge_knows_of_mcp_servers() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (_, got):
        bridge.wait_for("loom", "kiln")
        bridge.send(CONTEXT)
        [scrape] = wait_for(lambda: got.scrapes)
    assert (scrape.project, scrape.context) == ("", McpContext(True, (McpServer("loom", "loom", status="active"),)))


def test_a_place_that_a_project_named_does_not_speak_for_the_bridge() -> None:
    with channels() as other, channels() as bridge:
        kiln = Project("kiln", "Kiln", ws_url=f"ws://127.0.0.1:{other.port}/live")
        with streaming(bridge.url, kiln) as (stream, got):
            other.wait_for("kiln")
            other.send(CONTEXT)
            wait_for(lambda: stream.unused["unplaced"] == 1)
            assert got.scrapes == []


def test_metrics_with_ever_new_names_come_to_an_end() -> None:
    named = ({"type": "metric", "payload": {"name": f"m{number}", "value": 1}} for number in range(300))
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, got):
        bridge.wait_for("loom")
        bridge.send(*named)
        wait_for(lambda: stream.unused["crowded"] == 100)
        wait_for(lambda: len(got.values("project_custom")) == 200)


# ── storms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_storm_of_messages_becomes_few_events_and_one_that_says_so(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, got):
        bridge.wait_for("loom")
        bridge.send(*(message(f"Line {number}", at=clock.now) for number in range(1000)))
        wait_for(lambda: stream.counts["log"] == 1000)
        clock.advance(61)
        bridge.send(metrics(1, at=clock.now))
        wait_for(got.values)
        wait_for(lambda: sum(left_out(event) for event in got.events) == 990)
    assert len([event for event in got.events if not left_out(event)]) == 10


def left_out(event: Event) -> int:
    head, _, tail = event.text.partition(" more ")
    return (1 if head == "One" else int(head)) if tail.endswith("left out.") else 0


def test_a_storm_of_one_level_does_not_hide_an_error(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (_, got):
        bridge.wait_for("loom")
        bridge.send(*(message(f"Line {number}", at=clock.now) for number in range(100)))
        bridge.send(message("On fire", level="error", at=clock.now))
        wait_for(lambda: "On fire" in [event.text for event in got.events])


def test_frames_that_come_fast_are_told_together_and_the_last_of_each_agent_is_right() -> None:
    at, open_again = now(), threading.Event()
    with channels() as bridge, streaming(bridge.url, "loom", ready=open_again.is_set) as (stream, got):
        bridge.wait_for("loom")
        for number in range(200):
            status = "running" if number % 2 else "error"
            bridge.send(update(status, at=at + number, agent=f"a{number % 3}"), metrics(number / 2, at=at + number))
        wait_for(lambda: stream.counts["metrics"] == 200)
        open_again.set()
        [scrape] = wait_for(lambda: got.scrapes)
        last = {agent.id: agent.status.value for agent in scrape.agents or ()}
    assert last == {"a0": "failed", "a1": "running", "a2": "running"}
    assert got.values() == [0.995]
    assert len(scrape.agents or ()) <= 12


def test_changes_between_two_writings_are_told_in_their_order() -> None:
    at, open_again = now(), threading.Event()
    with channels() as bridge, streaming(bridge.url, "loom", ready=open_again.is_set) as (stream, got):
        bridge.wait_for("loom")
        bridge.send(update("running", at=at, pid=1), update("error", at=at + 1), update("running", at=at + 2))
        wait_for(lambda: stream.counts["agent_status_update"] == 3)
        open_again.set()
        wait_for(lambda: got.scrapes)
    assert [agent.reported_status for agent in got.agents] == ["running", "error", "running"]


# ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_sent_as_a_header() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", token="t"):
        bridge.wait_for("loom")
        [(path, headers)] = bridge.asked
    assert (path, headers["Authorization"]) == ("/ws", "Bearer t")


def test_projects_may_come_and_go_while_it_is_open() -> None:
    with channels() as bridge, streaming(bridge.url, "loom") as (stream, _):
        bridge.wait_for("loom")
        stream.projects(listed("kiln"))
        wait_for(lambda: (bridge.told("subscribe"), bridge.told("unsubscribe")) == (["loom", "kiln"], ["loom"]))
        assert bridge.opened == 1


def test_it_answers_a_ping() -> None:
    with channels() as bridge, streaming(bridge.url, "loom"):
        bridge.wait_for("loom")
        bridge.send({"type": "ping"})
        wait_for(lambda: bridge.told("pong"))


def test_it_pings_on_its_own() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", ping_every=0.05):
        wait_for(lambda: len(bridge.told("ping")) >= 2)


def test_it_says_goodbye() -> None:
    with channels() as bridge:
        with streaming(bridge.url, "loom"):
            bridge.wait_for("loom")
        wait_for(lambda: bridge.closes == [(1000, "Client disconnect")])
    assert bridge.told("unsubscribe") == ["loom"]


def test_after_too_much_silence_it_closes_and_says_why(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, silence=0.1, retry_first=NEVER, clock=clock) as (stream, _):
        wait_for(lambda: state(stream) is StreamState.DOWN)
        assert cause(stream) is Cause.TIMEOUT
        wait_for(lambda: bridge.closes == [(1001, "nothing heard")])


def test_after_silence_it_opens_again_with_every_subscription() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln", silence=0.1):
        wait_for(lambda: bridge.opened >= 2 and bridge.told("subscribe")[:4] == ["loom", "kiln"] * 2)


def test_a_ping_of_the_protocol_breaks_the_silence() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", silence=0.5) as (stream, _):
        bridge.wait_for("loom")
        until = time.monotonic() + 1.5
        wait_for(lambda: bridge.open[-1].ping() and time.monotonic() > until)
        assert stream.root.opened == 1


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1009, 1011, 1012])
def test_after_a_close_it_comes_back_with_its_subscriptions(code: int) -> None:
    with channels(greet=closing([code])) as bridge, streaming(bridge.url, "loom", refused_every=NEVER) as (stream, _):
        wait_for(lambda: bridge.opened == 2)
        bridge.wait_for("loom")
        wait_for(lambda: state(stream) is StreamState.SILENT)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1000, Cause.UNREACHABLE), (1001, Cause.UNREACHABLE), (1006, Cause.UNREACHABLE), (1012, Cause.UNREACHABLE),
        (1008, Cause.REJECTED), (1009, Cause.MALFORMED), (1011, Cause.HTTP_ERROR),
    ],
)  # fmt: skip
def test_a_close_code_has_its_cause(code: int, why: Cause) -> None:
    with channels(greet=closing([code])) as bridge, streaming(bridge.url, "loom", retry_first=NEVER) as (stream, _):
        wait_for(lambda: state(stream) is StreamState.DOWN)
        assert cause(stream) is why


def test_after_a_violation_it_waits_as_long_as_after_a_refusal() -> None:
    with channels(greet=closing([1011, 1008])) as bridge, streaming(bridge.url, "loom", refused_every=NEVER) as (s, _):
        wait_for(lambda: cause(s) is Cause.REJECTED)
        assert bridge.opened == 2
        assert s.root.pause(s.root.ending or pytest.fail("it is over"), 0) == NEVER


def test_after_a_violation_it_comes_back_all_the_same() -> None:
    with channels(greet=closing([1008])) as bridge, streaming(bridge.url, "loom", refused_every=0.05):
        wait_for(lambda: bridge.opened == 2)


def test_a_frame_over_the_limit_closes_with_1009_and_it_comes_back() -> None:
    def greet(connection: ServerConnection) -> None:
        if bridge.opened == 1:
            connection.send("x" * (2**20 + 1))

    with channels() as bridge:
        bridge.greet = greet
        with streaming(bridge.url, "loom") as (stream, got):
            wait_for(lambda: bridge.opened == 2)
            assert [code for code, _ in bridge.closes] == [1009]
            bridge.wait_for("loom")
            bridge.send(metrics(1))
            wait_for(got.values)
            assert stream.root.opened == 2


@pytest.mark.parametrize(
    ("status", "why"),
    [(401, Cause.REJECTED), (403, Cause.REJECTED), (404, Cause.HTTP_ERROR), (429, Cause.THROTTLED),
     (500, Cause.HTTP_ERROR), (503, Cause.HTTP_ERROR)],
)  # fmt: skip
def test_a_handshake_that_is_refused_has_its_cause(status: int, why: Cause) -> None:
    refuse = {"/ws": status, LOOM: status}
    with channels(refuse=refuse) as bridge, streaming(bridge.url, "loom", retry_first=NEVER) as (stream, _):
        wait_for(lambda: cause(stream) is why)
        assert state(stream) is StreamState.DOWN


def test_a_server_that_throttles_is_asked_when_it_said() -> None:
    with channels() as bridge, streaming(bridge.url) as (stream, _):
        throttled = Ending(Cause.THROTTLED, "", retry_after=120.0)
        assert stream.root.pause(throttled, 0) == 120
        assert bridge.port


def test_what_is_no_web_server_is_malformed() -> None:
    def banner(connection: Any, _path: str) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    with Answering(banner) as server, streaming(server.url, "loom", retry_first=NEVER) as (stream, _):
        wait_for(lambda: cause(stream) is Cause.MALFORMED)


def test_a_page_instead_of_a_websocket_is_an_error() -> None:
    with Answering(saying(answer(200, {"hello": "there"}))) as server, streaming(server.url) as (stream, _):
        wait_for(lambda: cause(stream) is Cause.HTTP_ERROR)


def test_nobody_there_is_unreachable(free_port: int) -> None:
    with streaming(f"http://127.0.0.1:{free_port}", "loom", retry_first=NEVER) as (stream, _):
        wait_for(lambda: cause(stream) is Cause.UNREACHABLE)


def test_it_waits_for_a_bridge_that_is_not_there_yet(free_port: int) -> None:
    with streaming(f"http://127.0.0.1:{free_port}", "loom") as (stream, _):
        wait_for(lambda: stream.root.ending)
        with channels(port=free_port) as bridge:
            bridge.wait_for("loom")


def test_it_stops_at_once_while_a_server_keeps_it_waiting() -> None:
    def silent(connection: Any, _path: str) -> None:
        connection.recv(1)

    with Answering(silent) as server, streaming(server.url, "loom"):
        wait_for(lambda: server.requests)  # the handshake is under way; `streaming` holds the end to its bound


def test_the_pause_doubles_to_half_a_minute_with_some_chance() -> None:
    for tries, seconds in ((0, 1), (1, 2), (4, 16), (5, 30), (500, 30)):
        drawn = [retry_delay(tries, 1.0) for _ in range(200)]
        assert min(drawn) >= seconds * 0.8
        assert max(drawn) <= seconds * 1.2
        assert max(drawn) - min(drawn) > seconds * 0.1


class Trying(Channel):
    """A connection that keeps its pauses, and waits for none of them."""

    def pause(self, ending: Ending, tries: int) -> float:
        self.tries = [*getattr(self, "tries", []), tries]
        return 0.0


def test_tries_are_counted_until_one_was_open() -> None:
    with channels(refuse={"/ws": 500}) as bridge:

        def changed(channel: Channel) -> None:
            if len(bridge.asked) == 3:
                bridge.refuse, bridge.greet = {}, closing([1011])
            elif bridge.opened == 1:
                bridge.refuse = {"/ws": 500}

        url = f"ws://127.0.0.1:{bridge.port}/ws"
        trying = Trying(url, hear=lambda *_: None, changed=changed, clock=now, rule=Rule.ANY)
        trying.start()
        tries = wait_for(lambda: (found := getattr(trying, "tries", [])) and len(found) >= 6 and found)
        trying.stop()
        trying.join(5)
    assert tries[:6] == [0, 1, 2, 0, 1, 2]


def test_the_address_follows_the_target() -> None:
    for ws_url, wanted in ((None, "wss://b.example/x"), ("ws://c.example/ws", "ws://c.example"), ("ws://d/", "ws://d")):
        assert socket_url(Target("b", Kind.BRIDGE, "https://b.example/x", Origin.FILE, ws_url=ws_url)) == wanted


# ── a connection a project ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405])
def test_without_a_root_channel_every_project_has_its_own(status: int) -> None:
    with channels(refuse={"/ws": status}) as bridge, streaming(bridge.url, "loom", "kiln") as (_, got):
        wait_for(lambda: bridge.paths == [KILN, LOOM])
        wait_for(lambda: (bridge.told("subscribe", LOOM), bridge.told("subscribe", KILN)) == (["loom"], ["kiln"]))
        bridge.send(metrics(1, project=None), path=KILN)
        wait_for(lambda: got.values(project="kiln"))


def test_a_channel_tells_of_its_own_project_only() -> None:
    with channels(refuse={"/ws": 404}) as bridge, streaming(bridge.url, "loom", "kiln") as (stream, got):
        wait_for(lambda: bridge.paths == [KILN, LOOM])
        bridge.send(metrics(1, project="loom"), metrics(2, project="kiln"), path=KILN)
        wait_for(lambda: got.values(project="kiln"))
        assert (got.values(project="loom"), stream.unused["unsubscribed"]) == ([], 1)


def test_without_a_login_there_is_no_try_on_every_project() -> None:
    with channels(refuse={"/ws": 401}) as bridge, streaming(bridge.url, "loom", refused_every=0.02):
        wait_for(lambda: len(bridge.asked) >= 3)
        assert {path for path, _ in bridge.asked} == {"/ws"}


def test_the_root_channel_is_taken_once_it_is_there() -> None:
    with channels(refuse={"/ws": 404}) as bridge, streaming(bridge.url, "loom", "kiln", refused_every=0.2):
        wait_for(lambda: bridge.paths == [KILN, LOOM])
        bridge.refuse = {}
        wait_for(lambda: bridge.paths == ["/ws"])
        wait_for(lambda: bridge.told("subscribe", "/ws") == ["loom", "kiln"])


def test_a_root_channel_that_names_no_project_is_left_for_those_of_the_projects() -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln") as (_, got):
        bridge.wait_for("loom", "kiln")
        bridge.send(*(metrics(number, project=None) for number in range(3)))
        wait_for(lambda: {LOOM, KILN} <= set(bridge.paths))
        bridge.send(metrics(1, project=None), path=KILN)
        wait_for(lambda: got.values(project="kiln"))
    assert bridge.told("unsubscribe", "/ws") == ["kiln", "loom"]


def test_a_project_that_goes_closes_its_channel() -> None:
    with channels(refuse={"/ws": 404}) as bridge, streaming(bridge.url, "loom", "kiln") as (stream, _):
        wait_for(lambda: bridge.paths == [KILN, LOOM])
        stream.projects(listed("kiln"))
        wait_for(lambda: bridge.paths == [KILN])


def test_one_project_that_is_refused_is_down_alone() -> None:
    refuse = {"/ws": 404, KILN: 403}
    with channels(refuse=refuse) as bridge, streaming(bridge.url, "loom", "kiln", refused_every=NEVER) as (stream, _):
        wait_for(lambda: bridge.paths == [LOOM])
        bridge.send(metrics(1), path=LOOM)
        wait_for(lambda: state(stream) is StreamState.HEARD)
        status = wait_for(lambda: (s := stream.status()) and s.partial and s)
    assert status.cause is Cause.REJECTED
    assert (stream.tells_of("kiln")) is False


def test_a_project_may_name_a_place_of_its_own() -> None:
    with channels() as other, channels() as bridge:
        kiln = Project("kiln", "Kiln", ws_url=f"ws://127.0.0.1:{other.port}/live")
        with streaming(bridge.url, "loom", kiln) as (_, got):
            wait_for(lambda: (bridge.told("subscribe"), other.told("subscribe")) == (["loom"], ["kiln"]))
            other.send(metrics(1, project=None))
            wait_for(lambda: got.values(project="kiln"))
            assert (bridge.paths, other.paths) == (["/ws"], ["/live"])


def test_a_place_without_a_path_gets_that_of_the_project() -> None:
    with channels() as other:
        kiln = Project("kiln", "Kiln", ws_url=f"ws://127.0.0.1:{other.port}")
        with channels() as bridge, streaming(bridge.url, kiln):
            wait_for(lambda: other.paths == [KILN])


def test_our_token_is_not_for_a_place_that_a_project_names() -> None:
    with channels() as other, channels() as bridge:
        kiln = Project("kiln", "Kiln", ws_url=f"ws://127.0.0.1:{other.port}/live")
        with streaming(bridge.url, kiln, token="t"):
            wait_for(lambda: other.asked and bridge.asked)
    assert "Authorization" not in other.asked[0][1]
    assert bridge.asked[0][1]["Authorization"] == "Bearer t"


def test_a_project_may_not_lead_us_into_the_world(free_port: int) -> None:
    kiln = Project("kiln", "Kiln", ws_url="ws://93.184.216.34/live")
    with streaming(f"http://127.0.0.1:{free_port}", kiln) as (stream, _):
        channel = wait_for(lambda: stream._channels.get("kiln"))
        ending = wait_for(lambda: channel.ending)
    assert ending.cause is Cause.REJECTED


@pytest.mark.parametrize("text", ["", "http://a/", "ws://", "ws://a:no/", "ftp://a", "ws://[::1", "ws://a/#b"])
def test_what_is_no_address_of_a_websocket_is_as_if_it_were_not_there(text: str) -> None:
    assert not is_socket_url(text)


# ── how it is ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_before_the_first_try_nothing_is_known() -> None:
    target = Target("b", Kind.BRIDGE, "http://127.0.0.1:9", Origin.FILE)
    assert BridgeStream(target, emit=Told(), clock=now).status() is None


def test_connected_and_heard_is_heard_and_says_when(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, _):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=clock.now))
        status = wait_for(lambda: (s := stream.status()) and s.state is StreamState.HEARD and s)
    assert (status.heard, status.since, status.cause, status.partial) == (clock.now, clock.now, None, False)


def test_connected_and_nothing_heard_is_silent_since_it_opened(clock: Clock) -> None:
    opened = clock.now
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, _):
        bridge.wait_for("loom")
        clock.advance(10)
        status = wait_for(stream.status)
    assert (status.state, status.since, status.heard) == (StreamState.SILENT, opened, None)


def test_a_stream_that_falls_silent_is_silent_since_the_last_word(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, _):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: state(stream) is StreamState.HEARD)
        last = clock.now
        clock.advance(36)
        status = wait_for(stream.status)
    assert (status.state, status.since, status.heard) == (StreamState.SILENT, last, last)


@pytest.mark.parametrize("frame", [{"type": "ping"}, {"type": "pong"}, {"type": "horoscope"}, "{", metrics(1, at=1)])
def test_what_tells_nothing_does_not_make_it_heard(frame: object, clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, _):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: state(stream) is StreamState.HEARD)
        clock.advance(36)
        bridge.send(frame)
        wait_for(lambda: sum(stream.counts.values()) == 2)
        assert state(stream) is StreamState.SILENT


def test_down_says_since_when_and_why(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock, retry_first=NEVER) as (stream, _):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: state(stream) is StreamState.HEARD)
        heard, lost = clock.now, clock.advance(5)
        bridge.open[-1].close(1012)
        wait_for(lambda: state(stream) is StreamState.DOWN)
        status = wait_for(stream.status)
    assert (status.since, status.heard, status.cause) == (lost, heard, Cause.UNREACHABLE)


def test_a_project_is_told_of_from_its_first_frame_to_its_silence(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", "kiln", clock=clock) as (stream, _):
        bridge.wait_for("loom", "kiln")
        assert not stream.tells_of("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: stream.tells_of("loom"))
        assert not stream.tells_of("kiln")
        clock.advance(36)
        assert not stream.tells_of("loom")


def test_after_a_break_a_project_is_not_told_of_until_it_is_again(clock: Clock) -> None:
    with channels() as bridge, streaming(bridge.url, "loom", clock=clock) as (stream, _):
        bridge.wait_for("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: stream.tells_of("loom"))
        bridge.open[-1].close(1012)
        wait_for(lambda: bridge.opened == 2 and bridge.told("subscribe") == ["loom", "loom"])
        assert not stream.tells_of("loom")
        bridge.send(metrics(1, at=clock.now))
        wait_for(lambda: stream.tells_of("loom"))


# ── the simulator ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_simulator_is_heard(simulator: Any) -> None:
    with streaming(simulator.urls["bridge"], "loom") as (stream, got):
        wait_for(lambda: got.values() and got.agents, timeout=15)
        assert all(scrape.simulated and scrape.project == "loom" for scrape in got.scrapes)
        assert stream.counts["malformed"] + stream.counts["unknown"] == 0


def test_all_the_simulators_envelopes_are_understood(tmp_path: Path) -> None:
    with simulators.running(tmp_path / "log") as simulator:
        for envelope in ("E1", "E2", "E3", "E4", "E5", "E6", "E7", "mixed"):
            simulator.control("switch", envelope=envelope)
            with streaming(simulator["bridge"], "loom") as (stream, got):
                wait_for(lambda told=got: told.scrapes, timeout=15, what=f"something in {envelope}")
                wait_for(lambda heard=stream: sum(heard.counts.values()) >= 3, timeout=15)
                assert stream.counts["malformed"] + stream.counts["unknown"] == 0, envelope


def test_the_simulators_damaged_frames_harm_nothing(tmp_path: Path) -> None:
    with simulators.running(tmp_path / "log") as simulator:
        simulator.control("switch", frames="malformed")
        with streaming(simulator["bridge"], "loom") as (stream, got):
            wait_for(lambda: stream.counts["malformed"] >= 2, timeout=15)
            simulator.control("switch", frames="ok")
            wait_for(got.values, timeout=15)
            assert stream.root.opened == 1


def test_a_simulator_that_restarts_is_found_again(tmp_path: Path, free_port: int) -> None:
    port = ("--bridge-port", str(free_port))
    with simulators.running(tmp_path / "log", *port) as first, streaming(first["bridge"], "loom") as (stream, got):
        wait_for(got.values, timeout=15)
        first.process.end()
        wait_for(lambda: state(stream) is StreamState.DOWN)
        got.scrapes.clear()
        with simulators.running(tmp_path / "log2", *port):
            wait_for(got.values, timeout=15)


def test_a_server_that_ends_leaves_nothing_open() -> None:
    bridge = Channels()
    bridge.thread.start()
    with streaming(bridge.url, "loom", retry_first=NEVER) as (stream, _):
        bridge.wait_for("loom")
        end(bridge)
        wait_for(lambda: state(stream) is StreamState.DOWN)
        wait_for(lambda: not [t for t in threading.enumerate() if "recv_events" in t.name])
