"""An agent's life: its schedule, as far as nobody gave it orders; what an order changed stays changed.

The agent has a time of its own, by which it follows the schedule. Pausing and stopping make that time stand still, a
start makes it jump to the beginning of the next task. So whatever was ordered, counts never fall, any moment can be
asked for, and without orders its time is everybody's.
"""

from typing import NamedTuple

from observatory.simulator.schedule import Schedule, Task

HELD = {"pause": "paused", "stop": "idle"}
STARTING = ("start", "restart")


class Command(NamedTuple):
    """What an agent was last told. `result`: success or failed."""

    type: str
    at: int
    source: str
    result: str = "success"


class Stretch(NamedTuple):
    """From `since` on the agent's own time runs from `own`, or stands there while it is `held` in a status."""

    since: int
    own: int
    held: str = ""
    renewed: int = 0  # when an order last started its process; 0: never
    completed: int = 0  # tasks that were jumped over and must not be counted
    failed: int = 0


class Life:
    """`stretches` and `commands` are in the order of their times. Times given and returned are everybody's."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stretches: list[Stretch] = []
        self.commands: list[Command] = []

    def order(self, command: str, at: int) -> None:
        """Obey from `at` on; what was to happen later does not. `status` and `configure` change nothing."""
        self.stretches = [stretch for stretch in self.stretches if stretch.since <= at]
        own, last = self.own(at), self.stretch(at)
        last = last or Stretch(at, own)
        if command in HELD:
            self.stretches.append(last._replace(since=at, own=own, held=HELD[command]))
        elif command == "resume":
            self.stretches.append(last._replace(since=at, own=own, held=""))
        elif command in STARTING:
            begun = self.schedule.next_task(own)
            count, missed = self.schedule.completed, self.schedule.failed
            self.stretches.append(
                Stretch(
                    at, begun, "", at,
                    last.completed + count(begun) - count(own),
                    last.failed + missed(begun) - missed(own),
                )
            )  # fmt: skip

    def note(self, command: Command) -> None:
        """Remember it as the last command from its time on."""
        self.commands = [*(c for c in self.commands if c.at <= command.at), command]

    def commanded(self, t: int) -> Command | None:
        return next((c for c in reversed(self.commands) if c.at <= t), None)

    def stretch(self, t: int) -> Stretch | None:
        """The one `t` lies in; None before the first."""
        return next((s for s in reversed(self.stretches) if s.since <= t), None)

    def own(self, t: int) -> int:
        """What the agent's own time is at `t`."""
        if not self.stretches:
            return t
        stretch = self.stretch(t)
        if stretch is None:
            return t
        return stretch.own if stretch.held else stretch.own + t - stretch.since

    def wall(self, own: int, t: int) -> int:
        """When, seen from `t`, the agent's own time was `own`, or will be if nobody orders anything else."""
        if not self.stretches:
            return own
        present = self.own(t)
        if own >= present:
            return t + own - present
        later = t
        for stretch in reversed(self.stretches):
            if stretch.since > t:
                continue
            if own >= stretch.own:
                return min(later, stretch.since + own - stretch.own)
            later = stretch.since
        return min(later, own)

    # what the schedule says, by everybody's time

    def state(self, t: int) -> tuple[str, int]:
        """The status and when it came into it."""
        stretch = self.stretch(t) if self.stretches else None
        if stretch and stretch.held:
            return stretch.held, stretch.since
        segment = self.schedule.segment(self.own(t))
        return segment.status, max(self.wall(segment.start, t), stretch.since if stretch else segment.start)

    def task(self, t: int) -> Task | None:
        """The one it is at, with the times of everybody."""
        stretch = self.stretch(t) if self.stretches else None
        if stretch and stretch.held == "idle":
            return None
        task = self.schedule.segment(self.own(t)).task
        return task and Task(task.name, self.wall(task.started, t), self.wall(task.due, t))

    def progress(self, t: int) -> float:
        own = self.own(t)
        segment = self.schedule.segment(own)
        share = (own - segment.start) / (segment.end - segment.start)
        return round(segment.low + (segment.high - segment.low) * share, 1)

    def last_activity(self, t: int) -> int:
        stretch = self.stretch(t) if self.stretches else None
        if stretch and stretch.held:
            return stretch.since
        active = self.wall(self.schedule.last_activity(self.own(t)), t)
        return max(active, stretch.since) if stretch else active

    def up_since(self, t: int) -> int:
        since = self.wall(self.schedule.up_since(self.own(t)), t)
        stretch = self.stretch(t) if self.stretches else None
        return max(since, stretch.renewed) if stretch else since

    def completed(self, t: int) -> int:
        stretch = self.stretch(t) if self.stretches else None
        return self.schedule.completed(self.own(t)) - (stretch.completed if stretch else 0)

    def failed(self, t: int) -> int:
        stretch = self.stretch(t) if self.stretches else None
        return self.schedule.failed(self.own(t)) - (stretch.failed if stretch else 0)

    def average_duration(self, t: int) -> int:
        return self.schedule.average_duration(self.own(t))
