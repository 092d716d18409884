"""What can be claimed of telemetry, and of what the other services answer."""

import math
import re
from itertools import pairwise

from observatory.contract.normalise import instant
from observatory.doctor.asking import MISSING, Reply
from observatory.doctor.claims import GATEWAY, at, has, items, number, shown, tells_error
from observatory.doctor.findings import HELD, Claim, Finding, Verdict, broken, first, untold
from observatory.model import MINUTE, SECOND

# ── telemetry ────────────────────────────────────────────────────────────────────────────────────────────────────────


GLOBAL_KEYS = [
    *(f"metrics.system.{name}" for name in ("cpu", "memory", "disk", "uptime")),
    *(f"metrics.agents.{name}" for name in ("active", "total", "tasks_completed", "tasks_failed", "success_rate")),
    *(f"metrics.performance.{name}" for name in ("avg_response_time", "throughput", "queue_length")),
    "metrics.timeline",
]


def project_shape(reply: Reply) -> Finding:
    if isinstance(at(reply.body, "metrics.system"), dict):
        return broken("The global telemetry came.", "Q4")
    return first(has(f"metrics.{name}", dict, "object")(reply) for name in ("testRuns", "performance", "agents"))


def global_shape(reply: Reply) -> Finding:
    if isinstance(at(reply.body, "metrics.system"), dict):
        return HELD
    of_project = isinstance(at(reply.body, "metrics.performance.cpu"), dict)
    return broken("The telemetry of a project came." if of_project else "There is no `metrics.system`.",
                  "Q4" if of_project else "")  # fmt: skip


def global_keys(reply: Reply) -> Finding:
    if global_shape(reply).verdict is not Verdict.HOLDS:
        return untold("It has another shape, see B13.shape.")
    gone = next((path for path in GLOBAL_KEYS if at(reply.body, path) is MISSING), None)
    return HELD if gone is None else broken(f"`{gone}` is missing.", "Q28")


def ratio(*paths: str) -> Claim:
    """A fraction from 0 to 1, at the first of `paths` that is there."""

    def claim(reply: Reply) -> Finding:
        value = next((found for path in paths if (found := at(reply.body, path)) is not MISSING), MISSING)
        if value is MISSING:
            return untold(f"`{paths[0]}` is not sent.")
        if number(value) and 0 <= value <= 1:
            return HELD
        percent = number(value) and 1 < value <= 100
        return broken(f"`{paths[0]}` is {shown(value)}, no fraction.", "Q2" if percent else "")

    return claim


def percents(reply: Reply) -> Finding:
    values = {name: at(reply.body, f"metrics.system.{name}") for name in ("cpu", "memory", "disk")}
    there = {name: value for name, value in values.items() if number(value)}
    if not there:
        return untold("No such number is sent.")
    return first(percent(name, value) for name, value in there.items())


def percent(name: str, value: float) -> Finding:
    if 0 <= value <= 100:
        return HELD
    unsound = not math.isfinite(value) or value < 0
    megabytes = name == "memory" and not unsound
    quirk = "Q28" if unsound else "Q3" if megabytes else ""
    return broken(f"`{name}` is {value:g}, {'megabytes' if megabytes else 'no percentage'}.", quirk)


def megabytes(reply: Reply) -> Finding:
    """Memory of a project. Up to 100 it might be either; a maximum of 100 tells."""
    memory = at(reply.body, "metrics.performance.memory")
    if not isinstance(memory, dict) or not number(memory.get("current")):
        return untold("No memory is sent.")
    if memory["current"] > 100 or (number(memory.get("max")) and memory["max"] > 100):
        return HELD
    return broken(f"`current` is {memory['current']:g}, which looks like percent.", "Q3")


def rising(path: str, *, count: int, every: int) -> Claim:
    """`count` points, the oldest first, `every` milliseconds apart."""

    def claim(reply: Reply) -> Finding:
        found = at(reply.body, path)
        if not isinstance(found, list):
            return untold(f"`{path}` is not sent.")
        times = [instant(one.get("timestamp")) if isinstance(one, dict) else None for one in found]
        told = [time for time in times if time is not None]
        if len(told) < len(times):
            return broken(f"A point of `{path}` has no time that can be read.")
        steps = {after - before for before, after in pairwise(told)}
        if any(step <= 0 for step in steps):
            return broken(f"`{path}` does not rise.")
        if len(told) != count:
            return broken(f"`{path}` has {len(told)} points instead of {count}.")
        odd = [step for step in steps if abs(step - every) > SECOND]  # some forms of time have no fraction
        return broken(f"Points of `{path}` lie {odd[0] // SECOND} s apart.") if odd else HELD

    return claim


timeline = rising("metrics.timeline", count=12, every=5 * MINUTE)
cpu_trend = rising("metrics.performance.cpu.trend", count=60, every=MINUTE)
query_points = rising("points", count=60, every=MINUTE)


# ── other services ───────────────────────────────────────────────────────────────────────────────────────────────────


def tools(reply: Reply) -> Finding:
    found = items(reply.body, "capabilities")
    if not found:
        return untold("No tool is named.")
    good = all(isinstance(one.get("tool"), str) and isinstance(one.get("description", ""), str) for one in found)
    return HELD if good else broken("A tool has no name.")


def servers(reply: Reply) -> Finding:
    found = items(reply.body, "servers")
    odd = next((one for one in found if one.get("status") not in {"active", "inactive", "error"}), None)
    return HELD if odd is None else broken(f"`status` of {shown(odd.get('id'))} is {shown(odd.get('status'))}.")


def exposition(reply: Reply) -> Finding:
    """Text of Prometheus: a name and a number in each line that is no comment."""
    if tells_error(reply) and 200 <= reply.status < 300:
        return broken("An error came with status 200.", "Q11")
    if not 200 <= reply.status < 300:
        return broken(f"It was answered with {reply.status}.", "Q18" if reply.status in GATEWAY else "")
    lines = [line for line in reply.text.splitlines() if line.strip() and not line.startswith("#")]
    odd = next((line for line in lines if not re.fullmatch(r"[a-zA-Z_:][\w:]*(\{.*\})? +\S+( \d+)?", line)), None)
    if not lines:
        return broken("There is no sample in it.")
    return HELD if odd is None else broken(f"This is no sample: {odd[:60]!r}.")


def page(reply: Reply) -> Finding:
    if tells_error(reply) and 200 <= reply.status < 300:
        return broken("An error came with status 200.", "Q11")
    if not 200 <= reply.status < 300:
        return broken(f"It was answered with {reply.status}.", "Q18" if reply.status in GATEWAY else "")
    return HELD if reply.answer is not None and reply.answer.is_html else broken("It is no page.")


def framed(reply: Reply) -> Finding:
    """Nothing in its headers forbids others to show it in a frame."""
    if not 200 <= reply.status < 300:
        return untold("There is no page.")
    policy, option = reply.headers.get("content-security-policy", ""), reply.headers.get("x-frame-options", "")
    if option or re.search(r"frame-ancestors\s+'(none|self)'\s*(;|$)", policy):
        return broken(f"Its headers refuse it: {option or policy}"[:120] + ".", "Q24")
    return HELD
