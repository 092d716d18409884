"""What an agent does all day: a seeded list of segments for each day, so that any moment can be asked for directly."""

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from observatory.simulator.noise import DAY, EPOCH, SECOND, daylight, draw
from observatory.simulator.roster import TASKS, AgentPlan, Habit

COMPLETED_FOR = 20 * SECOND  # how long a finished task is shown as such before the agent is idle
BOOT_CYCLE = 5 * DAY  # an agent process is renewed this often
DAYS_KEPT = 16


class Task(NamedTuple):
    """`due` is when it was expected to end; a failing one breaks off at that moment with less progress."""

    name: str
    started: int
    due: int


class Segment(NamedTuple):
    """From `start` to the next segment. Progress runs from `low` to `high` percent while `task` is worked on."""

    start: int
    end: int
    status: str
    task: Task | None = None
    low: float = 0.0
    high: float = 0.0
    active: int | None = None  # when it last did something; None: it is doing it


@dataclass(frozen=True, slots=True)
class Plan:
    """One day of one agent."""

    segments: tuple[Segment, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]  # of every task
    durations: tuple[int, ...]  # of every task in the order of `ends`, ms
    completions: tuple[int, ...]
    failures: tuple[int, ...]
    repairs: tuple[int, ...]  # when a failed agent came back


class Schedule:
    """One agent's life. All methods are pure functions of the seed and `t`; days are kept once drawn."""

    def __init__(self, seed: int, project: str, agent: AgentPlan) -> None:
        self.seed, self.project, self.agent = seed, project, agent
        self.days: dict[int, Plan] = {}
        # Each agent's day begins at another hour: at a common midnight all of them would rest at once.
        self.morning = draw(seed, project, agent.id, "morning").randrange(DAY)
        self.boot_offset = draw(seed, project, agent.id, "boot").randrange(BOOT_CYCLE)

    def day(self, number: int) -> Plan:
        plan = self.days.get(number)
        if plan is None:
            rng = draw(self.seed, self.project, self.agent.id, number)
            plan = make_plan(rng, self.agent, number * DAY + self.morning)
            if len(self.days) >= DAYS_KEPT:
                self.days.clear()
            self.days[number] = plan
        return plan

    def number(self, t: int) -> int:
        """Which of its days `t` lies in."""
        return (t - self.morning) // DAY

    def segment(self, t: int) -> Segment:
        plan = self.day(self.number(t))
        return plan.segments[bisect_right(plan.starts, t) - 1]

    def next_task(self, t: int) -> int:
        """When the first task after `t` begins."""
        number = self.number(t)
        while True:
            starts = (s.start for s in self.day(number).segments if s.task and s.task.started == s.start)
            found = next((start for start in starts if start > t), None)
            if found is not None:
                return found
            number += 1

    def last_activity(self, t: int) -> int:
        """When it last did something: now, to 3 s, while it works."""
        segment = self.segment(t)
        if segment.status == "running":
            return max(segment.start, t - t % (3 * SECOND))
        return segment.active if segment.active is not None else self.day(self.number(t) - 1).ends[-1]

    def completed(self, t: int) -> int:
        """Tasks completed since EPOCH; never falls."""
        number = self.number(t)
        before = (number - EPOCH // DAY) * (self.agent.habit.tasks - self.agent.habit.failures)
        return max(0, before + bisect_right(self.day(number).completions, t))

    def failed(self, t: int) -> int:
        """Tasks failed since EPOCH; never falls."""
        number = self.number(t)
        before = (number - EPOCH // DAY) * self.agent.habit.failures
        return max(0, before + bisect_right(self.day(number).failures, t))

    def average_duration(self, t: int) -> int:
        """Mean of the last 20 tasks of the day, in ms; of the whole day before its first."""
        plan = self.day(self.number(t))
        done = bisect_right(plan.ends, t)
        recent = plan.durations[max(0, done - 20) : done] or plan.durations
        return sum(recent) // len(recent)

    def up_since(self, t: int) -> int:
        """When its process started: with the last recovery, or with the last renewal if that is later."""
        renewed = t - (t - self.boot_offset) % BOOT_CYCLE
        for number in (self.number(t), self.number(t) - 1):
            repairs = self.day(number).repairs
            past = bisect_right(repairs, t)
            if past:
                return max(renewed, repairs[past - 1])
        return renewed


def make_plan(rng: Random, agent: AgentPlan, morning: int) -> Plan:
    """Tasks and the stretches between them, filling the day exactly: long gaps by night, short ones by day."""
    habit = agent.habit
    durations = spread([rng.uniform(0.4, 1.6) for _ in range(habit.tasks)], int(DAY * habit.busy))
    odd = rng.sample(range(habit.tasks), habit.failures + habit.pauses)
    repairs = {i: int(habit.repair * rng.uniform(0.6, 1.5)) for i in odd[: habit.failures]}
    pauses = {i: int(habit.pause * rng.uniform(0.5, 1.3)) for i in odd[habit.failures :]}
    gaps = make_gaps(rng, habit, morning, DAY - sum(durations) - sum(repairs.values()) - sum(pauses.values()))
    segments = [Segment(morning, morning + gaps[0], "idle")]
    names = TASKS[agent.type]
    for i, duration in enumerate(durations):
        start = segments[-1].end
        task = Task(names[rng.randrange(len(names))], start, start + duration + pauses.get(i, 0))
        segments += work(rng, task, duration, pauses.get(i, 0), fails=i in repairs)
        segments += aftermath(segments[-1].end, repairs.get(i, 0), gaps[i + 1])
    last = segments[-1]._replace(end=morning + DAY)
    return index([*segments[:-1], last], failing=set(repairs))


def make_gaps(rng: Random, habit: Habit, morning: int, total: int) -> list[int]:
    """One before the first task and one after each, `total` ms together."""
    if total <= 0:
        raise ValueError(f"the day of {habit} is longer than a day")
    count = habit.tasks + 1
    weights = [rng.uniform(0.3, 1.7) * (1.5 - daylight(morning + DAY * i // count)) for i in range(count)]
    return spread(weights, total)


def spread(weights: list[float], total: int) -> list[int]:
    """Whole numbers in proportion to `weights`; the remainder of rounding goes to the last."""
    scale = total / sum(weights)
    parts = [int(w * scale) for w in weights]
    parts[-1] += total - sum(parts)
    return parts


def work(rng: Random, task: Task, duration: int, pause: int, *, fails: bool) -> list[Segment]:
    """The segments in which a task is worked on, with a pause in the middle if there is one."""
    if pause:
        share = rng.uniform(0.2, 0.8)
        held = task.started + int(duration * share)
        return [
            Segment(task.started, held, "running", task, 0, 100 * share),
            Segment(held, held + pause, "paused", task, 100 * share, 100 * share, held),
            Segment(held + pause, task.started + duration + pause, "running", task, 100 * share, 100),
        ]
    high = rng.uniform(15, 95) if fails else 100
    return [Segment(task.started, task.started + duration, "running", task, 0, high)]


def aftermath(end: int, repair: int, gap: int) -> list[Segment]:
    """What follows a task: failed for a while, or completed for a moment, and then idle."""
    if repair:
        return [
            Segment(end, end + repair, "failed", active=end),
            Segment(end + repair, end + repair + gap, "idle", active=end),
        ]
    shown = min(gap, COMPLETED_FOR)
    return [Segment(end, end + shown, "completed", active=end), Segment(end + shown, end + gap, "idle", active=end)]


def index(segments: list[Segment], *, failing: set[int]) -> Plan:
    """The day with its times laid out for bisection. Segments without length are dropped."""
    kept = tuple(s for s in segments if s.end > s.start)
    finished = [s for s, after in itertools.pairwise(kept) if s.status == "running" and after.status != "paused"]
    ends = tuple(s.end for s in finished)
    started = [s.task.started for s in finished if s.task]
    return Plan(
        segments=kept,
        starts=tuple(s.start for s in kept),
        ends=ends,
        durations=tuple(end - start for end, start in zip(ends, started, strict=True)),
        completions=tuple(end for i, end in enumerate(ends) if i not in failing),
        failures=tuple(end for i, end in enumerate(ends) if i in failing),
        repairs=tuple(s.end for s in kept if s.status == "failed"),
    )
