"""Roll-ups: samples of closed days in buckets, from which a long range is drawn and computed.

Five minutes with a row a series and day, an hour with a row a series and month. They are written in the transaction
that packs the day, so they always say what the day's samples say. What has come for a closed day since then is still in
rows or hours; such a day is read from its samples.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from observatory.model import DAY, HOUR, MINUTE, Instant, Window
from observatory.store import samples
from observatory.store.buckets import NOTHING, Ints, Rolled, chosen, coarser, crossed, decode, encode, joined, roll
from observatory.store.engine import Store
from observatory.store.samples import Column, Day, column
from observatory.store.schema import rollups

__all__ = ["Rolled", "read"]

FINE, COARSE = 5 * MINUTE, HOUR
SPAN = {FINE: DAY, COARSE: 31 * DAY}  # the most that a row holds


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
    late = {key: np.intersect1d(day_of(loose[key].at), day_of(buckets.at)) for key, buckets in rolled.items()}
    late = {key: found for key, found in late.items() if len(found)}
    if not late:
        return {}
    span = Window(min(int(found[0]) for found in late.values()), max(int(found[-1]) for found in late.values()) + 1)
    packed = samples.days(connection, list(late), span)
    return {key: [day for day in packed.get(key, []) if day[0] in found] for key, found in late.items()}


def together(loose: Column, rolled: Rolled, again: Sequence[Day], level: int, window: Window) -> Rolled:
    """Buckets of `level` of one series, cut to `window`.

    What came late for a day counts together with the day's samples, and not at all when they are forgotten: then
    nobody can tell whether the roll-up has it.
    """
    open_days = [day for day, _ in again]
    closed = chosen(rolled, ~np.isin(day_of(rolled.at), open_days))
    told = ~np.isin(day_of(loose.at), day_of(closed.at))
    fresh = column([blob for _, blob in again], Column(loose.at[told], loose.value[told]), window)
    inside = (closed.at >= window.since) & (closed.at < window.until)
    return joined([chosen(closed, inside), roll(*fresh, level)])


def day_of(at: Ints) -> Ints:
    return at // DAY * DAY


def month_of(day: Instant) -> Instant:
    """Where the month begins that `day` lies in."""
    return int(np.datetime64(day, "ms").astype("M8[M]").astype("M8[ms]").astype(np.int64))


def of_month(connection: Connection, ids: Sequence[int], day: Instant) -> dict[int, Rolled]:
    """The hours of the month in which `day` lies, of series that have any."""
    query = select(rollups.c.series_id, rollups.c.buckets).where(
        rollups.c.series_id.in_(ids), rollups.c.step_ms == COARSE, rollups.c.since_ms == month_of(day)
    )
    return {row.series_id: decode(row.buckets, COARSE) for row in connection.execute(query)}


def store_day(
    connection: Connection, day: Instant, columns: Mapping[int, Column], months: Mapping[int, Rolled]
) -> None:
    """Write what is in the samples of a day, in place of what was there. `months` is what `of_month` answered."""
    month, ids = month_of(day), list(columns)
    old = (rollups.c.step_ms == FINE) & (rollups.c.since_ms == day)
    old |= (rollups.c.step_ms == COARSE) & (rollups.c.since_ms == month)
    connection.execute(delete(rollups).where(rollups.c.series_id.in_(ids), old))
    rows = []
    for key, samples_ in columns.items():
        fine = roll(*samples_, FINE)
        others = months.get(key, NOTHING)
        hours = joined([chosen(others, day_of(others.at) != day), coarser(fine, COARSE)])
        rows += [row_of(key, FINE, day, fine), row_of(key, COARSE, month, hours)]
    written = [row for row in rows if row["count"]]
    if written:
        connection.execute(insert(rollups), written)


def row_of(key: int, level: int, since: Instant, rolled: Rolled) -> dict[str, object]:
    blob = encode(rolled, level) if len(rolled.at) else b""
    return {
        "series_id": key, "step_ms": level, "since_ms": since, "count": int(rolled.count.sum()), "buckets": blob
    }  # fmt: skip
