"""From `observatory serve` in mock mode to a page that can be used, and the memory all of it holds."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench import stand
from bench.measure import Result, main, spread
from tests.support.product import Product
from tests.support.waiting import wait_for

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
BUDGET = 300.0
PARTS = ("parent", "worker", "collector", "simulator")
VIEWS = 20  # times the overview is drawn before memory is looked at: what is loaded on demand belongs to it


def run() -> Sequence[Result]:
    moments: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    for _ in range(RUNS):
        with stand.folder() as at:
            once(at, moments, memory)
    seconds = [Result(what, spread(values), "s") for what, values in moments.items()]
    megabytes = [
        Result(what, spread(values), "MB", BUDGET if what.startswith("PSS whole") else None)
        for what, values in memory.items()
    ]
    return [*seconds, *megabytes]


def once(at: Path, moments: dict[str, list[float]], memory: dict[str, list[float]]) -> None:
    """One start in an empty folder, and a second one in what it left."""
    with timed(at, "first start", moments) as (product, note):
        note("full day", lambda: stand.wait_for_day(product.process))
        look(product)
        for what, value in memory_of(product).items():
            memory.setdefault(what, []).append(value)
    with timed(at, "second start", moments):
        pass


@contextmanager
def timed(
    at: Path, name: str, moments: dict[str, list[float]]
) -> Iterator[tuple[Product, Callable[[str, Callable[[], object]], None]]]:
    began = time.monotonic()

    def note(what: str, wait: Callable[[], object]) -> None:
        wait()
        moments.setdefault(f"{name}: {what}", []).append(time.monotonic() - began)

    with stand.running(at, stand.MOCK) as product:
        note("/healthz answers", lambda: None)
        client = signed_in(product)
        note("first live number", lambda: wait_for(lambda: is_live(client), timeout=60, what="a live number"))
        yield product, note


def signed_in(product: Product) -> stand.Client:
    with stand.opened(product) as store:
        return stand.Client(product, *stand.cookies(store, 1))


def is_live(client: stand.Client) -> bool:
    found = json.loads(client.ask("/api/targets"))["targets"]
    return any(target["state"] == "live" for target in found if target["kind"] == "bridge")


def look(product: Product) -> None:
    """Draw the overview some times, as a browser would ask for it."""
    client = signed_in(product)
    bodies = stand.refreshing(client, "overview")
    for _ in range(VIEWS):
        for body in bodies.values():
            client.ask(stand.UPDATE, body)


def memory_of(product: Product) -> dict[str, float]:
    """RSS and PSS of each part in MB of a million bytes. Pages that processes share count in PSS by their share."""
    rss, pss = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
    parent = psutil.Process(product.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        part = part_of(process, parent)
        full = process.memory_full_info()
        rss[part] += full.rss / 1e6
        pss[part] += full.pss / 1e6
    found = {f"PSS {part}": pss[part] for part in PARTS} | {f"RSS {part}": rss[part] for part in PARTS}
    found["PSS whole product"] = sum(pss.values()) - pss["simulator"]
    found["PSS whole product with the simulator"] = sum(pss.values())
    return found


def part_of(process: psutil.Process, parent: psutil.Process) -> str:
    command = process.cmdline()
    if process == parent:
        return "parent"
    if "collect" in command:
        return "collector"
    return "simulator" if "observatory.simulator" in command else "worker"


if __name__ == "__main__":
    main("start", run)
