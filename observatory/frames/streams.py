"""The WebSockets of Bridges: heard, silent or down, and what came over them."""

import json

import pandas as pd

from observatory.model import Actor, Cause, Instant, StreamState
from observatory.store import streams
from observatory.store.engine import Store
from observatory.store.sql import AnyRow

UNCHECKED_MS = 30_000  # a collector at work looks every 10 s
CURRENT = {"target": "str", "state": "str", "since": "int64", "heard": "Int64", "cause": "str", "partial": "bool"}
COUNTS = {"target": "str", "unused": "bool", "what": "str", "frames": "int64"}


def current(store: Store, actor: Actor, now: Instant) -> pd.DataFrame:
    """How the streams of the targets are that the actor may see, by target. Targets without one are absent.

    Columns: target, state str; since int64 ms: when the state began, of a silent stream since when nothing was heard;
    heard Int64 ms: the last frame that told something; cause str: why it, or a part of it, is down, "" when nothing
    is; partial bool: some projects have a connection of their own which is worse than this. While no collector looks,
    a stream is down with the cause `observer_off`.
    """
    records = [described(row, now) for row in streams.current(store) if actor.sees(row.project)]
    return pd.DataFrame(records, columns=list(CURRENT)).astype(CURRENT)


def described(row: AnyRow, now: Instant) -> dict[str, object]:
    if now - row.checked_ms > UNCHECKED_MS:
        told = (StreamState.DOWN.value, row.checked_ms, row.heard_ms, Cause.OBSERVER_OFF.value, False)
    else:
        told = (row.state, row.since_ms, row.heard_ms, row.cause, row.partial)
    return dict(zip(CURRENT, (row.target, *told), strict=True))


def counts(store: Store) -> pd.DataFrame:
    """Frames that came over each stream since the collector began, by target.

    Columns: target str; unused bool; what str: the type of the frames, or of unused ones the reason; frames int64.
    A frame that is counted as unused is counted by its type as well.
    """
    records = [
        (row.target, unused, what, number)
        for row in streams.current(store)
        for unused, told in ((False, row.counts), (True, row.unused))
        for what, number in sorted(json.loads(told).items())
    ]
    return pd.DataFrame(records, columns=list(COUNTS)).astype(COUNTS)


def opened(store: Store) -> dict[str, int]:
    """How often each stream's connection was open since the collector began, by target."""
    return {row.target: row.opened for row in streams.current(store)}
