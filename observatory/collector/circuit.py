"""When a service is asked again: on its beat while it answers, less and less often while it does not.

Who throttles us sets the pause himself. A circuit is one service's own: no other is asked later for it.
"""

from collections.abc import Callable, Iterable

from observatory.model import Cause, Scrape

FAILURES_TO_BACK_OFF = 3
BACK_OFF_CAP, THROTTLE_CAP = 60.0, 900.0


class Circuit:
    """What the last readings of a service say of the next. `ticks` are milliseconds that only ever go on.

    `cause` says why it is open (`rejected`, `throttled`, `unreachable`, …), and is None while it is closed. It is
    tried again by the next reading, which closes it when it goes well.
    """

    def __init__(self, interval: float, ticks: Callable[[], int]) -> None:
        self.interval, self.ticks = interval, ticks
        self.failures = 0
        self.failure: Cause | None = None
        self.retry_after: float | None = None
        self.projects_until = 0

    def note(self, own: Scrape) -> None:
        """What came of a reading of the service itself."""
        self.failures = self.failures + 1 if own.cause else 0
        self.failure, self.retry_after = own.cause, own.retry_after

    def note_projects(self, read: Iterable[Scrape]) -> None:
        """A service may throttle what we ask about its projects, and nothing else: then only they have to wait."""
        pause = max((scrape.retry_after or 0.0 for scrape in read), default=0.0)
        if pause:
            self.projects_until = self.ticks() + round(min(pause, THROTTLE_CAP) * 1000)

    @property
    def cause(self) -> Cause | None:
        return self.failure if self.retry_after is not None or self.failures >= FAILURES_TO_BACK_OFF else None

    def wait(self) -> float:
        """Seconds from the start of the last reading to the next."""
        return delay(self.interval, self.failures, self.retry_after)

    def holds_projects(self) -> bool:
        """Whether the service has asked us to leave its projects alone for now."""
        return self.ticks() < self.projects_until


def delay(interval: float, failures: int, retry_after: float | None) -> float:
    """Seconds from the start of one reading to the next, after so many failures in a row.

    From the third on the pause doubles, up to a minute; a service that throttles us sets it, up to 15 minutes.
    """
    if retry_after is not None:
        return max(interval, min(retry_after, THROTTLE_CAP))
    if failures < FAILURES_TO_BACK_OFF:
        return interval
    doublings = min(failures - FAILURES_TO_BACK_OFF + 1, 10)  # past the cap whatever the interval
    return max(interval, min(interval * 2.0**doublings, BACK_OFF_CAP))
