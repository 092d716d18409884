"""The Bridge: B1, B2, B5, B7, B9, B12, B13 and its aliases, over the simulated world (contract §2.1)."""

import socket
from typing import Any

from observatory.simulator.noise import DAY, HOUR, MINUTE
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import Failure, HttpService, Universe
from observatory.simulator.stream import Hub
from observatory.simulator.wire import Request, Response, Takeover
from observatory.simulator.words import agent_body, is_project_id, project_body

VERSION = "3.1.0"
RANGES = {"15m": 15 * MINUTE, "1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY}
SECTIONS = ("testRuns", "performance", "agents")
TIMELINE_POINTS, TIMELINE_STEP = 12, 5 * MINUTE


class Bridge(HttpService):
    name = "bridge"
    api_headers = (("Cache-Control", "no-store, max-age=0"), ("X-Bridge-Version", VERSION))

    def __init__(self, universe: Universe, hub: Hub) -> None:
        super().__init__(universe)
        self.hub = hub
        self.route("GET", "/api/health", self.health)
        self.route("GET", "/api/bridge/status", self.status)
        self.route("GET", "/api/projects", self.projects)
        self.route("GET", "/api/projects/*", self.project)
        self.route("GET", "/api/projects/*/agents/status", self.agents)
        self.route("GET", "/api/projects/*/agents", self.agents)
        self.route("GET", "/api/projects/*/telemetry/metrics", self.project_telemetry)
        self.route("GET", "/api/telemetry/metrics", self.telemetry)
        self.route("GET", "/api/metrics", self.telemetry)

    def serve(self, request: Request, sock: socket.socket) -> Response | Takeover:
        """A handshake under `/ws` becomes a stream; all else is REST."""
        if request.segments[:1] != ("ws",):
            return super().serve(request, sock)
        try:
            self.hub.check(request)
        except Failure as failure:
            return self.failed(failure)
        return Takeover(lambda sock: self.hub.accept(request, sock, self.every()))

    def health(self, _request: Request, t: int) -> Response:
        features = ["metrics", "discovery"]
        return self.json(
            {"status": "healthy", "version": VERSION, "features": features, "timestamp": self.dialect.stamp(t)}
        )

    def status(self, _request: Request, t: int) -> Response:
        return self.json(
            {
                "healthy": True,
                "version": VERSION,
                "uptime": self.world.value("system.uptime", t),
                "features": {"console": False, "scan": False, "terminals": False},
                "projects": len(self.world.projects),
                "connections": len(self.hub.sessions),
                "timestamp": self.dialect.stamp(t),
            }
        )

    def projects(self, _request: Request, t: int) -> Response:
        projects = [project_body(plan) for plan in self.world.projects.values()]
        return self.json({"projects": projects, "timestamp": self.dialect.stamp(t)})

    def project(self, request: Request, _t: int) -> Response:
        return self.json(self.dialect.wrapped("project", {"project": project_body(self.named(request))}))

    def agents(self, request: Request, t: int) -> Response:
        plan = self.named(request)
        wanted = request.query.get("agentId")
        if wanted is not None:
            agent = next((a for a in plan.agents if a.id == wanted), None)
            if agent is None:
                raise Failure(404, "Agent not found", projectId=plan.id, agentId=wanted)
            return self.json(agent_body(self.world.agent(plan, agent, t), plan.id, self.dialect))
        agents = [agent_body(agent, plan.id, self.dialect) for agent in self.world.agents(plan, t)]
        whole = {"agents": self.dialect.listed(agents), "projectId": plan.id, "timestamp": self.dialect.stamp(t)}
        return self.json(self.dialect.wrapped("agents", whole))

    def project_telemetry(self, request: Request, t: int) -> Response:
        plan = self.named(request)
        range_, section = time_range(request.query), request.query.get("type", "all")
        if section != "all" and section not in SECTIONS:
            raise Failure(400, "Invalid request", details={"type": f"must be all or one of {', '.join(SECTIONS)}"})
        metrics: dict[str, Any] = {}
        if section in {"all", "testRuns"}:
            metrics["testRuns"] = self.test_runs(plan, t, RANGES[range_])
        if section in {"all", "performance"}:
            metrics["performance"] = self.performance(plan, t)
        if section in {"all", "agents"}:
            metrics["agents"] = self.agent_counts(plan, t)
        if section == "all":
            metrics["custom"] = self.custom(plan, t)
        stamp = self.dialect.stamp(t)
        return self.json({"projectId": plan.id, "timeRange": range_, "metrics": metrics, "timestamp": stamp})

    def test_runs(self, plan: ProjectPlan, t: int, span: int) -> dict[str, Any]:
        """`trend`: the runs of each of the last 24 whole hours, stamped with the hour's end."""
        here, value, past = f"projects.{plan.id}", self.world.value, self.world.past
        total = int(value(f"{here}.tests", t) - past(f"{here}.tests", t - span))
        failed = min(total, int(value(f"{here}.tests_failed", t) - past(f"{here}.tests_failed", t - span)))
        average = value(f"{here}.test_duration", t)
        hours = range(t // HOUR * HOUR - 23 * HOUR, t + 1, HOUR)
        runs = [int(past(f"{here}.tests", hour) - past(f"{here}.tests", hour - HOUR)) for hour in hours]
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
        return {
            "cpu": {"current": self.world.value(f"{here}.cpu", t), "avg": mean(cpu), "trend": cpu},
            "memory": {
                "current": self.world.value(f"{here}.memory", t),
                "avg": mean(memory),
                "max": plan.memory_limit,
                "trend": memory,
            },
        }

    def minutes(self, path: str, t: int) -> list[dict[str, Any]]:
        """The value at `path` at each of the last 60 whole minutes."""
        stamp, past = self.dialect.stamp, self.world.past
        minutes = range(t // MINUTE * MINUTE - 59 * MINUTE, t + 1, MINUTE)
        return [{"timestamp": stamp(minute), "value": past(path, minute)} for minute in minutes]

    def agent_counts(self, plan: ProjectPlan, t: int) -> dict[str, Any]:
        statuses = [self.world.status(plan.id, agent.id, t) for agent in plan.agents]
        done, failed = 0, 0
        for agent in plan.agents:
            life = self.world.schedules[plan.id, agent.id]
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

    def telemetry(self, request: Request, t: int) -> Response:
        value = self.world.value
        completed, failed, rate = self.tasks(t, number(request.query.get("minutes"), 60.0))
        return self.json(
            {
                "metrics": {
                    "system": {key: value(f"system.{key}", t) for key in ("cpu", "memory", "disk", "uptime")},
                    "agents": {
                        "active": value("agents.active", t),
                        "total": value("agents.total", t),
                        "tasks_completed": completed,
                        "tasks_failed": failed,
                        "success_rate": rate,
                    },
                    "performance": {
                        key: value(f"performance.{key}", t)
                        for key in ("avg_response_time", "throughput", "queue_length")
                    },
                    "timeline": self.timeline(t),
                },
                "isRealData": True,  # by the contract; that it is not is said by X-Simulated
                "source": "bridge",
                "timestamp": self.dialect.stamp(t),
            }
        )

    def tasks(self, t: int, minutes: float) -> tuple[float, float, float]:
        """Completed, failed and their ratio in the last `minutes`; what is pinned is as pinned."""
        span = int(minutes * MINUTE)
        completed, failed = self.world.finished(t, span)
        rate = self.world.success_rate(t, span)
        found: dict[str, float] = {"tasks_completed": completed, "tasks_failed": failed, "success_rate": rate}
        for name in found:
            if f"agents.{name}" in self.world.pins:
                found[name] = self.world.value(f"agents.{name}", t)
        return found["tasks_completed"], found["tasks_failed"], found["success_rate"]

    def timeline(self, t: int) -> list[dict[str, Any]]:
        """The last 12 whole five minutes, oldest first."""
        past, last = self.world.past, t // TIMELINE_STEP * TIMELINE_STEP
        return [
            {
                "timestamp": self.dialect.stamp(at),
                "cpu": past("system.cpu", at),
                "memory": past("system.memory", at),
                "active_agents": past("agents.active", at),
                "tasks_per_minute": past("agents.tasks_per_minute", at),
            }
            for at in range(last - (TIMELINE_POINTS - 1) * TIMELINE_STEP, last + 1, TIMELINE_STEP)
        ]

    def named(self, request: Request) -> ProjectPlan:
        """The project of `/api/projects/{id}/…`. Raises Failure 400 for a malformed id, 404 for an unknown one."""
        id = request.segments[2]
        if not is_project_id(id):
            raise Failure(400, "Invalid project ID format", projectId=id)
        plan = self.world.project(id)
        if plan is None:
            raise Failure(404, "Project not found", projectId=id)
        return plan


def time_range(query: dict[str, str]) -> str:
    """`timeRange`, or the shortest range that holds `minutes`. Raises Failure 400."""
    if "timeRange" in query:
        if query["timeRange"] not in RANGES:
            raise Failure(400, "Invalid request", details={"timeRange": f"must be one of {', '.join(RANGES)}"})
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
