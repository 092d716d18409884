"""Reading samples back: days and hours for what is older, packed scrapes for what is recent, seen as one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, select

from observatory.model import DAY, HOUR, Instant, Window
from observatory.store.engine import Store
from observatory.store.points import Points, decompress, last_of_each, unpack
from observatory.store.schema import chunks, day_chunks, projects, readings, scrapes, series, targets
from observatory.store.sql import AnyRow


class Column(NamedTuple):
    """One series in time order: `at` int64 milliseconds, `value` float64, of one length, maybe 0."""

    at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


SILENT = Column(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
Day = tuple[Instant, bytes]  # where it begins, and its samples


def read(store: Store, ids: Sequence[int], window: Window) -> dict[int, Column]:
    """The samples of each series within `window`, every one once. Unknown ids are absent, silent ones are empty."""
    with store.read() as connection:
        late = loose(connection, ids, window)
        packed = days(connection, list(late), window)
    return {key: column([blob for _, blob in packed.get(key, [])], new, window) for key, new in late.items()}


def loose(connection: Connection, ids: Sequence[int], window: Window) -> dict[int, Column]:
    """The same, of what is not packed into days (yet, or again because it came late)."""
    if not ids:
        return {}
    wanted = sorted(set(ids))
    query = select(series.c.id, series.c.target_id, series.c.project).where(series.c.id.in_(wanted))
    known = connection.execute(query).all()
    old = hours(connection, wanted, window)
    new = recent(connection, {(row.target_id, row.project) for row in known}, window, wanted)
    starts, ends = (np.searchsorted(new["series"], wanted, side) for side in ("left", "right"))
    parts = {key: new[start:end] for key, start, end in zip(wanted, starts, ends, strict=True)}
    return {row.id: column(old.get(row.id, []), of(parts[row.id]), window) for row in known}


def of(points: Points) -> Column:
    return Column(points["at"].astype(np.int64), points["value"].astype(np.float64))


def hours(connection: Connection, ids: Sequence[int], window: Window) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    query = (
        select(chunks.c.series_id, chunks.c.points)
        .where(chunks.c.series_id.in_(ids))
        .where(chunks.c.hour_ms > window.since - HOUR, chunks.c.hour_ms < window.until)
        .order_by(chunks.c.series_id, chunks.c.hour_ms)
    )
    for row in connection.execute(query):
        found.setdefault(row.series_id, []).append(row.points)
    return found


def days(connection: Connection, ids: Sequence[int], window: Window) -> dict[int, list[Day]]:
    found: dict[int, list[Day]] = {}
    query = (
        select(day_chunks.c.series_id, day_chunks.c.day_ms, day_chunks.c.points)
        .where(day_chunks.c.series_id.in_(ids))
        .where(day_chunks.c.day_ms > window.since - DAY, day_chunks.c.day_ms < window.until)
        .order_by(day_chunks.c.series_id, day_chunks.c.day_ms)
    )
    for row in connection.execute(query):
        found.setdefault(row.series_id, []).append((row.day_ms, row.points))
    return found


def recent(connection: Connection, sources: set[tuple[int, str]], window: Window, ids: Sequence[int]) -> Points:
    """Records still in rows. A row may hold points older than its scrape (reported history), so its start says
    nothing about them; rows are few, they are all looked at.
    """
    blobs: list[bytes] = []
    for target, project in sorted(sources):
        query = (
            select(scrapes.c.points)
            .where(scrapes.c.target_id == target, scrapes.c.project == project, scrapes.c.count > 0)
            .where(scrapes.c.started_ms >= window.since - HOUR)
            .order_by(scrapes.c.received_ms, scrapes.c.id)
        )
        blobs += connection.execute(query).scalars()
    points = unpack(*blobs)
    return last_of_each(points[np.isin(points["series"], ids)])


def column(old: Sequence[bytes], new: Column, window: Window) -> Column:
    """What is in `old` and `new` together, cut to `window`; of two at one instant the later in this order wins."""
    parts = [*(decompress(blob) for blob in old), new]
    at = np.concatenate([part[0] for part in parts])
    value = np.concatenate([part[1] for part in parts])
    if not (at[1:] > at[:-1]).all():
        at, value = merged(at, value)
    start, end = np.searchsorted(at, [window.since, window.until])
    return Column(at[start:end], value[start:end])


def merged(
    at: npt.NDArray[np.int64], value: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """In time order, each instant once: the later entry wins."""
    order = np.lexsort((np.arange(len(at)), at))
    at, value = at[order], value[order]
    last = np.append(at[1:] != at[:-1], True)[: len(at)]
    return at[last], value[last]


def catalogue(
    store: Store, target: str | None, names: Sequence[str] = (), *, project: str | None = None
) -> Sequence[AnyRow]:
    """Series of a target, or of all for None, by name, labels and target: id, name, project, labels (JSON pairs),
    target, interval_ms (of its newest reading), simulated, of_target: the project that the target itself belongs to,
    gone: whether the target or the series' project is. `names` cuts to those, `project` to one project's.
    """
    query = (
        select(series.c.id, series.c.name, series.c.project, series.c.labels)
        .add_columns(targets.c.name.label("target"), targets.c.simulated)
        .add_columns(func.coalesce(readings.c.interval_ms, targets.c.interval_ms).label("interval_ms"))
        .add_columns(targets.c.project.label("of_target"))
        .add_columns((targets.c.gone_ms.is_not(None) | projects.c.gone_ms.is_not(None)).label("gone"))
        .join(targets, targets.c.id == series.c.target_id)
        .outerjoin(readings, (readings.c.target_id == series.c.target_id) & (readings.c.project == series.c.project))
        .outerjoin(projects, (projects.c.target_id == series.c.target_id) & (projects.c.id == series.c.project))
        .order_by(series.c.name, series.c.labels, targets.c.name, series.c.project)
    )
    if target is not None:
        query = query.where(targets.c.name == target)
    if names:
        query = query.where(series.c.name.in_(names))
    if project is not None:
        query = query.where(series.c.project == project)
    with store.read() as connection:
        return connection.execute(query).all()


class Latest(NamedTuple):
    """The newest points of a target and its projects, and what the readings they came with say."""

    points: dict[int, tuple[Instant, float]]
    readings: dict[str, AnyRow]  # by project


def latest(store: Store, target: str) -> Latest:
    query = select(readings).join(targets, targets.c.id == readings.c.target_id).where(targets.c.name == target)
    with store.read() as connection:
        rows = {row.project: row for row in connection.execute(query)}
    points = unpack(*(row.points for row in rows.values()))
    by_series = zip(points["series"].tolist(), points["at"].tolist(), points["value"].tolist(), strict=True)
    return Latest({key: (at, value) for key, at, value in by_series}, rows)


def by_target(store: Store, name: str) -> dict[str, int]:
    """The id of the series `name` that belongs to no project, by target."""
    query = (
        select(targets.c.name, series.c.id)
        .join(targets, targets.c.id == series.c.target_id)
        .where(series.c.name == name, series.c.project == "")
        .order_by(series.c.id)
    )
    with store.read() as connection:
        return {row.name: row.id for row in connection.execute(query)}


def newest(store: Store, ids: Sequence[int]) -> dict[int, tuple[Instant, float]]:
    """The newest point of each series that has one."""
    query = (
        select(readings.c.points)
        .join(series, (series.c.target_id == readings.c.target_id) & (series.c.project == readings.c.project))
        .where(series.c.id.in_(ids))
        .distinct()
    )
    with store.read() as connection:
        points = unpack(*connection.execute(query).scalars())
    mine = points[np.isin(points["series"], ids)]
    return {int(point["series"]): (int(point["at"]), float(point["value"])) for point in mine}


def owners(store: Store, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """For each series that exists, the project it belongs to and the project its target belongs to ("" for none)."""
    query = (
        select(series.c.id, series.c.project, targets.c.project.label("of_target"))
        .join(targets, targets.c.id == series.c.target_id)
        .where(series.c.id.in_(ids))
    )
    with store.read() as connection:
        return {row.id: (row.project, row.of_target) for row in connection.execute(query)}
