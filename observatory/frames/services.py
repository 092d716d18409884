"""Targets: how they are now, how they were, what each scrape said."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from observatory import freshness
from observatory.model import Actor, Cause, Instant, State, Window
from observatory.store import runs, samples, scrapes, targets
from observatory.store.engine import Store
from observatory.store.sql import AnyRow

WORST_FIRST = [State.DOWN, State.STALE, State.LATE, State.UNKNOWN, State.LIVE, State.PAUSED, State.GONE]
CURRENT = {
    "name": "str", "kind": "str", "url": "str", "origin": "str", "interval": "float64", "paused": "bool",
    "simulated": "bool", "project": "str", "measured": "Int64", "received": "Int64", "latency": "float64",
    "cause": "str", "detail": "str", "health": "str", "version": "str", "since": "Int64", "skew": "float64",
    "state": "str", "latency_series": "Int64", "gone": "Int64", "checked": "Int64", "also": "object",
}  # fmt: skip
UNCHARGED = [Cause.PAUSED.value, Cause.MAINTENANCE.value, Cause.OBSERVER_OFF.value]
BARS = {"target": "str", "cell": "int64", "since": "int64", "up": "float64", "observed": "float64", "cause": "str"}


def current(store: Store, actor: Actor, now: Instant) -> pd.DataFrame:
    """Every target the actor may see, worst first, then by name. Empty (with all columns) when there is none.

    Columns: name, kind, url, origin, project str; interval float64 s; paused, simulated bool; measured (of the last
    good answer, by our clock) and received Int64 ms; latency float64 s of the last scrape; cause, detail str ("" when
    it answered); health, version str as the service says; since Int64 ms: when the present outcome began; skew float64
    s: its clock minus ours, NaN when unknown; state str; latency_series Int64: its `scrape_duration_seconds`; gone
    Int64 ms: since when it is not watched any more; checked Int64 ms: when it last answered or failed to; also: list
    of (origin, name): who else names it, and how.
    """
    rows = [row for row in targets.current(store) if actor.sees(row.project)]
    latency = samples.by_target(store, "scrape_duration_seconds")
    records = [current_record(row, now, latency.get(row.name)) for row in rows]
    df = pd.DataFrame(records, columns=list(CURRENT)).astype(CURRENT)
    order = df["state"].map({state.value: rank for rank, state in enumerate(WORST_FIRST)})
    return df.assign(rank=order).sort_values(["rank", "name"], ignore_index=True).drop(columns="rank")


def current_record(row: AnyRow, now: Instant, latency_series: int | None) -> dict[str, object]:
    interval = row.interval_ms / 1000
    asked = row.gone_ms is None and not row.paused
    cause = Cause(row.cause) if row.cause and asked else None
    state = freshness.target_state(
        row.measured_ms, interval, now, cause=cause, paused=row.paused, gone=row.gone_ms is not None
    )
    return {
        "name": row.name, "kind": row.kind, "url": row.url, "origin": row.origin, "interval": interval,
        "paused": row.paused, "simulated": row.simulated, "project": row.project, "measured": row.measured_ms,
        "received": row.answered_ms, "latency": None if row.duration_ms is None else row.duration_ms / 1000,
        "cause": cause or "", "detail": row.detail or "", "health": row.health or "", "version": row.version or "",
        "since": row.gone_ms or row.since_ms, "skew": row.skew, "state": state.value, "latency_series": latency_series,
        "gone": row.gone_ms, "checked": row.received_ms, "also": json.loads(row.also),
    }  # fmt: skip


def outcomes(store: Store, names: Sequence[str], window: Window) -> pd.DataFrame:
    """Runs of outcomes clipped to `window`: target str, since, until Int64 ms, cause str ("" answered). By time."""
    rows = [
        (row.target, max(row.since_ms, window.since), min(row.until_ms, window.until), row.cause)
        for row in runs.within(store, names, window)
    ]
    columns = {"target": "str", "since": "int64", "until": "int64", "cause": "str"}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def charged(runs_: pd.DataFrame) -> pd.DataFrame:
    """Those of `outcomes` that tell how the target was, and not that somebody did not want to know."""
    return runs_[~runs_["cause"].isin(UNCHARGED)]


def uptime(store: Store, names: Sequence[str], window: Window) -> pd.DataFrame:
    """Share of `window` each target was seen up, in the order of `names`.

    Columns: target str, ratio float64 in [0, 1] or NaN when nothing was observed, observed float64 in [0, 1],
    down_seconds float64. A target that was never observed has observed 0. While it was paused nothing was observed.
    """
    df = charged(outcomes(store, names, window))
    lengths = df["until"] - df["since"]
    up = lengths.where(df["cause"] == "", 0).groupby(df["target"]).sum().reindex(list(names), fill_value=0)
    seen = lengths.groupby(df["target"]).sum().reindex(list(names), fill_value=0)
    return pd.DataFrame(
        {
            "target": pd.Series(list(names), dtype="str"),
            "ratio": (up / seen.where(seen > 0)).to_numpy(dtype="float64"),
            "observed": (seen / (window.until - window.since)).to_numpy(dtype="float64"),
            "down_seconds": ((seen - up) / 1000).to_numpy(dtype="float64"),
        }
    )


def bars(store: Store, names: Sequence[str], window: Window, cells: int = 96) -> pd.DataFrame:
    """The history of each target in `cells` equal stretches of `window`, by target in the order of `names`, then time.

    Columns: target str, cell int64, since int64 ms, up float64 in [0, 1] (share of the observed time it was up; NaN
    when nothing was observed), observed float64 in [0, 1], cause str: of most of the time it was not up, or why nothing
    was observed where somebody wanted it so.
    """
    df = outcomes(store, names, window)
    edges = np.linspace(window.since, window.until, cells + 1).astype(np.int64)
    by_target, none = dict(list(df.groupby("target"))), df.iloc[:0]
    parts = [cells_of(name, by_target.get(name, none), edges) for name in names]
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(BARS))).astype(BARS)


def cells_of(name: str, df: pd.DataFrame, edges: np.ndarray) -> pd.DataFrame:
    """The cells of one target; overlap of every run with every cell, (runs, cells) milliseconds."""
    since, until = df["since"].to_numpy()[:, None], df["until"].to_numpy()[:, None]
    overlap = np.clip(np.minimum(until, edges[1:]) - np.maximum(since, edges[:-1]), 0, None).astype(float)
    down, resting = (df["cause"] != "").to_numpy(), df["cause"].isin(UNCHARGED).to_numpy()
    seen = overlap[~resting].sum(axis=0)
    with np.errstate(invalid="ignore"):
        up = np.where(seen > 0, overlap[~down].sum(axis=0) / seen, np.nan)
    causes = df["cause"].to_numpy()
    told = np.where(seen > 0, longest(overlap, causes, down & ~resting), longest(overlap, causes, resting))
    return pd.DataFrame(
        {
            "target": name, "cell": np.arange(len(seen)), "since": edges[:-1], "up": up,
            "observed": seen / np.diff(edges), "cause": told,
        }
    )  # fmt: skip


def longest(overlap: np.ndarray, causes: np.ndarray, chosen: np.ndarray) -> list[str]:
    """For each cell the cause that the chosen runs give for most of it; "" where none of them lies in it."""
    part = overlap[chosen]
    if not part.size:
        return [""] * overlap.shape[1]
    return [
        causes[chosen][i] if most > 0 else "" for i, most in zip(part.argmax(axis=0), part.max(axis=0), strict=True)
    ]


def scrape_log(store: Store, actor: Actor, name: str, limit: int = 20) -> pd.DataFrame:
    """The newest scrapes of a target and the actor's projects first; successes of hours that are packed are absent.

    Columns: project str, started Int64 ms, duration float64 s, cause, detail str, samples int64.
    """
    rows = [
        (row.project, row.started_ms, (row.received_ms - row.started_ms) / 1000, row.cause, row.detail, row.count)
        for row in scrapes.log(store, name, limit, projects=None if actor.sees_all else actor.projects)
    ]
    columns = {
        "project": "str", "started": "int64", "duration": "float64", "cause": "str", "detail": "str", "samples": "int64"
    }  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)
