"""What goes wrong: by order of a test, or by itself at fixed distances from an anchor.

An incident of its own accord returns every 24 h, counted from the anchor (by default the start of the process), and
keeps away from the anchor itself: a simulator that was just started is well, and has an interesting past.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from observatory.simulator.noise import DAY, HOUR, MINUTE

SERVICES = ("bridge", "mcp-daemon", "devkit-api", "nexus-console")
MODES = {  # besides a status from 400 to 599
    "ok": "what was wrong is over",
    "refused": "nothing listens; of a whole service only",
    "down": "the connection is reset before anything is said",
    "reset": "the connection is reset in the middle of the body",
    "cut": "the connection is closed in the middle of the body",
    "hang": "nothing is said",
    "hang-body": "nothing is said after the headers",
    "slow": "the answer comes after `seconds` (2)",
    "drip": "the body comes byte by byte, one in `seconds` (0.05)",
    "html": "an HTML page with 200",
    "bad-gateway": "an HTML page with 502",
    "text": "plain text with 200",
    "empty": "200 and no body",
    "malformed": "JSON that breaks off",
    "wrong-types": "JSON in which everything is of another type",
    "huge": "a body of 50 MB",
    "redirect": "a redirect to itself",
    "error-body": "200 with an error key",
    "throttled": "429, come again in `seconds` (30)",
    "rejected": "401",
    "wrong-clock": "Date and bodies are ahead by `seconds` (-300)",
    "wrong-date": "Date is ahead by `seconds` (-300), bodies are right",
    "stale": "bodies are older than their Date by `seconds` (300)",
}
HANG_LIMIT = 120.0  # seconds after which a hanging connection is reset


@dataclass(frozen=True, slots=True)
class Fault:
    """`mode` is one of MODES, which tell what `seconds` means, or a status such as "500"."""

    mode: str
    path: str = ""
    seconds: float | None = None

    @property
    def date_offset(self) -> float:
        """Seconds by which the Date header is ahead."""
        return self.ahead(-300) if self.mode in {"wrong-clock", "wrong-date"} else 0.0

    @property
    def body_offset(self) -> float:
        """Seconds by which what a body tells is ahead."""
        if self.mode == "wrong-clock":
            return self.ahead(-300)
        return -self.ahead(300) if self.mode == "stale" else 0.0

    def ahead(self, default: float) -> float:
        return default if self.seconds is None else self.seconds


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault of `service` that begins `before` ms ahead of the anchor and lasts `length` ms."""

    service: str
    before: int
    length: int
    fault: Fault


INCIDENTS = (
    Incident("devkit-api", int(20.5 * HOUR), 5 * MINUTE, Fault("html")),
    Incident("mcp-daemon", 14 * HOUR, 25 * MINUTE, Fault("503")),
    Incident("nexus-console", 9 * HOUR, 12 * MINUTE, Fault("down")),
    Incident("bridge", int(6.25 * HOUR), 40 * MINUTE, Fault("500", "/api/projects/atlas/telemetry")),
    Incident("devkit-api", int(3.5 * HOUR), 18 * MINUTE, Fault("hang")),
)


class Faults:
    """What is wrong now. `waiting` is notified when an order changes, so that a hanging answer can end."""

    def __init__(self, anchor: int) -> None:
        self.anchor = anchor
        self.incidents = True
        self.orders: dict[tuple[str, str], Fault] = {}
        self.waiting = Condition()
        self.changed: Callable[[], None] = lambda: None

    def order(self, service: str, fault: Fault) -> None:
        """Set the fault of a service or of its paths that start with `fault.path`. `ok` without path ends all."""
        with self.waiting:
            if fault.mode != "ok":
                self.orders[service, fault.path] = fault
            elif fault.path:
                self.orders.pop((service, fault.path), None)
            else:
                self.orders = {key: f for key, f in self.orders.items() if key[0] != service}
            self.waiting.notify_all()
        self.changed()

    def refused(self, service: str) -> bool:
        """Whether nothing is to listen for `service`."""
        fault = self.orders.get((service, ""))
        return fault is not None and fault.mode == "refused"

    def holds(self, fault: Fault) -> bool:
        """Whether a fault met earlier is still there: one that was ordered until it is called off."""
        return fault in self.orders.values() or any(fault is incident.fault for incident in INCIDENTS)

    def of(self, service: str, path: str, t: int, *, frozen: bool) -> Fault | None:
        """The fault an answer to `path` at `t` has: an ordered one first, the longest path first."""
        if self.orders:
            fitting = [f for (s, prefix), f in self.orders.items() if s == service and path.startswith(prefix)]
            if fitting:
                return max(fitting, key=lambda f: len(f.path))
        return self.incident(service, path, t, frozen=frozen) if self.incidents else None

    def incident(self, service: str, path: str, t: int, *, frozen: bool) -> Fault | None:
        for incident in INCIDENTS:
            if incident.service != service or not path.startswith(incident.fault.path):
                continue
            if (t - self.anchor + incident.before) % DAY < incident.length:
                # Whoever steps a frozen clock through a day must not wait out each timeout of it.
                return Fault("504") if frozen and incident.fault.mode == "hang" else incident.fault
        return None


def is_mode(mode: object) -> bool:
    return isinstance(mode, str) and (mode in MODES or (mode.isdecimal() and 400 <= int(mode) <= 599))
