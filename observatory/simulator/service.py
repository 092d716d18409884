"""What the four services have in common: routing, faults, errors and the headers of every answer."""

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from observatory.simulator.clock import Clock, http_date
from observatory.simulator.dialect import Dialect
from observatory.simulator.faults import HANG_LIMIT, Fault, Faults
from observatory.simulator.wire import BadRequest, Headers, Request, ResetConnection, Response, Takeover
from observatory.simulator.world import World

Handler = Callable[[Request, int], Response]  # the second is the simulator's time, read once for the whole answer
Gate = Callable[[Request, socket.socket], Response | Takeover]
HTML = b"<!doctype html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"


@dataclass(slots=True)
class Universe:
    """What all services share."""

    world: World
    clock: Clock
    faults: Faults
    dialect: Dialect


class Failure(Exception):
    """Answered as the contract's error body (§2.0)."""

    def __init__(self, status: int, error: str, *, headers: Headers = (), **extra: Any) -> None:
        self.status, self.error, self.headers, self.extra = status, error, headers, extra
        super().__init__(error)


class HttpService:
    """One service on one port. `routes` maps (method, pattern) to handlers; a `*` in a pattern is any one segment."""

    name = ""
    api_headers: Headers = ()

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.world, self.clock = universe.world, universe.clock
        self.faults, self.dialect = universe.faults, universe.dialect
        self.routes: dict[tuple[str, ...], dict[str, Handler]] = {}
        self.gates: list[tuple[str, Gate]] = []  # first segments that are looked at before faults are

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        key = tuple(part for part in pattern.split("/") if part)
        self.routes.setdefault(key, {})[method] = handler

    def answer(self, request: Request, sock: socket.socket) -> Response | Takeover:
        for first, gate in self.gates:
            if request.segments[:1] == (first,):
                return gate(request, sock)
        fault = self.fault(request)
        response: Response | Takeover | None = self.suffer(fault, sock) if fault else None
        if response is None:
            response = self.serve(request, sock)
            if fault and isinstance(response, Response):
                worsen(response, fault)
        return response

    def fault(self, request: Request) -> Fault | None:
        return self.faults.of(self.name, request.path, self.clock.now(), frozen=self.clock.frozen)

    def suffer(self, fault: Fault, sock: socket.socket) -> Response | None:
        """The answer a fault gives, None when it needs the right one. Raises ResetConnection."""
        if fault.mode == "down":
            raise ResetConnection
        if fault.mode == "hang":
            self.hang(fault, sock)
        if fault.mode == "slow":
            time.sleep(2.0 if fault.seconds is None else fault.seconds)
        if fault.mode == "html":
            return self.plain(200, HTML, "text/html; charset=utf-8")
        if fault.mode == "throttled":
            wait = int(fault.seconds or 30)
            retry = (("Retry-After", str(wait)),)
            return self.failed(Failure(429, "Too many requests", headers=retry, retryAfter=wait))
        if fault.mode == "rejected":
            return self.failed(Failure(401, "Authentication required"))
        if fault.mode == "error-body":
            return self.json({"error": "Internal server error"})
        if fault.mode.isdecimal():
            status = int(fault.mode)
            return self.failed(Failure(status, "Internal server error" if status == 500 else f"Simulated {status}"))
        return None

    def hang(self, fault: Fault, sock: socket.socket) -> None:
        """Say nothing until the client leaves, the fault ends or the limit is reached. Raises ResetConnection."""
        deadline = time.monotonic() + HANG_LIMIT
        with self.faults.waiting:
            while time.monotonic() < deadline and not has_left(sock) and self.faults.holds(fault):
                self.faults.waiting.wait(0.25)
        raise ResetConnection

    def serve(self, request: Request, _sock: socket.socket) -> Response | Takeover:
        if self.dialect.latency:
            time.sleep(self.dialect.latency)
        try:
            if self.dialect.unlucky():
                raise Failure(500, "Internal server error")
            return self.handler(request)(request, self.clock.now())
        except Failure as failure:
            return self.failed(failure)

    def handler(self, request: Request) -> Handler:
        """Raises Failure: 404 for an unknown path, 405 for a method it does not have."""
        methods = self.routes.get(request.segments)
        if methods is None:
            methods = next((m for pattern, m in self.routes.items() if fits(pattern, request.segments)), None)
        if methods is None:
            raise Failure(404, "Endpoint not found", code="NOT_FOUND")
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise Failure(405, "Method not allowed", headers=(("Allow", ", ".join(sorted(methods))),))
        return handler

    # answers

    def json(self, payload: Any, *, status: int = 200, headers: Headers = ()) -> Response:
        return self.plain(status, self.dialect.body(payload), "application/json", headers)

    def plain(self, status: int, body: bytes, type: str, headers: Headers = ()) -> Response:
        return Response(status, body, type, (*self.every(), *self.api_headers, *headers))

    def failed(self, failure: Failure) -> Response:
        body = {"error": failure.error, **failure.extra, "timestamp": self.dialect.stamp(self.clock.now())}
        return self.json(body, status=failure.status, headers=failure.headers)

    def refuse(self, error: BadRequest) -> Response:
        return self.failed(Failure(error.status, "Invalid request", details=str(error)))

    def every(self) -> Headers:
        """The headers of every answer, also of a handshake."""
        return (("Date", http_date(self.clock.now() // 1000)), ("X-Simulated", "1"))


def fits(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return len(pattern) == len(segments) and all(p in ("*", s) for p, s in zip(pattern, segments, strict=True))


def worsen(response: Response, fault: Fault) -> None:
    """Turn a right answer into what arrives under a fault that damages answers."""
    if fault.mode == "malformed":
        response.body = response.body[: max(1, len(response.body) * 2 // 3)]
    if fault.mode == "cut":
        response.cut = True


def has_left(sock: socket.socket) -> bool:
    """Whether the client closed its side."""
    readable, _, _ = select.select([sock], [], [], 0)
    try:
        return bool(readable) and sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
