"""Terminal endpoints and what they report: B17 to B21 (contract §2.1)."""

from typing import Any

from observatory.simulator.failure import Failure, invalid
from observatory.simulator.noise import HOUR, draw
from observatory.simulator.service import HttpService
from observatory.simulator.validation import document, text
from observatory.simulator.wire import Request, Response

CONSOLE = "http://localhost:3001"
# Of every project one that is active here; of the first also two elsewhere.
ELSEWHERE = (("container-1", "container", "active"), ("remote-1", "remote", "inactive"))
MEASURED = ("sessionsActive", "totalCommands", "cpuUsage", "memoryUsage")
REGIONS = (("eu-1", "eu", "healthy"), ("us-1", "us", "degraded"))


class Terminals:
    """Handlers that a service mounts, and the last report of each endpoint."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.universe = service, service.universe
        self.world, self.dialect = service.world, service.dialect
        self.reports: dict[str, dict[str, Any]] = {}  # by address
        self.batches = 0
        service.route("POST", "/api/terminals/discover", self.discover, "R")
        service.route("POST", "/api/terminals/metrics", self.report, "R")
        service.route("GET", "/api/terminals/*/metrics", self.metrics, "R")
        for prefix in ("/api/terminal", "/api/bridge/terminal"):
            service.route("GET", f"{prefix}/endpoints", self.endpoints, "key")
            service.route("POST", f"{prefix}/metrics", self.batch, "key")

    def discover(self, request: Request, t: int) -> Response:
        wanted = text(document(request, optional=True), "projectId", 100, optional=True)
        plans = [self.universe.plan(wanted)] if wanted else list(self.world.projects.values())
        found = [endpoint for plan in plans for endpoint in self.of_project(plan.id, plan.config["path"], t)]
        return self.service.json(self.dialect.wrapped("endpoints", {"endpoints": self.dialect.some(found)}))

    def of_project(self, project: str, cwd: str, t: int) -> list[dict[str, Any]]:
        kinds = [(f"local-{project}", "local", "active")]
        if project == next(iter(self.world.projects), ""):
            kinds += ELSEWHERE
        metadata = {"cwd": cwd, "shell": "/bin/bash", "uptime": uptime(self.world.seed, project, t)}
        return [
            {"id": id, "projectId": project, "url": address(id), "type": type, "status": status, "metadata": metadata}
            for id, type, status in kinds
        ]

    def report(self, request: Request, _t: int) -> Response:
        """B18: what a terminal says of itself. It is remembered for B19."""
        body = document(request)
        endpoint = text(body, "endpoint", 500)
        for name in MEASURED:
            value = body.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise invalid(**{name: "must be a number"})
        self.reports[endpoint] = body
        return self.service.json({"success": True})

    def metrics(self, request: Request, t: int) -> Response:
        """B19: the last report, else numbers that belong to the seed."""
        id = request.segments[2]
        known = {e["id"] for p in list(self.world.projects.values()) for e in self.of_project(p.id, "", t)}
        if id not in known:
            raise Failure(404, "Terminal endpoint not found", endpointId=id)
        rng = draw(self.world.seed, "terminal", id, t // HOUR)
        body = {
            "endpoint": address(id),
            "sessionsActive": rng.randrange(4),
            "totalCommands": rng.randrange(10, 90),
            "cpuUsage": round(rng.uniform(1, 30), 1),
            "memoryUsage": rng.randrange(120, 340),
            "lastActivity": self.dialect.stamp(t - rng.randrange(120_000)),
            "uptime": uptime(self.world.seed, id, t),
        }
        reported = self.reports.get(address(id), {})
        return self.service.json({**body, **{key: reported[key] for key in body if key in reported}})

    def endpoints(self, _request: Request, _t: int) -> Response:
        """B20: a bare array."""
        found = [
            {
                "id": id, "url": f"wss://{id}.term.example.net/ws", "protocol": "wss", "region": region,
                "health": health, "capabilities": ["pty"],
            }
            for id, region, health in REGIONS
        ]  # fmt: skip
        return self.service.json(self.dialect.some(found))

    def batch(self, request: Request, _t: int) -> Response:
        """B21: what a console measured of its sessions."""
        body = document(request)
        text(body, "projectId", 100)
        metrics = body.get("metrics")
        if not isinstance(metrics, list) or not all(isinstance(entry, dict) for entry in metrics):
            raise invalid(metrics="must be a list of objects")
        for entry in metrics:
            text(entry, "sessionId", 100)
        self.batches += len(metrics)
        return self.service.json({"accepted": len(metrics)})


def address(id: str) -> str:
    """Every endpoint has an address of its own, the first local one the console's."""
    return CONSOLE if id.startswith("local-") else f"http://{id}.example.net:3001"


def uptime(seed: int, name: str, t: int) -> int:
    """Seconds; it was started some hours before the present day began."""
    return (t % (24 * HOUR)) // 1000 + draw(seed, "terminal", name).randrange(3600, 40_000)
