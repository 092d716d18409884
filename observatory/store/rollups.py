"""Samples by the bucket: what a long range is drawn and computed from, without reading every sample of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from observatory.model import Window
from observatory.store import samples
from observatory.store.engine import Store

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Rolled(NamedTuple):
    """Buckets of one series in time order, none of them empty; columns of one length, maybe 0.

    NaN counts as no sample. `increase` is for counters: how far each sample lies above the one before it, whichever
    bucket that is in, and after a reset above zero; the first of all knows none before it.
    """

    at: Ints  # where the bucket begins, milliseconds, a multiple of the step since 1970 UTC
    count: Ints
    min: Floats
    max: Floats
    sum: Floats
    first: Floats
    last: Floats
    increase: Floats


def read(store: Store, ids: Sequence[int], window: Window, step_ms: int) -> dict[int, Rolled]:
    """The samples of each series in buckets of `step_ms`, every one counted once.

    Buckets are whole: those at the edges of `window` count what lies in them outside of it, too. Unknown ids are
    absent, silent ones are empty.
    """
    wide = whole(window, step_ms)
    return {
        key: crossed(roll(column.at, column.value, step_ms)) for key, column in samples.read(store, ids, wide).items()
    }


def whole(window: Window, step_ms: int) -> Window:
    """`window`, widened to whole buckets."""
    return Window(window.since // step_ms * step_ms, -(-window.until // step_ms) * step_ms)


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
