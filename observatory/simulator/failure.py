"""What is answered instead of what was asked for."""

from typing import Any

from observatory.simulator.wire import Headers


class Failure(Exception):
    """Answered as the contract's error body (§2.0)."""

    def __init__(self, status: int, error: str, *, headers: Headers = (), **extra: Any) -> None:
        self.status, self.error, self.headers, self.extra = status, error, headers, extra
        super().__init__(error)


def invalid(**details: str) -> Failure:
    """A request that breaks the schema: what is wrong with which field."""
    return Failure(400, "Invalid request", details=details)
