"""One client of a Bridge's, DevKit's or daemon's stream: what it may say, and what it is told (contract §3.2, §3.6)."""

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from observatory.simulator.bulletin import AgentStates, activity
from observatory.simulator.channels import Channel
from observatory.simulator.context import context_body
from observatory.simulator.failure import Failure
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.scopecam import execute
from observatory.simulator.websocket import WebSocket, parsed

if TYPE_CHECKING:
    from observatory.simulator.stream import Hub

PING_EVERY = 30.0  # seconds
AUTHENTICATE_WITHIN = 5.0
MOST_TOPICS = 20


@dataclass(slots=True)
class Subscription:
    """When the next frames are due, by the monotonic clock, and what was last said of each agent."""

    plan: ProjectPlan
    told: AgentStates
    metrics_due: float
    full_due: float


class Session(WebSocket):
    """`project` is the one of `/ws/projects/{id}`, "" elsewhere. `claims` are None until somebody proved who he is."""

    def __init__(
        self, hub: "Hub", sock: socket.socket, service: str, channel: Channel, path: str, project: str,
        claims: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        super().__init__(sock)
        self.hub, self.universe = hub, hub.universe
        self.service, self.channel, self.path, self.project, self.claims = service, channel, path, project, claims
        self.subscriptions: dict[str, Subscription] = {}
        self.topics: list[str] = []  # of a ScopeCam subscription
        self.opened = time.monotonic()
        self.pinged = self.opened
        self.owed, self.turn, self.flooded = 0.0, 0, self.opened  # frames a frame rate owes, whose turn, since when
        self.held: str | None = None  # a frame kept back to be sent after the next
        self.last: str | None = None

    # receiving

    def understand(self, text: str) -> None:
        message = parsed(text)
        type = message.get("type")
        if self.claims is None and type != "authenticate":
            self.close(1008, "authentication required")
        elif isinstance(message.get("subscribe"), list):
            self.follow(message)
        elif isinstance(type, str) and type in MEANINGS:
            MEANINGS[type](self, message)
        else:
            self.complain("Not a message this channel knows", "INVALID_MESSAGE")

    def look(self) -> None:
        if self.claims is None and time.monotonic() - self.opened > AUTHENTICATE_WITHIN:
            self.close(1008, "authentication required")

    def authenticate(self, message: dict[str, Any]) -> None:
        if self.universe.dialect.auth == "open":
            return
        try:
            claims = self.universe.access.claims(str(message.get("token")), self.universe.clock.now())
            self.universe.access.permit(claims, "R+P" if self.project else "R", self.project)
        except Failure:
            self.close(1008, "invalid token")
            return
        self.claims = claims
        self.hub.begin(self)

    def ping(self, _message: dict[str, Any]) -> None:
        self.say({"type": "pong", "timestamp": self.hub.stamp()})

    def ignore(self, _message: dict[str, Any]) -> None:
        """Taken, and nothing comes of it."""

    def subscribe(self, message: dict[str, Any]) -> None:
        plan = self.named(message)
        if plan and self.may("R+P", plan):
            self.hub.subscribe(self, plan)

    def unsubscribe(self, message: dict[str, Any]) -> None:
        plan = self.named(message)
        if plan:
            self.subscriptions.pop(plan.id, None)

    def register(self, _message: dict[str, Any]) -> None:
        """The MCP channel's first frame: what the agents do, in its own envelope, and the context."""
        self.say({"type": "agent-activity", "data": activity(self.universe)})
        self.say({"type": "context", "timestamp": self.hub.stamp(), "data": context_body(self.universe.world)})

    def command(self, message: dict[str, Any]) -> None:
        """A command to an agent. That it was obeyed is told by the agent's update."""
        plan, inner = self.named(message), message.get("data")
        if plan is None or not self.may("W+P", plan):
            return
        agent, command = message.get("agentId"), inner.get("command") if isinstance(inner, dict) else None
        if not isinstance(agent, str) or not isinstance(command, str):
            self.complain("Missing required fields: agentId and command", "INVALID_MESSAGE")
            return
        try:
            self.hub.commander.command(plan, agent, command, source="api")
        except Failure as failure:
            self.complain(failure.error, str(failure.extra.get("code", "COMMAND_FAILED")))

    def execute(self, message: dict[str, Any]) -> None:
        answer = execute(self.universe, message.get("tool"), self.universe.clock.now())
        self.say({"type": "tool-result", "requestId": message.get("requestId"), **answer})

    def follow(self, message: dict[str, Any]) -> None:
        """ScopeCam's own subscription: topics of a project."""
        plan = self.named({"projectId": message.get("project")})
        if plan and self.may("R+P", plan):
            wanted = [topic for topic in message["subscribe"] if isinstance(topic, str) and topic.isprintable()]
            self.topics = wanted[:MOST_TOPICS]
            self.hub.subscribe(self, plan)

    def named(self, message: dict[str, Any]) -> ProjectPlan | None:
        """The project of a message, else the channel's; None when that was complained of."""
        id = message.get("projectId") or self.project
        if not isinstance(id, str) or not id:
            self.complain("projectId is required", "INVALID_MESSAGE")
            return None
        plan = self.universe.world.project(id)
        if plan is None or (self.project and plan.id != self.project):
            self.complain("Unknown project", "NOT_FOUND")
            return None
        return plan

    def may(self, needs: str, plan: ProjectPlan) -> bool:
        """Whether the client may; one that may not is shown the door (§3.5)."""
        if self.universe.dialect.auth == "open":
            return True
        try:
            self.universe.access.permit(self.claims or {}, needs, plan.id)
        except Failure as failure:
            self.close(1008, failure.error)
            return False
        return True

    def reaches(self, plan: ProjectPlan) -> bool:
        """Whether the client may read the project."""
        try:
            self.universe.access.permit(self.claims or {}, "R+P", plan.id)
        except Failure:
            return self.universe.dialect.auth == "open"
        return True

    # sending

    def complain(self, text: str, code: str) -> None:
        self.say({"type": "error", "timestamp": self.hub.stamp(), "data": {"message": text, "code": code}})

    def say(self, frame: dict[str, Any]) -> None:
        self.send(self.universe.dialect.text(frame))

    def tell(self, text: str) -> None:
        """Send a frame that carries something, damaged as switched."""
        frames = self.universe.dialect.frames
        if frames == "reordered" and self.held is None:
            self.held = text
            return
        self.send(text[: len(text) // 2] if frames == "malformed" else text)
        if frames == "duplicated":
            self.send(text)
        if frames == "repeated" and self.last is not None:
            self.send(self.last)
        self.last = text
        if self.held is not None:
            held, self.held = self.held, None
            self.send(held)


MEANINGS = {
    "authenticate": Session.authenticate,
    "ping": Session.ping,
    "pong": Session.ignore,
    "event": Session.ignore,
    "subscribe": Session.subscribe,
    "unsubscribe": Session.unsubscribe,
    "register": Session.register,
    "command": Session.command,
    "execute-tool": Session.execute,
}
