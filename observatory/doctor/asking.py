"""Asking services for the contract report: raw answers of any kind, each address once. GET and listening, no more."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import from_json
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from observatory.clients.base import EXCERPT, Answer, Session, tls
from observatory.errors import TargetError
from observatory.model import Cause, Instant, Kind, Origin, Target

BRIDGE, MCP, DEVKIT, CONSOLE = "bridge", "mcp", "devkit", "console"
KINDS = {
    BRIDGE: Kind.BRIDGE,
    MCP: Kind.MCP_DAEMON,
    DEVKIT: Kind.DEVKIT_API,
    CONSOLE: Kind.NEXUS_CONSOLE,
}
TIMEOUT = 5.0  # seconds for each question
GRACE = 0.3  # seconds in which a frame that is sent twice comes the second time
SILENT_AFTER = 2  # questions in a row without an answer: then no more are asked
FRAME_LIMIT = 1_000_000  # bytes
MISSING = object()


@dataclass(frozen=True, slots=True)
class Service:
    """Where one of the DevKit's services is, and what we show it to be let in. `ws_url` is the Bridge's."""

    name: str
    url: str
    ws_url: str = ""
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reply:
    """What came of one question: an answer of any status, or the failure to get one."""

    url: str
    answer: Answer | None = None
    failure: TargetError | None = None

    @property
    def status(self) -> int:
        return 0 if self.answer is None else self.answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self.answer is None else self.answer.headers

    @property
    def text(self) -> str:
        return "" if self.answer is None else self.answer.text

    @cached_property
    def body(self) -> Any:
        """The JSON of the answer, or MISSING when it is none."""
        if self.answer is None or self.answer.is_html:
            return MISSING
        try:
            return from_json(self.answer.body)
        except ValueError:
            return MISSING

    @property
    def asked(self) -> str:
        return f"GET {self.url}"

    @property
    def came(self) -> str:
        if self.answer is None:
            return self.failure.detail if self.failure else ""
        kind = self.answer.headers.get("content-type", "")
        return " ".join(f"{self.status} {kind}: {self.text[:EXCERPT]}".split())


@dataclass(frozen=True, slots=True)
class Heard:
    """What came over a WebSocket after we subscribed to `project` and pinged. `frames` are JSON objects."""

    url: str
    project: str
    frames: tuple[dict[str, Any], ...] = ()
    others: tuple[str, ...] = ()  # messages that are no JSON objects
    status: int = 0  # of a refused handshake
    failure: str = ""  # "" when the connection opened

    @property
    def asked(self) -> str:
        return f"WebSocket {self.url}, subscribe to {self.project}, ping"

    @property
    def came(self) -> str:
        if self.failure:
            return self.failure
        return " ".join([*(json.dumps(frame) for frame in self.frames), *self.others])[:EXCERPT] or "nothing"


@dataclass
class Asker:
    """Asks one service. `get` and `listen` never raise."""

    service: Service
    clock: Callable[[], Instant]
    timeout: float = TIMEOUT
    replies: dict[str, Reply] = field(default_factory=dict)
    unanswered: int = 0  # in a row

    def __post_init__(self) -> None:
        service = self.service
        target = Target(
            service.name, KINDS[service.name], service.url, Origin.FILE, token=service.token, headers=service.headers
        )
        self.session = Session(target, clock=self.clock, limit=self.timeout)

    def close(self) -> None:
        self.session.close()

    def get(self, path: str) -> Reply:
        if path not in self.replies:
            self.replies[path] = self.ask(self.service.url + path)
        return self.replies[path]

    def ask(self, url: str) -> Reply:
        if self.unanswered >= SILENT_AFTER:
            detail = f"not asked: the {self.unanswered} questions before had no answer"
            return Reply(url, failure=TargetError(Cause.UNREACHABLE, detail))
        try:
            answer = self.session.answer(url, timeout=self.timeout, accept="*/*")
        except TargetError as failure:
            self.unanswered += failure.cause in {Cause.UNREACHABLE, Cause.TIMEOUT}
            return Reply(url, failure=failure)
        self.unanswered = 0
        return Reply(url, answer)

    def listen(self, path: str, project: str, *, enough: Callable[[list[dict[str, Any]]], bool]) -> Heard:
        """What comes until it is `enough` and a moment after, the time is over, or the connection ends."""
        url = (self.service.ws_url or "ws" + self.service.url.removeprefix("http")) + path
        if self.unanswered >= SILENT_AFTER:
            return Heard(url, project, failure="not asked: nothing answered before")
        bearer = {"Authorization": f"Bearer {self.service.token}"} if self.service.token else {}
        frames: list[dict[str, Any]] = []
        others: list[str] = []
        try:
            with connect(
                url,
                proxy=None,
                ssl=tls() if url.startswith("wss:") else None,
                open_timeout=self.timeout,
                close_timeout=1,
                max_size=FRAME_LIMIT,
                additional_headers={**dict(self.service.headers), **bearer},
            ) as line:
                until = time.monotonic() + self.timeout
                with suppress(TimeoutError, WebSocketException):
                    for said in ({"type": "subscribe", "projectId": project}, {"type": "ping"}):
                        line.send(json.dumps(said))
                    while not enough(frames):
                        take(line.recv(timeout=max(until - time.monotonic(), 0)), frames, others)
                    until = time.monotonic() + GRACE
                    while time.monotonic() < until:
                        take(line.recv(timeout=max(until - time.monotonic(), 0)), frames, others)
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            return Heard(url, project, status=status, failure=f"the handshake was answered with {status}")
        except (OSError, TimeoutError, WebSocketException, UnicodeError) as error:
            return Heard(url, project, failure=str(error)[:EXCERPT] or type(error).__name__)
        return Heard(url, project, tuple(frames), tuple(others))


def take(message: str | bytes, frames: list[dict[str, Any]], others: list[str]) -> None:
    try:
        content = from_json(message)
    except ValueError:
        content = None
    if isinstance(content, dict):
        frames.append(content)
    else:
        others.append(message if isinstance(message, str) else message.decode("utf-8", "replace"))
