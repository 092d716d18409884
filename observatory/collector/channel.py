"""One WebSocket: it opens, subscribes, listens, keeps itself alive, and comes back for ever."""

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import Frame
from websockets.sync.client import ClientConnection, connect

from observatory import log
from observatory.clients.addresses import Rule, checked
from observatory.clients.base import skew_of, tls
from observatory.clients.resolver import SYSTEM, Resolve
from observatory.errors import TargetError
from observatory.model import Cause, Instant

logger = log.get(__name__)

OPEN_TIMEOUT, CLOSE_TIMEOUT = 5.0, 0.3
FRAME_LIMIT = 2**20
RETRY_CAP, RETRY_JITTER, THROTTLE_CAP = 30.0, 0.2, 900.0
LOOK = 0.2  # seconds between two looks at the clock and at `stop` while nothing comes; frames do not wait for it
LOST, POLICY_VIOLATION, TOO_BIG, SERVER_ERROR = 1006, 1008, 1009, 1011

# Why a connection is over by its close code; any other is one that went away.
CLOSES = {POLICY_VIOLATION: Cause.REJECTED, TOO_BIG: Cause.MALFORMED, SERVER_ERROR: Cause.HTTP_ERROR}
REFUSALS = {401: Cause.REJECTED, 403: Cause.REJECTED, 429: Cause.THROTTLED}
# What servers answer where they serve no WebSocket, or not to somebody who may see some projects only.
NOT_SERVED = {200, 400, 403, 404, 405, 410, 501}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of everything a stream waits for."""

    ping_every: float = 30.0
    silence: float = 65.0  # without any byte, then we close
    retry_first: float = 1.0
    refused_every: float = 300.0  # between tries after a refusal, and after the root channel was not there
    pace: float = 0.5  # between two writes of one project; the first after a pause goes at once


class Ending(NamedTuple):
    """Why a connection is over, or was never there. `not_served`: there is no WebSocket at this path for us."""

    cause: Cause
    detail: str
    not_served: bool = False
    retry_after: float | None = None


class Line(ClientConnection):
    """A connection that knows when the last frame of any kind came, a protocol's ping too."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.heard = time.monotonic()
        super().__init__(*given, **named)

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame):
            self.heard = time.monotonic()
        super().process_event(event)


class Channel(threading.Thread):
    """Hands every message to `hear`, from its own thread, as long as there is a connection.

    `project` is the one that its path names, "" for the root channel. `changed` is called when the connection has
    opened or ended.
    """

    def __init__(
        self,
        url: str,
        *,
        hear: Callable[["Channel", str | bytes], None],
        changed: Callable[["Channel"], None],
        clock: Callable[[], Instant],
        rule: Rule,
        resolve: Resolve = SYSTEM,
        headers: Sequence[tuple[str, str]] = (),
        timing: Timing = Timing(),
        target: str = "",
        project: str = "",
        simulated: bool = False,
    ) -> None:
        super().__init__(name=f"stream-{target}-{project}" if project else f"stream-{target}", daemon=True)
        self.url, self.hear, self.changed, self.clock = url, hear, changed, clock
        self.rule, self.resolve, self.headers, self.timing = rule, resolve, headers, timing
        self.target, self.project = target, project
        self.simulated_target = self.simulated = simulated
        self.skew: float | None = None
        self.opened = 0  # how often a connection was open
        self.since = clock()  # when it opened, or ended
        self.told: Instant | None = None  # when something was last heard over the present connection
        self.ending: Ending | None = None  # of the last connection; None while one is open, and before the first
        self.wanted: tuple[str, ...] = ()
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # of `wanted` and `_open`, so that no subscription is lost between the two
        self._open: Line | None = None
        self._plug: socket.socket | None = None

    @property
    def connected(self) -> bool:
        return self._open is not None

    def listen_to(self, projects: Iterable[str]) -> None:
        """Listen to these projects from now on."""
        with self._lock:
            wanted = tuple(dict.fromkeys(projects))
            gone, new = set(self.wanted) - set(wanted), [id for id in wanted if id not in self.wanted]
            self.wanted = wanted
            if self._open is not None:
                with contextlib.suppress(ConnectionClosed):  # the next opening subscribes to all that is wanted
                    for project in sorted(gone):
                        self._open.send(frame("unsubscribe", projectId=project))
                    for project in new:
                        self._open.send(frame("subscribe", projectId=project))

    def say(self, type: str) -> None:
        """Send a frame that has nothing but a type; one that is too late to be sent is not."""
        line = self._open
        if line is not None:
            with contextlib.suppress(ConnectionClosed):
                line.send(frame(type))

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
            ending = self.listen()
            if self._stopping.is_set():
                return
            self.ending, self.since = ending, self.clock()
            self.changed(self)
            tries = 0 if self.opened > opened else tries  # only a connection that was open counts as a success
            self._stopping.wait(self.pause(ending, tries))
            tries += 1

    def pause(self, ending: Ending, tries: int) -> float:
        """Seconds until the next try."""
        if ending.cause is Cause.REJECTED or (ending.not_served and not self.project):
            return self.timing.refused_every
        usual = retry_delay(tries, self.timing.retry_first)
        return max(usual, min(ending.retry_after or 0.0, THROTTLE_CAP))

    def listen(self) -> Ending:
        """Connect and read until the connection ends; why it did."""
        try:
            with connect(
                self.url,
                sock=self.dial(),
                ssl=tls() if self.url.startswith("wss:") else None,
                proxy=None,
                compression=None,  # frames are small and should come at once
                additional_headers=self.headers,
                open_timeout=OPEN_TIMEOUT,
                ping_interval=None,  # the contract's keepalive is JSON
                close_timeout=CLOSE_TIMEOUT,
                max_size=FRAME_LIMIT,
                create_connection=Line,
            ) as connection:
                line = cast(Line, connection)
                self.note_handshake(line)
                self.open(line)
                try:
                    return self.read(line)
                finally:
                    with self._lock:
                        self._open = None
        except ConnectionClosed as closed:
            return self.closed(closed)
        except InvalidStatus as refusal:
            return self.refused(refusal)
        except TargetError as refusal:
            logger.info("stream_refused", target=self.target, detail=refusal.detail)
            return Ending(Cause.REJECTED, refusal.detail)
        except (TimeoutError, OSError, WebSocketException, UnicodeError) as error:
            logger.info("stream_unreachable", target=self.target, error=str(error))
            return Ending(cause_of(error), str(error)[:200])
        except Exception as error:  # a fault of ours must not end the stream for good
            logger.exception("stream_broke", target=self.target)
            return Ending(Cause.MALFORMED, f"{type(error).__name__}: {error}"[:200])
        finally:
            self.unplug()

    def closed(self, closed: ConnectionClosed) -> Ending:
        said = closed.rcvd or closed.sent  # what we sent first: of a frame that is too big, or no frame at all
        code, reason = (said.code, said.reason) if said else (LOST, "")
        told = logger.warning if code == TOO_BIG else logger.info
        told("stream_closed", target=self.target, project=self.project, code=code, reason=reason, by_us=not closed.rcvd)
        return Ending(CLOSES.get(code, Cause.UNREACHABLE), f"closed with {code}{f': {reason}' if reason else ''}"[:200])

    def refused(self, refusal: InvalidStatus) -> Ending:
        status = refusal.response.status_code
        logger.info("stream_refused", target=self.target, project=self.project, status=status)
        cause = REFUSALS.get(status, Cause.HTTP_ERROR)
        told = refusal.response.headers.get("Retry-After", "")
        wait = float(told) if cause is Cause.THROTTLED and told.isdecimal() else None
        return Ending(cause, f"the handshake was answered with {status}", status in NOT_SERVED, wait)

    def dial(self) -> socket.socket:
        """A TCP connection that `stop` can cut at any moment. Raises OSError; TargetError when the rule forbids it."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
        fault: OSError = OSError(f"no address for {host}")
        for spelled in self.addresses(host):
            [(family, kind, protocol, _, address)] = socket.getaddrinfo(
                spelled, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
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

    def addresses(self, host: str) -> Sequence[str]:
        """Those of the host, asked for in short turns: `stop` need not wait for a resolver that hangs."""
        until = time.monotonic() + OPEN_TIMEOUT
        while True:
            try:
                return checked(host, self.rule, self.resolve, LOOK)
            except TimeoutError:
                if self._stopping.wait(LOOK / 4) or time.monotonic() >= until:
                    raise

    def unplug(self) -> None:
        plug, self._plug = self._plug, None
        if plug is not None:
            plug.close()

    def note_handshake(self, line: Line) -> None:
        answer = line.response
        told = answer.headers if answer is not None else {}
        self.simulated = self.simulated_target or told.get("X-Simulated") == "1"
        now = self.clock()
        self.skew = skew_of(told.get("Date"), now, now, self.skew)

    def open(self, line: Line) -> None:
        self.ending, self.since, self.told = None, self.clock(), None
        self.opened += 1
        self.changed(self)  # before the first frame can come
        with self._lock:
            for project in self.wanted:
                line.send(frame("subscribe", projectId=project))
            self._open = line
        logger.info("stream_open", target=self.target, project=self.project, projects=len(self.wanted))

    def read(self, line: Line) -> Ending:
        """Messages until we are told to stop, or nothing came for too long. Raises ConnectionClosed."""
        silence, ping_every = self.timing.silence, self.timing.ping_every
        line.heard = pinged = time.monotonic()
        while not self._stopping.is_set():
            try:
                message = line.recv(timeout=min(LOOK, silence, ping_every))
            except TimeoutError:
                pass
            else:
                self.hear(self, message)
            now = time.monotonic()
            if now - line.heard > silence:
                logger.info("stream_silent", target=self.target, project=self.project, seconds=silence)
                line.close(1001, "nothing heard")
                return Ending(Cause.TIMEOUT, f"nothing heard for {silence:g} s")
            if now - pinged >= ping_every:
                pinged = now
                line.send(frame("ping"))
        for project in self.wanted:
            line.send(frame("unsubscribe", projectId=project))
        line.close(1000, "Client disconnect")
        return Ending(Cause.OBSERVER_OFF, "")


def cause_of(error: Exception) -> Cause:
    """Why there was no connection, by what was raised instead of one."""
    if isinstance(error, TimeoutError):
        return Cause.TIMEOUT
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError | OSError):
        return Cause.UNREACHABLE  # closed without an answer
    return Cause.MALFORMED if isinstance(error, InvalidHandshake) else Cause.UNREACHABLE


def frame(type: str, **fields: str) -> str:
    return json.dumps({"type": type, **fields})


def pull(plug: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed in the same moment
        plug.shutdown(socket.SHUT_RDWR)


def retry_delay(tries: int, first: float) -> float:
    """Seconds before the next try: doubling from `first` to 30, give or take a fifth so that not all come at once."""
    return min(first * 2.0 ** min(tries, 10), RETRY_CAP) * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)
