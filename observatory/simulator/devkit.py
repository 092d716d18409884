"""The Happy DevKit API: H1, H2 and H5 (contract §2.3, metric names of §2.6)."""

from collections.abc import Iterable

from observatory.simulator.noise import counter
from observatory.simulator.service import HttpService, Universe
from observatory.simulator.wire import Request, Response
from observatory.simulator.words import agent_body

VERSION = "2.4.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Upper bound in seconds of a bucket, requests an hour that fall between it and the one before.
BUCKETS = (("0.005", 900), ("0.01", 2400), ("0.025", 3100), ("0.1", 1200), ("0.5", 260), ("2.5", 38), ("+Inf", 2))
MEAN_DURATION = 0.021
Point = tuple[dict[str, str], float]


class DevKitApi(HttpService):
    name = "devkit-api"
    api_headers = (("Cache-Control", "no-store, max-age=0"),)

    def __init__(self, universe: Universe) -> None:
        super().__init__(universe)
        seed = universe.world.seed
        self.requests = [(bound, counter(seed, f"requests/{bound}", rate)) for bound, rate in BUCKETS]
        self.errors = counter(seed, "requests/errors", 9)
        self.route("GET", "/api/health", self.health)
        self.route("GET", "/health", self.health)
        self.route("GET", "/api/agents", self.agents)
        self.route("GET", "/metrics", self.metrics)

    def health(self, _request: Request, t: int) -> Response:
        features = ["agents", "metrics"]
        return self.json(
            {"status": "healthy", "version": VERSION, "features": features, "timestamp": self.dialect.stamp(t)}
        )

    def agents(self, _request: Request, t: int) -> Response:
        """Of all projects; `isRealData` and `source` stand where a project's list has its id (§2.1, B9)."""
        agents = [
            agent_body(agent, plan.id, self.dialect)
            for plan in self.world.projects.values()
            for agent in self.world.agents(plan, t)
        ]
        whole = {"agents": self.dialect.listed(agents), "isRealData": True, "source": "devkit"}
        return self.json(self.dialect.wrapped("agents", {**whole, "timestamp": self.dialect.stamp(t)}))

    def metrics(self, _request: Request, t: int) -> Response:
        lines = [*self.gauges(t), *self.counters(t), *self.tests(t), *self.durations(t)]
        return self.plain(200, ("\n".join(lines) + "\n").encode(), TEXT)

    def gauges(self, t: int) -> Iterable[str]:
        value = self.world.value
        yield from family("system_cpu_usage", "gauge", "CPU use in percent.", [({}, value("system.cpu", t))])
        yield from family("system_memory_usage", "gauge", "Memory use in percent.", [({}, value("system.memory", t))])
        started = self.world.booted(t) / 1000
        help = "Start time of the process since unix epoch in seconds."
        yield from family("process_start_time_seconds", "gauge", help, [({}, started)])
        running = [
            ({"project": plan.id, "agent": agent.id}, float(self.world.status(plan.id, agent.id, t) == "running"))
            for plan in self.world.projects.values()
            for agent in plan.agents
        ]
        yield from family("devkit_agent_running", "gauge", "1 while the agent works, else 0.", running)

    def counters(self, t: int) -> Iterable[str]:
        yield from family("devkit_builds_total", "counter", "Builds run.", self.by_project("builds", t))
        yield from family("devkit_tests_total", "counter", "Tests run.", self.by_project("tests", t))
        tasks: list[Point] = []
        for (project, agent), life in self.world.schedules.items():
            labels = {"project": project, "agent": agent}
            tasks.append(({**labels, "result": "completed"}, life.completed(t)))
            tasks.append(({**labels, "result": "failed"}, life.failed(t)))
        yield from family("devkit_tasks_total", "counter", "Tasks that agents finished.", tasks)
        yield from family("http_request_errors_total", "counter", "Requests answered 5xx.", [({}, self.errors(t))])

    def by_project(self, what: str, t: int) -> list[Point]:
        return [({"project": id}, self.world.value(f"projects.{id}.{what}", t)) for id in self.world.projects]

    def tests(self, t: int) -> Iterable[str]:
        """What the ScopeCam extension tells."""
        here, value = "projects.scopecam", self.world.value
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
            total += count(t)
            buckets.append(({"le": bound}, total))
        yield from family(name, "histogram", "How long requests took.", buckets, suffix="_bucket")
        yield f"{name}_sum {total * MEAN_DURATION:.6f}"
        yield f"{name}_count {total}"


def family(name: str, type: str, help: str, points: Iterable[Point], *, suffix: str = "") -> Iterable[str]:
    """One metric in the Prometheus text format."""
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {type}"
    for labels, value in points:
        inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
        yield f"{name}{suffix}{{{inside}}} {value}" if inside else f"{name}{suffix} {value}"
