"""What was printed in each project's console lately (contract §2.1, B15)."""

from collections import deque
from typing import NamedTuple

KEPT = 500


class Line(NamedTuple):
    at: int
    stream: str  # stdout or stderr
    text: str


class Outputs:
    def __init__(self) -> None:
        self.lines: dict[str, deque[Line]] = {}

    def add(self, project: str, line: Line) -> None:
        self.lines.setdefault(project, deque(maxlen=KEPT)).append(line)

    def of(self, project: str, *, since: int, limit: int) -> list[Line]:
        """The newest `limit` lines after `since`, oldest first."""
        found = [line for line in self.lines.get(project, ()) if line.at > since]
        return found[-limit:]
