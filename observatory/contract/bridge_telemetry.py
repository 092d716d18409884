"""What the Bridge measures: B12 of a project, B13 of the whole DevKit."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from pydantic import model_validator

from observatory.contract.normalise import (
    MEGABYTE,
    Flag,
    Message,
    Number,
    Percent,
    Point,
    Rate,
    Time,
    either,
    history,
    labels,
    large,
    mapping,
    number,
    scaled,
    share,
    some,
)
from observatory.model import Sample


class Spread(Message):
    avg: Number = None
    min: Number = None
    max: Number = None


class TestRuns(Message):
    __test__ = False  # the word is the contract's; it is no test

    total: Number = None
    passed: Number = None
    failed: Number = None
    duration: Spread | None = None
    trend: tuple[Point, ...] | None = None


class Load(Message):
    """CPU in percent or memory in megabytes, with its last hour."""

    current: Number = None
    max: Number = None
    trend: tuple[Point, ...] | None = None

    @property
    def is_percent(self) -> bool:
        """Whether a memory that should be megabytes is percent: neither it nor the most there is is above 100 (Q3)."""
        return self.current is not None and self.current <= 100 and (self.max is None or self.max <= 100)

    @property
    def share(self) -> float | None:
        """What is used of what there is, where the most is told."""
        return self.current / self.max if self.current is not None and self.max else None


class ProjectPerformance(Message):
    cpu: Load | None = None
    memory: Load | None = None


class ProjectAgents(Message):
    active: Number = None
    idle: Number = None
    total: Number = None
    task_queue: Number = None
    completion_rate: Rate = None


class ProjectMetrics(Message):
    test_runs: TestRuns | None = None
    performance: ProjectPerformance | None = None
    agents: ProjectAgents | None = None
    custom: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def shape(cls, value: Any) -> Any:
        return known(global_as_project(value), "testRuns", "test_runs", "performance", "agents", "custom")


class ProjectTelemetry(Message):
    """B12; also when it comes in the shape of B13 (Q4)."""

    metrics: ProjectMetrics
    timestamp: Time = None

    def samples(self, project: str) -> tuple[Sample, ...]:
        of = self.metrics
        parts = (
            self.tests(of.test_runs or TestRuns(), project),
            self.load(of.performance or ProjectPerformance(), project),
            self.work(of.agents or ProjectAgents(), project),
            self.own(of.custom or {}, project),
        )
        return tuple(chain.from_iterable(parts))

    @staticmethod
    def tests(runs: TestRuns, project: str) -> Iterator[Sample]:
        mine, duration = labels(project=project), runs.duration or Spread()
        counts = (
            ("project_tests_count", runs.total),
            ("project_tests_passed", runs.passed),
            ("project_tests_failed", runs.failed),
        )
        yield from some(counts, mine)
        for stat, value in (("avg", duration.avg), ("min", duration.min), ("max", duration.max)):
            yield from some([("project_test_duration_seconds", value)], labels(project=project, stat=stat))
        yield from history("project_tests_per_hour", runs.trend or (), mine)

    @staticmethod
    def load(performance: ProjectPerformance, project: str) -> Iterator[Sample]:
        mine, cpu, memory = labels(project=project), performance.cpu or Load(), performance.memory or Load()
        of_memory = ("project_memory_ratio", 0.01) if memory.is_percent else ("project_memory_bytes", MEGABYTE)
        for (name, factor), load in ((("project_cpu_ratio", 0.01), cpu), (of_memory, memory)):
            yield from some([(name, scaled(load.current, factor))], mine)
            yield from history(name, load.trend or (), mine, factor)
        yield from some([("project_memory_ratio", None if memory.is_percent else memory.share)], mine)

    @staticmethod
    def work(agents: ProjectAgents, project: str) -> Iterator[Sample]:
        values = (
            ("project_agents_active", agents.active),
            ("project_agents_idle", agents.idle),
            ("project_agents_count", agents.total),
            ("project_task_queue_length", agents.task_queue),
            ("project_tasks_completion_ratio", agents.completion_rate),
        )
        return some(values, labels(project=project))

    @staticmethod
    def own(custom: dict[str, Any], project: str) -> Iterator[Sample]:
        for metric, value in custom.items():
            yield from some([("project_custom", number(value))], labels(project=project, metric=metric))


class System(Message):
    """`memory` above 100 is megabytes, of which no share can be told (Q3)."""

    cpu: Percent = None
    memory: Number = None
    disk: Percent = None
    uptime: Number = None


class AgentTotals(Message):
    active: Number = None
    total: Number = None
    tasks_completed: Number = None
    tasks_failed: Number = None
    success_rate: Rate = None


class Performance(Message):
    avg_response_time: Number = None
    throughput: Number = None
    queue_length: Number = None


class Moment(Message):
    """One point of B13's `timeline`."""

    timestamp: Time = None
    cpu: Percent = None
    memory: Number = None
    active_agents: Number = None
    tasks_per_minute: Number = None

    def samples(self) -> Iterator[Sample]:
        if self.timestamp is None:
            return
        values = (
            ("devkit_cpu_ratio", self.cpu),
            ("devkit_memory_ratio", share(self.memory)),
            ("devkit_memory_bytes", large(self.memory)),
            ("devkit_agents_active", self.active_agents),
            ("devkit_tasks_per_minute", self.tasks_per_minute),
        )
        yield from some(values, labels(reported="true"), self.timestamp)


class GlobalMetrics(Message):
    system: System | None = None
    agents: AgentTotals | None = None
    performance: Performance | None = None
    timeline: tuple[Moment, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def shape(cls, value: Any) -> Any:
        return known(project_as_global(value), "system", "agents", "performance", "timeline")


class GlobalTelemetry(Message):
    """B13; also when it comes in the shape of B12 (Q4)."""

    metrics: GlobalMetrics
    is_real_data: Flag = None
    timestamp: Time = None

    def samples(self) -> tuple[Sample, ...]:
        """A Bridge that says its numbers are not real data is believed: they are marked simulated."""
        found = chain(some(self.current()), *(moment.samples() for moment in self.metrics.timeline or ()))
        if self.is_real_data is not False:
            return tuple(found)
        mark = ("simulated", "true")
        return tuple(sample._replace(labels=tuple(sorted((*sample.labels, mark)))) for sample in found)

    def current(self) -> tuple[tuple[str, float | None], ...]:
        system, agents = self.metrics.system or System(), self.metrics.agents or AgentTotals()
        performance = self.metrics.performance or Performance()
        return (
            ("devkit_cpu_ratio", system.cpu),
            ("devkit_memory_ratio", share(system.memory)),
            ("devkit_memory_bytes", large(system.memory)),
            ("devkit_disk_ratio", system.disk),
            ("devkit_uptime_seconds", system.uptime),
            ("devkit_agents_active", agents.active),
            ("devkit_agents_count", agents.total),
            ("devkit_tasks_completed", agents.tasks_completed),
            ("devkit_tasks_failed", agents.tasks_failed),
            ("devkit_tasks_success_ratio", agents.success_rate),
            ("devkit_response_time_seconds", performance.avg_response_time),
            ("devkit_throughput", performance.throughput),
            ("devkit_queue_length", performance.queue_length),
        )


def known(value: Any, *keys: str) -> Any:
    """`value`, which must be an object with at least one of `keys`; metrics without any are no metrics."""
    if isinstance(value, dict) and not any(value.get(key) is not None for key in keys):
        raise ValueError(f"has none of {', '.join(keys)}")
    return value


def project_as_global(value: Any) -> Any:
    """B12's metrics in B13's shape; anything else as it is."""
    if not isinstance(value, dict) or value.get("system") is not None:
        return value
    performance = mapping(value.get("performance"))
    cpu, memory = mapping(performance.get("cpu")), mapping(performance.get("memory"))
    if not (cpu or memory or either(value, "testRuns", "test_runs")):
        return value
    agents = mapping(value.get("agents"))
    return {
        "system": {"cpu": cpu.get("current"), "memory": whole_memory(memory)},
        "agents": {**agents, "success_rate": either(agents, "completionRate", "completion_rate")},
        "performance": {"queue_length": either(agents, "taskQueue", "task_queue")},
    }


def whole_memory(memory: dict[str, Any]) -> float | None:
    """B12's megabytes as B13's percent, or as the megabytes they are when they can be told from percent."""
    current, most = number(memory.get("current")), number(memory.get("max"))
    if current is None or most:
        return 100 * current / most if current is not None and most else None
    return current if current > 100 else None


def global_as_project(value: Any) -> Any:
    """B13's metrics in B12's shape; anything else as it is. Memory in percent has no place there."""
    if not isinstance(value, dict) or not isinstance(value.get("system"), dict):
        return value
    system, agents, performance = (mapping(value.get(key)) for key in ("system", "agents", "performance"))
    memory = number(system.get("memory"))
    return {
        "performance": {
            "cpu": {"current": system.get("cpu")},
            "memory": {"current": memory if memory is not None and memory > 100 else None},
        },
        "agents": {
            **agents,
            "completion_rate": either(agents, "successRate", "success_rate"),
            "task_queue": either(performance, "queueLength", "queue_length"),
        },
        "custom": value.get("custom"),
    }
