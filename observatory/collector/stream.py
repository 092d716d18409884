"""The Bridge's WebSocket: what happens in its projects, told as it happens. It never gives up.

One connection on the root channel where the Bridge serves it, else one a project; a project may name a place of its
own, too. REST readings go on beside it; this only brings news sooner. So a frame that cannot be used is counted and
left out.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote, urlsplit

from observatory import freshness, log
from observatory.clients.addresses import Rule, rule_of
from observatory.clients.resolver import SYSTEM, Resolve
from observatory.collector.channel import Channel, Timing
from observatory.collector.gathered import Chatter, Gathered
from observatory.collector.scrape import corrected, earliest, marked, our_agent
from observatory.contract import frames
from observatory.contract.bridge_context import McpContext
from observatory.contract.frames import Frame, Topic
from observatory.model import Event, Instant, Level, Project, Sample, Scrape, StreamState, StreamStatus, Target

logger = log.get(__name__)

AHEAD = 60_000  # milliseconds: a frame dated further ahead than this does not make those after it old
TOGETHER = 0.1  # seconds: what is due within them is written together
IDLE = 5.0  # seconds between two looks when nothing is due
BUSY = 0.2  # the same while the writer is behind
ENDING = 2.0  # seconds for all connections to end
CHANNELS = 100  # connections of one Bridge, each with its threads; the projects beyond are polled
NAMELESS = 3  # frames that could be of any project; after them it is no use to listen for more
CUSTOM_SERIES = 200  # of one project; more are left out

MESSAGES = {Topic.LOG: "project.log", Topic.ERROR: "project.error", Topic.EVENT: "project.event"}


class BridgeStream(threading.Thread):
    """Hands what it hears to `emit` as pushed Scrapes: at once after a pause, else gathered for `timing.pace` seconds.

    However much is gathered, the newest word about every agent and series is in it. While `ready` says no, everything
    is gathered further. `counts` are frames by type, `unused` those that were left out by reason: `old`, `unplaced`
    (no project could be told), `unsubscribed`, `empty` (it tells nothing), `crowded` (there was too much of it).
    """

    def __init__(
        self,
        target: Target,
        *,
        emit: Callable[[Sequence[Scrape]], None],
        clock: Callable[[], Instant],
        ready: Callable[[], bool] = lambda: True,
        rule: Rule | None = None,
        resolve: Resolve = SYSTEM,
        timing: Timing = Timing(),  # noqa: B008 – frozen
    ) -> None:
        super().__init__(name=f"stream-{target.name}", daemon=True)
        self.target, self.emit, self.clock, self.ready = target, emit, clock, ready
        self.rule, self.resolve, self.timing = rule or rule_of(target), resolve, timing
        self.base = socket_url(target)
        self.counts: Counter[str] = Counter()
        self.unused: Counter[str] = Counter()
        self.heard_at: Instant | None = None
        self.root = self.channel(f"{self.base}/ws")
        self.by_project = False  # the root channel is not served, or does not say what belongs to which project
        self.nameless = 0  # frames over the root channel that could be of any project
        self._channels: dict[str, Channel] = {}  # those of one project, by its id
        self._projects: dict[str, Project] = {}  # wanted ones by id in lower case
        self._heard: dict[str, Instant] = {}  # when something was last heard of a project over its present connection
        self._newest: dict[str, dict[object, Instant]] = {}  # by project and what it was about
        self._custom: dict[str, set[object]] = {}
        self._gathered: dict[str, Gathered] = {}
        self._due: dict[str, float] = {}
        self._start_of: dict[str, Instant] = {}
        self._state: tuple[StreamState, Instant] | None = None
        self._chatter = Chatter()
        self._lock = threading.Lock()  # of all the above: channels hear in threads of their own
        self._arranged = False
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def channel(self, url: str, project: str = "") -> Channel:
        """A connection. Who may not be trusted with our token is not given it, and what leads where is checked."""
        foreign = bool(project) and urlsplit(url)[:2] != urlsplit(self.base)[:2]
        token = (("Authorization", f"Bearer {self.target.token}"),) if self.target.token else ()
        return Channel(
            url,
            hear=self.hear,
            changed=self.changed,
            clock=self.clock,
            rule=Rule.LOCAL if foreign else self.rule,
            resolve=self.resolve,
            headers=() if foreign else (*self.target.headers, *token),
            timing=self.timing,
            target=self.target.name,
            project=project,
            simulated=self.target.simulated,
        )

    # ── what is wanted ───────────────────────────────────────────────────────────────────────────────────────────────

    def projects(self, wanted: Iterable[Project]) -> None:
        """Listen to these projects from now on."""
        with self._lock:
            self._projects = {project.id.lower(): project for project in wanted}
            for gone in set(self._newest) - {"", *(project.id for project in self._projects.values())}:
                self.forget(gone)
            self._arranged = False
        self._wake.set()

    def forget(self, project: str) -> None:
        for kept in (self._newest, self._heard, self._custom, self._due):
            kept.pop(project, None)
        self._chatter.forget(project)

    def arrange(self) -> None:
        """Have the connections that the wanted projects need."""
        with self._lock:
            if self._arranged:
                return
            self._arranged = True
            apart = {p.id: url for p in self._projects.values() if (url := self.own_url(p))}
            for project in list(apart)[CHANNELS:]:
                del apart[project]
            superfluous = [self._channels.pop(id) for id, c in list(self._channels.items()) if apart.get(id) != c.url]
            for channel in superfluous:
                self._heard.pop(channel.project, None)  # whoever tells of it next has not done so yet
            new = [self.channel(url, project) for project, url in apart.items() if project not in self._channels]
            self._channels |= {channel.project: channel for channel in new}
            together = [] if self.by_project else [p.id for p in self._projects.values() if p.id not in apart]
        for channel in superfluous:
            channel.stop()
        for channel in new:
            channel.listen_to([channel.project])
            channel.start()
        self.root.listen_to(together)

    def own_url(self, project: Project) -> str:
        """Where a project's own connection leads; "" when it needs none."""
        own = project.ws_url.rstrip("/")
        if is_socket_url(own):
            return own if urlsplit(own).path.strip("/") else project_url(own, project.id)
        return project_url(self.base, project.id) if self.by_project else ""

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        self.root.start()
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.arrange()
                wait = self.flush()
            except Exception:  # a fault of ours must not end the stream for good
                logger.exception("stream_broke", target=self.target.name)
                wait = 1.0
            self._wake.wait(wait)
        channels = [self.root, *self._channels.values()]
        for channel in channels:
            channel.stop()
        until = time.monotonic() + ENDING
        for channel in channels:
            channel.join(max(0.0, until - time.monotonic()))
        self.flush(everything=True)

    def stop(self) -> None:
        """End all connections and the thread, within two seconds. Does not wait for it."""
        self._stopping.set()
        self._wake.set()

    def flush(self, *, everything: bool = False) -> float:
        """Hand on what is due; seconds until something will be."""
        if not everything and not self.ready():
            return BUSY
        now, received = time.monotonic(), self.clock()
        with self._lock:
            for project, number in self._chatter.unsaid(received).items():
                self.gathering(self.root, project).events.append(self.left_out(received, project, number))
            due = [p for p in self._gathered if everything or self._due.get(p, 0.0) <= now + TOGETHER]
            scrapes = [self.scrape(project, self._gathered.pop(project), received) for project in due]
            self._due |= dict.fromkeys(due, now + self.timing.pace)
            next_due = min((self._due.get(project, now) for project in self._gathered), default=now + IDLE)
        if scrapes:
            self.emit(scrapes)
        return max(0.0, next_due - now)

    def left_out(self, at: Instant, project: str, number: int) -> Event:
        said = "One more message was left out." if number == 1 else f"{number} more messages were left out."
        kind = "project.log" if project else "target.error"
        return Event(
            at, kind, Level.WARNING, said, target=self.target.name, project=project, simulated=self.root.simulated
        )

    def changed(self, channel: Channel) -> None:
        """A connection has opened or ended: what was heard of its projects is no news any more."""
        with self._lock:
            if channel is self.root and (channel.ending is None or channel.ending.not_served):
                self.by_project = channel.ending is not None or self.nameless >= NAMELESS
            for project in ("", *channel.wanted):
                self._heard.pop(project, None)
                self._newest.pop(project, None)  # a Bridge whose clock was set back may start anew
            self._arranged = False
        self._wake.set()

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, channel: Channel, message: str | bytes) -> None:
        with self._lock:
            try:
                frame = frames.read(message)
                self.counts["unknown" if frame.topic is Topic.UNKNOWN else frame.type] += 1
                self.take(channel, frame)
            except ValueError:  # broken JSON, and every shape that is not the contract's
                self.counts["malformed"] += 1
                return
        if frame.type == "ping":
            channel.say("pong")

    def take(self, channel: Channel, frame: Frame) -> None:
        """What a frame tells, gathered; nothing when there is nothing in it for us. Raises ValueError."""
        topic = frame.topic
        if topic in {Topic.CONTROL, Topic.OUTPUT, Topic.UNKNOWN}:
            return
        if topic is Topic.CONTEXT:
            self.take_context(channel, frame)
            return
        project = self.placed(channel, frame)
        if project is None:
            return
        if topic in MESSAGES:
            news = self.take_message(channel, frame, project)
        elif topic is Topic.METRICS or frame.counts_agents():
            news = self.take_samples(channel, frame, project)
        else:
            news = self.take_agents(channel, frame, project)
        if news:
            self.heard_at = channel.told = self._heard[project] = self.clock()

    def placed(self, channel: Channel, frame: Frame) -> str | None:
        """The project a frame speaks of: the one it names, that of its channel, the only one. None counts as unused."""
        named = frame.project.lower()
        if not named:
            if len(channel.wanted) == 1:
                return channel.wanted[0]
            if frame.topic is Topic.ERROR:
                return ""  # the Bridge's own
            self.unused["unplaced"] += 1
            self.note_nameless(frame)
            return None
        project = self._projects.get(named)
        if project is None or project.id not in channel.wanted:
            self.unused["unsubscribed"] += 1
            return None
        return project.id

    def note_nameless(self, frame: Frame) -> None:
        """A root channel that does not name projects is of no use for several; their own channels name them."""
        self.nameless += frame.topic in {Topic.METRICS, Topic.AGENTS}
        if self.nameless == NAMELESS:
            logger.info("stream_by_project", target=self.target.name)
            self.by_project, self._arranged = True, False
            self._wake.set()

    def take_samples(self, channel: Channel, frame: Frame, project: str) -> bool:
        told = [sample for sample in frame.samples(project) if sample.at is None]  # its past comes by REST
        known = [sample for sample in told if self.has_room(project, sample)]
        news = [s for s in known if self.is_news(channel, project, (s.name, s.labels), frame.timestamp)]
        if not news:
            self.unused["old" if known else "crowded" if told else "empty"] += 1
            return False
        self.gathering(channel, project).add(news, (), self.moment(channel, frame))
        return True

    def take_agents(self, channel: Channel, frame: Frame, project: str) -> bool:
        """Only the agents a frame names: it never tells of one that it is gone, nor of fields that it lacks."""
        told, at = frame.agents(), self.moment(channel, frame)
        named = told.agents(project, self.clock() + round((channel.skew or 0.0) * 1000))
        news = {a.id: a for a in named if self.is_news(channel, project, a.id, frame.timestamp, repeats=True)}
        if not news:
            self.unused["old" if named else "empty"] += 1
            return False
        samples = [sample for sample in told.samples(project) if dict(sample.labels)["agent"] in news]
        agents = [our_agent(agent, channel.skew) for agent in news.values()]
        self.gathering(channel, project).add(samples, agents, at)
        return True

    def take_context(self, channel: Channel, frame: Frame) -> None:
        """What the Bridge knows of MCP servers. A place that a project named may not speak for the Bridge."""
        told = McpContext.model_validate(frame.body).context()
        if not channel.url.startswith(f"{self.base}/"):
            self.unused["unplaced"] += 1
        elif not self.is_news(channel, "", Topic.CONTEXT, frame.timestamp, repeats=True):
            self.unused["old"] += 1
        else:
            gathered = self.gathering(channel, "")
            gathered.context = told
            gathered.add((), (), self.moment(channel, frame))
            self.heard_at = channel.told = self.clock()

    def take_message(self, channel: Channel, frame: Frame, project: str) -> bool:
        said = frame.said()
        if not said.text:
            self.unused["empty"] += 1
            return False
        if self._chatter.is_repeated(project, frame.timestamp, said.agent, said.text):
            self.unused["old"] += 1
            return False
        if not self._chatter.admits(project, said.level, self.clock()):
            self.unused["crowded"] += 1
            return True
        kind = MESSAGES[frame.topic] if project else "target.error"
        event = Event(
            self.moment(channel, frame), kind, said.level, said.text, target=self.target.name, project=project,
            agent=said.agent, simulated=channel.simulated,
        )  # fmt: skip
        self.gathering(channel, project).events.append(event)
        return True

    def moment(self, channel: Channel, frame: Frame) -> Instant:
        """When a frame says it was made, by our clock; a frame that does not say was made just now."""
        now = self.clock()
        return now if frame.timestamp is None else earliest(frame.timestamp, channel.skew, now)

    def is_news(
        self, channel: Channel, project: str, what: object, at: Instant | None, *, repeats: bool = False
    ) -> bool:
        """Whether a frame is not older than the newest about the same; `repeats` lets one of the same time through."""
        if at is None:
            return True
        known = self._newest.setdefault(project, {})
        newest = known.get(what)
        if newest is not None and (at < newest or (at == newest and not repeats)):
            return False
        if corrected(at, channel.skew) < self.clock() + AHEAD:
            known[what] = at
        return True

    def has_room(self, project: str, sample: Sample) -> bool:
        """A service may name metrics as it likes, but not without end."""
        if sample.name != "project_custom":
            return True
        known = self._custom.setdefault(project, set())
        if len(known) < CUSTOM_SERIES:
            known.add(sample.labels)
        return sample.labels in known

    def gathering(self, channel: Channel, project: str) -> Gathered:
        found = self._gathered.get(project)
        if found is None:
            found = self._gathered[project] = Gathered()
            self._wake.set()
        found.simulated, found.skew = channel.simulated, channel.skew
        return found

    def scrape(self, project: str, told: Gathered, received: Instant) -> Scrape:
        # Two of one project in one millisecond are two readings: each has a start of its own.
        started = self._start_of[project] = max(received, self._start_of.get(project, 0) + 1)
        samples = tuple(told.samples.values())
        return Scrape(
            target=self.target.name,
            started=started,
            received=started,
            interval=self.target.interval,
            project=project,
            samples=tuple(map(marked, samples)) if told.simulated else samples,
            simulated=told.simulated,
            skew=told.skew,
            measured=told.measured,
            pushed=True,
            agents=told.in_order() or None,
            events=tuple(told.events),
            context=told.context,
        )

    # ── how it is ────────────────────────────────────────────────────────────────────────────────────────────────────

    def tells_of(self, project: str) -> bool:
        """Whether it tells what happens in a project, so that the project need not be asked each time."""
        with self._lock:
            channel = self._channels.get(project, self.root)
            return channel.connected and freshness.is_heard(self._heard.get(project), self.clock())

    def status(self) -> StreamStatus | None:
        """How it is now; None before the first try has ended. One thread asks."""
        with self._lock:
            channels = self.in_use()
            up, down = [c for c in channels if c.connected], [c for c in channels if c.ending is not None]
            if not up and not down:
                return None
            heard = max((c.told for c in up if c.told is not None), default=None)
            now = self.clock()
            state = freshness.stream_state(heard, now, connected=bool(up))
            if self._state is None or self._state[0] is not state:
                self._state = (state, since_of(state, up, down, heard))
            silent = [c for c in up if not freshness.is_heard(c.told, now)]
            return StreamStatus(
                state=state,
                since=self._state[1],
                heard=self.heard_at,
                cause=next((c.ending.cause for c in down if c.ending), None),
                detail=next((c.ending.detail for c in down if c.ending), ""),
                partial=bool(up) and bool(down or (silent and len(silent) < len(up))),
                opened=sum(c.opened for c in (self.root, *self._channels.values())),
                counts=dict(self.counts),
                unused=dict(self.unused),
            )

    def in_use(self) -> list[Channel]:
        """The connections that projects depend on; the root channel while none does."""
        channels = list(self._channels.values())
        return channels if channels and (self.by_project or not self.root.wanted) else [self.root, *channels]


def since_of(state: StreamState, up: Sequence[Channel], down: Sequence[Channel], heard: Instant | None) -> Instant:
    """When a state that is new has begun."""
    if state is StreamState.DOWN:
        return max(channel.since for channel in down)
    opened = min(channel.since for channel in up)
    return opened if heard is None else heard


def socket_url(target: Target) -> str:
    base = target.ws_url or "ws" + target.url.removeprefix("http")
    return base.rstrip("/").removesuffix("/ws").removesuffix("/bridge")


def project_url(base: str, project: str) -> str:
    return f"{base}/ws/projects/{quote(project, safe='')}"


def is_socket_url(text: str) -> bool:
    """Whether a project's own address is one: what is none is as if it were not there."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        return False
