"""The collector and the stream together: news at once, slow readings while it is heard, usual ones while it is not."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from observatory.context import wall_clock
from observatory.frames import streams
from observatory.model import Instant, Kind, Origin, Target
from observatory.store.engine import Store
from observatory.store.schema import scrapes
from tests.integration.test_loop import ADMIN, collecting, quick_beats  # noqa: F401
from tests.support import simulator as simulators
from tests.support.simulator import Simulator
from tests.support.waiting import wait_for

BEAT = 0.4


def bridge_of(simulator: Simulator) -> Target:
    urls = simulator.urls
    return Target("bridge", Kind.BRIDGE, urls["bridge"], Origin.FILE, interval=BEAT, ws_url=urls["bridge_ws"])


def readings(store: Store, *, after: Instant = 0) -> list[float]:
    """The intervals of what was asked of project loom, in seconds, in their order."""
    query = (
        select(scrapes.c.interval_ms)
        .where(scrapes.c.project == "loom", scrapes.c.pushed.is_(False), scrapes.c.started_ms > after)
        .order_by(scrapes.c.started_ms)
    )
    with store.read() as connection:
        return [interval / 1000 for interval in connection.execute(query).scalars()]


def state(store: Store) -> Sequence[str]:
    return [str(row["state"]) for row in streams.current(store, ADMIN, wall_clock()).to_dict("records")]


@pytest.fixture
def devkit(tmp_path: Path) -> Simulator:  # type: ignore[misc]
    with simulators.running(tmp_path / "log") as simulator:
        yield simulator


def test_while_the_stream_is_heard_its_projects_are_asked_slowly(store: Store, devkit: Simulator) -> None:
    with collecting(store, lambda: [bridge_of(devkit)]):
        wait_for(lambda: state(store) == ["heard"], timeout=20)
        wait_for(lambda: 30.0 in readings(store), timeout=20)
        at = wall_clock()
        wait_for(lambda: own(store, after=at) >= 5, timeout=20, what="readings of the Bridge itself")
        assert readings(store, after=at) == []


def own(store: Store, *, after: Instant) -> int:
    query = select(scrapes.c.id).where(
        scrapes.c.project == "", scrapes.c.pushed.is_(False), scrapes.c.started_ms > after
    )
    with store.read() as connection:
        return len(connection.execute(query).all())


def test_while_the_stream_is_down_polling_carries_on_alone(store: Store, devkit: Simulator) -> None:
    with collecting(store, lambda: [bridge_of(devkit)]):
        wait_for(lambda: 30.0 in readings(store), timeout=20)
        devkit.control("faults", service="bridge", mode="down", path="/ws")
        wait_for(lambda: state(store) == ["down"], timeout=20)
        at = wall_clock()
        wait_for(lambda: len(readings(store, after=at)) >= 4, timeout=20, what="readings of the project")
        assert set(readings(store, after=at)) == {BEAT}


def test_a_bridge_without_a_websocket_is_polled(store: Store, devkit: Simulator) -> None:
    devkit.control("faults", service="bridge", mode="404", path="/ws")
    with collecting(store, lambda: [bridge_of(devkit)]):
        wait_for(lambda: state(store) == ["down"], timeout=20)
        wait_for(lambda: readings(store) and set(readings(store)) == {BEAT} and len(readings(store)) >= 3, timeout=20)
        [row] = streams.current(store, ADMIN, wall_clock()).to_dict("records")
    assert row["cause"] == "http_error"
