"""The switchboard under `/control`, on a port of its own and on the Bridge's. Only this machine may use it.

Faults, rights, limits and the dialect do not touch it.
"""

import json
import socket
from pathlib import Path
from typing import Any

from observatory.simulator import broadcast, quirks
from observatory.simulator.access import USERS
from observatory.simulator.clock import parse_instant
from observatory.simulator.dialect import UnknownSwitch
from observatory.simulator.failure import Failure, invalid
from observatory.simulator.faults import MODES, SERVICES, Fault, is_mode
from observatory.simulator.quirks import QUIRKS
from observatory.simulator.service import HttpService
from observatory.simulator.stream import Hub
from observatory.simulator.switches import AMOUNTS, CHOICES
from observatory.simulator.validation import document
from observatory.simulator.wire import Request, Response, Takeover
from observatory.simulator.world import UnknownPath

LOOPBACK = {"127.0.0.1", "::1"}
CLOSE_CODES = range(1000, 5000)
LAST_MOMENT = 253_402_300_800_000  # the end of the year 9999
LONGEST = 1e8  # seconds


class Control(HttpService):
    """Answers in the canonical form whatever the dialect. `hub` is told when the world was changed by hand."""

    name = "control"

    def __init__(self, hub: Hub, broadcast_file: Path | None = None) -> None:
        super().__init__(hub.universe)
        self.hub, self.broadcast_file = hub, broadcast_file
        self.route("GET", "/control", self.state)
        self.route("GET", "/control/switches", self.switches)
        self.route("POST", "/control/clock", self.set_clock)
        self.route("POST", "/control/faults", self.set_fault)
        self.route("POST", "/control/set", self.set_value)
        self.route("POST", "/control/push", self.push)
        self.route("POST", "/control/switch", self.switch)
        self.route("POST", "/control/quirk", self.quirk)
        self.route("POST", "/control/restart", self.restart)
        self.route("POST", "/control/forget", self.forget)
        self.route("POST", "/control/reset", self.reset)
        self.route("POST", "/control/close", self.close)
        self.route("POST", "/control/token", self.token)
        self.route("POST", "/control/revoke", self.revoke)
        self.route("POST", "/control/broadcast", self.broadcast)

    def answer(self, request: Request, _sock: socket.socket) -> Response | Takeover:
        """As every service, without latency, faults and dialect."""
        try:
            if request.peer not in LOOPBACK:
                raise Failure(403, "Only from this machine")
            return self.find(request).handler(request, self.clock.now())
        except Failure as failure:
            return self.failed(failure)

    def json(self, payload: Any, *, status: int = 200, headers: Any = ()) -> Response:
        return self.plain(status, json.dumps(payload).encode(), "application/json", headers)

    def failed(self, failure: Failure, _t: int | None = None) -> Response:
        return self.json({"error": failure.error, **failure.extra}, status=failure.status, headers=failure.headers)

    def state(self, _request: Request, t: int) -> Response:
        orders = list(self.faults.orders.items())
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
                "access": {"apiToken": self.universe.access.api_token, "apiKey": self.universe.access.api_key},
                "broadcastFile": str(self.broadcast_file) if self.broadcast_file else None,
                "sessions": [{"path": s.path, "projects": sorted(s.subscriptions)} for s in list(self.hub.sessions)],
                "paths": sorted(self.world.sources),
            }
        )

    def switches(self, _request: Request, _t: int) -> Response:
        """What there is to switch: positions of each choice, each amount, each quirk, each fault."""
        return self.json(
            {
                "choices": {name: list(choice.positions) for name, choice in CHOICES.items()},
                "amounts": {name: amount.help for name, amount in AMOUNTS.items()},
                "quirks": {name: quirk.switches for name, quirk in QUIRKS.items()},
                "faults": MODES,
            }
        )

    def set_clock(self, request: Request, _t: int) -> Response:
        """`now`: epoch ms or ISO to stand still at; null to go along with the real time."""
        wanted = document(request).get("now")
        try:
            now = None if wanted is None else parse_instant(str(wanted))
        except ValueError:
            now = -1
        if now is not None and not 0 <= now < LAST_MOMENT:
            raise invalid(now="must be epoch ms, ISO 8601 or null")
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
            raise invalid(service=f"must be one of {', '.join(SERVICES)}")
        sane = seconds is None or (isinstance(seconds, (int, float)) and abs(seconds) < LONGEST)
        if not is_mode(mode) or not isinstance(path or "", str) or not sane:
            raise invalid(mode="unknown, or path or seconds of the wrong type")
        if mode == "refused" and path:
            raise invalid(path="what refuses connections does so on every path")
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
            raise invalid(value=str(error)) from None
        self.hub.wake.set()
        return self.json({"path": order["path"], "value": order.get("value"), "since": t})

    def push(self, request: Request, _t: int) -> Response:
        order = document(request)
        project, type, data = order.get("projectId"), order.get("type"), order.get("data", {})
        if not isinstance(project, str) or not isinstance(type, str) or not isinstance(data, dict):
            raise invalid(projectId="text", type="text", data="an object")
        if self.world.project(project) is None:
            raise Failure(404, "Project not found", projectId=project)
        sent_at, receivers = self.hub.push(project.lower(), type, data)
        return self.json({"sentAt": sent_at, "receivers": receivers})

    def switch(self, request: Request, _t: int) -> Response:
        """One or more switches and their positions; `{"reset": true}` puts all back first."""
        order = document(request)
        reset = bool(order.pop("reset", False))
        try:
            self.universe.switch(order, reset=reset)
        except UnknownSwitch as error:
            raise Failure(400, "Invalid request", details=str(error)) from None
        return self.json(self.dialect.positions())

    def quirk(self, request: Request, _t: int) -> Response:
        """`name`, such as Q7, and `on`, true when left out."""
        order = document(request)
        name, on = order.get("name"), order.get("on", True)
        if not isinstance(name, str) or name not in QUIRKS or not isinstance(on, bool):
            raise invalid(name=f"must be one of {', '.join(QUIRKS)}", on="must be true or false")
        quirks.turn(self.universe, name, on=on)
        self.hub.wake.set()
        return self.json({"name": name, "on": on, "help": QUIRKS[name].help})

    def restart(self, _request: Request, t: int) -> Response:
        """Every counter and uptime begins anew, now; the switch `counters` stands at restarted then."""
        self.universe.switch({"counters": "restarted"})
        self.world.restart(t)
        return self.json({"restartedAt": t})

    def forget(self, _request: Request, _t: int) -> Response:
        """What clients have done is undone: orders to agents, new projects, printed lines, counts, revocations."""
        self.universe.forget()
        return self.json({"forgotten": True})

    def reset(self, _request: Request, _t: int) -> Response:
        """As after the start: no faults, pins or set clock, every switch canonical, and what clients did undone."""
        for service in SERVICES:
            self.faults.order(service, Fault("ok"))
        self.faults.incidents = True
        self.world.pins.clear()
        self.clock.set(None)
        self.universe.switch({}, reset=True)
        self.universe.forget()
        return self.json({"reset": True})

    def close(self, request: Request, _t: int) -> Response:
        """Close streams with `code` and `reason`, those whose path starts with `path`."""
        order = document(request)
        code, reason, path = order.get("code", 1000), order.get("reason", ""), order.get("path", "")
        if code not in CLOSE_CODES or not isinstance(reason, str) or not isinstance(path, str):
            raise invalid(code="must be from 1000 to 4999", reason="text", path="text")
        return self.json({"closed": self.hub.close(code, reason[:100], path=path)})

    def token(self, request: Request, t: int) -> Response:
        """A token of `user`, good for `seconds` (86400, may be negative); `claims` replace what it says."""
        order = document(request)
        user, seconds, claims = order.get("user", "admin"), order.get("seconds", 86_400), order.get("claims", {})
        sane = isinstance(seconds, (int, float)) and abs(seconds) < LONGEST
        if user not in list(USERS) or not sane or not isinstance(claims, dict):
            raise invalid(user=f"must be one of {', '.join(USERS)}", seconds="a number", claims="an object")
        return self.json({"token": self.universe.access.issue(user, t, lifetime=round(seconds * 1000), **claims)})

    def revoke(self, request: Request, t: int) -> Response:
        """Revoke `token`; streams that were opened with it are closed with 1008."""
        claims = self.universe.access.claims(str(document(request).get("token")), t)
        jti = str(claims.get("jti", ""))
        self.universe.access.revoked.add(jti)
        return self.json({"jti": jti, "closed": self.hub.close(1008, "revoked", jti=jti) if jti else 0})

    def broadcast(self, request: Request, t: int) -> Response:
        """Write an entry into the broadcast file: its fields, or `raw` text; `remove` true takes the file away."""
        if self.broadcast_file is None:
            raise Failure(409, "No broadcast file", details="start with --broadcast-file PATH")
        order = document(request)
        try:
            if order.get("remove") is True:
                self.broadcast_file.unlink(missing_ok=True)
                written: Any = None
            elif isinstance(order.get("raw"), str):
                written = order["raw"]
                broadcast.write(self.broadcast_file, written)
            else:
                written = broadcast.write_entry(self.broadcast_file, order, t)
        except ValueError as error:
            raise Failure(400, "Invalid request", details=str(error)) from None
        except OSError as error:
            raise Failure(500, "The broadcast file cannot be written", details=str(error)) from None
        return self.json({"path": str(self.broadcast_file), "written": written})
