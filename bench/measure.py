"""What all benchmarks share: clocks, medians, and the lines of `bench/results`."""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

HERE = Path(__file__).parent
RESULTS = HERE / "results"


class Spread(NamedTuple):
    """The median of some runs, with the smallest and the largest."""

    middle: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class Result:
    """One number. `budget` is the most it may be; `peer` was measured in the same run, in the same unit."""

    what: str
    value: float | Spread
    unit: str
    budget: float | None = None
    peer: str = ""
    peer_value: float | None = None


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def cpu_each(act: Callable[[], object], *, times: int, repeats: int = 7) -> Spread:
    """CPU seconds of this process a call of `act`: `repeats` series of `times` calls."""
    act()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        for _ in range(times):
            act()
        found.append((time.process_time() - began) / times)
    return spread(found)


def elapsed_each(act: Callable[[], object], *, repeats: int = 7) -> Spread:
    """Seconds by the wall a call of `act`."""
    act()
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return spread(found)


def scaled(value: Spread, by: float) -> Spread:
    return Spread(value.middle * by, value.low * by, value.high * by, value.runs)


def cpu_of(pid: int) -> float:
    """CPU seconds that the process has used, its children's not counted."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid() answers on Linux: counted in nanoseconds
    except OSError:
        times = psutil.Process(pid).cpu_times()  # in steps of 10 ms
        return float(times.user + times.system)


class CpuShare:
    """`with CpuShare(pid) as used: …` and then `used.percent`: CPU of the process in per cent of one core."""

    def __init__(self, pid: int) -> None:
        self.pid, self.percent = pid, math.nan

    def __enter__(self) -> "CpuShare":
        self.cpu, self.at = cpu_of(self.pid), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.percent = 100 * (cpu_of(self.pid) - self.cpu) / (time.monotonic() - self.at)


class Noise:
    """How busy everybody else kept the machine meanwhile, in per cent of all its cores."""

    def __init__(self) -> None:
        self.busy, self.ours, self.at = self.now()

    @staticmethod
    def now() -> tuple[float, float, float]:
        machine = psutil.cpu_times()
        ours = os.times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        busy = sum(machine) - idle - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
        return busy, ours.user + ours.system + ours.children_user + ours.children_system, time.monotonic()

    def percent(self) -> float:
        busy, ours, at = self.now()
        others = busy - self.busy - (ours - self.ours)
        return max(0.0, 100 * others / ((at - self.at) * (os.cpu_count() or 1)))


def commit() -> str:
    """The commit that was measured, with a + when files had been changed since."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")


def facts() -> dict[str, object]:
    """When, of what, on what kind of machine. No name and no path of it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def line(result: Result) -> dict[str, object]:
    """A result as it is written down; what it does not have is left out."""
    value = result.value if isinstance(result.value, Spread) else Spread(result.value, math.nan, math.nan, 1)
    written: dict[str, object] = {"what": result.what, "value": rounded(value.middle), "unit": result.unit}
    if value.runs > 1:
        written |= {"low": rounded(value.low), "high": rounded(value.high), "runs": value.runs}
    if result.budget is not None:
        written |= {"budget": result.budget, "met": value.middle <= result.budget}
    if result.peer and result.peer_value is not None:
        ratio = rounded(value.middle / result.peer_value) if result.peer_value else None
        written |= {"peer": result.peer, "peerValue": rounded(result.peer_value), "ratio": ratio}
    return written


def rounded(value: float) -> float | None:
    """Three digits that count; None for what could not be measured, since JSON knows no NaN."""
    return float(f"{value:.3g}") if math.isfinite(value) else None


def main(name: str, run: Callable[[], Sequence[Result]]) -> None:
    """Run a benchmark, print what it found and append it to `results/<name>.jsonl`."""
    noise, about = Noise(), facts()
    found = run()
    about["othersPercent"] = round(noise.percent())
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        for result in found:
            written = {**about, **line(result)}
            file.write(json.dumps(written, ensure_ascii=False) + "\n")
            print(f"{name}: {said(written)}", flush=True)
    print(f"{name}: others kept the machine {about['othersPercent']} % busy", file=sys.stderr)


def said(written: dict[str, object]) -> str:
    text = f"{written['what']}: {written['value']} {written['unit']}"
    if "low" in written:
        text += f" ({written['low']} to {written['high']}, {written['runs']} runs)"
    if "budget" in written:
        text += f"; budget {written['budget']}: {'met' if written['met'] else 'NOT MET'}"
    if "peer" in written:
        text += f"; {written['peer']} {written['peerValue']}, ratio {written['ratio']}"
    return text
