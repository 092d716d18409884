"""Roll-ups: samples of closed days in buckets, from which a long range is drawn and computed.

Five minutes with a row a series and week, an hour with a row a series and month. They are written in the transaction
that packs the day, so they always say what the day's samples say. What has come for a closed day since then is still in
rows or hours; such a day is read from its samples.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from observatory.model import DAY, HOUR, MINUTE, Instant, Window
from observatory.store import samples
from observatory.store.buckets import (
    NOTHING,
    Rolled,
    coarser,
    crossed,
    day_of,
    days_in,
    decode,
    encode,
    joined,
    roll,
    within,
    without,
)
from observatory.store.engine import Store
from observatory.store.samples import Column, Day, column
from observatory.store.schema import rollups

__all__ = ["Rolled", "read"]

FINE, COARSE = 5 * MINUTE, HOUR
WEEK = 7 * DAY
SPAN = {FINE: WEEK, COARSE: 31 * DAY}  # the most that a row holds


def read(store: Store, ids: Sequence[int], window: Window, step_ms: int) -> dict[int, Rolled]:
    """The samples of each series in buckets of `step_ms`, every one counted once.

    Buckets are whole: those at the edges of `window` count what lies in them outside of it, too. Unknown ids are
    absent, silent ones are empty. Of days whose samples are forgotten, a step sees what it is a multiple of: five
    minutes while those are kept, hours for as long as anything is.
    """
    wide = whole(window, step_ms)
    level = next((level for level in (COARSE, FINE) if step_ms % level == 0), None)
    if level is None:
        raw = samples.read(store, ids, wide)
        return {key: crossed(roll(*found, step_ms)) for key, found in raw.items()}
    with store.read() as connection:
        loose = samples.loose(connection, ids, wide)
        rolled = stored(connection, list(loose), level, wide)
        again = reopened(connection, loose, rolled)
    found = {
        key: together(late, rolled.get(key, NOTHING), again.get(key, []), level, wide) for key, late in loose.items()
    }
    return {key: crossed(coarser(fine, step_ms)) for key, fine in found.items()}


def whole(window: Window, step_ms: int) -> Window:
    """`window`, widened to whole buckets."""
    return Window(window.since // step_ms * step_ms, -(-window.until // step_ms) * step_ms)


def stored(connection: Connection, ids: Sequence[int], level: int, window: Window) -> dict[int, Rolled]:
    """The buckets in every row that touches `window`."""
    found: dict[int, list[Rolled]] = {}
    query = (
        select(rollups.c.series_id, rollups.c.buckets)
        .where(rollups.c.series_id.in_(ids), rollups.c.step_ms == level)
        .where(rollups.c.since_ms > window.since - SPAN[level], rollups.c.since_ms < window.until)
        .order_by(rollups.c.series_id, rollups.c.since_ms)
    )
    for row in connection.execute(query):
        found.setdefault(row.series_id, []).append(decode(row.buckets, level))
    return {key: joined(parts) for key, parts in found.items()}


def reopened(connection: Connection, loose: Mapping[int, Column], rolled: Mapping[int, Rolled]) -> dict[int, list[Day]]:
    """The packed samples of the days that are rolled up and for which something came later."""
    late = {key: [day for day in days_in(loose[key].at) if holds(buckets, day)] for key, buckets in rolled.items()}
    late = {key: days for key, days in late.items() if days}
    if not late:
        return {}
    span = Window(min(days[0] for days in late.values()), max(days[-1] for days in late.values()) + DAY)
    packed = samples.days(connection, list(late), span)
    return {key: [day for day in packed.get(key, []) if day[0] in days] for key, days in late.items()}


def holds(rolled: Rolled, day: Instant) -> bool:
    return len(within(rolled, Window(day, day + DAY)).at) > 0


def together(loose: Column, rolled: Rolled, again: Sequence[Day], level: int, window: Window) -> Rolled:
    """Buckets of `level` of one series, cut to `window`.

    What came late for a day counts together with the day's samples, and not at all when they are forgotten: then
    nobody can tell whether the roll-up has it.
    """
    closed = without(rolled, [day for day, _ in again])
    dropped = [day for day in days_in(loose.at) if holds(closed, day)]
    told = ~np.isin(day_of(loose.at), dropped) if dropped else slice(None)
    fresh = column([blob for _, blob in again], Column(loose.at[told], loose.value[told]), window)
    return joined([within(closed, window), roll(*fresh, level)])


def row_start(level: int, day: Instant) -> Instant:
    """Where the row of `level` begins that `day` lies in."""
    if level == FINE:
        return day // WEEK * WEEK
    return int(np.datetime64(day, "ms").astype("M8[M]").astype("M8[ms]").astype(np.int64))


def around(connection: Connection, ids: Sequence[int], day: Instant) -> dict[tuple[int, int], Rolled]:
    """What stands in the rows in which `day` lies, by series and level; absent where there is none."""
    query = select(rollups.c.series_id, rollups.c.step_ms, rollups.c.buckets).where(
        rollups.c.series_id.in_(ids), rows_of(day)
    )
    return {(row.series_id, row.step_ms): decode(row.buckets, row.step_ms) for row in connection.execute(query)}


def rows_of(day: Instant) -> ColumnElement[bool]:
    return or_(*((rollups.c.step_ms == level) & (rollups.c.since_ms == row_start(level, day)) for level in SPAN))


def store_day(
    connection: Connection,
    day: Instant,
    columns: Mapping[int, Column],
    there: Mapping[tuple[int, int], Rolled],
) -> None:
    """Write what is in the samples of a day, in place of what was there. `there` is what `around` answered."""
    connection.execute(delete(rollups).where(rollups.c.series_id.in_(list(columns)), rows_of(day)))
    rows = []
    for key, of_day in columns.items():
        rolled = roll(*of_day, FINE)
        for level in SPAN:
            others = there.get((key, level), NOTHING)
            buckets = joined([without(others, [day]), coarser(rolled, level)])
            rows.append(row_of(key, level, row_start(level, day), buckets))
    written = [row for row in rows if row["count"]]
    if written:
        connection.execute(insert(rollups), written)


def row_of(key: int, level: int, since: Instant, rolled: Rolled) -> dict[str, object]:
    blob = encode(rolled, level) if len(rolled.at) else b""
    return {
        "series_id": key, "step_ms": level, "since_ms": since, "count": int(rolled.count.sum()), "buckets": blob
    }  # fmt: skip
