"""The Bridge's WebSocket: what happens in its projects, told as it happens. It never gives up.

REST readings go on beside it; this only brings news sooner. So a frame that cannot be used is counted and left out.
"""

import contextlib
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from pydantic_core import from_json
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from observatory import log
from observatory.clients.base import skew_of, tls
from observatory.collector.scrape import corrected, earliest, marked, our_agent, ours
from observatory.contract.bridge import Frame
from observatory.model import Agent, Instant, Sample, Scrape, Target

logger = log.get(__name__)

OPEN_TIMEOUT, CLOSE_TIMEOUT = 5.0, 0.3
FRAME_LIMIT = 2**20
RETRY_FIRST, RETRY_CAP, RETRY_JITTER = 1.0, 30.0, 0.2
REFUSED_EVERY = 300.0  # seconds between tries after the Bridge has refused us
POLICY_VIOLATION = 1008
LOOK = 0.2  # seconds between two looks at the clock and at `stop` while nothing comes; frames do not wait for it
AHEAD = 60_000  # milliseconds: a frame dated further ahead than this does not make those after it old


class BridgeStream(threading.Thread):
    """Hands every usable frame to `emit` as a pushed Scrape, from its own thread, at once.

    `counts` tells what came: `frames`, and of those `metrics`, `agents`, `log`, `error`, `unknown`, `malformed`,
    `old`, `unplaced` (no project could be told).
    """

    def __init__(
        self,
        target: Target,
        *,
        emit: Callable[[Scrape], None],
        clock: Callable[[], Instant],
        ping_every: float = 30.0,
        silence: float = 65.0,
        retry_first: float = RETRY_FIRST,
        refused_every: float = REFUSED_EVERY,
    ) -> None:
        super().__init__(name=f"stream-{target.name}", daemon=True)
        self.target, self.emit, self.clock = target, emit, clock
        self.ping_every, self.silence = ping_every, silence
        self.retry_first, self.refused_every = retry_first, refused_every
        self.url = socket_url(target) + "/ws"
        self.counts: Counter[str] = Counter()
        self.opened = 0  # how often a connection was open
        self.refused = False  # the last try ended with a refusal: cause `rejected`
        self.heard_at: Instant | None = None
        self._wanted: tuple[str, ...] = ()
        self._newest: dict[tuple[str, str], Instant] = {}
        self._start_of: dict[str, Instant] = {}
        self._simulated = target.simulated
        self._skew: float | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # of `_wanted` and `_open`, so that no subscription is lost between the two
        self._open: ClientConnection | None = None
        self._plug: socket.socket | None = None

    @property
    def connected(self) -> bool:
        return self._open is not None

    def projects(self, ids: Iterable[str]) -> None:
        """Listen to these projects from now on."""
        with self._lock:
            wanted = tuple(dict.fromkeys(ids))
            gone, new = set(self._wanted) - set(wanted), [id for id in wanted if id not in self._wanted]
            self._wanted = wanted
            if self._open is not None:
                try:
                    for project in sorted(gone):
                        self._open.send(frame("unsubscribe", projectId=project))
                    for project in new:
                        self._open.send(frame("subscribe", projectId=project))
                except ConnectionClosed:
                    pass  # the next opening subscribes to all that is wanted

    def stop(self) -> None:
        """End the thread, within a second even while it connects. Does not wait for it."""
        self._stopping.set()
        plug = self._plug
        if plug is not None and self._open is None:
            pull(plug)

    def run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            opened = self.opened
            self.refused = self.listen()
            tries = 0 if self.opened > opened else tries
            self._stopping.wait(self.refused_every if self.refused else retry_delay(tries, self.retry_first))
            tries += 1

    def listen(self) -> bool:
        """Connect and read until the connection ends. True when the Bridge refused us."""
        try:
            raw = self.dial()
            with connect(
                self.url,
                sock=raw,
                ssl=tls() if self.url.startswith("wss:") else None,
                proxy=None,
                compression=None,  # frames are small and should come at once
                additional_headers=self.headers(),
                open_timeout=OPEN_TIMEOUT,
                ping_interval=None,  # the contract's keepalive is JSON
                close_timeout=CLOSE_TIMEOUT,
                max_size=FRAME_LIMIT,
            ) as connection:
                self.note_handshake(connection)
                self.subscribe(connection)
                try:
                    self.read(connection)
                finally:
                    with self._lock:
                        self._open = None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            logger.info("stream_closed", target=self.target.name, code=code)
            return code == POLICY_VIOLATION
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            logger.info("stream_refused", target=self.target.name, status=status)
            return status in {401, 403}
        except (OSError, WebSocketException) as error:
            logger.info("stream_unreachable", target=self.target.name, error=str(error))
        except Exception:  # a fault of ours must not end the stream for good
            logger.exception("stream_broke", target=self.target.name)
        finally:
            self.unplug()
        return False

    def dial(self) -> socket.socket:
        """A TCP connection that `stop` can cut at any moment. Raises OSError."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        fault: OSError = OSError(f"no address for {parts.hostname}")
        for family, kind, protocol, _, address in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM):
            raw = socket.socket(family, kind, protocol)
            raw.settimeout(OPEN_TIMEOUT)
            self.unplug()
            self._plug = raw.dup()
            if self._stopping.is_set():  # it came before there was anything to cut
                raw.close()
                break
            try:
                raw.connect(address)
            except OSError as error:
                raw.close()
                fault = error
                if self._stopping.is_set():
                    break
                continue
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw
        raise fault

    def unplug(self) -> None:
        plug, self._plug = self._plug, None
        if plug is not None:
            plug.close()

    def headers(self) -> dict[str, str]:
        sent = dict(self.target.headers)
        return {**sent, "Authorization": f"Bearer {self.target.token}"} if self.target.token else sent

    def note_handshake(self, connection: ClientConnection) -> None:
        answer = connection.response
        told = answer.headers if answer is not None else {}
        self._simulated = self.target.simulated or told.get("X-Simulated") == "1"
        now = self.clock()
        self._skew = skew_of(told.get("Date"), now, now, self._skew)

    def subscribe(self, connection: ClientConnection) -> None:
        self._newest.clear()  # a Bridge whose clock was set back may start anew
        with self._lock:
            for project in self._wanted:
                connection.send(frame("subscribe", projectId=project))
            self._open = connection
        self.opened += 1
        logger.info("stream_open", target=self.target.name, projects=len(self._wanted))

    def read(self, connection: ClientConnection) -> None:
        """Frames until the connection ends, falls silent, or we stop. Raises ConnectionClosed."""
        heard = pinged = time.monotonic()
        while not self._stopping.is_set():
            try:
                message = connection.recv(timeout=min(LOOK, self.silence, self.ping_every))
            except TimeoutError:
                message = None
            now = time.monotonic()
            if message is not None:
                heard = now
                self.take(message, connection)
            if now - heard > self.silence:
                logger.info("stream_silent", target=self.target.name, seconds=round(now - heard, 1))
                return
            if now - pinged >= self.ping_every:
                pinged = now
                connection.send(frame("ping"))
        for project in self._wanted:
            connection.send(frame("unsubscribe", projectId=project))
        connection.close(1000, "Client disconnect")

    def take(self, message: str | bytes, connection: ClientConnection) -> None:
        self.heard_at = self.clock()
        self.counts["frames"] += 1
        try:
            parsed = Frame.model_validate(from_json(message))
            if parsed.type == "ping":
                connection.send(frame("pong"))
                return
            scrape = self.scrape(parsed)
        except ValueError:  # broken JSON, and every shape that is not the contract's
            self.counts["malformed"] += 1
            return
        if scrape is not None:
            self.emit(scrape)

    def scrape(self, parsed: Frame) -> Scrape | None:
        """What a frame tells, or None when there is nothing in it for us. Raises ValidationError."""
        if parsed.type in {"pong", "subscribed", "unsubscribed"}:
            return None
        if parsed.type in {"log", "error"}:
            self.counts[parsed.type] += 1
            return None
        if parsed.type not in {"metrics", "agent_status_update", "agent_status_full"}:
            self.counts["unknown"] += 1
            return None
        project = parsed.project_id or (self._wanted[0] if len(self._wanted) == 1 else "")
        if not project:
            self.counts["unplaced"] += 1
            return None
        return self.of_host(parsed, project) if parsed.type == "metrics" else self.of_agents(parsed, project)

    def of_host(self, parsed: Frame, project: str) -> Scrape | None:
        samples = parsed.host_metrics().samples(project)
        if not self.is_news((project, ""), parsed.timestamp, repeats=False):
            return None
        self.counts["metrics"] += 1
        return self.pushed(project, parsed.timestamp, samples)

    def of_agents(self, parsed: Frame, project: str) -> Scrape | None:
        """Only the agents a frame names: it never tells of one that it is gone, nor of fields that it lacks."""
        told = parsed.agents()
        theirs = self.clock() + round((self._skew or 0.0) * 1000)
        named = told.agents(project, theirs)
        news = tuple(agent for agent in named if self.is_news((project, agent.id), parsed.timestamp))
        if not news:
            return None
        self.counts["agents"] += 1
        ids = {agent.id for agent in news}
        samples = tuple(s for s in told.samples(project) if dict(s.labels)["agent"] in ids)
        return self.pushed(project, parsed.timestamp, samples, news)

    def is_news(self, key: tuple[str, str], at: Instant | None, *, repeats: bool = True) -> bool:
        """Whether a frame is not older than the newest of its kind; `repeats` lets one of the same moment through."""
        newest = self._newest.get(key)
        if at is None:
            return True
        if newest is not None and (at < newest or (at == newest and not repeats)):
            self.counts["old"] += 1
            return False
        if corrected(at, self._skew) < self.clock() + AHEAD:
            self._newest[key] = at
        return True

    def pushed(
        self, project: str, at: Instant | None, samples: tuple[Sample, ...], agents: tuple[Agent, ...] | None = None
    ) -> Scrape:
        received = self.clock()
        # Two frames of one project in one millisecond are two readings: each has a start of its own.
        started = self._start_of[project] = max(received, self._start_of.get(project, 0) + 1)
        samples = tuple(ours(sample, self._skew) for sample in samples)
        return Scrape(
            target=self.target.name,
            started=started,
            received=max(received, started),
            interval=self.target.interval,
            project=project,
            samples=tuple(map(marked, samples)) if self._simulated else samples,
            simulated=self._simulated,
            skew=self._skew,
            measured=None if at is None else earliest(at, self._skew, received),
            pushed=True,
            agents=None if agents is None else tuple(our_agent(agent, self._skew) for agent in agents),
        )


def socket_url(target: Target) -> str:
    base = target.ws_url or "ws" + target.url.removeprefix("http")
    return base.rstrip("/").removesuffix("/ws").removesuffix("/bridge")


def frame(type: str, **fields: str) -> str:
    return json.dumps({"type": type, **fields})


def pull(plug: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed in the same moment
        plug.shutdown(socket.SHUT_RDWR)


def retry_delay(tries: int, first: float) -> float:
    """Seconds before the next try: doubling from `first` to 30, give or take a fifth so that not all come at once."""
    return min(first * 2.0 ** min(tries, 10), RETRY_CAP) * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)
