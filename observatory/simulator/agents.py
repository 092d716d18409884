"""Agents over REST: B9, B10, B11, their global forms B16, H2 and H3, and the daemon's own (contract §2.1 to §2.3)."""

from typing import Any

from observatory.simulator.commands import CHANGING, Commander, Outcome
from observatory.simulator.failure import Failure
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import HttpService
from observatory.simulator.validation import document, source, text, tree
from observatory.simulator.wire import Request, Response
from observatory.simulator.words import agent_body, daemon_body

DAEMON, DEFAULT = "mcp-daemon", "devkit"


class Agents:
    """Handlers that a service mounts. `commander` is shared by all services."""

    def __init__(self, service: HttpService, commander: Commander) -> None:
        self.service, self.commander = service, commander
        self.universe, self.world, self.dialect = service.universe, service.world, service.dialect

    def mount_projects(self, project: str = "*") -> None:
        """The routes of a project, or of every one."""
        here, route = f"/api/projects/{project}", self.service.route
        route("GET", f"{here}/agents/status", self.listed, "R+P")
        route("GET", f"{here}/agents", self.listed, "R+P")
        route("POST", f"{here}/agents/command", self.command, "W+P")
        route("POST", f"{here}/agents/*/*", self.action, "W+P")

    def mount_default(self) -> None:
        self.service.route("GET", "/api/agents/status", self.default_listed, "R")
        self.service.route("POST", "/api/agents/command", self.default_command, "W")

    def mount_all(self) -> None:
        """The DevKit API's: agents of all projects."""
        self.service.route("GET", "/api/agents", self.everybody, "R")
        self.service.route("POST", "/api/agents/*/*", self.order, "W")

    def listed(self, request: Request, t: int) -> Response:
        plan = self.universe.plan(request.segments[2])
        return self.answer(request, plan, t, {"projectId": plan.id, "timestamp": self.dialect.stamp(t)})

    def default_listed(self, request: Request, t: int) -> Response:
        """`isRealData` and `source` stand where a project's list has its id and time."""
        plan = self.universe.plan(DEFAULT)
        return self.answer(request, plan, t, {"isRealData": True, "source": "bridge"})

    def answer(self, request: Request, plan: ProjectPlan, t: int, rest: dict[str, Any]) -> Response:
        """All agents, or the one that was asked for, unwrapped."""
        wanted = request.query.get("agentId")
        if wanted is None:
            agents = self.dialect.listed(self.bodies(plan, t))
            return self.service.json(self.dialect.wrapped("agents", {"agents": agents, **rest}))
        agent = self.world.find(plan, wanted)
        if agent is None:
            raise Failure(404, "Agent not found", projectId=plan.id, agentId=wanted)
        found = self.world.agent(plan, agent, t)
        if plan.id == DAEMON:
            return self.service.json(daemon_body(found, self.dialect))
        return self.service.json(agent_body(found, plan.id, self.dialect))

    def bodies(self, plan: ProjectPlan, t: int) -> list[dict[str, Any]]:
        agents = self.world.agents(plan, t)
        if plan.id == DAEMON:
            return [daemon_body(agent, self.dialect) for agent in agents]
        return [agent_body(agent, plan.id, self.dialect) for agent in agents]

    def everybody(self, _request: Request, t: int) -> Response:
        """Of all projects; `isRealData` and `source` stand where a project's list has its id (§2.1, B9)."""
        agents = [body for plan in list(self.world.projects.values()) for body in self.bodies(plan, t)]
        whole = {"agents": self.dialect.listed(agents), "isRealData": True, "source": "devkit"}
        return self.service.json(self.dialect.wrapped("agents", {**whole, "timestamp": self.dialect.stamp(t)}))

    # commands

    def command(self, request: Request, t: int) -> Response:
        plan = self.universe.plan(request.segments[2])
        return self.done(self.ordered(request, plan), plan, t, flat=False)

    def default_command(self, request: Request, t: int) -> Response:
        """It answers flat (§2.1, B10)."""
        plan = self.universe.plan(DEFAULT)
        return self.done(self.ordered(request, plan), plan, t, flat=True)

    def ordered(self, request: Request, plan: ProjectPlan) -> Outcome:
        """What became of the command in the body. To the daemon it may come without an agent (§10, C27)."""
        body = document(request)
        if plan.id == DAEMON:
            body = {"agentId": DAEMON, **body}
        if not body.get("agentId") or not body.get("command"):
            raise Failure(400, "Missing required fields: agentId and command")
        agent, command = text(body, "agentId", 100), text(body, "command", 100)
        tree(body, "parameters")
        return self.commander.command(plan, agent, command, source=source(body))

    def action(self, request: Request, t: int) -> Response:
        """B11: the command stands in the path."""
        plan, (agent, action) = self.universe.plan(request.segments[2]), request.segments[4:]
        return self.acted(request, plan, agent, action, t)

    def order(self, request: Request, t: int) -> Response:
        """H3: the first agent of that id, or the one of `projectId`."""
        agent, action = request.segments[2:]
        wanted = request.query.get("projectId") or document(request, optional=True).get("projectId")
        plans = [self.universe.plan(str(wanted))] if wanted else list(self.world.projects.values())
        plan = next((plan for plan in plans if self.world.find(plan, agent)), None)
        if plan is None:
            raise Failure(404, "Agent not found", code="AGENT_NOT_FOUND", agentId=agent)
        return self.acted(request, plan, agent, action, t)

    def acted(self, request: Request, plan: ProjectPlan, agent: str, action: str, t: int) -> Response:
        if action not in CHANGING:
            raise Failure(404, "Endpoint not found", code="NOT_FOUND")
        body = document(request, optional=True)
        return self.done(self.commander.command(plan, agent, action, source=source(body)), plan, t, flat=False)

    def done(self, outcome: Outcome, plan: ProjectPlan, t: int, *, flat: bool) -> Response:
        stamp = self.dialect.stamp(t)
        if self.dialect.command_result != "contract":
            flat = self.dialect.command_result == "flat"
        body = {"success": True, "agentId": outcome.agent, "command": outcome.command}
        if flat:
            return self.service.json({**body, "executedAt": stamp, "output": outcome.output})
        result = {"status": "completed", "output": outcome.output, "exitCode": 0, "timestamp": stamp}
        return self.service.json({**body, "projectId": plan.id, "result": result})
