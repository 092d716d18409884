"""The MCP context: B3 and B4 (contract §2.1), also carried by `context` frames."""

from typing import Any

from observatory.simulator.service import HttpService
from observatory.simulator.wire import Request, Response
from observatory.simulator.world import World

CAPABILITIES = ("tools", "resources")
STATES = {"scopecam": "inactive"}  # the others are active


def context_body(world: World) -> dict[str, Any]:
    servers = [
        {
            "id": plan.id,
            "name": f"{plan.name} MCP",
            "projectPath": plan.config["path"],
            "url": plan.config["mcpServerUrl"],
            "status": STATES.get(plan.id, "active"),
            "capabilities": list(CAPABILITIES),
        }
        for plan in list(world.projects.values())
        if plan.config.get("hasSubmoduleMCP")
    ]
    return {"isAvailable": bool(servers), "servers": servers}


class Context:
    """Handlers that a service mounts."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.world, self.dialect = service, service.world, service.dialect
        service.route("GET", "/api/mcp/context", self.context, "R")
        service.route("GET", "/api/mcp/contexts", self.context, "R")
        service.route("GET", "/api/mcp/status", self.status, "R")

    def body(self) -> dict[str, Any]:
        if self.dialect.lists == "empty":
            return {"isAvailable": False, "servers": []}
        return context_body(self.world)

    def context(self, _request: Request, _t: int) -> Response:
        return self.service.json(self.body())

    def status(self, _request: Request, t: int) -> Response:
        body = self.body()
        active = sum(server["status"] == "active" for server in body["servers"])
        counts = {"active": active, "total": len(body["servers"]), "timestamp": self.dialect.stamp(t)}
        return self.service.json({"available": body["isAvailable"], **counts})
