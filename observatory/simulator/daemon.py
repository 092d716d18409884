"""The MCP daemon: M1 to M5, and M6, its facade as a project (contract §2.2). Its field names are snake_case."""

from observatory.simulator.agents import DAEMON, Agents
from observatory.simulator.commands import Commander
from observatory.simulator.prompt import Prompt
from observatory.simulator.roster import TOOLS
from observatory.simulator.service import HttpService
from observatory.simulator.stream import Hub
from observatory.simulator.telemetry import Telemetry
from observatory.simulator.wire import Request, Response

VERSION = "0.9.4"


class Daemon(HttpService):
    name = "mcp-daemon"
    api_headers = (("Cache-Control", "no-store, max-age=0"),)

    def __init__(self, hub: Hub, commander: Commander) -> None:
        super().__init__(hub.universe)
        self.route("GET", "/status", self.status)
        self.route("GET", "/capabilities", self.capabilities)
        self.route("GET", "/health", self.health)
        self.route("GET", "/metrics", self.metrics)
        self.route("GET", "/mcp/health", self.mcp_health)
        for part in (Agents(self, commander), Telemetry(self), Prompt(self)):
            part.mount_projects(DAEMON)
        hub.mount(self)

    def status(self, _request: Request, t: int) -> Response:
        return self.json(
            {
                "daemon_running": True,
                "version": VERSION,
                "uptime": self.world.value("daemon.uptime", t),
                "pid": 4120,
                "capabilities": ["tools", "prompts"],
            }
        )

    def capabilities(self, _request: Request, _t: int) -> Response:
        tools = self.dialect.some(list(TOOLS))
        return self.json(self.dialect.wrapped("capabilities", {"capabilities": tools}))

    def health(self, _request: Request, t: int) -> Response:
        return self.healthy({"status": "healthy", "timestamp": self.dialect.stamp(t)})

    def metrics(self, _request: Request, t: int) -> Response:
        names = ("cpu_usage", "memory_usage", "requests_total", "active_connections")
        numbers = {name: self.world.value(f"daemon.{name}", t) for name in names}
        return self.json({**numbers, "timestamp": self.dialect.stamp(t)})

    def mcp_health(self, _request: Request, _t: int) -> Response:
        return self.json({"config": {"name": "Happy MCP daemon", "version": VERSION}})
