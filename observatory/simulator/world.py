"""The simulated world: every number of it is a pure function of the seed and a time, unless a test pinned it.

So what a service tells of its past (`trend`, `timeline`) is what it answered then, a clock set into the past meets a
consistent past, and two simulators with one seed agree. Times are epoch milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from observatory.simulator.noise import DAY, HOUR, MINUTE, SECOND, counter, draw, wave
from observatory.simulator.roster import PROJECTS, AgentPlan, ProjectPlan
from observatory.simulator.schedule import Schedule, Task

Source = Callable[[int], float]
STATUSES = ("idle", "running", "paused", "completed", "failed")
BOOT_CYCLE = 11 * DAY  # the machine and its services are restarted this often
POINTS_KEPT = 20_000


class UnknownPath(KeyError):
    """No value of the world has this path."""


class Pin(NamedTuple):
    """A value that holds from `since` on, set from outside."""

    since: int
    value: float | str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent at one moment. `average_duration` and `uptime` are milliseconds, `memory` is megabytes."""

    plan: AgentPlan
    status: str
    task: Task | None
    progress: float
    last_activity: int
    up_since: int
    changed: int  # when it came into this state
    tasks_completed: int
    tasks_failed: int
    average_duration: int
    uptime: int
    cpu: float
    memory: float
    command: tuple[str, int, str]  # type, time, source


@dataclass
class World:
    """`sources` maps a path such as `system.cpu` to its course; `pins` override it."""

    seed: int
    sources: dict[str, Source] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    known: dict[tuple[str, int], float] = field(default_factory=dict)
    schedules: dict[tuple[str, str], Schedule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.boot_offset = draw(self.seed, "boot").randrange(BOOT_CYCLE)
        self.projects = {plan.id: plan for plan in PROJECTS}
        for plan in PROJECTS:
            for agent in plan.agents:
                self.schedules[plan.id, agent.id] = Schedule(self.seed, plan.id, agent)
            self.settle(plan)
        self.furnish()

    def furnish(self) -> None:
        """The values that belong to no project."""
        self.add("system.cpu", 18, 74)
        self.add("system.memory", 48, 79)
        self.add("system.disk", 51, 56, decimals=2)
        self.sources["system.uptime"] = lambda t: (t - self.booted(t)) // SECOND
        self.sources["agents.active"] = self.active_agents
        self.sources["agents.total"] = lambda _t: len(self.schedules)
        self.sources["agents.tasks_completed"] = lambda t: self.finished(t, HOUR)[0]
        self.sources["agents.tasks_failed"] = lambda t: self.finished(t, HOUR)[1]
        self.sources["agents.success_rate"] = self.success_rate
        self.sources["agents.tasks_per_minute"] = lambda t: self.finished(t, 5 * MINUTE)[0] / 5
        self.add("performance.avg_response_time", 0.5, 2.4, decimals=3)
        self.add("performance.throughput", 22, 68)
        self.add("performance.queue_length", 0, 9, decimals=0)
        self.add("daemon.cpu_usage", 2, 15)
        self.add("daemon.memory_usage", 118, 196)
        self.add("daemon.active_connections", 1, 6, decimals=0)
        self.sources["daemon.uptime"] = lambda t: (t - self.booted(t)) // SECOND - 40
        self.sources["daemon.requests_total"] = counter(self.seed, "daemon.requests", 410)

    def settle(self, plan: ProjectPlan) -> None:
        """The values of one project."""
        here = f"projects.{plan.id}"
        self.add(f"{here}.cpu", 9, 71)
        self.add(f"{here}.memory", *plan.memory, decimals=0)
        self.add(f"{here}.disk", 40, 61, decimals=2)
        self.add(f"{here}.network.rx", 300, 5200, decimals=0)
        self.add(f"{here}.network.tx", 120, 1900, decimals=0)
        self.add(f"{here}.processes", 96, 168, decimals=0)
        self.add(f"{here}.task_queue", 0, 9, decimals=0)
        self.add(f"{here}.test_duration", 18, 41)
        self.add(f"{here}.coverage", 76, 84, decimals=2)
        passed = counter(self.seed, f"{here}.tests_passed", plan.tests_per_hour * 0.94)
        failed = counter(self.seed, f"{here}.tests_failed", plan.tests_per_hour * 0.06)
        self.sources[f"{here}.tests_passed"], self.sources[f"{here}.tests_failed"] = passed, failed
        self.sources[f"{here}.tests"] = lambda t: passed(t) + failed(t)
        self.sources[f"{here}.builds"] = counter(self.seed, f"{here}.builds", plan.tests_per_hour / 4)
        for agent in plan.agents:
            self.add(f"agents.{plan.id}.{agent.id}.cpu", 2, 38)
            self.add(f"agents.{plan.id}.{agent.id}.memory", 90, 420, decimals=0)
            self.sources[f"agents.{plan.id}.{agent.id}.status"] = lambda _t: 0  # only ever pinned; a word

    def add(self, path: str, low: float, high: float, *, decimals: int = 1) -> None:
        self.sources[path] = wave(self.seed, path, low, high, decimals=decimals)

    # what can be asked

    def value(self, path: str, t: int) -> float:
        """The number at `path` at `t`, a pinned one from the moment it was pinned."""
        pin = self.pins.get(path)
        if pin and pin.since <= t and not isinstance(pin.value, str):
            return pin.value
        return self.sources[path](t)

    def past(self, path: str, t: int) -> float:
        """As `value`, remembered: for points that are told again with each answer."""
        pin = self.pins.get(path)
        if pin and pin.since <= t:
            return self.value(path, t)
        value = self.known.get((path, t))
        if value is None:  # two threads may both find it missing: they find the same number
            if len(self.known) >= POINTS_KEPT:
                self.known.clear()
            value = self.known[path, t] = self.sources[path](t)
        return value

    def pin(self, path: str, value: float | str | None, t: int) -> None:
        """Hold `path` at `value` from `t` on; None lets it go. Raises UnknownPath, and ValueError for a wrong value."""
        if path not in self.sources:
            raise UnknownPath(path)
        if value is None:
            self.pins.pop(path, None)
            return
        if path.endswith(".status") and value not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(STATUSES)}")
        if not path.endswith(".status") and (isinstance(value, (str, bool)) or not isinstance(value, (int, float))):
            raise ValueError("this value is a number")
        self.pins[path] = Pin(t, value)

    def project(self, id: str) -> ProjectPlan | None:
        return self.projects.get(id.lower())

    def booted(self, t: int) -> int:
        return t - (t - self.boot_offset) % BOOT_CYCLE

    def state(self, project: str, agent: str, t: int) -> tuple[str, int]:
        """An agent's status and when it came into it."""
        pin = self.pins.get(f"agents.{project}.{agent}.status")
        if pin and pin.since <= t:
            return str(pin.value), pin.since
        segment = self.schedules[project, agent].segment(t)
        return segment.status, segment.start

    def status(self, project: str, agent: str, t: int) -> str:
        return self.state(project, agent, t)[0]

    def agents(self, plan: ProjectPlan, t: int) -> list[Agent]:
        return [self.agent(plan, agent, t) for agent in plan.agents]

    def agent(self, plan: ProjectPlan, agent: AgentPlan, t: int) -> Agent:
        schedule = self.schedules[plan.id, agent.id]
        segment = schedule.segment(t)
        status, changed = self.state(plan.id, agent.id, t)
        at_work = segment.task if status in {"running", "paused"} else None
        share = (t - segment.start) / (segment.end - segment.start)
        up_since = schedule.up_since(t)
        load = 1.0 if status == "running" else 0.08
        return Agent(
            plan=agent,
            status=status,
            task=at_work,
            progress=round(segment.low + (segment.high - segment.low) * share, 1),
            last_activity=schedule.last_activity(t),
            up_since=up_since,
            changed=changed,
            tasks_completed=schedule.completed(t),
            tasks_failed=schedule.failed(t),
            average_duration=schedule.average_duration(t),
            uptime=t - up_since,
            cpu=round(self.value(f"agents.{plan.id}.{agent.id}.cpu", t) * load, 1),
            memory=self.value(f"agents.{plan.id}.{agent.id}.memory", t),
            command=("pause", changed, "dashboard") if status == "paused" else ("start", up_since, "cli"),
        )

    def active_agents(self, t: int) -> int:
        return sum(self.status(project, agent, t) == "running" for project, agent in self.schedules)

    def finished(self, t: int, span: int) -> tuple[int, int]:
        """Tasks of all agents that were completed, and that failed, in the `span` ms up to `t`."""
        lives = self.schedules.values()
        return (
            sum(s.completed(t) - s.completed(t - span) for s in lives),
            sum(s.failed(t) - s.failed(t - span) for s in lives),
        )

    def success_rate(self, t: int, span: int = HOUR) -> float:
        """Share of the tasks of the last `span` ms that were completed; 1.0 when there were none."""
        completed, failed = self.finished(t, span)
        return round(completed / (completed + failed), 4) if completed + failed else 1.0
