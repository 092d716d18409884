"""What the services have in common: routing, faults, rights, limits, errors and the headers of every answer."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from observatory.simulator.clock import http_date
from observatory.simulator.delivery import wait_out, worsen
from observatory.simulator.failure import Failure
from observatory.simulator.faults import Fault
from observatory.simulator.limits import GROUPS, Window, group_of, throttled, window_headers
from observatory.simulator.universe import Universe
from observatory.simulator.wire import BadRequest, Headers, Request, ResetConnection, Response, Takeover
from observatory.simulator.words import is_project_id

Handler = Callable[[Request, int], Response]  # the second is the simulator's time, read once for the whole answer
Gate = Callable[[Request, socket.socket], Response | Takeover]
Upgrade = Callable[[Request, Headers], Takeover]  # raises Failure; the headers are those of every answer
Pattern = tuple[str, ...]  # segments of a path; `*` is any one
T = TypeVar("T")
HTML = b"<!doctype html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Route:
    """`needs` is the entry of the contract's auth column: "", R, W, A, R+P, W+P or key."""

    handler: Handler
    needs: str


class HttpService:
    """One service on one port."""

    name = ""
    api_headers: Headers = ()
    limited: tuple[str, ...] = ()  # the groups of paths whose rate is limited

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.world, self.clock = universe.world, universe.clock
        self.faults, self.dialect = universe.faults, universe.dialect
        self.routes: dict[Pattern, dict[str, Route]] = {}
        self.upgrades: dict[Pattern, Upgrade] = {}
        self.gates: list[tuple[str, Gate]] = []  # first segments that are looked at before faults are

    def route(self, method: str, pattern: str, handler: Handler, needs: str = "") -> None:
        self.routes.setdefault(segments(pattern), {})[method] = Route(handler, needs)

    def upgrade(self, pattern: str, upgrade: Upgrade) -> None:
        """Serve WebSockets at `pattern`."""
        self.upgrades[segments(pattern)] = upgrade

    def answer(self, request: Request, sock: socket.socket) -> Response | Takeover:
        for first, gate in self.gates:
            if request.segments[:1] == (first,):
                return gate(request, sock)
        fault = self.fault(request)
        response: Response | Takeover | None = self.suffer(fault, request, sock) if fault else None
        if response is None:
            response = self.serve(request, fault)
            if fault and isinstance(response, Response):
                worsen(response, fault, self.faults)
        return response

    def fault(self, request: Request) -> Fault | None:
        return self.faults.of(self.name, request.path, self.clock.now(), frozen=self.clock.frozen)

    def suffer(self, fault: Fault, request: Request, sock: socket.socket) -> Response | None:
        """The answer a fault gives, None when it needs the right one. Raises ResetConnection."""
        if fault.mode in {"down", "refused"}:
            raise ResetConnection
        if fault.mode == "hang":
            wait_out(fault, self.faults, sock)
        if fault.mode == "slow":
            time.sleep(2.0 if fault.seconds is None else fault.seconds)
        if fault.mode in {"html", "bad-gateway"}:
            return self.plain(200 if fault.mode == "html" else 502, HTML, HTML_TYPE)
        if fault.mode == "redirect":
            return self.plain(302, b"", "text/plain", (("Location", quote(request.path)),))
        if fault.mode == "throttled":
            wait, t, group = int(fault.seconds or 30), self.clock.now(), group_of(request.segments)
            window = Window(GROUPS[group][0], 0, t + 1000 * wait, over=True)
            return self.failed(throttled(wait, t, self.dialect, window_headers(window, self.dialect)))
        if fault.mode == "rejected":
            return self.failed(Failure(401, "Authentication required"))
        if fault.mode == "error-body":
            return self.json({"error": "Internal server error"})
        if fault.mode.isdecimal():
            status = int(fault.mode)
            return self.failed(Failure(status, "Internal server error" if status == 500 else f"Simulated {status}"))
        return None

    def serve(self, request: Request, fault: Fault | None) -> Response | Takeover:
        """The right answer, at the time that the fault leaves the service."""
        date = self.every(fault.date_offset if fault else 0.0)
        t = self.clock.now() + round(1000 * ((fault.body_offset if fault else 0.0) - self.dialect.body_age))
        try:
            upgrade = find(self.upgrades, request.segments)
            if upgrade is not None:
                return upgrade(request, date)
            if self.dialect.latency:
                time.sleep(self.dialect.latency)
            headers = self.count(request, t)
            response = self.respond(request, t)
        except Failure as failure:
            headers, response = (), self.failed(failure, t)
        response.headers = (*date, *(h for h in response.headers if h[0] not in {"Date", "X-Simulated"}), *headers)
        return response

    def respond(self, request: Request, t: int) -> Response:
        """Raises Failure."""
        if self.dialect.unlucky(self.dialect.failure_rate):
            raise Failure(500, "Internal server error")
        route = self.find(request)
        self.admit(request, route.needs, t)
        return route.handler(request, t)

    def count(self, request: Request, t: int) -> Headers:
        """The headers of a limited answer. Raises Failure 429."""
        group = group_of(request.segments)
        if group not in self.limited or self.dialect.limits == "off":
            return ()
        window = self.universe.limits.count(group, request.peer, t, limit=int(self.dialect.limit))
        headers = window_headers(window, self.dialect)
        if window.over:
            raise throttled(max(1, (window.reset - t) // 1000), t, self.dialect, headers)
        return headers

    def admit(self, request: Request, needs: str, t: int) -> None:
        """The checks of `jwt` mode: id, token, permission, project, in this order (§6.2). Raises Failure."""
        if self.dialect.auth == "open" or not needs:
            return
        project = request.segments[2] if needs.endswith("+P") else ""
        if project and not is_project_id(project):
            raise Failure(400, "Invalid project ID format", projectId=project)
        claims = self.universe.access.of(request, t)
        self.universe.access.permit(claims, needs, project)

    def find(self, request: Request) -> Route:
        """Raises Failure: 404 for an unknown path, 405 for a method it does not have."""
        methods = find(self.routes, request.segments)
        if methods is None:
            raise Failure(404, "Endpoint not found", code="NOT_FOUND")
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise Failure(405, "Method not allowed", headers=(("Allow", ", ".join(sorted(methods))),))
        return route

    # answers

    def json(self, payload: Any, *, status: int = 200, headers: Headers = ()) -> Response:
        return self.plain(status, self.dialect.body(payload), "application/json", headers)

    def plain(self, status: int, body: bytes, type: str, headers: Headers = ()) -> Response:
        return Response(status, body, type, (*self.every(), *self.api_headers, *headers))

    def failed(self, failure: Failure, t: int | None = None) -> Response:
        extra = dict(failure.extra)
        if self.dialect.details != "contract" and isinstance(extra.get("details"), (dict, list)):
            extra["details"] = arranged(extra["details"], self.dialect.details)
        stamp = self.dialect.stamp(self.clock.now() if t is None else t)
        status = 200 if self.dialect.errors == "with-200" else failure.status
        return self.json({"error": failure.error, **extra, "timestamp": stamp}, status=status, headers=failure.headers)

    def refuse(self, error: BadRequest) -> Response:
        return self.failed(Failure(error.status, "Invalid request", details=str(error)))

    def healthy(self, body: dict[str, Any]) -> Response:
        """A health answer in the form that is switched (§9, Q27)."""
        match self.dialect.health:
            case "text":
                return self.plain(200, b"OK", "text/plain; charset=utf-8")
            case "checks":
                check = {"passed": True, "message": "Server is running", "details": {"checkName": "server"}}
                body = {**body, "checks": [check]}
            case "diagnostics":
                body = {
                    **body,
                    "diagnostics": {
                        "server": {"ok": True, "uptime": self.world.value("system.uptime", self.clock.now())}
                    },
                }
            case "features":
                body = {**body, "features": ["metrics", "discovery", "console"]}
        return self.json(body)

    def every(self, ahead: float = 0.0) -> Headers:
        """The headers of every answer, also of a handshake. `ahead`: seconds by which the clock is wrong."""
        second = int(self.clock.now() / 1000 + self.dialect.date_skew + ahead)
        return (("Date", http_date(second)), ("X-Simulated", "1"))


def segments(pattern: str) -> Pattern:
    return tuple(part for part in pattern.split("/") if part)


def find(table: dict[Pattern, T], path: Pattern) -> T | None:
    """What stands under the pattern that fits; one without `*` goes first."""
    if path in table:
        return table[path]
    return next((found for pattern, found in table.items() if fits(pattern, path)), None)


def fits(pattern: Pattern, path: Pattern) -> bool:
    return len(pattern) == len(path) and all(p in ("*", s) for p, s in zip(pattern, path, strict=True))


def arranged(details: Any, form: str) -> Any:
    """Details as a list of issues, or as a tree by field."""
    if form == "list":
        return [{"path": [k], "message": v} for k, v in details.items()] if isinstance(details, dict) else details
    if isinstance(details, list):
        details = {".".join(issue["path"]): issue["message"] for issue in details}
    return {"_errors": [], **{field: {"_errors": [message]} for field, message in details.items()}}
