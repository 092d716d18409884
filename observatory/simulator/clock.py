"""The simulator's clock: the real one, or one that stands still until it is set."""

import time
from datetime import UTC, datetime
from functools import lru_cache


class Clock:
    def __init__(self, frozen_at: int | None = None) -> None:
        self.frozen_at = frozen_at

    @property
    def frozen(self) -> bool:
        return self.frozen_at is not None

    def now(self) -> int:
        """Epoch milliseconds."""
        frozen_at = self.frozen_at
        return time.time_ns() // 1_000_000 if frozen_at is None else frozen_at

    def set(self, now: int | None) -> None:
        """Stand still at `now`, or with None go along with the real time again."""
        self.frozen_at = now


@lru_cache(maxsize=8192)
def iso(t: int) -> str:
    """`2025-09-02T07:15:00.000Z`."""
    return f"{naive(t)}Z"


def naive(t: int) -> str:
    """ISO 8601 in UTC that does not say so."""
    seconds, ms = divmod(t, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03d}"


@lru_cache(maxsize=64)
def http_date(second: int) -> str:
    """The form of the `Date` header, in English whatever the locale."""
    at = time.gmtime(second)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[at.tm_wday]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[at.tm_mon - 1]
    return f"{day}, {at.tm_mday:02d} {month} {at.tm_year} {time.strftime('%H:%M:%S', at)} GMT"


def parse_instant(text: str) -> int:
    """Epoch milliseconds from a number of them or from ISO 8601; without a zone it is UTC. Raises ValueError."""
    if text.lstrip("-").isdecimal():
        return int(text)
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
