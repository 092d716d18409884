"""The simulated world: every number of it is a pure function of the seed, the orders given and a time, unless pinned.

So what a service tells of its past (`trend`, `timeline`) is what it answered then, a clock set into the past meets a
consistent past, and two simulators with one seed agree. Times are epoch milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from observatory.simulator.life import Command, Life
from observatory.simulator.noise import DAY, HOUR, MINUTE, SECOND, counter, draw, wave
from observatory.simulator.pseudo import HIDDEN
from observatory.simulator.roster import PROJECTS, AgentPlan, ProjectPlan
from observatory.simulator.schedule import Schedule, Task

Source = Callable[[int], float]
STATUSES = ("idle", "running", "paused", "completed", "failed")
BOOT_CYCLE = 11 * DAY  # the machine and its services are restarted this often
POINTS_KEPT = 20_000
# An id of each kind that must be encoded, shortened or looked at twice. The last is as long as the contract allows.
EXOTIC: tuple[Callable[[str], str], ...] = (
    lambda id: f"{id}@host.example",
    lambda id: f"#{id}",
    lambda id: f"{id} of the east wing",
    lambda id: f"tools/{id}",
    lambda id: f"{id}?a=1&b=%2F",
    lambda id: id.ljust(100, "x"),
)


class UnknownPath(KeyError):
    """No value of the world has this path."""


class Pin(NamedTuple):
    """A value that holds from `since` on, set from outside."""

    since: int
    value: float | str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent at one moment. `average_duration` and `uptime` are milliseconds, `memory` is megabytes."""

    id: str  # as it is called outside
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
    command: Command


@dataclass
class World:
    """`sources` maps a path such as `system.cpu` to its course; `pins` override it.

    `projects` are those that are listed; `hidden` ones answer too.
    """

    seed: int
    plans: tuple[ProjectPlan, ...] = PROJECTS
    sources: dict[str, Source] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    known: dict[tuple[str, int], float] = field(default_factory=dict)
    lives: dict[tuple[str, str], Life] = field(default_factory=dict)
    projects: dict[str, ProjectPlan] = field(default_factory=dict)
    hidden: dict[str, ProjectPlan] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)  # by which agents are called other than by their id
    counting: set[str] = field(default_factory=set)  # paths of counters
    restarted: int | None = None  # when all counters began anew

    def __post_init__(self) -> None:
        self.boot_offset = draw(self.seed, "boot").randrange(BOOT_CYCLE)
        for plan in HIDDEN:
            self.settle(plan)
            self.hidden[plan.id] = plan
        for plan in self.plans:
            self.add_project(plan)
        self.furnish()

    def add_project(self, plan: ProjectPlan) -> None:
        self.settle(plan)
        self.projects[plan.id] = plan

    def list_devkit(self, *, listed: bool) -> None:
        """Move the default project among the listed ones, or away from them."""
        here, there = (self.hidden, self.projects) if listed else (self.projects, self.hidden)
        if "devkit" in here:
            there["devkit"] = here.pop("devkit")

    def forget(self) -> None:
        """Undo all orders to agents, and remove the projects that were added since the start."""
        for life in self.lives.values():
            life.stretches, life.commands = [], []
        kept = {plan.id for plan in (*self.plans, *HIDDEN)}
        self.projects = {id: plan for id, plan in self.projects.items() if id in kept}

    def rename(self, *, exotic: bool) -> None:
        """Call all agents by ids that are hard to handle, or by their own."""
        keys = list(self.lives)
        self.names = {key: EXOTIC[i % len(EXOTIC)](key[1]) for i, key in enumerate(keys)} if exotic else {}

    def restart(self, at: int | None) -> None:
        """Make every counter and uptime begin at `at`; None: as if that had never happened."""
        self.restarted = at
        self.known.clear()

    def furnish(self) -> None:
        """The values that belong to no project."""
        self.add("system.cpu", 18, 74)
        self.add("system.memory", 48, 79)
        self.add("system.disk", 51, 56, decimals=2)
        self.sources["system.uptime"] = lambda t: (t - self.booted(t)) // SECOND
        self.sources["agents.active"] = self.active_agents
        self.sources["agents.total"] = lambda _t: len(self.living())
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
        self.sources["daemon.uptime"] = lambda t: max(0, (t - self.booted(t)) // SECOND - 40)
        self.sources["daemon.requests_total"] = counter(self.seed, "daemon.requests", 410)
        self.counting.add("daemon.requests_total")

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
        self.counting |= {f"{here}.{name}" for name in ("tests_passed", "tests_failed", "tests", "builds")}
        for agent in plan.agents:
            self.lives[plan.id, agent.id] = Life(Schedule(self.seed, plan.id, agent))
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
        return self.measured(path, t)

    def measured(self, path: str, t: int) -> float:
        """What the course of `path` says at `t`, a counter since its restart."""
        source = self.sources[path]
        return self.counted(source, t) if path in self.counting else source(t)

    def counted(self, count: Source, t: int) -> float:
        """A count at `t`, since the restart of all counters if there was one."""
        if self.restarted is None or t < self.restarted:
            return count(t)
        return count(t) - count(self.restarted)

    def past(self, path: str, t: int) -> float:
        """As `value`, remembered: for points that are told again with each answer."""
        pin = self.pins.get(path)
        if pin and pin.since <= t:
            return self.value(path, t)
        value = self.known.get((path, t))
        if value is None:  # two threads may both find it missing: they find the same number
            if len(self.known) >= POINTS_KEPT:
                self.known.clear()
            value = self.known[path, t] = self.measured(path, t)
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
        return self.projects.get(id.lower()) or self.hidden.get(id.lower())

    def booted(self, t: int) -> int:
        booted = t - (t - self.boot_offset) % BOOT_CYCLE
        return booted if self.restarted is None or t < self.restarted else max(booted, self.restarted)

    # agents

    def living(self) -> list[Life]:
        """Of the listed projects' agents."""
        return [self.lives[plan.id, agent.id] for plan in list(self.projects.values()) for agent in plan.agents]

    def name(self, project: str, agent: AgentPlan) -> str:
        return self.names.get((project, agent.id), agent.id)

    def find(self, plan: ProjectPlan, name: str) -> AgentPlan | None:
        """The agent of that name."""
        return next((agent for agent in plan.agents if self.name(plan.id, agent) == name), None)

    def state(self, project: str, agent: str, t: int) -> tuple[str, int]:
        """An agent's status and when it came into it."""
        pin = self.pins.get(f"agents.{project}.{agent}.status")
        if pin and pin.since <= t:
            return str(pin.value), pin.since
        return self.lives[project, agent].state(t)

    def status(self, project: str, agent: str, t: int) -> str:
        return self.state(project, agent, t)[0]

    def agents(self, plan: ProjectPlan, t: int) -> list[Agent]:
        return [self.agent(plan, agent, t) for agent in plan.agents]

    def agent(self, plan: ProjectPlan, agent: AgentPlan, t: int) -> Agent:
        life = self.lives[plan.id, agent.id]
        status, changed = self.state(plan.id, agent.id, t)
        up_since = life.up_since(t)
        if self.restarted is not None and t >= self.restarted:
            up_since = max(up_since, self.restarted)
        load = 1.0 if status == "running" else 0.08
        habitual = Command("pause", changed, "dashboard") if status == "paused" else Command("start", up_since, "cli")
        return Agent(
            id=self.name(plan.id, agent),
            plan=agent,
            status=status,
            task=life.task(t) if status in {"running", "paused"} else None,
            progress=life.progress(t),
            last_activity=life.last_activity(t),
            up_since=up_since,
            changed=changed,
            tasks_completed=int(self.counted(life.completed, t)),
            tasks_failed=int(self.counted(life.failed, t)),
            average_duration=life.average_duration(t),
            uptime=t - up_since,
            cpu=round(self.value(f"agents.{plan.id}.{agent.id}.cpu", t) * load, 1),
            memory=self.value(f"agents.{plan.id}.{agent.id}.memory", t),
            command=life.commanded(t) or habitual,
        )

    def active_agents(self, t: int) -> int:
        listed = list(self.projects.values())
        return sum(self.status(plan.id, agent.id, t) == "running" for plan in listed for agent in plan.agents)

    def finished(self, t: int, span: int) -> tuple[int, int]:
        """Tasks of all agents that were completed, and that failed, in the `span` ms up to `t`."""
        lives = self.living()
        return (
            sum(life.completed(t) - life.completed(t - span) for life in lives),
            sum(life.failed(t) - life.failed(t - span) for life in lives),
        )

    def success_rate(self, t: int, span: int = HOUR) -> float:
        """Share of the tasks of the last `span` ms that were completed; 1.0 when there were none."""
        completed, failed = self.finished(t, span)
        return round(completed / (completed + failed), 4) if completed + failed else 1.0
