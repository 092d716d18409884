"""Buckets of samples: how they are made, put together, and written as bytes."""

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from observatory.model import DAY, Instant, Window
from observatory.store.points import shrink, unshrink

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Buckets, the first one's begin, the lowest count, which columns follow from others, and the lengths of the five parts.
HEAD = struct.Struct("<IqIB5I")
MIN_IS_FIRST, MAX_IS_LAST = 1, 2  # as in every counter


class Rolled(NamedTuple):
    """Buckets of one series in time order, none of them empty; columns of one length, maybe 0.

    NaN counts as no sample. `increase` is for counters: how far each sample lies above the one before it, whichever
    bucket that is in, and after a reset above zero; the first of all knows none before it.
    """

    at: Ints  # where the bucket begins, milliseconds, a multiple of the step since 1970 UTC
    count: Ints  # type: ignore[assignment]  # a tuple has a method of that name, which nobody needs here
    min: Floats
    max: Floats
    sum: Floats
    first: Floats
    last: Floats
    increase: Floats


def roll(at: Ints, value: Floats, step_ms: int) -> Rolled:
    """Samples, in time order and each instant once, as buckets; `increase` within each."""
    there = ~np.isnan(value)
    at, value = at[there], value[there]
    one = np.ones(len(at), dtype=np.int64)
    return coarser(Rolled(at, one, value, value, value, value, value, np.zeros(len(at))), step_ms)


def coarser(fine: Rolled, step_ms: int) -> Rolled:
    """Buckets of `fine` put together; `increase` within each, from the end of one fine bucket to the next too."""
    if not len(fine.at):
        return fine
    start = fine.at // step_ms * step_ms
    head = np.flatnonzero(np.append(True, start[1:] != start[:-1]))
    between = rises(fine)
    between[head] = 0.0
    return Rolled(
        start[head],
        np.add.reduceat(fine.count, head),
        np.minimum.reduceat(fine.min, head),
        np.maximum.reduceat(fine.max, head),
        np.add.reduceat(fine.sum, head),
        fine.first[head],
        fine.last[np.append(head[1:], len(start)) - 1],
        np.add.reduceat(fine.increase + between, head),
    )


def crossed(rolled: Rolled) -> Rolled:
    """`increase` with the way from the last sample of the bucket before."""
    return rolled._replace(increase=rolled.increase + rises(rolled))


def rises(rolled: Rolled) -> Floats:
    """How far each bucket's first sample lies above the last one of the bucket before; 0 for the first."""
    steps = rolled.first[1:] - rolled.last[:-1]
    return np.concatenate([np.zeros(min(1, len(rolled.at))), np.where(steps < 0, rolled.first[1:], steps)])


def joined(parts: Sequence[Rolled]) -> Rolled:
    """Buckets of one step that are all different, in time order."""
    filled = [part for part in parts if len(part.at)]
    if len(filled) < 2:
        return filled[0] if filled else NOTHING
    rolled = Rolled._make(np.concatenate(column) for column in zip(*filled, strict=True))
    if (rolled.at[1:] > rolled.at[:-1]).all():
        return rolled
    order = np.argsort(rolled.at, kind="stable")
    return Rolled._make(column[order] for column in rolled)


def within(rolled: Rolled, window: Window) -> Rolled:
    """The buckets that begin in `window`."""
    start, end = np.searchsorted(rolled.at, [window.since, window.until])
    return Rolled._make(column[start:end] for column in rolled)


def without(rolled: Rolled, days: Sequence[Instant]) -> Rolled:
    """The buckets of other days than these."""
    if not days:
        return rolled
    kept = ~np.isin(day_of(rolled.at), days)
    return Rolled._make(column[kept] for column in rolled)


def days_in(at: Ints) -> list[Instant]:
    """The days (UTC) in which instants or buckets lie, by where they begin."""
    days: list[Instant] = np.unique(day_of(at)).tolist() if len(at) else []
    return days


def day_of(at: Ints) -> Ints:
    return at // DAY * DAY


_INTS, _FLOATS = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
NOTHING = Rolled(_INTS, _INTS, *[_FLOATS] * 6)


def encode(rolled: Rolled, step_ms: int) -> bytes:
    """Buckets, at least one, as a blob: what follows from another column takes no room and no time to read."""
    n, start, count = len(rolled.at), int(rolled.at[0]), int(rolled.count[0])
    flags = MIN_IS_FIRST * np.array_equal(rolled.min, rolled.first)
    flags |= MAX_IS_LAST * np.array_equal(rolled.max, rolled.last)
    ends = [rolled.first, rolled.last]
    ends += [] if flags & MIN_IS_FIRST else [rolled.min]
    ends += [] if flags & MAX_IS_LAST else [rolled.max]
    parts = [
        unless(rolled.at, start + step_ms * np.arange(n)),
        unless(rolled.count, np.full(n, count)),
        shrink(np.concatenate(ends)),
        unless(rolled.sum, rolled.last * rolled.count),
        unless(rolled.increase, rolled.last - rolled.first),
    ]
    return HEAD.pack(n, start, count, flags, *map(len, parts)) + b"".join(parts)


def unless(column: Ints | Floats, expected: Ints | Floats) -> bytes:
    return b"" if np.array_equal(column, expected) else shrink(column)


def decode(blob: bytes, step_ms: int) -> Rolled:
    n, start, count, flags, *lengths = HEAD.unpack_from(blob)
    edges = np.cumsum([HEAD.size, *lengths]).tolist()
    at, counts, ends, sums, rise = (blob[a:b] for a, b in pairwise(edges))
    first, last, *rest = unshrink(ends).reshape(-1, n)
    low = first if flags & MIN_IS_FIRST else rest[0]
    high = last if flags & MAX_IS_LAST else rest[-1]
    number = unshrink(counts) if counts else np.full(n, count)
    return Rolled(
        unshrink(at) if at else start + step_ms * np.arange(n),
        number,
        low,
        high,
        unshrink(sums) if sums else last * number,
        first,
        last,
        unshrink(rise) if rise else last - first,
    )
