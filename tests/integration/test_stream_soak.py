"""The stream through a long series of faults: nothing is left behind, and memory stays where it is."""

import gc
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from observatory.model import Project, StreamState
from tests.integration.test_stream import metrics, now, state, streaming, update
from tests.support.channels import Channels, channels, path_of
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

SHORT, FULL = 45.0, 1800.0  # seconds
WARM = 0.25  # share of the time after which memory has found its size
GROWTH = 12.0  # MB that it may grow from then on
PROJECTS = [Project(f"p{number}", "P") for number in range(8)]
THREADS = ("stream-", "recv_events", "Thread-")


class Chaos:
    """A Bridge that does to its clients what a Bridge may do, at random."""

    def __init__(self, bridge: Channels, seed: int) -> None:
        self.bridge, self.random = bridge, random.Random(seed)
        self.faults: list[Callable[[], None]] = [
            self.close, self.close, self.cut, self.refuse, self.junk, self.oversize, self.storm, self.by_project,
        ]  # fmt: skip
        self.done: list[str] = []

    def act(self) -> None:
        fault = self.random.choice(self.faults)
        self.done.append(fault.__name__)
        with suppress(ConnectionClosed, IndexError, OSError):
            fault()

    def connection(self) -> ServerConnection:
        return self.random.choice(self.bridge.open)

    def close(self) -> None:
        self.connection().close(self.random.choice([1000, 1001, 1008, 1009, 1011, 1012]))

    def cut(self) -> None:
        self.connection().socket.shutdown(2)

    def refuse(self) -> None:
        self.bridge.refuse = {"/ws": self.random.choice([401, 403, 429, 500, 503])}
        self.close()

    def by_project(self) -> None:
        self.bridge.refuse = {"/ws": 404}
        self.close()

    def junk(self) -> None:
        self.connection().send(self.random.choice(["{", b"\xff", "[]", '{"type": "horoscope"}', "x" * 100_000]))

    def oversize(self) -> None:
        self.connection().send("x" * (2**20 + 1))

    def storm(self) -> None:
        connection = self.connection()
        for number in range(300):
            connection.send(f'{{"type": "log", "projectId": "p1", "data": {{"message": "line {now()} {number}"}}}}')

    def talk(self) -> None:
        """What a Bridge says all the time, over whatever is open."""
        for connection in list(self.bridge.open):
            named = path_of(connection).rpartition("/")[2]
            project = self.random.choice(PROJECTS).id if named == "ws" else named
            told = update(self.random.choice(["running", "error"]), agent=f"a{self.random.randrange(20)}")
            with suppress(ConnectionClosed, OSError):
                connection.send(json.dumps({**told, "projectId": project}))
                connection.send(json.dumps(metrics(self.random.uniform(0, 100), project=project)))


def streams_threads() -> int:
    return sum(thread.name.startswith(THREADS) for thread in threading.enumerate())


@pytest.fixture
def settled() -> Iterator[None]:
    """At the end there are as many threads and descriptors as before."""
    process = psutil.Process()
    threads, descriptors = streams_threads(), process.num_fds()
    yield
    wait_for(lambda: streams_threads() <= threads, what="the end of all threads")
    wait_for(lambda: gc.collect() >= 0 and process.num_fds() <= descriptors, what="the end of all descriptors")


class Soaked(NamedTuple):
    """What a soak did, and resident megabytes once warm and at the end."""

    faults: Counter[str]
    opened: int
    first: float
    last: float


def soak(seconds: float, seed: int) -> Soaked:
    """A stream through `seconds` of faults. Raises TimeoutError when it is not heard again after them."""
    process, sizes = psutil.Process(), list[float]()
    timing = {"refused_every": 0.3, "retry_first": 0.05, "ping_every": 0.2, "silence": 3.0, "pace": 0.05}
    with channels() as bridge, streaming(bridge.url, *PROJECTS, **timing) as (stream, got):
        chaos, until = Chaos(bridge, seed), time.monotonic() + seconds
        warm, calm, beat = time.monotonic() + seconds * WARM, 0.0, time.monotonic()
        every = seconds / 500  # so that what is noted of the memory takes none itself
        while time.monotonic() < until:
            chaos.talk()
            if time.monotonic() > calm:  # a fault a second, and half of the time the root channel is served again
                calm = time.monotonic() + chaos.random.uniform(0.2, 1.0)
                bridge.refuse = bridge.refuse if chaos.random.random() < 0.5 else {}
                chaos.act()
                stream.projects(chaos.random.sample(PROJECTS, chaos.random.randrange(3, 9)))
            if time.monotonic() > warm + len(sizes) * every:
                sizes.append(process.memory_info().rss / 1e6)
            for kept in (got.scrapes, bridge.received, bridge.asked, bridge.closes):
                kept.clear()
            beat += 0.01  # the pace at which the Bridge talks
            wait_for(lambda due=beat: time.monotonic() >= due)

        bridge.refuse = {}
        stream.projects(PROJECTS)

        def healed() -> bool:
            chaos.talk()
            told = {project.id: stream.tells_of(project.id) for project in PROJECTS}
            seen = (bridge.paths, state(stream), told, stream.root.ending, stream.root.wanted, stream.unused)
            assert bridge.paths == ["/ws"], seen
            assert state(stream) is StreamState.HEARD, seen
            assert all(told.values()), seen
            return True

        wait_for(healed, timeout=60, what="one root connection that tells of all projects")
        assert streams_threads() <= 12
        first, last = (sorted(part)[10] for part in (sizes[:20], sizes[-20:]))
        return Soaked(Counter(chaos.done), stream.root.opened, first, last)


def test_a_long_series_of_faults_leaves_nothing_behind(settled: None, full_size: bool) -> None:
    seed = int(os.environ.get("SOAK_SEED", now()))
    print(f"seed {seed}")
    found = soak(FULL if full_size else SHORT, seed)
    print(found)
    assert len(found.faults) >= 6
    assert found.last - found.first < GROWTH
