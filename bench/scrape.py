"""What reading targets costs the collector: 50 and 1000 exporters of 20 series every 10 seconds, on real sockets."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench import exporters, stand
from bench.measure import CpuShare, Result, Spread, cpu_each, main, percentile, scaled
from observatory.clients.base import tls
from observatory.collector.scrape import open_reader
from observatory.context import wall_clock
from observatory.model import Kind, Origin, Target
from observatory.store.engine import open_store
from observatory.store.scrapes import log
from tests.support.processes import free_port, observatory
from tests.support.product import SECRETS
from tests.support.waiting import wait_for

SERIES, INTERVAL, SIZES = 20, 10.0, (50, 1000)
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
POOLED = 50  # targets that a shared httpx client keeps connections to in the loop beside ours
PEER = "shared httpx client and prometheus_client's parser"


def run() -> Sequence[Result]:
    with exporters.running(SERIES) as url:
        readers = [
            open_reader(Target(f"t{n}", Kind.PROMETHEUS, f"{url}{n}", Origin.FILE), clock=wall_clock)
            for n in range(POOLED)
        ]
        ours = each(lambda n: readers[n].read())
        for reader in readers:
            reader.close()
        with httpx.Client(verify=tls(), trust_env=False) as client:
            usual = each(lambda n: list(text_string_to_metric_families(client.get(f"{url}{n}").text)))
            bare = each(lambda n: client.get(f"{url}{n}").text)
        found = [
            Result("one scrape, read and parsed", ours, "µs CPU", None, PEER, usual.middle),
            Result("one scrape, beside transport alone", ours, "µs CPU", None, "shared httpx client", bare.middle),
        ]
        for size in SIZES:
            found += collector(url, size)
    return found


def each(read: Callable[[int], object]) -> Spread:
    """CPU µs a scrape, over all targets in turn."""

    def once() -> None:
        for number in range(POOLED):
            read(number)

    return scaled(cpu_each(once, times=4, repeats=5), 1e6 / POOLED)


def collector(url: str, size: int) -> list[Result]:
    """`observatory collect` by itself over `size` targets: CPU and punctuality after everything was read once."""
    with stand.folder() as at:
        process = observatory("collect", log=at / "log", env=settings(at, url, size))
        try:
            store = open_store(f"sqlite:///{at / 'observatory.sqlite3'}")
            process.wait_until(lambda: log(store, f"t{size - 1}", 1), timeout=120, what="a first reading of all")
            wait_for(lambda: len(log(store, "t0", 3)) == 2, timeout=60, what="the second round")
            with CpuShare(process.pid) as used:
                time.sleep(SECONDS)  # the time is what is measured here
            late, missed = punctuality({n: [row.started_ms for row in log(store, f"t{n}", 999)] for n in range(size)})
            failed = sum(row.cause != "" for n in range(size) for row in log(store, f"t{n}", 999))
            store.close()
        finally:
            process.end()
    name = f"{size} targets"
    return [
        Result(f"{name}: collector", used.percent, "% of a core"),
        Result(f"{name}: a scrape, all told", used.percent / 100 / (size / INTERVAL) * 1e6, "µs CPU"),
        Result(f"{name}: late, p95", percentile(late, 0.95), "ms"),
        Result(f"{name}: missed ticks", missed, "ticks", 0),
        Result(f"{name}: failed scrapes", failed, "scrapes", 0),
    ]


def settings(at: Path, url: str, size: int) -> dict[str, str]:
    file = at / "observatory.toml"
    tables = (f'[[target]]\nname = "t{n}"\nkind = "prometheus"\nurl = "{url}{n}"\n' for n in range(size))
    file.write_text("\n".join(tables))
    return {
        "OBSERVATORY_DATA": str(at),
        "OBSERVATORY_CONFIG": str(file),
        "OBSERVATORY_LOG_LEVEL": "warning",
        "OBSERVATORY_INTERVAL": f"{INTERVAL:g}s",
        "PORT": str(free_port()),
        **SECRETS,
    }


def punctuality(started: dict[int, list[int]]) -> tuple[list[float], int]:
    """Milliseconds behind each target's own rhythm, which its most punctual reading sets; and ticks without one."""
    step, late, missed = round(INTERVAL * 1000), [], 0
    for moments in started.values():
        moments = sorted(moments)
        beats = [round((at - moments[0]) / step) for at in moments]
        offsets = [at - beat * step for at, beat in zip(moments, beats, strict=True)]
        late += [float(offset - min(offsets)) for offset in offsets]
        missed += beats[-1] + 1 - len(set(beats))
    return late, missed


if __name__ == "__main__":
    main("scrape", run)
