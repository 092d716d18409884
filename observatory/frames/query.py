"""Any series over any time: which there are, and what they say in equal steps."""

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from observatory.frames.series import HIDDEN, gaps, is_simulated, observed
from observatory.model import MINUTE, Actor, Instant, Window
from observatory.store import rollups, samples
from observatory.store.engine import Store
from observatory.store.rollups import Rolled

Aggregate: TypeAlias = Literal["avg", "min", "max", "sum", "count", "last", "increase", "rate"]
Across: TypeAlias = Literal["sum", "avg", "min", "max"]

FOUND = {
    "series": "int64", "name": "str", "labels": "object", "project": "str", "source": "str", "interval": "float64",
    "simulated": "bool", "gone": "bool",
}  # fmt: skip
STEPS = {"series": "int64", "at": "int64", "value": "float64", "weight": "float64"}
VALUES = {"group": "int64", "at": "int64", "value": "float64"}
RISING = {"increase", "rate"}
GROWING = {*RISING, "sum", "count"}  # as a step goes on
BEFORE = 5 * MINUTE  # how far back the sample is looked for from which the first step has risen


class Wanted(NamedTuple):
    """Which series: by name, by the service they came from, by project, by labels that they have. "" is any."""

    name: str = ""
    source: str = ""
    project: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def find(store: Store, actor: Actor, wanted: Wanted) -> pd.DataFrame:
    """The series that the actor may see, by name, labels, source and project; none is no row.

    Columns: series int64; name, project ("" for none), source str; labels object: a dict, without the marks; interval
    float64 s; simulated bool; gone bool: nothing new comes any more. What a service reports of its own past is left
    out.
    """
    names = (wanted.name,) if wanted.name else ()
    rows = samples.catalogue(store, wanted.source or None, names, project=wanted.project or None)
    seen = [row for row in observed(rows) if actor.sees(row.project) and actor.sees(row.of_target)]
    records = [
        {
            "series": row.id, "name": row.name, "labels": labels, "project": row.project, "source": row.target,
            "interval": row.interval_ms / 1000, "simulated": is_simulated(row), "gone": bool(row.gone),
        }
        for row, labels in ((row, labels_of(row.labels)) for row in seen)
        if all(labels.get(name) == value for name, value in wanted.labels)
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(FOUND)).astype(FOUND)


def labels_of(text: str) -> dict[str, str]:
    return {name: value for name, value in json.loads(text) if name not in HIDDEN}


def steps(
    store: Store, ids: Sequence[int], window: Window, step_ms: int, aggregate: Aggregate, *, now: Instant
) -> pd.DataFrame:
    """Each series in steps of `step_ms`, which begin at multiples of it since 1970 UTC; a step without a sample has no
    row, and the first and the last are whole. Long in time order a series.

    Columns: series int64; at int64 ms: where the step begins; value float64; weight float64: the number of samples,
    by which means may be averaged. `increase` and `rate` (a second) take a fall for a restart. What grows while a step
    goes on is told of those that are over at `now`: a half would look like a fall.
    """
    first = window.since // step_ms * step_ms
    before = -(-BEFORE // step_ms) * step_ms if aggregate in RISING else 0
    read = rollups.read(store, ids, Window(first - before, window.until), step_ms)
    parts = [
        pd.DataFrame({"series": key, "at": found.at, "value": valued(found, aggregate, step_ms), "weight": found.count})
        for key, found in read.items()
    ]
    df = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(STEPS))
    df = df[df["at"] >= first]
    if aggregate in GROWING:
        df = df[df["at"] + step_ms <= now]
    return df.astype(STEPS).reset_index(drop=True)


def valued(rolled: Rolled, aggregate: Aggregate, step_ms: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    if aggregate == "avg":
        return rolled.sum / rolled.count
    if aggregate == "rate":
        return rolled.increase * 1000 / step_ms
    column: np.ndarray[tuple[int], np.dtype[np.float64]] = getattr(rolled, aggregate).astype(np.float64)
    return column


def grouped(found: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """The group of each series of `find`, int64 from 0: those of one name that have the same labels `by`, project and
    source among them. What is simulated is never in a group with what is not."""
    known = {"project": found["project"], "source": found["source"]}
    keys = [known[one] if one in known else found["labels"].map(lambda had, one=one: had.get(one, "")) for one in by]
    return found.groupby([found["name"], found["simulated"], *keys], sort=False).ngroup().astype("int64")


def values(df: pd.DataFrame, groups: pd.Series, across: Across) -> pd.DataFrame:
    """The rows of `steps` brought together, a step of a group a row, in time order.

    `groups` is int64 by series. Columns: group int64; at int64 ms; value float64. An average is that of all samples:
    one of averages would count a service that is asked rarely as much as one that is asked often.
    """
    df = df.assign(group=df["series"].map(groups), weighted=df["value"] * df["weight"])
    by = df.groupby(["group", "at"], sort=True)
    value = by["weighted"].sum() / by["weight"].sum() if across == "avg" else by["value"].agg(across)
    return value.rename("value").reset_index().astype(VALUES)


def silences(store: Store, found: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Why there is nothing where there is nothing: the stretches of `window` in which a source of `found` did not
    answer, or nobody asked. In time order a source and project.

    Columns: source, project str; since, until int64 ms; cause str.
    """
    parts = [
        gaps(store, source, window, project=project).assign(source=source, project=project)
        for source, project in found[["source", "project"]].drop_duplicates().itertuples(index=False)
    ]
    columns = {"source": "str", "project": "str", "since": "int64", "until": "int64", "cause": "str"}
    df = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))
    return df[list(columns)].astype(columns)
