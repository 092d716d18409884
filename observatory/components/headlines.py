"""The few numbers of a host that a person asks for first, computed only from what its exporter exposes."""

from dataclasses import dataclass

import pandas as pd

from observatory.components import values
from observatory.components.attributes import records

ROOT = "mountpoint=/"
MINUTES = 5  # over which the share of busy CPU time is taken


@dataclass(frozen=True, slots=True)
class Headline:
    label: str
    reading: values.Reading


def of(catalogue: pd.DataFrame, idle: pd.DataFrame) -> list[Headline]:
    """Headlines out of a node exporter's `frames.series.catalogue`; what cannot be computed is left out.

    `idle` is the `frames.series.history` of the series `idle_series` names, over the last minutes.
    """
    found = [
        taken("Load, 1 min", catalogue, "node_load1", "number"),
        busy(catalogue, idle),
        used("Memory in use", catalogue, "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"),
        taken("Memory available", catalogue, "node_memory_MemAvailable_bytes", "bytes"),
        used("Disk in use (/)", root(catalogue), "node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
        taken("Disk available (/)", root(catalogue), "node_filesystem_avail_bytes", "bytes"),
    ]
    return [one for one in found if one is not None]


def idle_series(catalogue: pd.DataFrame) -> list[int]:
    """One series a CPU: the seconds it had nothing to do."""
    cpu = catalogue[catalogue["name"] == "node_cpu_seconds_total"]
    return [int(one) for one in cpu.loc[has_label(cpu, "mode=idle"), "series"]]


def root(catalogue: pd.DataFrame) -> pd.DataFrame:
    return catalogue[has_label(catalogue, ROOT)]


def has_label(catalogue: pd.DataFrame, label: str) -> pd.Series:
    """Which rows carry `name=value` among their readable labels."""
    return catalogue["labels"].map(lambda labels: label in labels.split(", ")).astype(bool)


def taken(label: str, catalogue: pd.DataFrame, name: str, unit: str) -> Headline | None:
    rows = catalogue[catalogue["name"] == name]
    return Headline(label, values.from_row(records(rows.head(1))[0], unit)) if len(rows) else None


def used(label: str, catalogue: pd.DataFrame, available: str, size: str) -> Headline | None:
    """1 − available ÷ size, as old as the available."""
    free, whole = taken(label, catalogue, available, "ratio"), taken(label, catalogue, size, "ratio")
    if free is None or whole is None or free.reading.value is None or not whole.reading.value:
        return None
    return computed(label, free.reading, 1 - free.reading.value / whole.reading.value)


def busy(catalogue: pd.DataFrame, idle: pd.DataFrame) -> Headline | None:
    """Share of CPU time that was not idle over the history given, all CPUs together."""
    shares = [share for _, past in idle.dropna(subset=["value"]).groupby("series") if (share := rate(past)) is not None]
    like = taken("CPU busy", catalogue, "node_cpu_seconds_total", "ratio")
    if not shares or like is None:
        return None
    return computed("CPU busy", like.reading, min(1.0, max(0.0, 1 - sum(shares) / len(shares))))


def rate(past: pd.DataFrame) -> float | None:
    """Increase a second of a counter; None over no time, or when the counter began anew in between."""
    seconds = (past["at"].iloc[-1] - past["at"].iloc[0]) / 1000
    if seconds <= 0 or (past["value"].diff() < 0).any():
        return None
    return float(past["value"].iloc[-1] - past["value"].iloc[0]) / float(seconds)


def computed(label: str, like: values.Reading, value: float) -> Headline:
    """A reading of ours: measured with `like`, but no series of its own that the stream could bring forward."""
    return Headline(
        label,
        values.Reading(value, "ratio", like.measured, like.interval, like.source, like.cause, like.simulated),
    )
