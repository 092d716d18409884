"""The stretches of time a viewer chooses from in the header."""

from observatory.model import DAY, HOUR, MINUTE, Instant, Window

DEFAULT = "24h"
SPANS = {"1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY}
WORDS = {"1h": "Last hour", "6h": "Last 6 hours", "24h": "Last 24 hours", "7d": "Last 7 days"}


def window(chosen: str | None, until: Instant) -> Window:
    """The chosen stretch up to `until`; what is not on offer means the default."""
    return Window(until - SPANS.get(chosen or DEFAULT, SPANS[DEFAULT]), until)


def day(until: Instant) -> Window:
    return Window(until - DAY, until)


def minutes(count: int, until: Instant) -> Window:
    return Window(until - count * MINUTE, until)


def offset(zone: object) -> int:
    """Milliseconds to add to an instant for the viewer's wall clock: the store `zone` is `{"name", "offset_ms"}`."""
    return int(zone.get("offset_ms", 0)) if isinstance(zone, dict) else 0
