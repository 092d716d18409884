"""The Happy DevKit API: H1 to H7 (contract §2.3, metric names of §2.6)."""

import math
from collections.abc import Iterable

from observatory.simulator.agents import Agents
from observatory.simulator.commands import Commander
from observatory.simulator.distort import odd
from observatory.simulator.noise import counter
from observatory.simulator.projects import Projects
from observatory.simulator.roster import AgentPlan
from observatory.simulator.service import HttpService
from observatory.simulator.stream import Hub
from observatory.simulator.telemetry import Telemetry
from observatory.simulator.wire import Request, Response

VERSION = "2.4.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Upper bound in seconds of a bucket, requests an hour that fall between it and the one before.
BUCKETS = (("0.005", 900), ("0.01", 2400), ("0.025", 3100), ("0.1", 1200), ("0.5", 260), ("2.5", 38), ("+Inf", 2))
MEAN_DURATION = 0.021
Point = tuple[dict[str, str], float]


class DevKitApi(HttpService):
    name = "devkit-api"
    api_headers = (("Cache-Control", "no-store, max-age=0"),)

    def __init__(self, hub: Hub, commander: Commander) -> None:
        super().__init__(hub.universe)
        seed = self.world.seed
        self.requests = [(bound, counter(seed, f"requests/{bound}", rate)) for bound, rate in BUCKETS]
        self.errors = counter(seed, "requests/errors", 9)
        self.route("GET", "/api/health", self.health)
        self.route("GET", "/health", self.health)
        self.route("GET", "/metrics", self.metrics)
        Agents(self, commander).mount_all()
        Projects(self)
        Telemetry(self).mount_query()
        hub.mount(self)

    def health(self, _request: Request, t: int) -> Response:
        features = ["agents", "metrics"]
        return self.healthy(
            {"status": "healthy", "version": VERSION, "features": features, "timestamp": self.dialect.stamp(t)}
        )

    def metrics(self, _request: Request, t: int) -> Response:
        lines = [*self.gauges(t), *self.counters(t), *self.tests(t), *self.durations(t)]
        return self.plain(200, ("\n".join(lines) + "\n").encode(), TEXT)

    def gauges(self, t: int) -> Iterable[str]:
        cpu, memory = self.measured("cpu", t), self.measured("memory", t)
        yield from family("system_cpu_usage", "gauge", "CPU use in percent.", [({}, cpu)])
        yield from family("system_memory_usage", "gauge", "Memory use in percent.", [({}, memory)])
        started = self.world.booted(t) / 1000
        help = "Start time of the process since unix epoch in seconds."
        yield from family("process_start_time_seconds", "gauge", help, [({}, started)])
        running = [
            (self.labels(plan.id, agent), float(self.world.status(plan.id, agent.id, t) == "running"))
            for plan in list(self.world.projects.values())
            for agent in plan.agents
        ]
        yield from family("devkit_agent_running", "gauge", "1 while the agent works, else 0.", running)

    def counters(self, t: int) -> Iterable[str]:
        yield from family("devkit_builds_total", "counter", "Builds run.", self.by_project("builds", t))
        yield from family("devkit_tests_total", "counter", "Tests run.", self.by_project("tests", t))
        tasks: list[Point] = []
        for plan in list(self.world.projects.values()):
            for agent in plan.agents:
                labels, life = self.labels(plan.id, agent), self.world.lives[plan.id, agent.id]
                tasks.append(({**labels, "result": "completed"}, self.world.counted(life.completed, t)))
                tasks.append(({**labels, "result": "failed"}, self.world.counted(life.failed, t)))
        yield from family("devkit_tasks_total", "counter", "Tasks that agents finished.", tasks)
        yield from family(
            "http_request_errors_total", "counter", "Requests answered 5xx.", [({}, self.world.counted(self.errors, t))]
        )

    def labels(self, project: str, agent: AgentPlan) -> dict[str, str]:
        return {"project": project, "agent": self.world.name(project, agent)}

    def measured(self, name: str, t: int) -> float:
        """A number of the machine, odd as switched; NaN for one that is missing."""
        value = odd(name, self.world.value(f"system.{name}", t), self.dialect.numbers)
        return math.nan if value is None else value

    def by_project(self, what: str, t: int) -> list[Point]:
        return [({"project": id}, self.world.value(f"projects.{id}.{what}", t)) for id in list(self.world.projects)]

    def tests(self, t: int) -> Iterable[str]:
        """What the ScopeCam extension tells."""
        here, value = "projects.scopecam", self.world.value
        if "scopecam" not in self.world.projects:
            return
        results: list[Point] = [
            ({"project": "scopecam", "status": status}, value(f"{here}.tests_{status}", t))
            for status in ("passed", "failed")
        ]
        yield from family("scopecam_tests_total", "counter", "Tests run, by result.", results)
        coverage: list[Point] = [({"project": "scopecam", "type": "overall"}, value(f"{here}.coverage", t))]
        yield from family("scopecam_coverage_percentage", "gauge", "Test coverage in percent.", coverage)

    def durations(self, t: int) -> Iterable[str]:
        name, total = "http_request_duration_seconds", 0
        buckets: list[Point] = []
        for bound, count in self.requests:
            total += int(self.world.counted(count, t))
            buckets.append(({"le": bound}, total))
        yield from family(name, "histogram", "How long requests took.", buckets, suffix="_bucket")
        yield f"{name}_sum {total * MEAN_DURATION:.6f}"
        yield f"{name}_count {total}"


def family(name: str, type: str, help: str, points: Iterable[Point], *, suffix: str = "") -> Iterable[str]:
    """One metric in the Prometheus text format."""
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {type}"
    for labels, value in points:
        inside = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        number = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else value)
        yield f"{name}{suffix}{{{inside}}} {number}" if inside else f"{name}{suffix} {number}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
