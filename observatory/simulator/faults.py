"""What goes wrong: by order of a test, or by itself at fixed distances from an anchor.

An incident of its own accord returns every 24 h, counted from the anchor (by default the start of the process), and
keeps away from the anchor itself: a simulator that was just started is well, and has an interesting past.
"""

from dataclasses import dataclass
from threading import Condition

from observatory.simulator.noise import DAY, HOUR, MINUTE

SERVICES = ("bridge", "mcp-daemon", "devkit-api", "nexus-console")
MODES = ("ok", "down", "hang", "html", "malformed", "cut", "error-body", "slow", "throttled", "rejected")  # or a status
HANG_LIMIT = 120.0  # seconds after which a hanging connection is reset


@dataclass(frozen=True, slots=True)
class Fault:
    """`mode` is one of MODES or a status such as "500". `seconds`: the delay of `slow`, the wait of `throttled`."""

    mode: str
    path: str = ""
    seconds: float | None = None


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
