"""What an API answer says when something is wrong, in the contract's shape, and how it writes a time."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify

from observatory.context import services
from observatory.model import Instant


def iso(instant: Instant) -> str:
    """ISO 8601 UTC with milliseconds and Z."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % 1000:03d}Z"


def problem(status: int, error: str, *, code: str = "", details: Any = None, **more: Any) -> Response:
    """`{"error", "timestamp", "code"?, "details"?, …}` with the given status."""
    body = {"error": error, "timestamp": iso(services().clock()), **more}
    if code:
        body["code"] = code
    if details is not None:
        body["details"] = details
    response = jsonify(body)
    response.status_code = status
    return response
