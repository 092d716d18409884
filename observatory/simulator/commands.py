"""Orders to agents: what is legal, in the contract's order of checks, and what then happens (contract §4.3, §4.4)."""

import threading
import time
from typing import NamedTuple

from observatory.simulator.failure import Failure, invalid
from observatory.simulator.life import Command
from observatory.simulator.roster import AgentPlan, ProjectPlan
from observatory.simulator.universe import Universe

FROM = {
    "start": {"idle", "completed", "failed"},
    "stop": {"running", "paused", "failed"},
    "pause": {"running"},
    "resume": {"paused"},
}
WRONG_STATUS = {
    "start": "ALREADY_RUNNING", "stop": "NOT_RUNNING", "pause": "MUST_BE_RUNNING", "resume": "NOT_PAUSED",
}  # fmt: skip
CHANGING = ("start", "stop", "pause", "resume", "restart")
COMMANDS = (*CHANGING, "status", "configure")
DONE = {
    "start": "started", "stop": "stopped", "pause": "paused", "resume": "resumed", "restart": "restarted",
    "configure": "configured",
}  # fmt: skip


class Outcome(NamedTuple):
    """`agent` is what it is called outside."""

    agent: str
    command: str
    output: str


class Commander:
    """Takes one command an agent at a time."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.pending: set[tuple[str, str]] = set()
        self.lock = threading.Lock()

    def command(self, plan: ProjectPlan, name: str, command: str, *, source: str) -> Outcome:
        """Raises Failure: 400 for an unknown command, 404 for an unknown agent, 409 for what cannot be, 500."""
        if command not in COMMANDS:
            raise invalid(command=f"must be one of {', '.join(COMMANDS)}")
        agent = self.universe.world.find(plan, name)
        if agent is None:
            raise Failure(404, "Agent not found", code="AGENT_NOT_FOUND", projectId=plan.id, agentId=name)
        key = (plan.id, agent.id)
        self.check(plan, agent, command)
        with self.lock:
            if key in self.pending:
                raise Failure(409, f"{agent.name} is busy with another command", code="COMMAND_PENDING")
            self.pending.add(key)
        try:
            time.sleep(self.universe.dialect.command_latency)
            self.obey(plan, agent, command, source)
        finally:
            self.pending.discard(key)
        return Outcome(name, command, self.said(plan, agent, command))

    def check(self, plan: ProjectPlan, agent: AgentPlan, command: str) -> None:
        """The status first, then the flag. Raises Failure 409."""
        status = self.universe.world.status(plan.id, agent.id, self.universe.clock.now())
        if command in FROM and status not in FROM[command]:
            self.refuse(f"{agent.name} is {status}", WRONG_STATUS[command], plan)
        if command == "stop" and status == "failed":
            self.refuse(f"{agent.name} has failed and cannot be stopped", "CANNOT_STOP", plan)
        if command == "pause" and not agent.pausable:
            self.refuse(f"{agent.name} cannot be paused", "PAUSE_UNSUPPORTED", plan)

    def refuse(self, error: str, code: str, plan: ProjectPlan) -> None:
        raise Failure(409, error, code=code, projectId=plan.id)

    def obey(self, plan: ProjectPlan, agent: AgentPlan, command: str, source: str) -> None:
        """Change the world, or not, as switched. Raises Failure 500."""
        universe, dialect = self.universe, self.universe.dialect
        life, now = universe.world.lives[plan.id, agent.id], universe.clock.now()
        if dialect.commands == "failing" or dialect.unlucky(dialect.command_failure_rate):
            life.note(Command(command, now, source, "failed"))
            raise Failure(500, "Failed to execute agent command", projectId=plan.id)
        if dialect.commands == "ignored":
            return
        life.order(command, now + round(1000 * dialect.command_delay))
        life.note(Command(command, now, source))
        if command in CHANGING:
            universe.world.pins.pop(f"agents.{plan.id}.{agent.id}.status", None)
            message = f"{agent.name} {DONE[command]}"
            log = {"level": "info", "message": message, "agentId": universe.world.name(plan.id, agent)}
            universe.tell(plan.id, "log", log)
        universe.wake()

    def said(self, plan: ProjectPlan, agent: AgentPlan, command: str) -> str:
        if command == "status":
            return f"{agent.name} is {self.universe.world.status(plan.id, agent.id, self.universe.clock.now())}"
        return f"{agent.name} {DONE[command]}"
