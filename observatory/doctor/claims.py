"""What can be claimed of any answer. A claim takes it and makes a Finding.

To find its subject a claim goes by the tolerant reading, so that one quirk is told once, by the claim that is about it.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from observatory.contract.normalise import instant
from observatory.doctor.asking import MISSING, Reply
from observatory.doctor.findings import HELD, Claim, Finding, Verdict, broken, first, untold

CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
GATEWAY = {502, 503, 504}
HEALTH = ("healthy", "degraded", "unhealthy")
NUMBER = (int, float)
FULL = {"agent_status_full", "agent_status", "agent_status_update"}


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


def items(body: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list, wrapped, bare, or a map by id."""
    found = body.get(key, []) if isinstance(body, dict) else body
    if isinstance(found, dict):
        found = [{"id": id, **one} for id, one in found.items() if isinstance(one, dict)]
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def agents(body: Any) -> list[dict[str, Any]]:
    return items(body, "agents")
