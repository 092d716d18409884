"""The switchboard under `/control` on the Bridge's port. Only this machine may use it; faults do not touch it."""

import json
import socket
from typing import Any

from observatory.simulator.clock import parse_instant
from observatory.simulator.dialect import UnknownSwitch
from observatory.simulator.faults import SERVICES, Fault, is_mode
from observatory.simulator.service import Failure, HttpService
from observatory.simulator.stream import Hub
from observatory.simulator.wire import Request, Response, Takeover
from observatory.simulator.world import UnknownPath

LOOPBACK = {"127.0.0.1", "::1"}


class Control(HttpService):
    """Answers in the canonical form whatever the dialect. `hub` is told when the world was changed by hand."""

    name = "control"

    def __init__(self, bridge: HttpService, hub: Hub) -> None:
        super().__init__(bridge.universe)
        self.hub = hub
        self.route("GET", "/control", self.state)
        self.route("POST", "/control/clock", self.set_clock)
        self.route("POST", "/control/faults", self.set_fault)
        self.route("POST", "/control/set", self.set_value)
        self.route("POST", "/control/push", self.push)
        self.route("POST", "/control/switch", self.switch)
        bridge.gates.append(("control", self.gate))

    def gate(self, request: Request, _sock: socket.socket) -> Response | Takeover:
        """As `serve`, without latency, faults and dialect."""
        try:
            if request.peer not in LOOPBACK:
                raise Failure(403, "Only from this machine")
            return self.handler(request)(request, self.clock.now())
        except Failure as failure:
            return self.failed(failure)

    def json(self, payload: Any, *, status: int = 200, headers: Any = ()) -> Response:
        return self.plain(status, json.dumps(payload).encode(), "application/json", headers)

    def state(self, _request: Request, t: int) -> Response:
        orders = self.faults.orders.items()
        return self.json(
            {
                "now": t,
                "frozen": self.clock.frozen,
                "seed": self.world.seed,
                "incidentsAnchor": self.faults.anchor,
                "incidents": self.faults.incidents,
                "faults": [{"service": service, "path": path, "mode": f.mode} for (service, path), f in orders],
                "pins": {path: pin.value for path, pin in self.world.pins.items()},
                "switches": self.dialect.positions(),
                "sessions": [{"path": s.path, "projects": sorted(s.subscriptions)} for s in list(self.hub.sessions)],
                "paths": sorted(self.world.sources),
            }
        )

    def set_clock(self, request: Request, _t: int) -> Response:
        """`now`: epoch ms or ISO to stand still at; null to go along with the real time."""
        wanted = document(request).get("now")
        try:
            now = None if wanted is None else parse_instant(str(wanted))
        except ValueError:
            raise Failure(400, "Invalid request", details={"now": "must be epoch ms, ISO 8601 or null"}) from None
        self.clock.set(now)
        self.hub.wake.set()
        return self.json({"now": self.clock.now(), "frozen": self.clock.frozen})

    def set_fault(self, request: Request, t: int) -> Response:
        """`service` and `mode`, with `path` and `seconds` if wanted; or `incidents` on and off."""
        order = document(request)
        if isinstance(order.get("incidents"), bool):
            self.faults.incidents = order["incidents"]
            return self.state(request, t)
        service, mode, path, seconds = (order.get(key) for key in ("service", "mode", "path", "seconds"))
        if service not in SERVICES:
            raise Failure(400, "Invalid request", details={"service": f"must be one of {', '.join(SERVICES)}"})
        if not is_mode(mode) or not isinstance(path or "", str) or not isinstance(seconds or 0, (int, float)):
            raise Failure(400, "Invalid request", details={"mode": "unknown, or path or seconds of the wrong type"})
        self.faults.order(service, Fault(str(mode), path or "", seconds))
        self.hub.wake.set()
        return self.state(request, t)

    def set_value(self, request: Request, t: int) -> Response:
        """`path` and `value`; null lets the value go its own way again."""
        order = document(request)
        try:
            self.world.pin(str(order.get("path")), order.get("value"), t)
        except UnknownPath:
            raise Failure(404, "No such value", details={"path": "GET /control names all"}) from None
        except ValueError as error:
            raise Failure(400, "Invalid request", details={"value": str(error)}) from None
        self.hub.wake.set()
        return self.json({"path": order["path"], "value": order.get("value"), "since": t})

    def push(self, request: Request, _t: int) -> Response:
        order = document(request)
        project, type, data = order.get("projectId"), order.get("type"), order.get("data", {})
        if not isinstance(project, str) or not isinstance(type, str) or not isinstance(data, dict):
            raise Failure(400, "Invalid request", details={"projectId": "text", "type": "text", "data": "an object"})
        if self.world.project(project) is None:
            raise Failure(404, "Project not found", projectId=project)
        sent_at, receivers = self.hub.push(project.lower(), type, data)
        return self.json({"sentAt": sent_at, "receivers": receivers})

    def switch(self, request: Request, _t: int) -> Response:
        """One or more switches and their positions; `{"reset": true}` puts all back."""
        order = document(request)
        try:
            if order.pop("reset", False):
                self.dialect.reset()
            self.dialect.switch(order)
        except UnknownSwitch as error:
            raise Failure(400, "Invalid request", details=str(error)) from None
        return self.json(self.dialect.positions())


def document(request: Request) -> dict[str, Any]:
    """The body as an object. Raises Failure 400."""
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Failure(400, "Invalid request", details="the body is not JSON") from None
    if not isinstance(body, dict):
        raise Failure(400, "Invalid request", details="the body is not an object")
    return body
