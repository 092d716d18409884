"""Live, late, stale, gone: what decides, at and around every limit."""

import pytest

from observatory import freshness
from observatory.model import Cause, Instant, State
from tests.support.clock import NOON

NEVER = None


def ago(seconds: float) -> Instant:
    return NOON - round(seconds * 1000)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        (0, State.LIVE),
        (15, State.LIVE),
        (15.001, State.LATE),
        (30, State.LATE),
        (30.001, State.STALE),
        (86_400, State.STALE),
        (-5, State.LIVE),  # measured "in the future": their clock is ahead by less than we can know
    ],
)
def test_a_value_ages_by_its_interval(seconds: float, state: State) -> None:
    assert freshness.value_state(ago(seconds), 10.0, NOON) is state


def test_a_slower_value_may_be_older() -> None:
    assert freshness.value_state(ago(40), 10.0, NOON) is State.STALE
    assert freshness.value_state(ago(40), 30.0, NOON) is State.LIVE


def test_a_value_of_something_that_is_gone_is_gone_however_young() -> None:
    assert freshness.value_state(ago(0), 10.0, NOON, gone=True) is State.GONE


def test_an_age_is_never_negative_and_unknown_when_nothing_was_measured() -> None:
    assert freshness.age(ago(2.5), NOON) == 2.5
    assert freshness.age(ago(-3), NOON) == 0
    assert freshness.age(NEVER, NOON) is None


@pytest.mark.parametrize(
    ("measured", "cause", "state"),
    [
        (ago(1), None, State.LIVE),
        (ago(20), None, State.LATE),
        (ago(31), None, State.STALE),
        (ago(1), Cause.TIMEOUT, State.DOWN),
        (ago(900), Cause.HTTP_ERROR, State.DOWN),
        (NEVER, None, State.UNKNOWN),
        (NEVER, Cause.UNREACHABLE, State.UNKNOWN),
        (NEVER, Cause.TIMEOUT, State.UNKNOWN),
        (NEVER, Cause.HTTP_ERROR, State.DOWN),
        (NEVER, Cause.REJECTED, State.DOWN),
        (NEVER, Cause.MALFORMED, State.DOWN),
    ],
)
def test_the_state_of_a_target(measured: Instant | None, cause: Cause | None, state: State) -> None:
    assert freshness.target_state(measured, 10.0, NOON, cause=cause) is state


def test_paused_says_more_than_gone_and_gone_more_than_down() -> None:
    for measured, cause in ((ago(1), None), (NEVER, Cause.TIMEOUT), (ago(1), Cause.HTTP_ERROR)):
        assert freshness.target_state(measured, 10.0, NOON, cause=cause, gone=True) is State.GONE
        assert freshness.target_state(measured, 10.0, NOON, cause=cause, paused=True, gone=True) is State.PAUSED
