"""What a Bridge tells of MCP servers: read beside it every half minute, and never a reason to call it down."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from observatory.clients.base import RETRY_CAP
from observatory.collector import scrape as scraping
from observatory.collector.loop import Collector
from observatory.collector.scrape import Reader, open_reader
from observatory.context import wall_clock
from observatory.frames import projects, services
from observatory.model import HOUR, Actor, Cause, McpContext, McpServer, Role
from observatory.store import targets
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from tests.support.answering import Answering, answer, reset, serving
from tests.support.clock import NOON, Clock
from tests.support.scraped import BRIDGE, KEEP, LOOM_MCP, a_bridge, a_failure, a_scrape, told_by_a_bridge
from tests.support.waiting import wait_for

ADA = Actor(3, "ada", Role.ADMIN, (), "s")
CONTEXT = "/api/mcp/context"
LOOM = {
    "id": "loom", "name": "Loom MCP", "projectPath": "~/Development/loom", "url": "http://localhost:8123",
    "status": "active", "capabilities": ["tools", "resources"],
}  # fmt: skip
SNAKE = {**{key: value for key, value in LOOM.items() if key != "projectPath"}, "project_path": LOOM["projectPath"]}


def a_devkit(context: object) -> dict[str, object]:
    """Routes of a Bridge without projects."""
    return {
        "/api/health": {"status": "healthy"},
        "/api/projects": {"projects": []},
        "/api/telemetry/metrics": {"metrics": {"system": {"cpu": 50}}},
        CONTEXT: context,
    }


@contextmanager
def reading(server: Answering, clock: Clock) -> Iterator[Reader]:
    reader = open_reader(a_bridge(url=server.url), clock=clock)
    try:
        yield reader
    finally:
        reader.close()


def asked(server: Answering) -> int:
    return [path for path, _ in server.requests].count(CONTEXT)


# ── reading it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ({"isAvailable": True, "servers": [LOOM]}, McpContext(True, (LOOM_MCP,))),
        ([LOOM], McpContext(True, (LOOM_MCP,))),
        ({"is_available": True, "servers": [SNAKE]}, McpContext(True, (LOOM_MCP,))),
        ({"isAvailable": False, "servers": []}, McpContext(False)),
        ({"isAvailable": False}, McpContext(False)),
        ({"servers": None}, McpContext(False)),
        ({"servers": [{"name": "Only a name"}, {}]}, McpContext(True, (McpServer("Only a name", "Only a name"),))),
        ({"servers": [{"id": "a", "capabilities": "x", "url": 5}]}, McpContext(True, (McpServer("a", "a"),))),
    ],
)
def test_it_is_understood_in_every_dialect(said: object, context: McpContext, clock: Clock) -> None:
    with Answering(serving(a_devkit(said))) as server, reading(server, clock) as reader:
        reader.read()
        scrape = reader.read_context()

    assert scrape is not None
    assert (scrape.pushed, scrape.project, scrape.cause, scrape.samples) == (True, "", None, ())
    assert scrape.context == context


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (answer(404, {"error": "Not found"}), Cause.HTTP_ERROR),
        (answer(500, {}), Cause.HTTP_ERROR),
        (answer(401, {}), Cause.REJECTED),
        (answer(200, "<html></html>"), Cause.MALFORMED),
        (answer(200, {"error": "no"}), Cause.MALFORMED),
        (answer(200, {"servers": "none"}), Cause.MALFORMED),
        (lambda connection, _path: reset(connection), Cause.UNREACHABLE),
    ],
)
def test_a_failure_is_its_own_and_leaves_the_bridge_up(said: object, cause: Cause, clock: Clock) -> None:
    with Answering(serving(a_devkit(said))) as server, reading(server, clock) as reader:
        [bridge] = reader.read()
        scrape = reader.read_context()
        clock.advance(10)
        [again] = reader.read()

    assert (bridge.cause, again.cause) == (None, None)
    assert scrape is not None
    assert scrape.context is not None
    assert (scrape.context.cause, scrape.context.servers, scrape.cause) == (cause, (), None)


def test_it_is_asked_every_half_minute(clock: Clock) -> None:
    with Answering(serving(a_devkit([]))) as server, reading(server, clock) as reader:
        beats = []
        for beat in range(10):
            reader.read()
            if reader.read_context() is not None:
                beats.append(beat)
            clock.advance(10)

    assert [later - earlier for earlier, later in pairwise(beats)] == [3, 3, 3]
    assert asked(server) == 4


def test_who_throttles_it_is_asked_later_and_a_clock_that_is_set_back_stops_nothing(clock: Clock) -> None:
    throttled = answer(429, {}, headers={"Retry-After": "600"})
    with Answering(serving(a_devkit(throttled))) as server, reading(server, clock) as reader:
        reader.read()
        reader.read_context()
        clock.advance(300)
        assert reader.read_context() is None
        clock.advance(340)
        assert reader.read_context() is not None
        clock.advance(-HOUR / 1000 - RETRY_CAP)
        assert reader.read_context() is not None


def test_a_bridge_that_is_silent_is_not_asked_for_it_and_one_that_is_back_at_once(clock: Clock) -> None:
    routes = a_devkit([])
    with Answering(serving(routes)) as server, reading(server, clock) as reader:
        routes["/api/health"] = lambda connection, _path: reset(connection)
        reader.read()
        assert reader.read_context() is None
        routes["/api/health"] = {}
        reader.read()
        assert reader.read_context() is not None


# ── keeping it ───────────────────────────────────────────────────────────────────────────────────────────────────────


def words(store: Store) -> list[tuple[str, str]]:
    df = projects.mcp_servers(store, ADA)
    return list(zip(df["id"], df["cause"], strict=True))


def test_what_was_told_stays_while_nothing_is(store: Store) -> None:
    targets.replace(store, [a_bridge()], NOON)
    failed = a_scrape(
        NOON + 30_000, target=BRIDGE, interval=30.0, pushed=True, context=McpContext(cause=Cause.MALFORMED)
    )
    recorder = Recorder(store)
    recorder.append(told_by_a_bridge(NOON))
    before = projects.mcp_servers(store, ADA)
    recorder.append([failed])
    after = projects.mcp_servers(store, ADA)

    assert words(store) == [("loom", "malformed")]
    assert after.drop(columns="cause").equals(before.drop(columns="cause"))
    assert services.current(store, ADA, NOON)["cause"].tolist() == [""]

    recorder.append(told_by_a_bridge(NOON + 60_000, servers=[]))

    assert words(store) == []
    assert projects.mcp_contexts(store, ADA)["available"].tolist() == [False]


def test_a_bridge_that_fell_silent_is_why_nothing_newer_came(store: Store) -> None:
    targets.replace(store, [a_bridge()], NOON)
    recorder = Recorder(store)
    recorder.append(told_by_a_bridge(NOON))
    recorder.append([a_failure(NOON + 10_000, Cause.HTTP_ERROR, target=BRIDGE)])
    ailing = words(store)
    recorder.append([a_failure(NOON + 20_000, Cause.UNREACHABLE, target=BRIDGE)])

    assert (ailing, words(store)) == ([("loom", "")], [("loom", "unreachable")])


def test_a_flood_of_servers_is_cut(store: Store) -> None:
    targets.replace(store, [a_bridge()], NOON)
    flood = [McpServer(f"server {n}", "x" * 500, "y" * 500, capabilities=("z" * 500,) * 20) for n in range(2000)]

    Recorder(store).append(told_by_a_bridge(NOON, servers=flood))

    assert 1 <= len(words(store)) <= 500


def test_empty_frames_have_all_columns(store: Store) -> None:
    for frame, columns in (
        (projects.current(store, ADA), projects.CURRENT),
        (projects.bridges(store, ADA), projects.SOURCES),
        (projects.readings(store, ADA), projects.SOURCES),
        (projects.mcp_contexts(store, ADA), projects.CONTEXTS),
        (projects.mcp_servers(store, ADA), projects.SERVERS),
    ):
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == columns


# ── the collector ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_collector_reads_it_and_one_that_hangs_holds_up_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "SLOW_EVERY", 0.2)
    routes = a_devkit([LOOM])
    with Answering(serving(routes)) as server:
        wanted = [a_bridge(url=server.url, interval=0.2)]
        collector = Collector(store, lambda: wanted, clock=wall_clock, holder="one", keep=KEEP)
        thread = threading.Thread(target=collector.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: words(store) == [("loom", "")], what="the server in the store")
            routes[CONTEXT] = server.hang
            count = asked(server)
            wait_for(lambda: asked(server) > count, what="a question that hangs")
            health = [path for path, _ in server.requests].count("/api/health")
            wait_for(
                lambda: [path for path, _ in server.requests].count("/api/health") > health + 5,
                what="the beat going on",
            )
            assert services.current(store, ADA, wall_clock())["cause"].tolist() == [""]
        finally:
            collector.stop()
            thread.join(20)
            assert not thread.is_alive()
