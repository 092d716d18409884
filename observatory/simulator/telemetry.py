"""What projects and the whole of them measure: B12, B13 and H6 (contract §2.1, §2.3)."""

from typing import Any

from observatory.simulator.failure import invalid
from observatory.simulator.noise import DAY, HOUR, MINUTE
from observatory.simulator.overall import overall_body
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import HttpService
from observatory.simulator.wire import Request, Response

RANGES = {"15m": 15 * MINUTE, "1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY}
SECTIONS = ("testRuns", "performance", "agents")
SERIES = {  # what H6 can be asked for
    "system.cpu.usage": "system.cpu",
    "system.memory.usage": "system.memory",
    "devkit.builds.total": "projects.loom.builds",
    "devkit.tests.total": "projects.loom.tests",
}


class Telemetry:
    """Handlers that a service mounts."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.universe = service, service.universe
        self.world, self.dialect = service.world, service.dialect

    def mount_projects(self, project: str = "*") -> None:
        self.service.route("GET", f"/api/projects/{project}/telemetry/metrics", self.of_project, "R+P")

    def mount_global(self) -> None:
        self.service.route("GET", "/api/telemetry/metrics", self.of_all, "R")
        self.service.route("GET", "/api/metrics", self.of_all, "R")

    def mount_query(self) -> None:
        self.service.route("GET", "/api/v1/query", self.query, "R")

    def of_project(self, request: Request, t: int) -> Response:
        plan = self.universe.plan(request.segments[2])
        range_, section = time_range(request.query), request.query.get("type", "all")
        if section != "all" and section not in SECTIONS:
            raise invalid(type=f"must be all or one of {', '.join(SECTIONS)}")
        if self.dialect.telemetry == "swapped":
            return self.service.json({"projectId": plan.id, **overall_body(self.universe, 60.0, t)})
        return self.service.json(self.project_body(plan, range_, section, t))

    def of_all(self, request: Request, t: int) -> Response:
        if self.dialect.telemetry == "swapped":
            plan = next(iter(self.world.projects.values()))
            return self.service.json(self.project_body(plan, "1h", "all", t))
        return self.service.json(overall_body(self.universe, number(request.query.get("minutes"), 60.0), t))

    def query(self, request: Request, t: int) -> Response:
        """H6: a metric at each of the last 60 whole minutes."""
        metric = request.query.get("metric", "")
        if metric not in SERIES:
            raise invalid(metric=f"must be one of {', '.join(SERIES)}")
        return self.service.json({"metric": metric, "points": self.minutes(SERIES[metric], t)})

    # one project

    def project_body(self, plan: ProjectPlan, range_: str, section: str, t: int) -> dict[str, Any]:
        metrics: dict[str, Any] = {}
        if section in {"all", "testRuns"}:
            metrics["testRuns"] = self.test_runs(plan, t, RANGES[range_])
        if section in {"all", "performance"}:
            metrics["performance"] = self.performance(plan, t)
        if section in {"all", "agents"}:
            metrics["agents"] = self.agent_counts(plan, t)
        if section == "all":
            metrics["custom"] = self.custom(plan, t)
        return {"projectId": plan.id, "timeRange": range_, "metrics": metrics, "timestamp": self.dialect.stamp(t)}

    def test_runs(self, plan: ProjectPlan, t: int, span: int) -> dict[str, Any]:
        """`trend`: the runs of each of the last 24 whole hours, stamped with the hour's end."""
        here, value, past = f"projects.{plan.id}", self.world.value, self.world.past
        total = max(0, int(value(f"{here}.tests", t) - past(f"{here}.tests", t - span)))
        failed = max(0, int(value(f"{here}.tests_failed", t) - past(f"{here}.tests_failed", t - span)))
        failed = min(total, failed)
        average = value(f"{here}.test_duration", t)
        hours = range(t // HOUR * HOUR - 23 * HOUR, t + 1, HOUR)
        runs = [max(0, int(past(f"{here}.tests", hour) - past(f"{here}.tests", hour - HOUR))) for hour in hours]
        stamp = self.dialect.stamp
        return {
            "total": total,
            "passed": total - failed,
            "failed": failed,
            "duration": {"avg": average, "min": round(average * 0.27, 1), "max": round(average * 2.9, 1)},
            "trend": [{"timestamp": stamp(hour), "value": count} for hour, count in zip(hours, runs, strict=True)],
        }

    def performance(self, plan: ProjectPlan, t: int) -> dict[str, Any]:
        here = f"projects.{plan.id}"
        cpu, memory = self.minutes(f"{here}.cpu", t), self.minutes(f"{here}.memory", t)
        body: dict[str, Any] = {
            "cpu": {"current": self.world.value(f"{here}.cpu", t), "avg": mean(cpu), "trend": cpu},
            "memory": {
                "current": self.world.value(f"{here}.memory", t),
                "avg": mean(memory),
                "max": plan.memory_limit,
                "trend": memory,
            },
        }
        if self.dialect.memory == "swapped":
            body["memory"] = in_percent(body["memory"])
        return body

    def minutes(self, path: str, t: int) -> list[dict[str, Any]]:
        """The value at `path` at each of the last 60 whole minutes."""
        stamp, past = self.dialect.stamp, self.world.past
        minutes = range(t // MINUTE * MINUTE - 59 * MINUTE, t + 1, MINUTE)
        return [{"timestamp": stamp(minute), "value": past(path, minute)} for minute in minutes]

    def agent_counts(self, plan: ProjectPlan, t: int) -> dict[str, Any]:
        statuses = [self.world.status(plan.id, agent.id, t) for agent in plan.agents]
        done, failed = 0, 0
        for agent in plan.agents:
            life = self.world.lives[plan.id, agent.id]
            done += life.completed(t) - life.completed(t - DAY)
            failed += life.failed(t) - life.failed(t - DAY)
        return {
            "active": statuses.count("running"),
            "idle": statuses.count("idle"),
            "total": len(statuses),
            "taskQueue": self.world.value(f"projects.{plan.id}.task_queue", t),
            "completionRate": round(done / (done + failed), 4) if done + failed else 1.0,
        }

    def custom(self, plan: ProjectPlan, t: int) -> dict[str, float]:
        """One number for each key of the project's `telemetryMap`."""
        here = f"projects.{plan.id}"
        paths = {
            "system.cpu.usage": f"{here}.cpu",
            "system.memory.usage": f"{here}.memory",
            "devkit.builds.total": f"{here}.builds",
            "devkit.tests.total": f"{here}.tests",
            "scopecam.tests.total": f"{here}.tests",
            "scopecam.coverage.percentage": f"{here}.coverage",
        }
        wanted: dict[str, str] = plan.config["telemetryMap"]
        return {key: self.world.value(paths[metric], t) for key, metric in wanted.items()}


def time_range(query: dict[str, str]) -> str:
    """`timeRange`, or the shortest range that holds `minutes`. Raises Failure 400."""
    if "timeRange" in query:
        if query["timeRange"] not in RANGES:
            raise invalid(timeRange=f"must be one of {', '.join(RANGES)}")
        return query["timeRange"]
    minutes = number(query.get("minutes"), 60.0)
    return next((name for name, span in RANGES.items() if span >= minutes * MINUTE), "7d")


def number(text: str | None, default: float) -> float:
    """A positive finite number of at most a year's minutes; anything else is ignored, not refused."""
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if 0 < value <= 525_600 else default


def mean(points: list[dict[str, Any]]) -> float:
    values: list[float] = [point["value"] for point in points]
    return round(sum(values) / len(values), 1)


def in_percent(memory: dict[str, Any]) -> dict[str, Any]:
    """The same as shares of what was its maximum, which it does not tell any more."""
    most = memory["max"]
    trend = [{**point, "value": share(point["value"], most)} for point in memory["trend"]]
    return {"current": share(memory["current"], most), "avg": share(memory["avg"], most), "trend": trend}


def share(value: float, whole: float) -> float:
    return round(100 * value / whole, 1)
