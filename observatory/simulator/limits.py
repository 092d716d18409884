"""Rate limits: fixed windows by group and address (contract §2.0, §6.5)."""

from dataclasses import dataclass, field
from typing import NamedTuple

from observatory.simulator.clock import http_date, iso
from observatory.simulator.dialect import Dialect
from observatory.simulator.failure import Failure
from observatory.simulator.noise import MINUTE
from observatory.simulator.wire import Headers

GROUPS = {
    "auth": (5, 15 * MINUTE),
    "global": (100, 15 * MINUTE),
    "projects": (30, MINUTE),
    "agents": (60, MINUTE),
    "telemetry": (120, MINUTE),
}
MOST = 10_000  # windows kept


class Window(NamedTuple):
    limit: int
    remaining: int
    reset: int  # when the window ends, epoch ms
    over: bool


@dataclass
class Limits:
    counts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # when the window began, how many

    def count(self, group: str, address: str, t: int, *, limit: int = 0) -> Window:
        """Count one request. `limit` 0 is the contract's."""
        allowed, length = GROUPS[group]
        allowed = limit or allowed
        began, seen = self.counts.get((group, address), (t, 0))
        if not began <= t < began + length:
            began, seen = t, 0
        if len(self.counts) >= MOST:
            self.sweep(t)
        self.counts[group, address] = began, seen + 1
        return Window(allowed, max(0, allowed - seen - 1), began + length, seen >= allowed)

    def sweep(self, t: int) -> None:
        """Drop what has expired, and then a tenth of what ends soonest."""
        ends = {key: began + GROUPS[key[0]][1] for key, (began, _) in self.counts.items()}
        alive = sorted((key for key, end in ends.items() if end > t), key=lambda key: ends[key])
        self.counts = {key: self.counts[key] for key in alive[len(alive) // 10 :]}


def group_of(segments: tuple[str, ...]) -> str:
    """The group a path counts in."""
    if "auth" in segments[:1] or segments[:2] == ("api", "auth"):
        return "auth"
    if "agents" in segments:
        return "agents"
    if "telemetry" in segments or segments == ("api", "metrics"):
        return "telemetry"
    return "projects" if segments[:2] == ("api", "projects") else "global"


def window_headers(window: Window, dialect: Dialect) -> Headers:
    reset = str(window.reset // 1000) if dialect.throttling == "date" else iso(window.reset)
    return (
        ("X-RateLimit-Limit", str(window.limit)),
        ("X-RateLimit-Remaining", str(window.remaining)),
        ("X-RateLimit-Reset", reset),
        ("Access-Control-Expose-Headers", "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"),
    )


def throttled(seconds: int, t: int, dialect: Dialect, headers: Headers = ()) -> Failure:
    """429, saying when to come again in the way that is switched."""
    if dialect.throttling == "silent":
        return Failure(429, "Too Many Requests", headers=headers)
    if dialect.throttling == "date":
        retry = ("Retry-After", http_date(t // 1000 + seconds))
        return Failure(429, "Too Many Requests", headers=(*headers, retry))
    return Failure(429, "Too many requests", headers=(*headers, ("Retry-After", str(seconds))), retryAfter=seconds)
