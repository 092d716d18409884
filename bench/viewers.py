"""Two hundred viewers of the overview: what they cost the web worker, and how soon they see a change.

Still: only we write, one change a second of every series the page shows. Demo: the simulator and our collector are at
work, and each viewer does what a browser does: stream, base beat, and the callbacks again when the stream says so.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bench import stand
from bench.crowd import Crowd, Found, Task
from bench.measure import CpuShare, Result, main, percentile
from observatory.store.engine import Store
from tests.support.product import Product

VIEWERS = int(os.environ.get("BENCH_VIEWERS", "200"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
BEAT = 60.0  # seconds: BEAT_HEARD of assets/live.js
TOPICS = ("targets", "agents", "events")  # of the overview
BUDGET = 8.0
EVERY = f"{VIEWERS} polling callbacks each second"


def run() -> Sequence[Result]:
    with stand.filled() as (product, store):
        task = visit(product, store)
        ids = [int(key) for key in task.stream.partition("=")[2].split(",")]
        with every_second(stand.Changes(store, ids)):
            alone, _ = held(product, replace(task, cookies=task.cookies[:1], beat=0))
            streams, seen = held(product, replace(task, beat=0))
            beats, _ = held(product, replace(task, stream=""))
            both, together = held(product, task)
            polls, _ = held(product, replace(task, stream="", beat=1.0, bodies=task.bodies[:1]))
    demo, real = in_demo()
    core = "% of a core"
    return [
        Result("1 stream", alone, core),
        Result(f"{VIEWERS} streams", streams, core, BUDGET, EVERY, polls),
        Result(f"{VIEWERS} beats of {BEAT:g} s, each all callbacks of the page", beats, core, BUDGET, EVERY, polls),
        Result(f"{VIEWERS} streams and beats", both, core, BUDGET, EVERY, polls),
        Result("change to arrival, p50", percentile(seen.delays, 0.5), "ms"),
        Result("change to arrival, p95", percentile(seen.delays, 0.95), "ms"),
        Result("change to arrival with beats, p95", percentile(together.delays, 0.95), "ms"),
        Result("demo: streams, beats and reactions", demo, core, BUDGET),
        Result("demo: reactions a viewer and minute", real.reactions / VIEWERS / SECONDS * 60, "1/min"),
        Result("demo: answer of a callback, p95", percentile(real.answers, 0.95), "ms"),
        Result("errors", seen.errors + together.errors + real.errors, "requests", 0),
    ]


def held(product: Product, task: Task) -> tuple[float, Found]:
    """CPU of the web worker in per cent of a core while the crowd is there, and what the crowd saw."""
    with Crowd(task) as crowd, CpuShare(stand.worker(product)) as used:
        found = crowd.found()
    return used.percent, found


def in_demo() -> tuple[float, Found]:
    with stand.folder() as at, stand.running(at, stand.MOCK) as product:
        stand.wait_for_day(product.process)
        with stand.opened(product) as store:
            task = visit(product, store)
        return held(product, task)


def visit(product: Product, store: Store) -> Task:
    """What a browser with the overview open does, for everybody."""
    cookies = stand.cookies(store, VIEWERS)
    client = stand.Client(product, cookies[0])
    bodies = stand.refreshing(client, "overview")
    return Task(
        port=int(product.url.rsplit(":", 1)[1]),
        cookies=cookies,
        seconds=SECONDS,
        stream="/api/stream?series=" + ",".join(map(str, stand.series_shown(client, bodies))),
        bodies=[body.decode() for body in bodies.values()],
        beat=BEAT,
        topics=TOPICS,
    )


@contextmanager
def every_second(changes: stand.Changes) -> Iterator[None]:
    over = threading.Event()

    def write() -> None:
        while not over.wait(1.0):
            changes.write()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main("viewers", run)
