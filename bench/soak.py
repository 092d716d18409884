"""A Bridge's stream through half an hour of faults: what it leaves behind in memory, threads and descriptors."""

import gc
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from bench.measure import Result, main
from tests.integration.test_stream_soak import soak
from tests.support.waiting import wait_for

SECONDS = float(os.environ.get("BENCH_SECONDS", "1800"))
GROWTH = 5.0  # per cent of the resident memory once warm


def run() -> Sequence[Result]:
    process, seed = psutil.Process(), time.time_ns()
    print(f"soak: seed {seed}")
    soak(3.0, seed)  # what is opened once and kept, like a source of randomness, is no leak
    threads, descriptors = threading.active_count(), process.num_fds()
    found = soak(SECONDS, seed)
    with suppress(TimeoutError):  # then the figures below tell
        wait_for(lambda: gc.collect() >= 0 and threading.active_count() <= threads and process.num_fds() <= descriptors)
    grown = (found.last - found.first) / found.first * 100
    return [
        Result("length", SECONDS / 60, "minutes"),
        Result("faults", found.faults.total(), "faults"),
        Result("resident memory, warm", found.first, "MB"),
        Result("growth of the resident memory", max(0.0, grown), "%", GROWTH),
        Result("threads left behind", max(0, threading.active_count() - threads), "threads", 0),
        Result("descriptors left behind", max(0, process.num_fds() - descriptors), "descriptors", 0),
    ]


if __name__ == "__main__":
    main("soak", run)
