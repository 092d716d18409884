"""The telemetry store and the ScopeCam extension on the Bridge (contract §2.6), and its tools (§3.6, §5.5)."""

from typing import Any

from observatory.simulator.failure import Failure
from observatory.simulator.noise import HOUR, draw
from observatory.simulator.roster import TOOLS, ProjectPlan
from observatory.simulator.service import HttpService
from observatory.simulator.universe import Universe
from observatory.simulator.validation import document, text, tree
from observatory.simulator.wire import Request, Response

TEXT = "text/plain; version=0.0.4; charset=utf-8"
RESOURCES = {  # by name, their URIs
    "test_results": "scopecam://test-results",
    "coverage_reports": "scopecam://coverage",
    "performance_metrics": "scopecam://performance",
    "flakiness_data": "scopecam://flakiness",
    "test_inventory": "scopecam://inventory",
}
SUITES = ("unit", "integration", "e2e")
TOOL_NAMES = {
    "test_selector", "failure_analyzer", "test_orchestrator", "coverage_optimizer", "performance_monitor",
    "flakiness_detector", "test_guardian", *(tool["tool"] for tool in TOOLS),
}  # fmt: skip


def execute(universe: Universe, tool: object, t: int) -> dict[str, Any]:
    """What a tool answers: `status`, `result`, `duration`. A tool that does not exist is an error of the tool."""
    if not isinstance(tool, str) or tool not in TOOL_NAMES:
        return {"status": "error", "error": f"Unknown tool {tool!r}", "duration": 0}
    rng = draw(universe.world.seed, tool, t // HOUR)
    result: dict[str, Any] = {"selected": rng.randrange(5, 40)}
    if tool == "test_guardian":
        result = {"mode": "suggest", "healthScore": rng.randrange(70, 99), "activeIssues": [], "predictions": []}
    return {"status": "success", "result": result, "duration": rng.randrange(120, 900)}


class ScopeCam:
    """Handlers that a service mounts."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.universe = service, service.universe
        self.world, self.dialect = service.world, service.dialect
        service.route("GET", "/telemetry/health", self.health)
        service.route("GET", "/telemetry/export", self.export, "R")
        service.route("GET", "/api/scopecam/metrics", self.metrics, "R")
        service.route("POST", "/api/scopecam/tools/execute", self.tool, "W")
        service.route("GET", "/api/scopecam/resources/*", self.resource, "R")

    def health(self, _request: Request, t: int) -> Response:
        return self.service.healthy({"status": "healthy", "timestamp": self.dialect.stamp(t)})

    def export(self, request: Request, t: int) -> Response:
        """Prometheus text of all projects' tests."""
        if request.query.get("format", "prometheus") != "prometheus":
            raise Failure(400, "Invalid request", details={"format": "must be prometheus"})
        lines = ["# TYPE scopecam_tests_total counter"]
        for plan in list(self.world.projects.values()):
            numbers = self.numbers(plan, t)
            for status in ("passed", "failed"):
                labels = f'project="{plan.id}",status="{status}"'
                lines.append(f"scopecam_tests_total{{{labels}}} {numbers[f'scopecam.tests.{status}']}")
        lines.append("# TYPE scopecam_tests_duration_seconds summary")
        for plan in list(self.world.projects.values()):
            duration = self.world.value(f"projects.{plan.id}.test_duration", t)
            for quantile, factor in (("0.5", 0.8), ("0.95", 2.1)):
                labels = f'project="{plan.id}",quantile="{quantile}"'
                lines.append(f"scopecam_tests_duration_seconds{{{labels}}} {round(duration * factor, 2)}")
        lines.append("# TYPE scopecam_coverage_percentage gauge")
        for plan in list(self.world.projects.values()):
            coverage = self.world.value(f"projects.{plan.id}.coverage", t)
            lines.append(f'scopecam_coverage_percentage{{project="{plan.id}",type="overall"}} {coverage}')
        return self.service.plain(200, ("\n".join(lines) + "\n").encode(), TEXT)

    def metrics(self, request: Request, t: int) -> Response:
        plan = self.universe.plan(request.query.get("project", "scopecam"))
        return self.service.json(
            {"projectId": plan.id, "metrics": self.numbers(plan, t), "timestamp": self.dialect.stamp(t)}
        )

    def numbers(self, plan: ProjectPlan, t: int) -> dict[str, float]:
        here, value = f"projects.{plan.id}", self.world.value
        passed, failed = value(f"{here}.tests_passed", t), value(f"{here}.tests_failed", t)
        return {
            "scopecam.tests.total": passed + failed,
            "scopecam.tests.passed": passed,
            "scopecam.tests.failed": failed,
            "scopecam.tests.runs": value(f"{here}.builds", t),
            "scopecam.tests.flaky": draw(self.world.seed, plan.id, t // HOUR).randrange(4),
            "scopecam.coverage.percentage": value(f"{here}.coverage", t),
            "scopecam.performance.avg_duration": value(f"{here}.test_duration", t),
            "scopecam.guardian.actions": value(f"{here}.builds", t) // 9,
        }

    def tool(self, request: Request, t: int) -> Response:
        body = document(request)
        tool = text(body, "tool", 100)
        tree(body, "parameters")
        self.universe.plan(text(body, "projectId", 100, optional=True) or "scopecam")
        return self.service.json(execute(self.universe, tool, t))

    def resource(self, request: Request, t: int) -> Response:
        name = request.segments[3]
        if name not in RESOURCES:
            raise Failure(404, "Resource not found", resource=name)
        rng = draw(self.world.seed, name, t // HOUR)
        suites = [{"suite": suite, "value": rng.randrange(20, 100)} for suite in SUITES]
        return self.service.json({"uri": RESOURCES[name], "suites": suites, "timestamp": self.dialect.stamp(t)})
