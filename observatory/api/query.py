"""Series: which there are, and their past. From the same frames as the pages."""

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

import pandas as pd
from flask import Blueprint
from pydantic import AfterValidator, Field

from observatory import freshness
from observatory.api.edge import Message, operation
from observatory.api.fields import Line, TargetName, Time, told
from observatory.config import seconds
from observatory.context import actor, services
from observatory.errors import Invalid, NotFound
from observatory.frames import query as frames
from observatory.frames import series as newest
from observatory.frames import services as targets
from observatory.model import DAY, SECOND, Cause, Instant, State, Window

routes = Blueprint("query", __name__, url_prefix="/api")

MOST_SERIES, MOST_POINTS = 500, 11_000
USUAL_POINTS = 300
LONGEST_STEP = 366 * DAY
LATEST_TIME = 4_102_444_800_000  # the year 2100: a larger one is no time in milliseconds
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)  # seconds
ACROSS: dict[str, frames.Across] = {"avg": "avg", "min": "min", "max": "max"}


DURATION = r"[1-9][0-9]{0,9}[smhd]?"
PAIR = r"[^=\x00-\x1f\x7f]+=[^\x00-\x1f\x7f]*"


def duration(text: str) -> str:
    if not re.fullmatch(DURATION, text, re.ASCII):
        raise ValueError("It is a duration such as 5s, 2m, 24h or 7d.")
    return text


def pair(text: str) -> str:
    if not re.fullmatch(PAIR, text):
        raise ValueError("A label is asked for as name=value.")
    return text


Duration: TypeAlias = Annotated[str, AfterValidator(duration), told(f"^{DURATION}$", "24h")]
Pair: TypeAlias = Annotated[str, AfterValidator(pair), told(f"^{PAIR}$", "agent=weaver-07")]
Word: TypeAlias = Annotated[Line, Field(max_length=200)]


class Selection(Message):
    name: Word = Field("", examples=["devkit_cpu_ratio"], description='Of the series; "" is any.')
    source: Word = Field("", examples=["bridge-server"], description="The service that it came from.")
    project: Word = Field("", examples=["loom"])
    label: tuple[Pair, ...] = Field((), max_length=20, description="May be repeated; all have to be there.")

    def wanted(self) -> frames.Wanted:
        labels = tuple((name, value) for name, _, value in (one.partition("=") for one in self.label))
        return frames.Wanted(self.name, self.source, self.project, labels)


class Stretch(Message):
    since: int | None = Field(None, ge=0, le=LATEST_TIME, description="Milliseconds since 1970; else by `range`.")
    until: int | None = Field(None, ge=0, le=LATEST_TIME, description="Not included. Without it: now.")
    range: Duration = Field("1h", description="How far back, where `since` is not given.")

    def window(self, now: Instant) -> Window:
        """Raises Invalid. It ends at `now` at the latest: what is to come is no gap."""
        until = now if self.until is None else min(self.until, now)
        since = until - round(seconds(self.range) * SECOND) if self.since is None else self.since
        if not 0 <= since < until:
            raise Invalid(
                [{"path": "since", "message": "The stretch must begin after 1970, and before it ends and before now."}]
            )
        return Window(since, until)


class Question(Selection, Stretch):
    step: Duration | None = Field(None, description=f"Without it: so that there are at most {USUAL_POINTS} a series.")
    aggregate: frames.Aggregate = Field("avg", description="Of what lies in a step. `rate` is a second, of counters.")
    by: Word | None = Field(
        None, examples=["project"], description="Labels, `project` or `source`, with commas: bring others together."
    )
    across: frames.Across | None = Field(
        None, description="How, where `by` is given. Without it: avg, min, max of such, and the sum of all else."
    )


class Series(Message):
    series: int = Field(examples=[17])
    name: str = Field(examples=["devkit_cpu_ratio"])
    labels: dict[str, str] = Field(examples=[{"agent": "weaver-07"}])
    project: str | None = Field(examples=["loom"])
    source: str = Field(examples=["bridge-server"])
    simulated: bool
    value: float | None = Field(examples=[0.42], description="The newest; null when there is none, or it is no number.")
    measured_at: Time | None
    received_at: Time | None
    age_seconds: float | None = Field(examples=[3.2], description="Of the moment of this answer.")
    interval_seconds: float = Field(examples=[10.0])
    state: State
    cause: Cause | None = Field(description="Why nothing newer came; null when it did.")


class Found(Message):
    series: tuple[Series, ...]


class Gap(Message):
    source: str = Field(examples=["bridge-server"])
    project: str | None = Field(examples=["loom"])
    since: Time
    until: Time
    cause: Cause | Literal["gone"]


class Past(Message):
    """One series, or several brought together, in equal steps."""

    name: str = Field(examples=["devkit_cpu_ratio"])
    labels: dict[str, str] = Field(examples=[{"project": "loom"}], description="Those that all of it has.")
    sources: tuple[str, ...] = Field(examples=[["bridge-server"]])
    project: str | None = Field(examples=["loom"], description="null: of none, or of several.")
    simulated: bool
    interval_seconds: float = Field(examples=[10.0], description="The longest, of several.")
    points: tuple[tuple[Time, float | None], ...] = Field(
        examples=[[[1_767_268_800_000, 0.42]]],
        description="Where the step begins, and its value. A step in which nothing came has none.",
    )
    gaps: tuple[Gap, ...]


class History(Message):
    since: Time
    until: Time
    step_seconds: float = Field(examples=[60.0])
    aggregate: frames.Aggregate
    across: frames.Across | None
    series: tuple[Past, ...]


class Lost(Message):
    cause: Cause | Literal["gone"]
    seconds: float = Field(examples=[120.0])


class Uptime(Message):
    source: str = Field(examples=["bridge-server"])
    since: Time
    until: Time
    up_ratio: float | None = Field(examples=[0.992], description="Of what was observed; null when nothing was.")
    observed_ratio: float = Field(examples=[0.964], description="Of the whole stretch.")
    down_seconds: float = Field(examples=[27.6])
    lost: tuple[Lost, ...] = Field(description="Time without an answer by cause, the longest first.")


class ServicePath(Message):
    name: TargetName


class UptimeQuery(Stretch):
    range: Duration = "24h"


@routes.get("/series")
@operation("The series that the caller may see, with their newest values", Found, query=Selection)
def series(query: Selection) -> Found:
    here, who, now = services(), actor(), services().clock()
    found = bounded(frames.find(here.store, who, query.wanted()))
    parts = [newest.latest(here.store, who, source) for source in found["source"].unique()]
    latest = {row["series"]: row for part in parts for row in part.to_dict("records")}
    return Found(series=tuple(described(row, latest.get(row["series"]), now) for row in found.to_dict("records")))


@routes.get("/query")
@operation("What series said over a stretch of time, in equal steps, with its gaps and their causes", History,
           query=Question)  # fmt: skip
def history(query: Question) -> History:
    here, now = services(), services().clock()
    window = query.window(now)
    found = bounded(frames.find(here.store, actor(), query.wanted()))
    by = None if query.by is None else [one.strip() for one in query.by.split(",") if one.strip()]
    step = step_of(query.step, window, least=0.0 if by is None or found.empty else 2 * float(found["interval"].max()))
    across = None if by is None else query.across or ACROSS.get(query.aggregate, "sum")
    groups = frames.grouped(found, by) if by is not None else pd.Series(range(len(found)), dtype="int64")
    df = frames.steps(here.store, found["series"].tolist(), window, step, query.aggregate, now=now)
    points = frames.values(df, groups.set_axis(found["series"]), across or "sum")
    silent = frames.silences(here.store, found, window)
    lines = tuple(
        line(found[groups == group], points[points["group"] == group], silent) for group in sorted(groups.unique())
    )
    return History(since=window.since, until=window.until, step_seconds=step / SECOND, aggregate=query.aggregate,
                   across=across, series=lines)  # fmt: skip


@routes.get("/services/<path:name>/uptime")
@operation("How much of a stretch a service was up, of what was observed", Uptime, path=ServicePath, query=UptimeQuery,
           also={404: "Nobody watches a service of that name, or it is not the caller's to see."})  # fmt: skip
def uptime(name: str, query: UptimeQuery) -> Uptime:
    here, now = services(), services().clock()
    if name not in set(targets.current(here.store, actor(), now)["name"]):
        raise NotFound("There is no service of that name.")
    window = query.window(now)
    [row] = targets.uptime(here.store, [name], window).to_dict("records")
    lost = newest.gaps(here.store, name, window)
    by_cause = (lost["until"] - lost["since"]).groupby(lost["cause"]).sum().sort_values(ascending=False) / SECOND
    return Uptime(
        source=name,
        since=window.since,
        until=window.until,
        up_ratio=number(row["ratio"]),
        observed_ratio=row["observed"],
        down_seconds=row["down_seconds"],
        lost=tuple(
            Lost(cause=cause, seconds=length)
            for cause, length in zip(by_cause.index.tolist(), by_cause.tolist(), strict=True)
        ),
    )


def bounded(found: pd.DataFrame) -> pd.DataFrame:
    """Raises Invalid when there are more than one answer may hold."""
    if len(found) > MOST_SERIES:
        said = f"{len(found)} series are meant; one answer holds {MOST_SERIES}. Name a source, a project or a label."
        raise Invalid([{"path": "name", "message": said}])
    return found


def step_of(text: str | None, window: Window, *, least: float) -> int:
    """Milliseconds of a step of at least `least` seconds: in a shorter one some of what is brought together would be
    missing, and look like a fall. Raises Invalid, also when there would be more steps than an answer may hold."""
    if text is None:
        wanted = max(window.seconds / USUAL_POINTS, least)
        return next((one for one in STEPS if one >= wanted), -(-round(wanted) // STEPS[-1]) * STEPS[-1]) * SECOND
    step = round(seconds(text) * SECOND)
    if not SECOND <= step <= LONGEST_STEP or window.seconds * SECOND / step > MOST_POINTS:
        said = f"A step has a second at least and a year at most, and there are at most {MOST_POINTS} of them."
        raise Invalid([{"path": "step", "message": said}])
    if step < least * SECOND:
        said = f"What is brought together is asked so rarely that a step needs {least:g} seconds at least."
        raise Invalid([{"path": "step", "message": said}])
    return step


def described(row: dict[Any, Any], latest: dict[Any, Any] | None, now: Instant) -> Series:
    measured = None if latest is None else int(latest["measured"])
    age = freshness.age(measured, now)
    interval = row["interval"] if latest is None else latest["interval"]
    return Series(
        series=row["series"],
        name=row["name"],
        labels=row["labels"],
        project=row["project"] or None,
        source=row["source"],
        simulated=row["simulated"],
        value=None if latest is None else number(latest["value"]),
        measured_at=measured,
        received_at=None if latest is None or pd.isna(latest["received"]) else int(latest["received"]),
        age_seconds=None if age is None else round(age, 3),
        interval_seconds=interval,
        state=freshness.value_state(measured, interval, now, gone=row["gone"]),
        cause=None if latest is None else latest["cause"] or None,
    )


def line(found: pd.DataFrame, points: pd.DataFrame, silent: pd.DataFrame) -> Past:
    """`found` are the series of one group, `points` its steps."""
    projects, first = found["project"].unique(), found["labels"].iloc[0]
    members = set(zip(found["source"], found["project"], strict=True))
    quiet = [row for row in silent.to_dict("records") if (row["source"], row["project"]) in members]
    return Past(
        name=found["name"].iloc[0],
        labels={name: value for name, value in first.items() if all(has(name, value)(one) for one in found["labels"])},
        sources=tuple(dict.fromkeys(found["source"])),
        project=(projects[0] or None) if len(projects) == 1 else None,
        simulated=bool(found["simulated"].iloc[0]),
        interval_seconds=float(found["interval"].max()),
        points=tuple((int(at), number(value)) for at, value in zip(points["at"], points["value"], strict=True)),
        gaps=tuple(gap(row) for row in quiet),
    )


def gap(row: dict[Any, Any]) -> Gap:
    return Gap(
        source=row["source"],
        project=row["project"] or None,
        since=row["since"],
        until=row["until"],
        cause=row["cause"],
    )


def has(name: str, value: str) -> Callable[[dict[str, str]], bool]:
    return lambda labels: labels.get(name) == value


def number(value: float) -> float | None:
    """What JSON can hold."""
    return float(value) if math.isfinite(value) else None
