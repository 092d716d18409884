"""A clock that goes only when it is told to."""

from observatory.model import Instant

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z


class Clock:
    """Call it for the time in milliseconds, as the product does. It starts at noon of 1 January 2026, UTC."""

    def __init__(self, now: Instant = NOON) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now

    def set(self, now: Instant) -> Instant:
        self.now = now
        return now

    def advance(self, seconds: float) -> Instant:
        """Let `seconds` pass (they may be negative); the new time."""
        self.now += round(seconds * 1000)
        return self.now
