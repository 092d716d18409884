"""Every quirk of the contract's §9 by its number: which switches make it, and which faults."""

from dataclasses import dataclass, field

from observatory.simulator.faults import Fault
from observatory.simulator.universe import Universe


@dataclass(frozen=True, slots=True)
class Quirk:
    """`faults` are pairs of a service and its fault."""

    help: str
    switches: dict[str, str | float] = field(default_factory=dict)
    faults: tuple[tuple[str, Fault], ...] = ()


QUIRKS: dict[str, Quirk] = {
    "Q1": Quirk("snake_case names, the current task as text", {"case": "snake", "task": "text"}),
    "Q2": Quirk("rates in percent", {"rates": "percent"}),
    "Q3": Quirk("memory in megabytes for percent and the reverse", {"memory": "swapped"}),
    "Q4": Quirk("project telemetry on the global path and the reverse", {"telemetry": "swapped"}),
    "Q5": Quirk("every form of time in turn", {"time": "mixed"}),
    "Q6": Quirk("an agent's uptime is the time of its start", {"uptime": "epoch"}),
    "Q7": Quirk("agents as a map", {"agents": "map"}),
    "Q8": Quirk("an agent's status is an object", {"status": "object"}),
    "Q9": Quirk("all envelopes in turn", {"envelope": "mixed"}),
    "Q10": Quirk("frames without projectId", {"frame_project": "missing"}),
    "Q11": Quirk("every failure is 200 with an error key, and all fail", {"errors": "with-200", "failure_rate": 1.0}),
    "Q12": Quirk("bare replies", {"wrapping": "bare"}),
    "Q13": Quirk("the console tells success by exitCode alone", {"console_result": "exit-code"}),
    "Q14": Quirk("the result of a command lies flat", {"command_result": "flat"}),
    "Q15": Quirk("details as a list", {"details": "list"}),
    "Q16": Quirk("429 with dates and other words", {"throttling": "date"}, (("bridge", Fault("throttled", "/api/")),)),
    "Q17": Quirk("a login that answers userId and a cookie", {"login": "cookie"}),
    "Q18": Quirk("an HTML page with 502 from the Bridge", faults=(("bridge", Fault("bad-gateway")),)),
    "Q19": Quirk("null instead of objects", {"objects": "null"}),
    "Q20": Quirk("empty lists", {"lists": "empty"}),
    "Q21": Quirk("flags that contradict the status", {"flags": "contradicting"}),
    "Q22": Quirk("mcpServerUrl is a number", {"mcp_url": "number"}),
    "Q23": Quirk("each frame is followed by the one before it", {"frames": "repeated"}),
    "Q24": Quirk("the console's page refuses to be framed", {"framing": "refused"}),
    "Q25": Quirk("terminal output in every writing in turn", {"output": "mixed"}),
    "Q26": Quirk("agent ids with @, #, spaces, slashes, 100 characters", {"ids": "exotic"}),
    "Q27": Quirk("health as plain text", {"health": "text"}),
    "Q28": Quirk(
        "negative, infinite and missing numbers; counters restart", {"numbers": "mixed", "counters": "restarted"}
    ),
}


def turn(universe: Universe, name: str, *, on: bool) -> None:
    """Make a quirk, or put what it changed back to canonical. Raises KeyError for an unknown one."""
    quirk = QUIRKS[name]
    canonical = {switch: getattr(type(universe.dialect)(), switch) for switch in quirk.switches}
    universe.switch(dict(quirk.switches) if on else canonical)
    for service, fault in quirk.faults:
        universe.faults.order(service, fault if on else Fault("ok", fault.path))
