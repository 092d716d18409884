"""The Bridge's WebSocket: `/ws` and `/ws/projects/{id}` (contract §3).

One thread a connection reads; one thread for all of them (`Hub.run`) sends what is due. Cadences go by the real time,
contents and timestamps by the simulator's clock.
"""

import base64
import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import Failure, Universe
from observatory.simulator.wire import Headers, Request, close, reset
from observatory.simulator.words import is_project_id, process_body

METRICS_EVERY, FULL_EVERY, PING_EVERY, SILENCE = 5.0, 30.0, 30.0, 65.0  # seconds
TICK = 0.2  # how soon a change of an agent is told
MAX_MESSAGE = 1_000_000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
CLOSING_GRACE = 0.3
IGNORED = {"pong", "event", "register", "authenticate"}  # taken, and nothing comes of it in open mode
AgentStates = dict[str, tuple[str, int]]  # agent id → status, when it came into it


@dataclass(slots=True)
class Subscription:
    """When the next frames are due, by the monotonic clock, and what was last said of each agent."""

    plan: ProjectPlan
    told: AgentStates
    metrics_due: float
    full_due: float


@dataclass(eq=False)
class Session:
    """One client. `channel` is the project of `/ws/projects/{id}`, "" on `/ws`."""

    hub: "Hub"
    socket: socket.socket
    path: str
    channel: str
    connection: Connection = field(default_factory=lambda: Connection(ConnectionType.SERVER))
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    heard: float = field(default_factory=time.monotonic)
    ping_due: float = field(default_factory=lambda: time.monotonic() + PING_EVERY)
    held: str | None = None  # a frame kept back to be sent after the next
    buffer: list[str] = field(default_factory=list)
    buffered: int = 0

    # receiving

    def run(self) -> None:
        """Read until either side closes."""
        self.socket.settimeout(5.0)
        try:
            while self.connection.state is not ConnectionState.CLOSED:
                try:
                    received = self.socket.recv(65_536)
                except TimeoutError:
                    if time.monotonic() - self.heard > SILENCE:
                        self.close(1001, "nothing heard")
                        return
                    continue
                if not received:
                    return
                self.heard = time.monotonic()
                self.receive(received)
        except OSError:
            pass  # the client is gone

    def receive(self, received: bytes) -> None:
        with self.lock:
            self.connection.receive_data(received)
            events = list(self.connection.events())
        for event in events:
            if isinstance(event, Ping):
                self.put(event.response())
            elif isinstance(event, CloseConnection):
                self.put(event.response())
                return
            elif isinstance(event, BytesMessage):
                self.error("Binary frames are not understood", "INVALID_MESSAGE")
            elif isinstance(event, TextMessage):
                self.gather(event)

    def gather(self, event: TextMessage) -> None:
        """Put a message's pieces together."""
        self.buffer.append(event.data)
        self.buffered += len(event.data)
        if self.buffered > MAX_MESSAGE:
            self.buffer, self.buffered = [], 0
            self.close(1009, "message too big")
            return
        if event.message_finished:
            text = "".join(self.buffer)
            self.buffer, self.buffered = [], 0
            self.understand(text)

    def understand(self, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        message = message if isinstance(message, dict) else {}
        type = message.get("type")
        if type == "ping":
            self.say({"type": "pong", "timestamp": self.hub.stamp()})
        elif type in ("subscribe", "unsubscribe"):
            self.subscribe(message, wanted=type == "subscribe")
        elif type == "command":
            self.error("Commands are not taken over the stream", "NOT_SUPPORTED")
        elif not isinstance(type, str) or type not in IGNORED:
            self.error("Not a message this channel knows", "INVALID_MESSAGE")

    def subscribe(self, message: dict[str, Any], *, wanted: bool) -> None:
        id = message.get("projectId") or self.channel
        if not isinstance(id, str) or not id:
            self.error("projectId is required", "INVALID_MESSAGE")
            return
        plan = self.hub.universe.world.project(id)
        if plan is None or (self.channel and plan.id != self.channel):
            self.error("Unknown project", "NOT_FOUND")
        elif wanted:
            self.hub.subscribe(self, plan)
        else:
            self.subscriptions.pop(plan.id, None)

    # sending

    def error(self, text: str, code: str) -> None:
        t = self.hub.universe.clock.now()
        self.say({"type": "error", "timestamp": self.hub.stamp(t), "data": {"message": text, "code": code}})

    def say(self, frame: dict[str, Any]) -> None:
        self.put(Message(data=self.hub.universe.dialect.text(frame)))

    def tell(self, text: str) -> None:
        """Send a frame that carries something, damaged as switched."""
        frames = self.hub.universe.dialect.frames
        if frames == "reordered" and self.held is None:
            self.held = text
            return
        self.put(Message(data=text[: len(text) // 2] if frames == "malformed" else text))
        if frames == "duplicated":
            self.put(Message(data=text))
        if self.held is not None:
            held, self.held = self.held, None
            self.put(Message(data=held))

    def put(self, event: Event) -> None:
        """Send one protocol event; a client that does not read for 5 s is dropped."""
        with self.lock:
            try:
                self.socket.sendall(self.connection.send(event))
            except LocalProtocolError:
                pass  # closing already
            except OSError:
                self.drop()

    def close(self, code: int, reason: str) -> None:
        self.put(CloseConnection(code=code, reason=reason))

    def drop(self) -> None:
        """Tear the connection down without a word."""
        reset(self.socket)
        close(self.socket)


class Hub:
    """All sessions, and the thread that tells them what is due."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.sessions: set[Session] = set()
        self.frames = 0
        self.wake = threading.Event()
        self.stopping = False

    def start(self) -> None:
        threading.Thread(target=self.run, name="stream", daemon=True).start()

    def stop(self) -> None:
        """Close every session with 1001 and give the clients a moment to answer."""
        self.stopping = True
        self.wake.set()
        for session in list(self.sessions):
            session.close(1001, "going away")
        deadline = time.monotonic() + CLOSING_GRACE
        while self.sessions and time.monotonic() < deadline:
            time.sleep(0.01)

    def accept(self, request: Request, sock: socket.socket, headers: Headers) -> None:
        """Shake hands and hold the conversation. The request was found good by `check`."""
        project = self.universe.world.project(request.segments[2]) if len(request.segments) == 3 else None
        session = Session(self, sock, request.path, project.id if project else "")
        sock.sendall(handshake(request.headers["sec-websocket-key"], headers))
        self.sessions.add(session)
        self.wake.set()
        try:
            session.run()
        finally:
            self.sessions.discard(session)

    def check(self, request: Request) -> None:
        """Whether a handshake may go on. Raises Failure, which is answered as plain HTTP (§3.5)."""
        match request.segments:
            case ("ws",):
                pass
            case ("ws", "projects", id):
                if not is_project_id(id):
                    raise Failure(400, "Invalid project ID format", projectId=id)
                if self.universe.world.project(id) is None:
                    raise Failure(404, "Project not found", projectId=id)
            case _:
                raise Failure(404, "Endpoint not found", code="NOT_FOUND")
        if request.headers.get("upgrade", "").lower() != "websocket" or "sec-websocket-key" not in request.headers:
            raise Failure(426, "Upgrade required", headers=(("Upgrade", "websocket"), ("Connection", "Upgrade")))
        if request.headers.get("sec-websocket-version") != "13":
            raise Failure(426, "Upgrade required", headers=(("Sec-WebSocket-Version", "13"),))

    def stamp(self, t: int | None = None) -> str | int | float:
        return self.universe.dialect.stamp(self.universe.clock.now() if t is None else t)

    # what is said

    def subscribe(self, session: Session, plan: ProjectPlan) -> None:
        """Acknowledge, tell the full status, and from then on what is due."""
        t, now = self.universe.clock.now(), time.monotonic()
        session.say({"type": "subscribed", "projectId": plan.id, "timestamp": self.stamp(t)})
        told = self.states(plan, t)
        session.tell(self.full(plan, t))
        session.subscriptions[plan.id] = Subscription(plan, told, now, now + FULL_EVERY)
        self.wake.set()

    def push(self, project: str, type: str, data: dict[str, Any]) -> tuple[int, int]:
        """Tell all subscribers of a project at once. Returns the time it carries and how many were told."""
        t = self.universe.clock.now()
        listeners = [s for s in list(self.sessions) if project in s.subscriptions]
        text = self.frame(type, project, data, t)
        for session in listeners:
            session.tell(text)
        return t, len(listeners)

    def run(self) -> None:
        while not self.stopping:
            self.wake.wait(TICK if self.sessions else 5.0)
            self.wake.clear()
            for session in list(self.sessions):
                self.attend(session, time.monotonic())

    def attend(self, session: Session, now: float) -> None:
        """Send one session what is due at `now`, unless a fault has its channel."""
        clock = self.universe.clock
        fault = self.universe.faults.of("bridge", session.path, clock.now(), frozen=clock.frozen)
        if fault and fault.mode == "down":
            session.drop()
            return
        if fault and fault.mode == "hang":
            return
        if now >= session.ping_due:
            session.ping_due = now + PING_EVERY
            session.say({"type": "ping", "timestamp": self.stamp()})
        for subscription in list(session.subscriptions.values()):
            self.report(session, subscription, clock.now(), now)

    def report(self, session: Session, subscription: Subscription, t: int, now: float) -> None:
        plan = subscription.plan
        states = self.states(plan, t)
        for agent in plan.agents:
            if states[agent.id] != subscription.told[agent.id]:
                status = process_body(self.universe.world.agent(plan, agent, t), t, self.universe.dialect)
                data = {"agentId": agent.id, "status": status}
                session.tell(self.frame("agent_status_update", plan.id, data, t))
        subscription.told = states
        if now >= subscription.full_due:
            subscription.full_due = now + FULL_EVERY
            session.tell(self.full(plan, t))
        if now >= subscription.metrics_due:
            subscription.metrics_due = now + METRICS_EVERY
            session.tell(self.frame("metrics", plan.id, self.metrics(plan, t), t))

    def states(self, plan: ProjectPlan, t: int) -> AgentStates:
        world = self.universe.world
        return {agent.id: world.state(plan.id, agent.id, t) for agent in plan.agents}

    def full(self, plan: ProjectPlan, t: int) -> str:
        dialect = self.universe.dialect
        agents = {agent.plan.id: process_body(agent, t, dialect) for agent in self.universe.world.agents(plan, t)}
        return self.frame("agent_status_full", plan.id, {"agents": agents}, t)

    def metrics(self, plan: ProjectPlan, t: int) -> dict[str, Any]:
        world, here = self.universe.world, f"projects.{plan.id}"
        return {
            "cpu": world.value(f"{here}.cpu", t),
            "memory": world.value(f"{here}.memory", t),
            "disk": world.value(f"{here}.disk", t),
            "network": {"rx": world.value(f"{here}.network.rx", t), "tx": world.value(f"{here}.network.tx", t)},
            "processes": world.value(f"{here}.processes", t),
            "uptime": world.value("system.uptime", t),
        }

    def frame(self, type: str, project: str, data: dict[str, Any], t: int) -> str:
        self.frames += 1
        return self.universe.dialect.frame(type, project, data, t, number=self.frames)


def handshake(key: str, headers: Headers) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
