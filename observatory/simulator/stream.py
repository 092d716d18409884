"""All clients of the services' streams, and the thread that tells them what is due (contract §3).

Cadences go by the real time, contents and timestamps by the simulator's clock.
"""

import socket
import threading
import time
from typing import Any

from observatory.simulator.bulletin import AgentStates, activity, everybody, metrics, states
from observatory.simulator.channels import CHANNELS, Channel
from observatory.simulator.commands import Commander
from observatory.simulator.frames import ENVELOPES, News, wrap
from observatory.simulator.noise import HOUR, draw
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import HttpService, Upgrade
from observatory.simulator.session import PING_EVERY, Session, Subscription
from observatory.simulator.universe import Universe
from observatory.simulator.websocket import check_handshake, handshake
from observatory.simulator.wire import Headers, Request, Takeover
from observatory.simulator.words import process_body

METRICS_EVERY, FULL_EVERY = 5.0, 30.0  # seconds
TICK, FAST_TICK = 0.2, 0.02  # how soon a change of an agent is told; how soon a frame of a frame rate comes
CLOSING_GRACE = 0.3


class Hub:
    def __init__(self, universe: Universe, commander: Commander) -> None:
        self.universe, self.commander = universe, commander
        self.sessions: set[Session] = set()
        self.frames = 0
        self.wake = threading.Event()
        self.stopping = False
        self.seen: dict[str, AgentStates] = {}  # in this round
        universe.tell, universe.wake = self.tell, self.wake.set

    def start(self) -> None:
        threading.Thread(target=self.run, name="stream", daemon=True).start()

    def stop(self) -> None:
        """Close every session with 1001 and give the clients a moment to answer."""
        self.stopping = True
        self.wake.set()
        self.close(1001, "going away")
        deadline = time.monotonic() + CLOSING_GRACE
        while self.sessions and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self, code: int, reason: str, *, path: str = "", jti: str = "") -> int:
        """Close all sessions, those whose path starts so, or those of one token. Returns how many."""
        chosen = [s for s in list(self.sessions) if s.path.startswith(path)]
        if jti:
            chosen = [s for s in chosen if (s.claims or {}).get("jti") == jti]
        for session in chosen:
            session.close(code, reason)
        return len(chosen)

    # opening

    def mount(self, service: HttpService) -> None:
        """Serve the channels of a service."""
        for channel in CHANNELS[service.name]:
            service.upgrade(channel.path, self.opening(service.name, channel))

    def opening(self, service: str, channel: Channel) -> Upgrade:
        def upgrade(request: Request, headers: Headers) -> Takeover:
            project = self.project_of(request)
            claims = self.admitted(request, project)
            check_handshake(request)
            return Takeover(lambda sock: self.accept(sock, service, channel, request, project, claims, headers))

        return upgrade

    def project_of(self, request: Request) -> str:
        """The project in the path, "" for none. Raises Failure 400 and 404."""
        if request.segments[:2] != ("ws", "projects"):
            return ""
        return self.universe.plan(request.segments[2]).id

    def admitted(self, request: Request, project: str) -> dict[str, Any] | None:
        """Who asks, {} in open mode; None when that is to be told in the first frame. Raises Failure 401 and 403."""
        dialect, access, t = self.universe.dialect, self.universe.access, self.universe.clock.now()
        if dialect.auth == "open":
            return {}
        given = request.query.get("token")
        if given:
            claims = access.claims(given, t)
        elif dialect.socket_auth == "first-frame" and "authorization" not in request.headers:
            return None
        else:
            claims = access.of(request, t)
        access.permit(claims, "R+P" if project else "R", project)
        return claims

    def accept(
        self, sock: socket.socket, service: str, channel: Channel, request: Request, project: str,
        claims: dict[str, Any] | None, headers: Headers,
    ) -> None:  # fmt: skip
        """Shake hands and hold the conversation."""
        session = Session(self, sock, service, channel, request.path, project, claims)
        sock.sendall(handshake(request, headers))
        self.sessions.add(session)
        if claims is not None:
            self.begin(session)
        self.wake.set()
        try:
            session.run()
        finally:
            self.sessions.discard(session)

    def begin(self, session: Session) -> None:
        """What flows without being asked for."""
        if session.channel.everything:
            now, t, world = time.monotonic(), self.universe.clock.now(), self.universe.world
            for plan in list(self.universe.world.projects.values()):
                if session.reaches(plan):
                    session.subscriptions[plan.id] = Subscription(plan, states(world, plan, t), now, now)

    def subscribe(self, session: Session, plan: ProjectPlan) -> None:
        """Acknowledge, tell the full status, and from then on what is due."""
        t, now = self.universe.clock.now(), time.monotonic()
        session.say({"type": "subscribed", "projectId": plan.id, "timestamp": self.stamp(t)})
        told = states(self.universe.world, plan, t)
        if not session.topics:
            self.full(session, plan, t)
        session.subscriptions[plan.id] = Subscription(plan, told, now, now + FULL_EVERY)
        self.wake.set()

    def stamp(self, t: int | None = None) -> str | int | float:
        return self.universe.dialect.stamp(self.universe.clock.now() if t is None else t)

    # telling

    def tell(self, project: str, type: str, data: dict[str, Any]) -> None:
        self.push(project, type, data)

    def push(self, project: str, type: str, data: dict[str, Any]) -> tuple[int, int]:
        """Tell all subscribers of a project at once. Returns the time it carries and how many were told."""
        t = self.universe.clock.now()
        listeners = [s for s in list(self.sessions) if project in s.subscriptions and s.channel.carries(type)]
        known: dict[str, list[str]] = {}
        for session in listeners:
            envelope = session.channel.envelope
            if envelope not in known:
                known[envelope] = self.texts(envelope, type, project, data, t)
            for text in known[envelope]:
                session.tell(text)
        return t, len(listeners)

    def run(self) -> None:
        looked = 0.0
        while not self.stopping:
            rate = self.universe.dialect.frame_rate
            woken = self.wake.wait((FAST_TICK if rate else TICK) if self.sessions else 5.0)
            self.wake.clear()
            now = time.monotonic()
            if woken or not rate or now >= looked + TICK:
                looked, self.seen = now, {}
                for session in list(self.sessions):
                    if session.claims is not None:
                        self.attend(session, now)
            if rate:
                for session in list(self.sessions):
                    self.flood(session, rate)

    def attend(self, session: Session, now: float) -> None:
        """Send one session what is due at `now`, unless a fault has its channel."""
        clock = self.universe.clock
        fault = self.universe.faults.of(session.service, session.path, clock.now(), frozen=clock.frozen)
        if fault and fault.mode in {"down", "refused"}:
            session.drop()
            return
        if fault and fault.mode == "hang":
            return
        if now >= session.pinged + (self.universe.dialect.ping_every or PING_EVERY):
            session.pinged = now
            session.say({"type": "ping", "timestamp": self.stamp()})
        for subscription in list(session.subscriptions.values()):
            self.report(session, subscription, clock.now(), now)

    def report(self, session: Session, subscription: Subscription, t: int, now: float) -> None:
        plan = subscription.plan
        if session.topics:
            self.topics(session, subscription, t, now)
            return
        present = self.seen.get(plan.id)
        if present is None:
            present = self.seen[plan.id] = states(self.universe.world, plan, t)
        changed = [agent for agent in plan.agents if present[agent.id] != subscription.told.get(agent.id)]
        subscription.told = present
        if changed and session.channel.envelope == "E3":
            self.full(session, plan, t)  # a flat list stands for all agents
        else:
            for agent in changed:
                status = process_body(self.universe.world.agent(plan, agent, t), t, self.universe.dialect)
                data = {"agentId": self.universe.world.name(plan.id, agent), "status": status}
                self.send(session, "agent_status_update", plan.id, data, t)
        if now >= subscription.full_due:
            subscription.full_due = now + FULL_EVERY
            self.full(session, plan, t)
        if now >= subscription.metrics_due:
            subscription.metrics_due = now + METRICS_EVERY
            self.send(session, "metrics", plan.id, metrics(self.universe, plan, t), t)

    def full(self, session: Session, plan: ProjectPlan, t: int) -> None:
        self.send(session, "agent_status_full", plan.id, everybody(self.universe, plan, t), t)

    def topics(self, session: Session, subscription: Subscription, t: int, now: float) -> None:
        """What a ScopeCam subscription is told: each topic by name."""
        if now < subscription.metrics_due:
            return
        subscription.metrics_due = now + METRICS_EVERY
        plan, value = subscription.plan, self.universe.world.value
        for topic in session.topics:
            rng = draw(self.universe.world.seed, plan.id, topic, t // HOUR)
            data = {"passed": rng.randrange(60, 99), "coverage": value(f"projects.{plan.id}.coverage", t)}
            session.tell(self.universe.dialect.text({"type": topic, "data": data}))

    def flood(self, session: Session, rate: float) -> None:
        """Metrics beyond the cadence, `rate` a second, the projects taking turns."""
        subscriptions = list(session.subscriptions.values())
        now = time.monotonic()
        elapsed, session.flooded = now - session.flooded, now
        if not subscriptions:
            return
        session.owed = min(rate, session.owed + rate * min(elapsed, 1.0))
        while session.owed >= 1:
            session.owed -= 1
            session.turn += 1
            plan, t = subscriptions[session.turn % len(subscriptions)].plan, self.universe.clock.now()
            self.send(session, "metrics", plan.id, metrics(self.universe, plan, t), t)

    def send(self, session: Session, type: str, project: str, data: dict[str, Any], t: int) -> None:
        if session.channel.carries(type):
            for text in self.texts(session.channel.envelope, type, project, data, t):
                session.tell(text)

    def texts(self, envelope: str, type: str, project: str, data: dict[str, Any], t: int) -> list[str]:
        """The frames that tell something, in the channel's envelope or in the one that is switched."""
        dialect = self.universe.dialect
        self.frames += 1
        chosen = envelope or dialect.envelope
        if chosen == "mixed":
            chosen = ENVELOPES[self.frames % len(ENVELOPES)]
        stamp = dialect.stamp(t - HOUR if dialect.frames == "stale" else t)
        frames = wrap(chosen, News(type, project, data, stamp, lambda: activity(self.universe, project)))
        if dialect.frame_project == "missing":
            frames = [{key: value for key, value in frame.items() if key != "projectId"} for frame in frames]
        return [dialect.text(frame) for frame in frames]
