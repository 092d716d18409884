"""The Bridge: B1 to B21, the telemetry store, and its WebSockets (contract §2.1, §2.6, §3.1)."""

from observatory.simulator.agents import Agents
from observatory.simulator.commands import Commander
from observatory.simulator.context import Context
from observatory.simulator.limits import GROUPS
from observatory.simulator.projects import Projects
from observatory.simulator.prompt import Prompt
from observatory.simulator.scopecam import ScopeCam
from observatory.simulator.service import HttpService
from observatory.simulator.stream import Hub
from observatory.simulator.telemetry import Telemetry
from observatory.simulator.terminals import Terminals
from observatory.simulator.wire import Request, Response

VERSION = "3.1.0"


class Bridge(HttpService):
    name = "bridge"
    api_headers = (("Cache-Control", "no-store, max-age=0"), ("X-Bridge-Version", VERSION))
    limited = tuple(GROUPS)

    def __init__(self, hub: Hub, commander: Commander) -> None:
        super().__init__(hub.universe)
        self.hub = hub
        self.route("GET", "/api/health", self.health)
        self.route("GET", "/api/bridge/status", self.status)
        Context(self)
        agents, telemetry, prompt = Agents(self, commander), Telemetry(self), Prompt(self)
        for part in (agents, telemetry, prompt):
            part.mount_projects()
        agents.mount_default()
        telemetry.mount_global()
        prompt.mount_default("/api/console/execute")
        Projects(self).mount_single()
        Terminals(self)
        ScopeCam(self)
        hub.mount(self)

    def health(self, _request: Request, t: int) -> Response:
        features = ["metrics", "discovery"]
        return self.healthy(
            {"status": "healthy", "version": VERSION, "features": features, "timestamp": self.dialect.stamp(t)}
        )

    def status(self, _request: Request, t: int) -> Response:
        return self.json(
            {
                "healthy": True,
                "version": VERSION,
                "uptime": self.world.value("system.uptime", t),
                "features": {"console": True, "scan": True, "terminals": True},
                "projects": len(self.world.projects),
                "connections": len(self.hub.sessions),
                "timestamp": self.dialect.stamp(t),
            }
        )
