"""Series: which there are, their newest values, and their past."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from observatory.model import DAY, MINUTE, Actor, Instant, Window
from observatory.store import runs, samples, targets
from observatory.store.engine import Store
from observatory.store.samples import Column
from observatory.store.sql import AnyRow

REPORTED = '["reported", "true"]'  # as the label stands in the store
HIDDEN = {"simulated", "reported"}  # shown as marks, not as labels
YESTERDAY = 10 * MINUTE  # how far from the same time yesterday a value may lie to be compared with
LATEST = {
    "series": "int64", "name": "str", "labels": "str", "project": "str", "value": "float64", "measured": "Int64",
    "received": "Int64", "interval": "float64", "source": "str", "cause": "str", "simulated": "bool",
    "yesterday": "float64",
}  # fmt: skip


class Run(NamedTuple):
    """An outcome that lasted from `since_ms` until `until_ms`."""

    since_ms: Instant
    until_ms: Instant
    cause: str


def latest(
    store: Store, actor: Actor, target: str, names: Sequence[str] = (), *, project: str | None = None
) -> pd.DataFrame:
    """The newest value of each series of a target the actor may see; `names` cuts to those, unknown ones have no row.
    What a target or a project told that is gone has none either: it has a past, and no newest value.

    Columns: series int64; name, labels (readable, without the marks), project, source str; value float64; measured,
    received Int64 ms; interval float64 s; cause str: why nothing newer came, "" when the last scrape answered;
    simulated bool; yesterday float64: the value within ten minutes of the same time yesterday, NaN when unknown.
    """
    rows = [
        row
        for row in observed(samples.catalogue(store, target, names, project=project))
        if actor.sees(row.project) and actor.sees(row.of_target) and not row.gone
    ]
    newest = samples.latest(store, target)
    before = yesterday(store, newest, [row.id for row in rows]) if names else {}
    records = []
    for row in rows:
        if row.id not in newest.points:
            continue
        at, value = newest.points[row.id]
        reading = newest.readings[row.project]
        records.append(
            {
                "series": row.id, "name": row.name, "labels": pretty(row.labels), "project": row.project,
                "value": value, "measured": at, "received": reading.answered_ms, "interval": reading.interval_ms / 1000,
                "source": row.target, "cause": reading.cause, "simulated": is_simulated(row),
                "yesterday": before.get(row.id, np.nan),
            }
        )  # fmt: skip
    return pd.DataFrame(records, columns=list(LATEST)).astype(LATEST)


def observed(rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Series that we measured ourselves, not a service's own account of its past."""
    return [row for row in rows if REPORTED not in row.labels]


def is_simulated(row: AnyRow) -> bool:
    return '["simulated", "true"]' in row.labels or row.simulated


def pretty(labels: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in json.loads(labels) if name not in HIDDEN)


def yesterday(store: Store, newest: samples.Latest, ids: Sequence[int]) -> dict[int, float]:
    """The value of each series closest to a day before its newest, where there is one within ten minutes."""
    known = {key: newest.points[key][0] - DAY for key in ids if key in newest.points}
    if not known:
        return {}
    window = Window(min(known.values()) - YESTERDAY, max(known.values()) + YESTERDAY + 1)
    found = {}
    for key, column in samples.read(store, list(known), window).items():
        if len(column.at):
            nearest = int(np.abs(column.at - known[key]).argmin())
            if abs(int(column.at[nearest]) - known[key]) <= YESTERDAY:
                found[key] = float(column.value[nearest])
    return found


def history(store: Store, target: str, ids: Sequence[int], window: Window, points: int = 600) -> pd.DataFrame:
    """The past of series of one target, long and in time order per series: series int64, at int64 ms, value float64.

    What the service reported of its own past fills stretches in which we saw nothing. A row with value NaN breaks the
    line: between its neighbours the target failed or was not observed. At most about 2 × `points` rows a series: the
    smallest and the largest of each stretch stay, so no spike is lost.
    """
    catalogue = samples.catalogue(store, target)
    by_id = {row.id: row for row in catalogue}
    twins = reported_twins(catalogue)
    own = {key: twins.get(key) for key in ids if key in by_id}
    lifted = {project: gaps(store, target, window, project=project) for project in {by_id[key].project for key in own}}
    columns = samples.read(store, [*own, *(twin for twin in own.values() if twin is not None)], window)
    parts = []
    for key, twin in own.items():
        column, told = filled(columns[key], columns.get(twin) if twin is not None else None)
        breaks = break_times(lifted[by_id[key].project], column, told)
        at, value = with_breaks(*thinned(column, window, points), breaks)
        parts.append(pd.DataFrame({"series": np.full(len(at), key, dtype="int64"), "at": at, "value": value}))
    empty = pd.DataFrame({"series": [], "at": [], "value": []}).astype({"series": "int64", "at": "int64"})
    return pd.concat(parts, ignore_index=True) if parts else empty


def reported_twins(catalogue: Sequence[AnyRow]) -> dict[int, int]:
    """For each series whose past its service reports itself, the series in which it does."""
    told = [row for row in catalogue if REPORTED in row.labels]
    pasts = {(row.project, row.name, without_mark(row.labels)): row.id for row in told}
    if not pasts:
        return {}
    keys = {row.id: (row.project, row.name, without_mark(row.labels)) for row in observed(catalogue)}
    return {key: pasts[known] for key, known in keys.items() if known in pasts}


def without_mark(labels: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(labels) if name != "reported")


def filled(own: Column, told: Column | None) -> tuple[Column, npt.NDArray[np.bool_]]:
    """`own` with points of `told` where none of ours is within half its usual step; and which points were told."""
    if told is None or len(told.at) < 2:
        return own, np.zeros(len(own.at), dtype=bool)
    half = np.median(np.diff(told.at)) / 2
    if len(own.at):
        right = (
            np.clip(np.searchsorted(own.at, told.at), 1, len(own.at) - 1)
            if len(own.at) > 1
            else np.zeros(len(told.at), dtype=int)
        )
        distance = np.minimum(np.abs(told.at - own.at[right]), np.abs(told.at - own.at[np.maximum(right - 1, 0)]))
        keep = distance > half
    else:
        keep = np.ones(len(told.at), dtype=bool)
    at = np.concatenate([own.at, told.at[keep]])
    value = np.concatenate([own.value, told.value[keep]])
    flags = np.concatenate([np.zeros(len(own.at), dtype=bool), np.ones(int(keep.sum()), dtype=bool)])
    order = np.argsort(at, kind="stable")
    return Column(at[order], value[order]), flags[order]


def gaps(store: Store, target: str, window: Window, project: str = "") -> pd.DataFrame:
    """Stretches of `window` without an answer: since, until int64 ms, cause str; in time order.

    What nobody observed is `observer_off`; the time before the target's first run in the window counts as such. Since
    the target is not watched any more it is `gone`. The newest outcome holds for another interval: what hangs has been
    asked again, and nobody knows yet what comes of it.
    """
    found: list[tuple[int, int, str]] = []
    seen, whole = window.since, window
    gone, interval = targets.rhythm(store, target, project)
    if gone is not None:
        window = Window(window.since, max(window.since, min(gone, window.until)))
    for row in within(store, target, window, project, interval):
        if row.since_ms > seen:
            found.append((seen, row.since_ms, "observer_off"))
        if row.cause:
            found.append((max(row.since_ms, window.since), min(row.until_ms, window.until), row.cause))
        seen = max(seen, row.until_ms)
    if seen < window.until:
        found.append((seen, window.until, "observer_off"))
    if window.until < whole.until:
        found.append((window.until, whole.until, "gone"))
    df = pd.DataFrame(found, columns=["since", "until", "cause"])
    return df.astype({"since": "int64", "until": "int64", "cause": "str"})


def within(store: Store, target: str, window: Window, project: str, interval_ms: int) -> list[Run]:
    """The runs that touch `window`, the last one until its end if that is less than an interval after its own."""
    found = [Run(row.since_ms, row.until_ms, row.cause) for row in runs.within(store, [target], window, project)]
    if found and 0 < window.until - found[-1].until_ms <= interval_ms:
        found[-1] = found[-1]._replace(until_ms=window.until)
    return found


def break_times(gaps: pd.DataFrame, column: Column, told: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Instants at which the line is lifted: between two neighbours that a gap lies between.

    That is where a gap begins after the first of them, or covers most of the time up to the second: a service may tell
    numbers of a moment before we asked, and then the first point after a gap lies a little inside it.
    Two neighbours that the service itself reported, one of its usual steps apart, stay joined.
    """
    gaps = gaps[gaps["until"] > gaps["since"]]
    if len(column.at) < 2 or gaps.empty:
        return np.empty(0, dtype=np.int64)
    left, right = column.at[:-1], column.at[1:]
    since = gaps["since"].to_numpy()
    begins = np.searchsorted(since, right) > np.searchsorted(since, left)
    covered = covered_before(right, gaps) - covered_before(left, gaps)
    lifted = begins | (2 * covered > right - left)
    if told.any():
        step = np.median(np.diff(column.at[told])) if told.sum() > 1 else 0
        lifted &= ~((told[:-1] | told[1:]) & (right - left <= 1.5 * step))
    middle: npt.NDArray[np.int64] = ((left + right) // 2)[lifted]
    return middle


def covered_before(at: npt.NDArray[np.int64], gaps: pd.DataFrame) -> npt.NDArray[np.int64]:
    """How many milliseconds before each instant lie in a gap. `gaps` are in time order and do not overlap."""
    since, length = gaps["since"].to_numpy(), (gaps["until"] - gaps["since"]).to_numpy()
    place = np.searchsorted(since, at, side="right")
    whole = np.concatenate([[0], np.cumsum(length)])
    last = np.maximum(place - 1, 0)
    inside = np.where(place > 0, np.minimum(at - since[last], length[last]), 0)
    covered: npt.NDArray[np.int64] = whole[last] + inside
    return covered


def thinned(column: Column, window: Window, points: int) -> Column:
    """At most two points a stretch of window ÷ points: its smallest and its largest, at their own times."""
    if len(column.at) <= 2 * points:
        return column
    stretch = ((column.at - window.since) * points // max(1, window.until - window.since)).astype(np.int64)
    starts = np.flatnonzero(np.append(True, stretch[1:] != stretch[:-1]))
    order = np.lexsort((column.value, stretch))
    ends = np.append(starts[1:], len(column.at)) - 1
    kept = np.unique(np.concatenate([order[starts], order[ends]]))
    return Column(column.at[kept], column.value[kept])


def with_breaks(at: npt.NDArray[np.int64], value: npt.NDArray[np.float64], breaks: npt.NDArray[np.int64]) -> Column:
    places = np.searchsorted(at, breaks)
    return Column(np.insert(at, places, breaks), np.insert(value, places, np.nan))
