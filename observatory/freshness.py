"""Live, late, stale, gone: the one place that decides. `now` is an argument.

The browser applies the same two limits between updates; `assets/public/freshness` tests hold both to this table.
"""

from observatory.model import Cause, Instant, State, StreamState

LIVE_INTERVALS = 1.5
LATE_INTERVALS = 3.0
HEARD_SECONDS = 35.0  # a Bridge tells the whole status of a project every 30 s


def age(measured: Instant | None, now: Instant) -> float | None:
    """Seconds since a value was measured at its source; None when it never was. Never negative."""
    return None if measured is None else max(0.0, (now - measured) / 1000)


def value_state(measured: Instant | None, interval: float, now: Instant, *, gone: bool = False) -> State:
    """State of a value measured at `measured` that is due every `interval` seconds."""
    if gone:
        return State.GONE
    seconds = age(measured, now)
    if seconds is None or measured is None:
        return State.UNKNOWN
    if measured > now + interval * 1000:
        return State.STALE  # our clock was set back: how old this is cannot be told
    if seconds <= LIVE_INTERVALS * interval:
        return State.LIVE
    return State.LATE if seconds <= LATE_INTERVALS * interval else State.STALE


def target_state(
    measured: Instant | None,
    interval: float,
    now: Instant,
    *,
    cause: Cause | None,
    paused: bool = False,
    gone: bool = False,
) -> State:
    """State of a target: paused, gone, unknown (never answered), down (the last scrape failed), else by age.

    A service that has only ever answered with an error did answer: it is down, not unknown.
    """
    if paused:
        return State.PAUSED
    if gone:
        return State.GONE
    if measured is None and cause in (None, Cause.UNREACHABLE, Cause.TIMEOUT):
        return State.UNKNOWN
    if cause is not None:
        return State.DOWN
    return value_state(measured, interval, now)


def stream_state(heard: Instant | None, now: Instant, *, connected: bool) -> StreamState:
    """State of a stream whose last frame that told something came at `heard`."""
    if not connected:
        return StreamState.DOWN
    return StreamState.HEARD if is_heard(heard, now) else StreamState.SILENT


def is_heard(heard: Instant | None, now: Instant) -> bool:
    seconds = age(heard, now)
    return seconds is not None and seconds <= HEARD_SECONDS
