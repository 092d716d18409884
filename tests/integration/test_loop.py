"""The collector at work: on its beat, alone, through a database that comes and goes, and gone when told to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from observatory import discovery
from observatory.collector import loop
from observatory.collector.loop import Collector, Writer, backfill
from observatory.context import wall_clock
from observatory.frames import agents, events, series, services
from observatory.model import DAY, MINUTE, Actor, Instant, Kind, Origin, Role, Target, Window
from observatory.store import leases, samples, targets
from observatory.store.engine import Store
from observatory.store.schema import scrapes
from observatory.store.schema import targets as targets_table
from tests.support import simulator as simulators
from tests.support.answering import Answering, answer, saying
from tests.support.away import away
from tests.support.scraped import KEEP, NOON, a_scrape, a_target
from tests.support.waiting import wait_for

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
FINE = saying(answer(200, {"status": "healthy"}))
OURS = ("reader", "writer", "renew", "refresh", "tidy", "beside", "stream-", "look_at_broadcast")


def watching(name: str, url: str, interval: float = 0.2) -> Target:
    return Target(name, Kind.HTTP, url, Origin.FILE, interval=interval)


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same collector, only that its slow beats take less of a test's time."""
    monkeypatch.setattr(loop, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(loop, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(loop, "LIST_SECONDS", 0.2)


@contextmanager
def collecting(store: Store, wanted: Callable[[], list[Target]], holder: str = "one") -> Iterator[Collector]:
    """A collector in a thread of its own; stopped at the end, and then its thread must be gone."""
    collector = Collector(store, wanted, clock=wall_clock, holder=holder, keep=KEEP)
    thread = threading.Thread(target=collector.run, name=f"collector-{holder}", daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.stop()
        thread.join(15)
        assert not thread.is_alive()


def started(store: Store, target: str) -> list[Instant]:
    """When the stored scrapes of a target began, in order."""
    query = (
        select(scrapes.c.started_ms)
        .join(targets_table, targets_table.c.id == scrapes.c.target_id)
        .where(targets_table.c.name == target, scrapes.c.project == "", scrapes.c.pushed.is_(False))
        .order_by(scrapes.c.started_ms)
    )
    with store.read() as connection:
        return list(connection.execute(query).scalars())


def wait_for_scrapes(store: Store, target: str, number: int, *, after: Instant = 0) -> list[Instant]:
    def enough() -> list[Instant]:
        found = [at for at in started(store, target) if at > after]
        return found if len(found) >= number else []

    return wait_for(enough, timeout=20, what=f"{number} scrapes of {target}")


def beats(at: list[Instant]) -> list[float]:
    return [(later - earlier) / 1000 for earlier, later in pairwise(at)]


def on_beat(at: list[Instant], interval: float = 0.2) -> bool:
    """Whether there are no more scrapes than one collector makes; a late one may stand close before the next."""
    return len(at) - 1 <= (at[-1] - at[0]) / 1000 / interval + 1.5


# ── the beat ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_scrapes_arrive_on_their_interval(store: Store) -> None:
    with Answering(FINE) as server, collecting(store, lambda: [watching("a", server.url)]):
        at = wait_for_scrapes(store, "a", 8)

    assert on_beat(at)
    value = series.latest(store, ADMIN, "a", ["http_response_status"])["value"].tolist()
    assert value == [200.0]


def test_a_hanging_target_delays_no_other(store: Store) -> None:
    with Answering(FINE) as quick, Answering(FINE) as slow:
        slow.script = slow.hang
        wanted = [watching("slow", slow.url, 2.0), watching("quick", quick.url)]
        with collecting(store, lambda: wanted):
            [hung] = wait_for_scrapes(store, "slow", 1)[:1]
            wait_for_scrapes(store, "quick", 1, after=hung + 2000)

    meanwhile = [at for at in started(store, "quick") if hung <= at < hung + 2000]
    assert len(meanwhile) >= 3  # ten on a free machine; behind the other there would be none
    assert services.scrape_log(store, ADMIN, "slow")["cause"].tolist()[-1] == "timeout"


def test_projects_that_hang_do_not_delay_their_bridge(store: Store, tmp_path: Path) -> None:
    with simulators.running(tmp_path / "log") as devkit:
        devkit.control("faults", service="bridge", mode="hang", path="/api/projects/")
        bridge = Target("bridge", Kind.BRIDGE, devkit.urls["bridge"], Origin.FILE, interval=0.5)
        with collecting(store, lambda: [bridge]):
            at = wait_for_scrapes(store, "bridge", 6)

    assert min(beats(at)) < 2 * bridge.interval  # behind a hanging project each would take longer than that


def test_what_the_database_will_never_take_costs_nobody_else_a_sample(store: Store) -> None:
    targets.replace(store, [a_target()], NOON)
    writer = Writer(store)
    writer.start()
    endless = 2**70  # fits no column of either database
    writer.put([a_scrape(NOON, 1.0), a_scrape(NOON + 10_000, received=endless), a_scrape(NOON + 20_000, 3.0)])
    writer.close()

    assert started(store, "a") == [NOON, NOON + 20_000]
    assert writer.lost == 1


def test_a_target_that_goes_on_failing_is_asked_less_often(store: Store, free_port: int) -> None:
    with collecting(store, lambda: [watching("dead", f"http://127.0.0.1:{free_port}")]):
        at = wait_for_scrapes(store, "dead", 5)

    first, second, third, fourth = beats(at)[:4]
    assert third >= 0.35 and fourth >= 0.75  # the first two are on the beat of 0.2 s, or late when the machine is busy
    assert min(first, second) < third < fourth
    assert set(services.scrape_log(store, ADMIN, "dead")["cause"]) == {"unreachable"}


def test_the_list_of_targets_is_followed(store: Store) -> None:
    with Answering(FINE) as first, Answering(FINE) as second:
        wanted = [watching("a", first.url)]
        with collecting(store, lambda: list(wanted)):
            wait_for_scrapes(store, "a", 1)
            wanted[:] = [watching("b", second.url)]
            wait_for_scrapes(store, "b", 3)
            asked = len(first.requests)
            wait_for_scrapes(store, "b", 3, after=wall_clock())

            assert len(first.requests) <= asked + 1  # one may have been on its way
            state = services.current(store, ADMIN, wall_clock()).set_index("name")["state"].to_dict()

    assert state["a"] == "gone"
    assert state["b"] in {"live", "late", "stale"}
    assert "target.gone" in events.recent(store, ADMIN)["kind"].tolist()


def test_a_target_with_another_address_is_asked_there(store: Store) -> None:
    with Answering(FINE) as first, Answering(FINE) as second:
        wanted = [watching("a", first.url)]
        with collecting(store, lambda: list(wanted)):
            wait_for(lambda: first.requests, what="a request to the first address")
            wanted[:] = [watching("a", second.url)]
            wait_for(lambda: second.requests, what="a request to the second address")


def test_a_paused_target_is_not_asked(store: Store) -> None:
    with Answering(FINE) as resting, Answering(FINE) as other:
        paused = a_target("resting", url=resting.url, interval=0.1, paused=True)
        with collecting(store, lambda: [paused, watching("b", other.url)]):
            wait_for_scrapes(store, "b", 4)

    assert resting.requests == []
    assert services.current(store, ADMIN, wall_clock()).set_index("name")["state"]["resting"] == "paused"


def test_a_wanted_list_that_breaks_leaves_the_last_one(store: Store) -> None:
    with Answering(FINE) as server:
        lists = iter([[watching("a", server.url)]])  # the second time it raises StopIteration
        with collecting(store, lambda: next(lists)):
            wait_for_scrapes(store, "a", 8)


# ── the lease ───────────────────────────────────────────────────────────────────────────────────────────────────────


def at_work(*collectors: Collector) -> list[str]:
    return [collector.holder for collector in collectors if collector.watched]


def test_of_two_collectors_one_works_and_the_other_takes_over_when_it_stops(store: Store) -> None:
    with Answering(FINE) as server:
        wanted = [watching("a", server.url)]
        with collecting(store, lambda: wanted, "one") as one, collecting(store, lambda: wanted, "two") as two:
            at = wait_for_scrapes(store, "a", 8)
            working, waiting = (one, two) if one.watched else (two, one)
            assert waiting.watched == {}
            assert on_beat(at)

            working.stop()
            wait_for(lambda: waiting.watched, what="the other at work")
            wait_for_scrapes(store, "a", 3, after=wall_clock())


def test_a_collector_that_lost_its_lease_stops_working(store: Store) -> None:
    with Answering(FINE) as server:
        wanted = [watching("a", server.url)]
        with collecting(store, lambda: wanted, "one") as first:
            wait_for_scrapes(store, "a", 3)
            with collecting(store, lambda: wanted, "two") as second:
                leases.release(store, loop.LEASE, "one", wall_clock())
                assert leases.take(store, loop.LEASE, "two", wall_clock(), 3.0) is not None
                wait_for(lambda: at_work(first, second) == ["two"], what="the change of hands")
                changed = wall_clock()
                at = wait_for_scrapes(store, "a", 8, after=changed)

                assert at_work(first, second) == ["two"]
                assert on_beat(at)
    assert len(server.requests) <= len(started(store, "a")) + 2  # each change of hands may cut one off


def test_a_stopped_collector_lets_the_lease_go(store: Store) -> None:
    with collecting(store, list, "one"):
        wait_for(lambda: leases.current(store, loop.LEASE), what="the lease")

    lease = leases.current(store, loop.LEASE)
    assert lease is not None and lease.until <= wall_clock()
    assert events.recent(store, ADMIN)["kind"].tolist() == ["collector.started"]


# ── a database that is away ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_read_while_the_database_was_away_is_written_once_it_is_back(store: Store, store_url: str) -> None:
    with Answering(FINE) as server, collecting(store, lambda: [watching("a", server.url)]):
        wait_for_scrapes(store, "a", 2)
        with away(store, store_url):
            before, asked = wall_clock(), len(server.requests)
            wait_for(lambda: len(server.requests) >= asked + 6, what="scrapes without a database")
            after = wall_clock()
        wait_for_scrapes(store, "a", 1, after=after + 500)
        at = started(store, "a")

    assert len([moment for moment in at if before <= moment <= after]) >= 5
    assert max(beats(at)) < 1  # nothing is missing in between
    assert series.gaps(store, "a", Window(at[0], at[-1])).empty


def test_a_full_buffer_drops_the_oldest_and_counts_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BUFFER", 5)
    targets.replace(store, [a_target()], NOON)
    writer = Writer(store)  # not started: as if the database kept it waiting

    for beat in range(8):
        writer.put([a_scrape(NOON + beat * 1000), a_scrape(NOON + beat * 1000, project="loom")])
    lost = writer.lost
    writer.start()
    wait_for(lambda: len(started(store, "a")) == 5, what="the rest")
    writer.close()

    assert lost == 6
    assert started(store, "a") == [NOON + beat * 1000 for beat in range(3, 8)]


def test_a_writer_with_a_full_buffer_can_be_closed_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from observatory.store.engine import open_store

    monkeypatch.setattr(loop, "BUFFER", 3)
    writer = Writer(open_store("postgresql+psycopg://nobody@127.0.0.1:9/nothing"))
    writer.start()
    for beat in range(9):
        writer.put([a_scrape(NOON + beat)])
    began = time.monotonic()

    writer.close()

    assert not writer.is_alive()
    assert time.monotonic() - began < 5
    assert writer.lost == 9
    writer.recorder.store.close()


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(OURS)}


def test_stopping_takes_a_moment_whatever_a_target_does_and_leaves_no_thread(store: Store) -> None:
    before = ours()
    with Answering(FINE) as quick, Answering(FINE) as slow:
        slow.script = slow.hang
        collector = Collector(
            store,
            lambda: [watching("slow", slow.url, 20.0), watching("quick", quick.url)],
            clock=wall_clock,
            holder="one",
            keep=KEEP._replace(raw=DAY),
        )
        thread = threading.Thread(target=collector.run, daemon=True)
        thread.start()
        wait_for(lambda: slow.requests, what="the request that hangs")
        wait_for_scrapes(store, "quick", 2)
        assert ours() - before
        began = time.monotonic()

        collector.stop()
        thread.join(15)

        assert time.monotonic() - began < 3
        assert not thread.is_alive()
        wait_for(lambda: ours() <= before, timeout=3, what="the end of all threads")
    assert started(store, "slow") == []  # that we went away is no failure of the target's


def test_a_collector_that_waits_for_the_lease_stops_at_once(store: Store) -> None:
    leases.take(store, loop.LEASE, "somebody else", wall_clock(), 60)
    with collecting(store, list, "one") as collector:
        collector.stop()

    lease = leases.current(store, loop.LEASE)
    assert lease is not None and lease.holder == "somebody else"


# ── the whole DevKit ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_devkit_is_watched(store: Store, simulator: simulators.Simulator) -> None:
    wanted = discovery.simulated(simulator.urls, 1.0)
    with collecting(store, lambda: wanted):
        wait_for(
            lambda: services.current(store, ADMIN, wall_clock())["state"].tolist() == ["live"] * 4,
            timeout=20,
            what="four live services",
        )
        wait_for(lambda: len(agents.current(store, ADMIN)), timeout=20, what="agents")
        wait_for(lambda: pushed(store), timeout=20, what="a frame of the stream")

    assert services.current(store, ADMIN, wall_clock())["simulated"].all()
    assert agents.current(store, ADMIN)["simulated"].all()
    assert series.latest(store, ADMIN, "bridge-server", ["devkit_cpu_ratio"])["value"].between(0, 1).all()


def pushed(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(scrapes.c.id).where(scrapes.c.pushed).limit(1)).all())


def test_the_past_is_written_at_its_own_times_and_joins_the_present(store: Store, tmp_path: Path) -> None:
    now = wall_clock()
    steps = range(now - 60 * MINUTE, now, 10 * MINUTE)
    with simulators.running(tmp_path / "log", "--clock", str(steps[0]), "--incidents-anchor", str(now)) as simulator:
        wanted = discovery.simulated(simulator.urls)
        targets.replace(store, wanted, now)

        def set_clock(at: Instant | None) -> None:
            httpx.post(f"{simulator['control']}/clock", json={"now": at}, trust_env=False).raise_for_status()

        writer = Writer(store)
        writer.start()
        backfill(writer, wanted, set_clock=set_clock, steps=steps, elapsed=time.monotonic)
        writer.close()
        set_clock(None)
        with collecting(store, lambda: wanted):
            wait_for_scrapes(store, "nexus-console", 1, after=now)
            at = wait_for_scrapes(store, "bridge-server", 1, after=now)

    past = started(store, "bridge-server")[: len(steps)]
    assert [round((moment - step) / 1000) for moment, step in zip(past, steps, strict=True)] == [0] * len(steps)
    assert series.gaps(store, "bridge-server", Window(steps[0] + 1000, at[-1])).empty
    [cpu] = [
        r.id for r in samples.catalogue(store, "bridge-server", ["devkit_cpu_ratio"]) if "reported" not in r.labels
    ]
    measured = samples.read(store, [cpu], Window(steps[0] - MINUTE, at[-1] + MINUTE))[cpu].at
    assert [round((moment - step) / 1000) for moment, step in zip(measured, steps, strict=False)] == [0] * len(steps)
    assert len(measured) >= len(steps) + 1
