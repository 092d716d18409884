import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from observatory.collector.stream import BridgeStream, retry_delay, socket_url
from observatory.model import AgentStatus, Kind, Origin, Scrape, Target
from tests.support.answering import Answering, answer, saying
from tests.support.waiting import wait_for

PROMPT = 1.0  # seconds within which `stop` has to end the thread


def now() -> int:
    return time.time_ns() // 1_000_000


class Channel:
    """A Bridge's WebSocket on a free port. `received` are the frames of all clients, `clients` those connected."""

    def __init__(self, *, simulated: bool = False, greet: Callable[[ServerConnection], None] | None = None) -> None:
        self.simulated, self.greet = simulated, greet
        self.received: list[dict[str, Any]] = []
        self.clients: list[ServerConnection] = []
        self.opened = 0
        self.tokens: list[str | None] = []
        self.server: Server = serve(self.talk, "127.0.0.1", 0, process_response=self.mark, ping_interval=None)
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def mark(self, _connection: ServerConnection, request: Request, response: Response) -> Response:
        self.tokens.append(request.headers.get("Authorization"))
        if self.simulated:
            response.headers["X-Simulated"] = "1"
        return response

    def talk(self, connection: ServerConnection) -> None:
        self.clients.append(connection)
        self.opened += 1
        try:
            if self.greet is not None:
                self.greet(connection)
            for message in connection:
                self.received.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.clients.remove(connection)

    def send(self, *frames: object) -> None:
        for frame in frames:
            self.clients[-1].send(frame if isinstance(frame, str) else json.dumps(frame))

    def told(self, kind: str) -> list[str]:
        """The projects (or "") of all frames of a type."""
        return [frame.get("projectId", "") for frame in self.received if frame["type"] == kind]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def channel(**fields: Any) -> Iterator[Channel]:
    bridge = Channel(**fields)
    bridge.thread.start()
    try:
        yield bridge
    finally:
        for client in list(bridge.clients):
            client.close()
        bridge.server.shutdown()
        bridge.thread.join(5)


@contextmanager
def streaming(
    url: str, *projects: str, token: str = "", **timing: float
) -> Iterator[tuple[BridgeStream, list[Scrape]]]:
    got: list[Scrape] = []
    target = Target("b", Kind.BRIDGE, url, Origin.FILE, token=token)
    stream = BridgeStream(target, emit=got.append, clock=now, **{"retry_first": 0.02, **timing})
    stream.projects(projects)
    stream.start()
    try:
        yield stream, got
    finally:
        began = time.monotonic()
        stream.stop()
        stream.join(5)
        assert time.monotonic() - began < PROMPT
        assert not stream.is_alive()


def metrics(cpu: float, *, at: int | None = None, project: str | None = "loom") -> dict[str, object]:
    placed = {"projectId": project} if project else {}
    return {"type": "metrics", "timestamp": now() if at is None else at, "data": {"cpu": cpu}, **placed}


def update(status: object, *, at: int, agent: str = "weaver") -> dict[str, object]:
    data = {"agentId": agent, "status": {"status": status, "resources": {"cpu": 10}}}
    return {"type": "agent_status_update", "timestamp": at, "projectId": "loom", "data": data}


def test_it_subscribes_to_every_project_and_tells_of_them() -> None:
    with channel(simulated=True) as bridge, streaming(bridge.url, "loom", "kiln", token="t") as (stream, got):
        wait_for(lambda: bridge.told("subscribe") == ["loom", "kiln"])
        assert stream.connected
        at = now()
        bridge.send(metrics(50, at=at), update("error", at=at))
        host, agents = wait_for(lambda: got if len(got) == 2 else None)

        assert (host.target, host.project, host.pushed, host.measured, host.simulated) == ("b", "loom", True, at, True)
        [sample] = host.samples
        assert (sample.name, sample.value) == ("project_host_cpu_ratio", 0.5)
        assert sample.labels == (("project", "loom"), ("simulated", "true"))
        [agent] = agents.agents or ()
        assert (agent.id, agent.status, agent.reported_status) == ("weaver", AgentStatus.FAILED, "error")
        assert (agents.agents_complete, [s.name for s in agents.samples]) == (False, ["agent_cpu_ratio"])
        assert stream.heard_at is not None
        assert bridge.tokens == ["Bearer t"]
    wait_for(lambda: bridge.told("unsubscribe") == ["loom", "kiln"])


def test_a_full_status_names_all_its_agents() -> None:
    full = {"type": "agent_status_full", "timestamp": now(), "projectId": "loom", "data": {
        "agents": {"a": {"status": "running"}, "b": {"status": "error", "error": "Timed out"}, "c": {}}}}  # fmt: skip
    with channel() as bridge, streaming(bridge.url, "loom") as (_, got):
        wait_for(lambda: bridge.clients)
        bridge.send(full)
        [scrape] = wait_for(lambda: got)
    assert [(a.id, a.error) for a in scrape.agents or ()] == [("a", ""), ("b", "Timed out")]
    assert not scrape.simulated


def test_projects_may_come_and_go_while_it_is_open() -> None:
    with channel() as bridge, streaming(bridge.url, "loom") as (stream, _):
        wait_for(lambda: bridge.told("subscribe") == ["loom"])
        stream.projects(["kiln"])
        wait_for(lambda: (bridge.told("subscribe"), bridge.told("unsubscribe")) == (["loom", "kiln"], ["loom"]))


def test_older_frames_are_left_out_and_a_repeated_one_adds_nothing() -> None:
    at = now()
    with channel() as bridge, streaming(bridge.url, "loom") as (stream, got):
        wait_for(lambda: bridge.clients)
        bridge.send(metrics(1, at=at), metrics(2, at=at - 1), metrics(1, at=at), metrics(3, at=at + 1))
        bridge.send(update("running", at=at), update("error", at=at - 1), update("error", at=at - 1, agent="other"))
        wait_for(lambda: stream.counts["frames"] == 7)
        assert [s.samples[0].value for s in got if not s.agents] == [0.01, 0.03]
        assert [s.agents[0].id for s in got if s.agents] == ["weaver", "other"]
        assert stream.counts["old"] == 3
        assert len({(s.project, s.started) for s in got}) == len(got)


def test_what_cannot_be_used_is_counted_and_harms_nothing() -> None:
    junk: list[object] = [
        "{", "[]", "null", '{"type": 4}', {"type": "metrics", "projectId": "loom", "data": {"cpu": "much"}},
        {"type": "agent_status_full", "projectId": "loom", "data": {}}, {"type": "metrics", "data": [1]},
        {"type": "telemetry", "data": {}}, {"type": "context", "data": {}}, {"no": "type"},
        {"type": "log", "data": {"level": "warn"}}, {"type": "error", "data": {}}, {"type": "pong"},
        metrics(9, project=None),
    ]  # fmt: skip
    with channel() as bridge, streaming(bridge.url, "loom", "kiln") as (stream, got):
        wait_for(lambda: bridge.clients)
        bridge.send(*junk, metrics(7))
        wait_for(lambda: got)
        assert [s.samples[0].value for s in got] == [0.07]
        assert stream.counts == Counter(frames=15, malformed=8, unknown=2, log=1, error=1, unplaced=1, metrics=1)
        assert bridge.opened == 1


def test_a_frame_without_project_belongs_to_the_only_one() -> None:
    with channel() as bridge, streaming(bridge.url, "loom") as (_, got):
        wait_for(lambda: bridge.clients)
        bridge.send(metrics(9, project=None))
        assert wait_for(lambda: got)[0].project == "loom"


def test_it_answers_pings_and_sends_its_own() -> None:
    with channel() as bridge, streaming(bridge.url, "loom", ping_every=0.05):
        wait_for(lambda: bridge.told("ping"))
        bridge.send({"type": "ping"})
        wait_for(lambda: bridge.told("pong"))


def test_silence_is_an_end_and_it_opens_again_with_every_subscription() -> None:
    with channel() as bridge, streaming(bridge.url, "loom", "kiln", silence=0.1) as (stream, _):
        wait_for(lambda: bridge.opened >= 2)
        wait_for(lambda: bridge.told("subscribe")[:4] == ["loom", "kiln"] * 2)
        assert stream.opened >= 2


def test_it_comes_back_after_every_close_but_waits_long_after_a_refusal() -> None:
    closes = iter([1011, 1000, 1008])

    def greet(connection: ServerConnection) -> None:
        connection.close(next(closes, 1001))

    with channel(greet=greet) as bridge, streaming(bridge.url, "loom", refused_every=3600) as (stream, _):
        wait_for(lambda: stream.refused)
        assert bridge.opened == 3
        assert not stream.connected


@pytest.mark.parametrize(("status", "refused"), [(401, True), (403, True), (404, False), (500, False)])
def test_a_handshake_that_is_refused_is_a_refusal(status: int, refused: bool) -> None:
    with (
        Answering(saying(answer(status, {"error": "no"}))) as server,
        streaming(server.url, "loom", refused_every=3600) as (stream, _),
    ):
        if refused:
            wait_for(lambda: stream.refused)
        else:
            wait_for(lambda: len(server.requests) >= 3)
        assert stream.refused is refused


def test_it_waits_for_a_bridge_that_is_not_there_yet() -> None:
    with channel() as gone:
        port = gone.port
    with streaming(f"http://127.0.0.1:{port}", "loom") as (stream, _):
        server = serve(lambda connection: list(connection) and None, "127.0.0.1", port, ping_interval=None)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            wait_for(lambda: stream.connected)
        finally:
            server.shutdown()
            thread.join(5)


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


def test_the_address_follows_the_target() -> None:
    for ws_url, wanted in ((None, "wss://b.example/x"), ("ws://c.example/ws", "ws://c.example"), ("ws://d/", "ws://d")):
        assert socket_url(Target("b", Kind.BRIDGE, "https://b.example/x", Origin.FILE, ws_url=ws_url)) == wanted


def test_the_simulator_is_heard(simulator: Any) -> None:
    with streaming(simulator.urls["bridge"], "loom") as (stream, got):
        wait_for(lambda: stream.counts["metrics"] >= 1 and stream.counts["agents"] >= 1, timeout=15)
        assert all(scrape.simulated and scrape.project == "loom" for scrape in got)
        assert stream.counts["malformed"] + stream.counts["unknown"] == 0
