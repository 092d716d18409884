"""What the contract's messages have in common: lenient fields in our units, and nothing made up.

A value that is absent, null, negative or infinite becomes None, and no sample comes of it. A value of the wrong type
is a fault of the message: the validator raises, and the reading counts as malformed.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from observatory.model import Health, Instant, Labels, Sample

MEGABYTE = 1_000_000  # the contract says megabytes and nothing else, so the word's own meaning
MILLISECONDS_FROM = 1e11  # a number of this size or more is milliseconds since 1970, a smaller one seconds
LAST_INSTANT = 253_402_300_800_000  # the end of year 9999
TEXT_LIMIT = 500

HEALTH_WORDS = {
    "healthy": Health.HEALTHY, "ok": Health.HEALTHY, "up": Health.HEALTHY, "online": Health.HEALTHY,
    "pass": Health.HEALTHY, "degraded": Health.DEGRADED, "warn": Health.DEGRADED, "warning": Health.DEGRADED,
    "unhealthy": Health.UNHEALTHY, "error": Health.UNHEALTHY, "fail": Health.UNHEALTHY, "down": Health.UNHEALTHY,
    "offline": Health.UNHEALTHY,
}  # fmt: skip

# What `str(new Date())` gives in a browser; the zone's name in brackets says nothing that the offset does not.
BROWSER_DATE = re.compile(r"^(\w{3} \w{3} \d{2} \d{4} \d{2}:\d{2}:\d{2} GMT[+-]\d{4})")


def number(value: object) -> float | None:
    """A finite number of 0 or more as float, else None. Raises ValueError when it is no number at all."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number")
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) and real >= 0 else None


def scaled(value: object, factor: float) -> float | None:
    real = number(value)
    return None if real is None else real * factor


def percent(value: object) -> float | None:
    """A percentage as a ratio."""
    real = number(value)
    return None if real is None else real / 100


def rate(value: object) -> float | None:
    """A rate that may come as fraction or as percent, as a ratio from 0 to 1; what is above 100 is neither."""
    real = number(value)
    if real is None or real <= 1:
        return real
    return real / 100 if real <= 100 else None


def progress(value: object) -> float | None:
    """Percent of a task that is done, never above 100."""
    real = number(value)
    return None if real is None else min(real, 100.0)


def megabytes(value: object) -> float | None:
    return scaled(value, MEGABYTE)


def milliseconds(value: object) -> float | None:
    """A duration in milliseconds as seconds."""
    return scaled(value, 0.001)


def instant(value: object) -> Instant | None:
    """A moment in any of the forms in use: ISO with or without zone, epoch seconds or milliseconds, a Date string.

    Without a zone it is UTC. What cannot be understood is None.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return from_epoch(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        return from_epoch(float(text))
    except ValueError:
        pass
    moment = from_text(text)
    if moment is None:
        return None
    try:
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (OverflowError, ValueError):
        return None


def from_epoch(value: float) -> Instant | None:
    try:
        real = float(value)
    except OverflowError:
        return None
    if not math.isfinite(real) or real <= 0:
        return None
    ms = round(real if real >= MILLISECONDS_FROM else real * 1000)
    return ms if ms < LAST_INSTANT else None


def from_text(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    browser = BROWSER_DATE.match(text)
    try:
        if browser:
            return datetime.strptime(browser[1], "%a %b %d %Y %H:%M:%S GMT%z")
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def text(value: object) -> str:
    """A string, cut to 500 characters; a number as its digits; anything else is empty."""
    if isinstance(value, str):
        return value[:TEXT_LIMIT]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def identifier(value: object) -> str:
    """What names a thing: a string that is not empty, or a whole number. Raises ValueError for anything else."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("is not an id")


def health_of(value: object) -> Health | None:
    """What a service says of itself, or None when it uses no word we know."""
    return HEALTH_WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def mapping(value: object) -> dict[str, Any]:
    """The object itself, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def integer(value: object) -> int | None:
    """A whole number of any sign, such as an exit code; anything else is None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def uncut(value: object) -> str:
    """A string of any length; anything else is empty."""
    return value if isinstance(value, str) else ""


def words(value: object) -> tuple[str, ...]:
    """The strings of a list; empty where something else stands."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def present(value: object) -> object:
    """A list that may be missing: null is an empty one (Q19)."""
    return () if value is None else value


def wrapped(value: Any, key: str) -> Any:
    """A bare array as the object that it should stand in (Q12); anything else as it is."""
    return {key: value} if isinstance(value, list) else value


def either(value: dict[str, Any], camel: str, snake: str) -> Any:
    found = value.get(camel)
    return value.get(snake) if found is None else found


def large(memory: float | None) -> float | None:
    """Bytes of a memory that may be percent or megabytes: above 100 it is megabytes (Q3)."""
    return None if memory is None or memory <= 100 else memory * MEGABYTE


def share(memory: float | None) -> float | None:
    """The ratio of a memory that may be percent or megabytes: up to 100 it is percent (Q3)."""
    return None if memory is None or memory > 100 else memory / 100


def twins(name: str) -> AliasChoices:
    """A field's two spellings: `last_activity` and `lastActivity`."""
    return AliasChoices(to_camel(name), name)


Number = Annotated[float | None, BeforeValidator(number)]
Percent = Annotated[float | None, BeforeValidator(percent)]
Rate = Annotated[float | None, BeforeValidator(rate)]
Progress = Annotated[float | None, BeforeValidator(progress)]
Megabytes = Annotated[float | None, BeforeValidator(megabytes)]
Milliseconds = Annotated[float | None, BeforeValidator(milliseconds)]
Time = Annotated[Instant | None, BeforeValidator(instant)]
Text = Annotated[str, BeforeValidator(text)]
Flag = Annotated[bool | None, BeforeValidator(flag)]
Id = Annotated[str, BeforeValidator(identifier)]
Integer = Annotated[int | None, BeforeValidator(integer)]
Uncut = Annotated[str, BeforeValidator(uncut)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Object = Annotated[dict[str, Any], BeforeValidator(mapping)]
PRESENT = BeforeValidator(present)
SelfReport = Annotated[Health | None, BeforeValidator(health_of)]


class Message(BaseModel):
    """Something a service sends. Every field is read in camelCase and in snake_case; unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=AliasGenerator(validation_alias=twins))

    tells_errors: ClassVar[bool] = False  # an `error` in it is part of what it tells, not instead of it


class Order(BaseModel):
    """Something we send. It is checked when it is made: ValidationError names what the service would refuse."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    def body(self) -> dict[str, Any]:
        """As JSON has it; what is not said is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Point(Message):
    """One value of a service's own past."""

    timestamp: Time = None
    value: Number = None


REPORTED = ("reported", "true")


def labels(**pairs: str) -> Labels:
    return tuple(sorted(pairs.items()))


def some(values: Iterable[tuple[str, float | None]], given: Labels = (), at: Instant | None = None) -> Iterator[Sample]:
    """Samples of those values that are there."""
    for name, value in values:
        if value is not None:
            yield Sample(name, value, given, at)


def history(name: str, points: Iterable[Point], given: Labels = (), factor: float = 1.0) -> Iterator[Sample]:
    """Samples of a service's own past, at its own times and marked as reported; points without a time are left out."""
    marked = tuple(sorted((*given, REPORTED)))
    for point in points:
        if point.timestamp is not None and point.value is not None:
            yield Sample(name, point.value * factor, marked, point.timestamp)
