"""What can be claimed of an answer. A claim takes it and makes a Finding.

To find its subject a claim goes by the tolerant reading, so that one quirk is told once, by the claim that is about it.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeAlias, TypeGuard

from observatory.contract.normalise import instant
from observatory.doctor.asking import MISSING, Heard, Reply
from observatory.model import MINUTE, SECOND

CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
GATEWAY = {502, 503, 504}
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
PROJECT_ID = re.compile(rf"{UUID}|[a-zA-Z0-9-]{{3,64}}")
STATUSES = ("idle", "running", "paused", "completed", "failed")
HEALTH = ("healthy", "degraded", "unhealthy")
SNAKE = {"last_activity", "current_task", "tasks_completed", "tasks_failed", "success_rate", "cpu_usage"}
OLD_MCP_PORT = ":8001"
NUMBER = (int, float)
EPOCH = 1e11  # milliseconds: a larger one is a time, no duration
E1 = {"metrics", "agent_status_update", "agent_status_full", "context", "log", "error", "subscribed", "ping", "pong"}
BARE_TYPES = {"subscribed", "unsubscribed", "ping", "pong", "authenticated", "error"}  # need no data
OF_A_PROJECT = {"metrics", "agent_status_update", "agent_status_full", "agent_status", "telemetry"}
FULL = {"agent_status_full", "agent_status", "agent_status_update"}


class Verdict(StrEnum):
    HOLDS = "holds"
    BROKEN = "does not hold"
    UNTOLD = "cannot be told"


@dataclass(frozen=True, slots=True)
class Finding:
    """`quirk` is the number under which the contract knows the deviation, "" for one that it does not know."""

    verdict: Verdict
    why: str = ""
    quirk: str = ""


Claim: TypeAlias = Callable[[Reply], Finding]
StreamClaim: TypeAlias = Callable[[Heard], Finding]
Replies: TypeAlias = tuple[Reply, ...]
HELD = Finding(Verdict.HOLDS)


def broken(why: str, quirk: str = "") -> Finding:
    return Finding(Verdict.BROKEN, why, quirk)


def untold(why: str) -> Finding:
    return Finding(Verdict.UNTOLD, why)


def first(findings: Iterable[Finding]) -> Finding:
    """The worst of them: one that no quirk explains before one that is, and else HELD."""
    found = [finding for finding in findings if finding.verdict is Verdict.BROKEN]
    return min(found, key=lambda finding: bool(finding.quirk), default=HELD)


# ── whether there is an answer ───────────────────────────────────────────────────────────────────────────────────────


def answers(reply: Reply) -> Finding:
    """200 and JSON that reports no error."""
    if reply.answer is None:
        return broken(f"What came is no answer: {reply.came}.")
    if reply.status in GATEWAY:
        return broken(f"A gateway answered with {reply.status} in its place.", "Q18")
    if not 200 <= reply.status < 300:
        return broken(f"It was answered with {reply.status}.")
    if reply.answer.is_html:
        return broken("A page came instead of JSON.", "Q18")
    if reply.body is MISSING:
        return broken("What came is no JSON.")
    if tells_error(reply):
        return broken("An error came with status 200.", "Q11")
    return HELD


def answers_health(reply: Reply) -> Finding:
    """As `answers`; plain text is a quirk of its own."""
    found = answers(reply)
    if found.verdict is Verdict.BROKEN and 200 <= reply.status < 300 and reply.body is MISSING and not found.quirk:
        return broken("Health is plain text.", "Q27")
    return found


def tells_error(reply: Reply) -> bool:
    return isinstance(reply.body, dict) and bool(reply.body.get("error"))


def refuses(status: int, words: str) -> Claim:
    """An error of this status, in the contract's form, with these words."""

    def claim(reply: Reply) -> Finding:
        if 200 <= reply.status < 300:
            if tells_error(reply):
                return broken(f"The error came with status {reply.status}.", "Q11")
            empty = agents(reply.body) == [] if "agentId=" in reply.url else False
            quirk = "Q20" if empty else ""
            return broken(f"It was answered with {reply.status} instead of {status}.", quirk)
        if reply.status != status:
            return broken(f"It was answered with {reply.status} instead of {status}.")
        if not tells_error(reply):
            return broken("The body of the error is no JSON with `error`.", "Q18" if reply.body is MISSING else "")
        said = reply.body["error"]
        return HELD if not words or said == words else broken(f"`error` is {said!r} instead of {words!r}.")

    return claim


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def at(body: Any, path: str) -> Any:
    """What stands at `metrics.system.cpu`, or MISSING."""
    for key in path.split(".") if path else ():
        if not isinstance(body, dict) or key not in body:
            return MISSING
        body = body[key]
    return body


def has(path: str, kind: type | tuple[type, ...], what: str) -> Claim:
    """A field that is there and of a kind; `what` names the kind."""

    def claim(reply: Reply) -> Finding:
        value = at(reply.body, path)
        if value is MISSING:
            outer = path.rpartition(".")[0]
            nothing = bool(outer) and at(reply.body, outer) is None
            return broken(f"`{outer if nothing else path}` is {'null' if nothing else 'missing'}.",
                          "Q19" if nothing else "Q28" if kind == NUMBER else "")  # fmt: skip
        if value is None:
            return broken(f"`{path}` is null.", "Q19")
        good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return HELD if good else broken(f"`{path}` is no {what}.")

    return claim


def flag(path: str) -> Claim:
    return has(path, bool, "true or false")


def text(path: str) -> Claim:
    return has(path, str, "text")


def amount(path: str) -> Claim:
    """A number that is there, finite and not negative."""

    def claim(reply: Reply) -> Finding:
        found = has(path, NUMBER, "number")(reply)
        return sound(path, at(reply.body, path)) if found.verdict is Verdict.HOLDS else found

    return claim


def sound(path: str, value: float) -> Finding:
    if not math.isfinite(value) or value < 0:
        return broken(f"`{path}` is {value:g}.", "Q28")
    return HELD


def one_of(path: str, words: tuple[str, ...]) -> Claim:
    def claim(reply: Reply) -> Finding:
        value = at(reply.body, path)
        return HELD if value in words else broken(f"`{path}` is {shown(value)}, none of {', '.join(words)}.")

    return claim


def each_text(path: str) -> Claim:
    """A list of texts, where there is one."""

    def claim(reply: Reply) -> Finding:
        found = at(reply.body, path)
        if found is MISSING:
            return untold(f"`{path}` is not sent, which is allowed.")
        good = isinstance(found, list) and all(isinstance(one, str) for one in found)
        return HELD if good else broken(f"`{path}` is no list of texts.")

    return claim


def stamped(reply: Reply) -> Finding:
    if isinstance(reply.body, list):
        return untold("A bare list has no place for it.")
    return moments({"timestamp": at(reply.body, "timestamp")})


def moments(values: Mapping[str, Any]) -> Finding:
    """Each is a time as the contract writes it: ISO 8601 in UTC with milliseconds and `Z`."""
    return first(moment(name, value) for name, value in values.items())


def moment(name: str, value: Any) -> Finding:
    if value is MISSING:
        return broken(f"`{name}` is missing.")
    if isinstance(value, str) and CANONICAL.fullmatch(value):
        return HELD
    if instant(value) is not None:
        return broken(f"`{name}` is {shown(value)}, another form of time.", "Q5")
    return broken(f"`{name}` is {shown(value)}, which is no time.")


def no_nulls(reply: Reply) -> Finding:
    name = next((path for path, value in leaves(reply.body) if value is None), None)
    return HELD if name is None else broken(f"`{name}` is null.", "Q19")


def sound_numbers(reply: Reply) -> Finding:
    """No number of the answer is negative or infinite."""
    return first(sound(path, value) for path, value in leaves(reply.body) if number(value))


def number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    inside: Iterable[tuple[object, Any]] = ()
    if isinstance(body, dict):
        inside = body.items()
    elif isinstance(body, list):
        inside = enumerate(body)
    else:
        yield path, body
    for key, value in inside:
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def shown(value: Any) -> str:
    return "missing" if value is MISSING else repr(value)[:60]


def wrapped(key: str, kind: type[list[Any]] | type[dict[str, Any]] = list) -> Claim:
    """The answer is an object that holds, under `key`, what was asked for."""

    def claim(reply: Reply) -> Finding:
        inner = at(reply.body, key)
        if isinstance(inner, kind):
            return HELD
        if isinstance(reply.body, kind) and (isinstance(reply.body, list) or "id" in reply.body):
            return broken(f"It came bare, without `{key}` around it.", "Q12")
        if kind is list and isinstance(inner, dict):
            return broken(f"`{key}` is a map.", "Q7")
        return broken(f"There is no `{key}`.")

    return claim


# ── projects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def items(body: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list, wrapped, bare, or a map by id."""
    found = body.get(key, []) if isinstance(body, dict) else body
    if isinstance(found, dict):
        found = [{"id": id, **one} for id, one in found.items() if isinstance(one, dict)]
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def projects(body: Any) -> list[dict[str, Any]]:
    return items(body, "projects")


def of_each(
    what: str, found: Callable[[Any], list[dict[str, Any]]], check: Callable[[dict[str, Any]], Finding]
) -> Claim:
    """`check` of each of the things; none of them leaves it untold."""

    def claim(reply: Reply) -> Finding:
        all_ = found(reply.body)
        if not all_:
            return untold(f"There is no {what} in the answer.")
        return first(named(one, check(one)) for one in all_)

    return claim


def named(one: Mapping[str, Any], finding: Finding) -> Finding:
    if finding.verdict is not Verdict.BROKEN:
        return finding
    return broken(f"{shown(one.get('id', MISSING))}: {finding.why}", finding.quirk)


def each_project(check: Callable[[dict[str, Any]], Finding]) -> Claim:
    return of_each("project", projects, check)


def project_id(project: dict[str, Any]) -> Finding:
    id = project.get("id")
    good = isinstance(id, str) and PROJECT_ID.fullmatch(id)
    return HELD if good else broken(f"`id` is {shown(id)}, neither a UUID nor a slug.")


def unique_ids(reply: Reply) -> Finding:
    ids = [str(one.get("id")).lower() for one in projects(reply.body)]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    return HELD if twice is None else broken(f"{twice!r} is listed twice.")


def project_name(project: dict[str, Any]) -> Finding:
    name = project.get("name")
    return HELD if isinstance(name, str) and 0 < len(name) <= 100 else broken(f"`name` is {shown(name)}.")


def project_path(project: dict[str, Any]) -> Finding:
    path = project.get("path")
    return HELD if isinstance(path, str) and path.startswith(("/", "~")) else broken(f"`path` is {shown(path)}.")


def mcp_server_url(project: dict[str, Any]) -> Finding:
    url = project.get("mcpServerUrl", "")
    if not isinstance(url, str):
        return broken(f"`mcpServerUrl` is {shown(url)}.", "Q22")
    return broken("`mcpServerUrl` still names port 8001.", "Q22") if OLD_MCP_PORT in url else HELD


def same_project(reply: Reply) -> Finding:
    """The one that was asked for, in whatever case it was."""
    inner = reply.body.get("project", reply.body) if isinstance(reply.body, dict) else {}
    id = inner.get("id") if isinstance(inner, dict) else None
    asked = reply.url.rsplit("/", 1)[-1]
    return HELD if isinstance(id, str) and id.lower() == asked.lower() else broken(f"The project is {shown(id)}.")


# ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def agents(body: Any) -> list[dict[str, Any]]:
    return items(body, "agents")


def each_agent(check: Callable[[dict[str, Any]], Finding]) -> Claim:
    return of_each("agent", agents, check)


def agent_id(agent: dict[str, Any]) -> Finding:
    id = agent.get("id")
    return HELD if isinstance(id, str) and 0 < len(id) <= 100 else broken(f"`id` is {shown(id)}.")


def agent_status(agent: dict[str, Any]) -> Finding:
    status = agent.get("status")
    if isinstance(status, dict):
        return broken("`status` is an object.", "Q8")
    return HELD if status in STATUSES else broken(f"`status` is {shown(status)}, none of {', '.join(STATUSES)}.")


def word_of(agent: dict[str, Any]) -> Any:
    status = agent.get("status")
    return status.get("status") if isinstance(status, dict) else status


def camel_names(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    found = sorted(SNAKE & (agent.keys() | (metrics.keys() if isinstance(metrics, dict) else set())))
    return HELD if not found else broken(f"`{found[0]}` is written in snake_case.", "Q1")


def task_of(agent: dict[str, Any]) -> Any:
    return agent.get("currentTask", agent.get("current_task"))


def task_object(agent: dict[str, Any]) -> Finding:
    task = task_of(agent)
    if isinstance(task, str):
        return broken("The current task is plain text.", "Q1")
    if task is None or (isinstance(task, dict) and isinstance(task.get("name"), str)):
        return HELD
    return broken("The current task has no name.")


def task_progress(agent: dict[str, Any]) -> Finding:
    task = task_of(agent)
    progress = task.get("progress", 0) if isinstance(task, dict) else 0
    good = number(progress) and 0 <= progress <= 100
    return HELD if good else broken(f"`progress` is {shown(progress)}.", "Q28" if number(progress) else "")


def flags_fit(agent: dict[str, Any]) -> Finding:
    """What may be done follows from the status; where a flag is not sent there is nothing to contradict."""
    status = word_of(agent)
    wrong = [
        name
        for name, needed, allowed in (
            ("canStart", {"idle", "completed", "failed"}, {"idle", "completed", "failed"}),
            ("canStop", {"running", "paused"}, {"running", "paused", "failed"}),
            ("canPause", frozenset[str](), {"running"}),
        )
        if (agent.get(name) is True and status not in allowed) or (agent.get(name) is False and status in needed)
    ]
    return HELD if not wrong else broken(f"`{wrong[0]}` is {agent[wrong[0]]} while it is {status}.", "Q21")


def agent_times(agent: dict[str, Any]) -> Finding:
    command, task = agent.get("lastCommand"), task_of(agent)
    found = {
        "lastActivity": agent.get("lastActivity", agent.get("last_activity")),
        "lastCommand.timestamp": command.get("timestamp") if isinstance(command, dict) else None,
        "currentTask.startTime": task.get("startTime") if isinstance(task, dict) else None,
    }
    return moments({name: value for name, value in found.items() if value is not None})


def counters(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    if not isinstance(metrics, dict):
        return HELD  # they are optional
    return first(sound(f"metrics.{name}", value) for name, value in metrics.items() if number(value))


def uptime(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    value = metrics.get("uptime") if isinstance(metrics, dict) else None
    large = number(value) and math.isfinite(value) and value > EPOCH
    return broken("`metrics.uptime` is the time of the start.", "Q6") if large else HELD


def in_project(agent: dict[str, Any]) -> Finding:
    return HELD if isinstance(agent.get("projectId"), str) else broken("It does not say its `projectId`.")


def one_agent(reply: Reply) -> Finding:
    """The agent itself, unwrapped."""
    if isinstance(reply.body, dict) and "agents" not in reply.body and "id" in reply.body:
        return HELD
    found = agents(reply.body)
    return broken("It came in a list.", "Q12") if found else broken("No agent came.", "Q20")


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


# ── all answers of a service ─────────────────────────────────────────────────────────────────────────────────────────


def said_to_be_json(replies: Replies) -> Finding:
    found = [one for one in replies if isinstance(one.body, dict | list)]
    if not found:
        return untold("No JSON came.")
    odd = next((one for one in found if "json" not in one.headers.get("content-type", "").lower()), None)
    return HELD if odd is None else broken(f"{odd.asked} is sent as {odd.headers.get('content-type', 'nothing')!r}.")


def not_kept(replies: Replies) -> Finding:
    found = [one for one in replies if isinstance(one.body, dict | list)]
    if not found:
        return untold("No JSON came.")
    odd = next((one for one in found if "no-store" not in one.headers.get("cache-control", "").lower()), None)
    return HELD if odd is None else broken(f"{odd.asked} may be kept: no `Cache-Control: no-store`.")


def errors_in_form(replies: Replies) -> Finding:
    found = [one for one in replies if one.answer is not None and not 200 <= one.status < 300]
    hidden = next((one for one in replies if 200 <= one.status < 300 and tells_error(one)), None)
    if hidden is not None:
        return broken(f"{hidden.asked} reports an error with status {hidden.status}.", "Q11")
    if not found:
        return untold("No error came.")
    odd = next((one for one in found if not tells_error(one) or not isinstance(one.body["error"], str)), None)
    if odd is None:
        return HELD
    quirk = "Q18" if odd.status in GATEWAY or odd.answer is None or odd.answer.is_html else ""
    return broken(f"{odd.asked} was refused with {odd.status} and no JSON with `error`.", quirk)


def limits_told(replies: Replies) -> Finding:
    """The three headers, on whatever has one of them."""
    found = [one for one in replies if any(name.lower().startswith("x-ratelimit-") for name in one.headers)]
    if not found:
        return untold("No answer speaks of a limit; without one none has to.")
    return first(limit_headers(one.headers) for one in found)


def limit_headers(headers: Mapping[str, str]) -> Finding:
    for name in ("x-ratelimit-limit", "x-ratelimit-remaining"):
        if not headers.get(name, "").isdecimal():
            return broken(f"`{name}` is {shown(headers.get(name, MISSING))}, no whole number.")
    found = moment("x-ratelimit-reset", headers.get("x-ratelimit-reset", MISSING))
    return broken(found.why, "Q16") if found.quirk else found


def limits_exposed(replies: Replies) -> Finding:
    found = [one.headers for one in replies if "x-ratelimit-limit" in one.headers]
    if not found:
        return untold("No answer speaks of a limit.")
    good = all("x-ratelimit-limit" in one.get("access-control-expose-headers", "").lower() for one in found)
    return HELD if good else broken("`Access-Control-Expose-Headers` does not name them.")


def throttles(replies: Replies) -> Finding:
    found = next((one for one in replies if one.status == 429), None)
    if found is None:
        return untold("It did not throttle us.")
    wait = found.headers.get("retry-after", "")
    if not wait.isdecimal():
        return broken(f"`Retry-After` is {wait!r}." if wait else "There is no `Retry-After`.", "Q16")
    said = at(found.body, "error")
    return HELD if said == "Too many requests" else broken(f"`error` is {shown(said)}.", "Q16")


# ── the stream ───────────────────────────────────────────────────────────────────────────────────────────────────────


def opens(heard: Heard) -> Finding:
    return broken(f"It did not open: {heard.failure}.") if heard.failure else HELD


def acknowledged(heard: Heard) -> Finding:
    types = [frame.get("type") for frame in heard.frames]
    return HELD if "subscribed" in types else broken("No `subscribed` came after `subscribe`.")


def full_status(heard: Heard) -> Finding:
    if any(frame.get("type") == "agent_status_full" for frame in heard.frames):
        return HELD
    other = next((frame["type"] for frame in heard.frames if envelope(frame).quirk), None)
    if other is not None:
        return broken(f"What came in its place is {shown(other)}.", "Q9")
    return broken("No status of the agents came after `subscribe`.")


def answered_ping(heard: Heard) -> Finding:
    return HELD if any(frame.get("type") == "pong" for frame in heard.frames) else broken("No `pong` came.")


def canonical_envelope(heard: Heard) -> Finding:
    return of_frames(heard, envelope)


def envelope(frame: dict[str, Any]) -> Finding:
    type_ = frame.get("type")
    if type_ not in E1:
        return broken(f"`type` is {shown(type_)}, of another envelope.", "Q9" if isinstance(type_, str) else "")
    if type_ in BARE_TYPES or isinstance(frame.get("data"), dict):
        return HELD
    return broken(f"A frame {shown(type_)} has no `data`.", "Q9")


def frame_times(heard: Heard) -> Finding:
    """Frames of the other envelopes need not have a time."""
    return of_frames(heard, lambda frame: moment("timestamp", frame["timestamp"]) if "timestamp" in frame else HELD)


def frame_projects(heard: Heard) -> Finding:
    def check(frame: dict[str, Any]) -> Finding:
        needed = frame.get("type") in OF_A_PROJECT
        return HELD if not needed or frame.get("projectId") else broken("A frame does not say `projectId`.", "Q10")

    return of_frames(heard, check)


def all_objects(heard: Heard) -> Finding:
    return broken(f"This is no JSON object: {heard.others[0][:60]!r}.") if heard.others else HELD


def in_order(heard: Heard) -> Finding:
    """No frame twice, and none older than one of its kind before it."""
    newest: dict[object, int] = {}
    for frame in heard.frames:
        time = instant(frame.get("timestamp"))
        if frame.get("type") not in OF_A_PROJECT or time is None:
            continue
        of = (frame.get("type"), str(at(frame, "data.agentId")))
        if heard.frames.count(frame) > 1 or time < newest.get(of, 0):
            return broken("A frame came again, or after a newer one.", "Q23")
        newest[of] = time
    return HELD if newest else untold("No frame came that could be out of order.")


def of_frames(heard: Heard, check: Callable[[dict[str, Any]], Finding]) -> Finding:
    return first(map(check, heard.frames)) if heard.frames else untold("No frame came.")
