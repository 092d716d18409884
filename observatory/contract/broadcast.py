"""The broadcast file: what the shared configuration tells everybody who uses it (contract §2.7).

It is a stranger's: every field is checked, and what is told of it has a limit.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from observatory.contract.normalise import Flag, Message, Text, Time
from observatory.model import Event, Instant, Level

FILE = "broadcast.json"
LONGEST = 500  # characters of an event's text
MOST_CHANGES = 10  # that are told
# type: (level, what is said before its own words)
TYPES = {
    "BREAKING_CHANGE_DETECTED": (Level.ERROR, "Breaking change"),
    "MIGRATION_REQUIRED": (Level.WARNING, "Migration required"),
    "UPDATE_AVAILABLE": (Level.INFO, "Update available"),
    "SHARED_CONFIG_UPDATED": (Level.INFO, "Shared configuration updated"),
    "WARNING": (Level.WARNING, "Warning"),
    "INFO": (Level.INFO, "Information"),
}
SEVERITIES = {"low", "medium", "high", "critical"}


def objects(value: object) -> list[Any]:
    """The objects of a list, as many as are told; nothing where something else stands."""
    return [item for item in value if isinstance(item, dict)][:MOST_CHANGES] if isinstance(value, list) else []


class Change(Message):
    file: Text = ""
    breaking: Flag = None
    description: Text = ""

    def sentence(self) -> str:
        return ": ".join(filter(None, (self.file, self.description)))


class Broadcast(Message):
    type: str = Field(max_length=100)
    timestamp: Time = None
    message: Text = ""
    changes: Annotated[tuple[Change, ...], BeforeValidator(objects)] = ()
    severity: Text = ""
    version: Text = ""

    def event(self, now: Instant) -> Event | None:
        """What happened; None for a type that the contract does not know, and without a time, by which it is told once.

        Nothing happened after `now`, whatever clock the sender has.
        """
        if self.type not in TYPES or self.timestamp is None:
            return None
        level, what = TYPES[self.type]
        return Event(min(self.timestamp, now), f"broadcast.{self.type.lower()}", level, self.sentence(what))

    def sentence(self, what: str) -> str:
        """One line: what it is with version and severity, the message, then what changed."""
        severity = self.severity.lower()
        more = ", ".join(filter(None, (self.version, f"severity {severity}" if severity in SEVERITIES else "")))
        head = f"{what} ({more})" if more else what
        changes = "; ".join(filter(None, (change.sentence() for change in self.changes)))
        return shortened(": ".join(filter(None, (head, self.message, changes))))


def broadcast(content: bytes) -> Broadcast | None:
    """What the bytes of the file say; None when that is no broadcast."""
    try:
        return Broadcast.model_validate_json(content)
    except ValidationError:
        return None


def shortened(text: str) -> str:
    """`text` in one line of characters that are seen, with an ellipsis where it is cut."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
