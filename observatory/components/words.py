"""Plain sentences: what happened, since when, what to do.

A sentence is a list of texts and `Moment`s, so that it can be tested as it reads and its ages count on in the browser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from observatory import model
from observatory.components.attributes import records
from observatory.model import DAY, HOUR, MINUTE, SECOND, Cause, Instant, Kind

THIN = "\N{NARROW NO-BREAK SPACE}"
UP = ("live", "late")
SKEW_SHOWN = 5.0  # seconds: a clock that is off by more is told


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant inside a sentence: "3 min" (`for`), "3 min ago" (`ago`) or "14:02:31" (`clock`)."""

    kind: Literal["for", "ago", "clock"]
    at: Instant


Sentence: TypeAlias = tuple[str | Moment, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the overview says first. `state` is that of the worst thing; `support` is said below in a smaller voice."""

    state: str
    headline: Sentence
    support: Sentence


KINDS = {
    Kind.BRIDGE: "Bridge server",
    Kind.MCP_DAEMON: "MCP daemon",
    Kind.DEVKIT_API: "DevKit API",
    Kind.NEXUS_CONSOLE: "Nexus Console",
    Kind.PROMETHEUS: "Prometheus exporter",
    Kind.HTTP: "HTTP endpoint",
    Kind.OBSERVATORY: "This observatory",
}

ORIGINS = {
    "environment": "environment",
    "file": "observatory.toml",
    "discovered": "found on its default port",
    "project": "named by its project",
    "admin": "added here",
    "simulator": "simulator",
    "builtin": "built in",
}

# cause: (said with a duration, said without one, what stands in brackets)
TROUBLES = {
    Cause.UNREACHABLE: ("has been unreachable for ", "cannot be reached", ""),
    Cause.TIMEOUT: ("has not answered for ", "does not answer", "timeout"),
    Cause.HTTP_ERROR: ("has answered with errors for ", "answers with an error", "HTTP error"),
    Cause.REJECTED: ("has turned us away for ", "turns us away", "rejected"),
    Cause.THROTTLED: ("has asked us to slow down for ", "asks us to slow down", "throttled"),
    Cause.MALFORMED: ("has sent answers we cannot read for ", "sends answers we cannot read", "malformed"),
    Cause.OBSERVER_OFF: ("has not been observed for ", "is not observed", "observatory was off"),
    Cause.MAINTENANCE: ("has been under maintenance for ", "is under maintenance", ""),
    Cause.PAUSED: ("has been paused for ", "is paused", ""),
}

NOUNS: Mapping[str, str] = {
    "": "up",
    Cause.UNREACHABLE: "unreachable",
    Cause.TIMEOUT: "no answer in time",
    Cause.HTTP_ERROR: "answered with an error",
    Cause.REJECTED: "turned us away",
    Cause.THROTTLED: "asked us to slow down",
    Cause.MALFORMED: "unreadable answer",
    Cause.OBSERVER_OFF: "not observed",
    Cause.MAINTENANCE: "maintenance",
    Cause.PAUSED: "paused",
    "gone": "no longer watched",
}

ADVICE = {
    Cause.UNREACHABLE: (
        "See whether the service runs, and on this address and port.",
        "From the machine of the observatory, ask it yourself: curl -i {url}",
        "If it moved, change its address in the environment or in observatory.toml.",
    ),
    Cause.TIMEOUT: (
        "It accepts connections and then says nothing: look at its load and its log.",
        "Ask it yourself and see how long it takes: curl -o /dev/null -w '%{{time_total}}' {url}",
        "If it is slow by nature, give it a longer interval and timeout in observatory.toml.",
    ),
    Cause.HTTP_ERROR: (
        "Its raw answer stands in the scrape log below.",
        "Look in its own log at the time of the first failure.",
    ),
    Cause.REJECTED: (
        "Check the token we send: token_env in observatory.toml names the variable that holds it.",
        "An address that the observatory refuses to visit is rejected as well.",
    ),
    Cause.THROTTLED: (
        "We already wait as long as it asked. Give it a longer interval if this goes on.",
        "Something else may be using up its limit.",
    ),
    Cause.MALFORMED: (
        "Its raw answer stands in the scrape log below.",
        "See whether something else answers on this address, such as a proxy's error page.",
        "See whether its version speaks the contract we read.",
    ),
}


def title(name: str) -> str:
    """The name a person uses for a service."""
    return model.title(name)


def kind(word: str) -> str:
    return KINDS.get(Kind(word), word) if word in set(Kind) else word


def origin(word: str) -> str:
    return ORIGINS.get(word, word)


def cause(word: str) -> str:
    """A cause in words: "no answer in time"; an empty cause is "up"."""
    return NOUNS.get(word, word)


def outcome(service: Mapping[str, Any]) -> str:
    """The present outcome of a row of `frames.services.current` in a word or a few."""
    if service["state"] in ("paused", "gone"):
        return NOUNS[service["state"]]
    if service["state"] == "unknown" and not service["cause"]:
        return "not asked yet"
    return cause(str(service["cause"]))


def missing(word: str) -> str:
    """Why a dash stands where a number should."""
    return f"no reading: {cause(word)}" if word else "not reported"


def bracket(word: str) -> str:
    return f" ({word})" if word else ""


def trouble(service: Mapping[str, Any]) -> Sentence:
    """What is wrong with one row of `frames.services.current`: "MCP daemon has not answered for 4 min (timeout)." """
    name, since, measured = title(service["name"]), instant(service["since"]), instant(service["measured"])
    state, why = service["state"], service["cause"]
    if why in TROUBLES:
        during, still, word = TROUBLES[Cause(why)]
        if state == "unknown":
            return (f"{name} has never answered ({word or cause(why)}).",)
        return (
            (f"{name} {during}", Moment("for", since), f"{bracket(word)}.")
            if since
            else (f"{name} {still}{bracket(word)}.",)
        )
    if state == "stale" and measured:
        return (f"{name} has sent nothing new for ", Moment("for", measured), ".")
    if state == "unknown":
        return (f"{name} has not been asked yet.",)
    return (f"{name} is {state}.",)


def last_good(service: Mapping[str, Any]) -> Sentence:
    """ "Last good reading 14:02:31." or nothing when there never was one."""
    measured = instant(service["measured"])
    return ("Last good reading ", Moment("clock", measured), ".") if measured else ()


def service_state(service: Mapping[str, Any]) -> Sentence:
    """The sentence at the head of a service's page."""
    name, since, state = title(service["name"]), instant(service["since"]), service["state"]
    if state == "gone":
        return (f"{name} is no longer watched. It went ", Moment("ago", since or 0), ".")
    if state == "paused":
        pause = (", for ", Moment("for", since), ": we do not ask it.") if since else (": we do not ask it.",)
        return merged([f"{name} is paused", *pause])
    if state not in UP:
        return trouble(service)
    said = f"{name} is up" if state == "live" else f"{name} is up, its last reading is late"
    return (f"{said}, for ", Moment("for", since), ".") if since and state == "live" else (f"{said}.",)


def stream(row: Mapping[str, Any]) -> Sentence:
    """How a row of `frames.streams.current` is: "heard 2 s ago", "connected, nothing heard for 40 s", or down."""
    since, heard, why = int(row["since"]), instant(row["heard"]), str(row["cause"])
    if row["state"] == "heard" and heard:
        rest = ", some projects by polling" if row["partial"] else ""
        return merged(("heard ", Moment("ago", heard), rest)) if rest else ("heard ", Moment("ago", heard))
    if row["state"] == "silent":
        return ("connected, nothing heard for ", Moment("for", since), ", polling")
    if why == Cause.OBSERVER_OFF:
        return ("not observed since ", Moment("clock", since))
    word = TROUBLES[Cause(why)][2] or cause(why) if why else ""
    return ("down since ", Moment("clock", since), f"{bracket(word)}, polling")


def clock(service: Mapping[str, Any]) -> str:
    """How far a service's clock is off, "2 min ahead" or "45 s behind"; "" where that is little or not known."""
    skew = service.get("skew")
    if skew is None or pd.isna(skew) or abs(skew) <= SKEW_SHOWN:
        return ""
    return f"{length(abs(skew))} {'ahead' if skew > 0 else 'behind'}"


def length(seconds: float) -> str:
    """A length of time in one whole unit, of which there are two or more wherever that is possible."""
    for unit, size in (("days", DAY // SECOND), ("h", HOUR // SECOND), ("min", MINUTE // SECOND)):
        if round(seconds / size) >= 2:
            return f"{round(seconds / size)}{THIN}{unit}"
    return f"{round(seconds)}{THIN}s"


def advice(service: Mapping[str, Any]) -> tuple[str, ...]:
    """What to try, the first thing first; empty when nothing is known to help."""
    why = service["cause"]
    lines = ADVICE.get(Cause(why), ()) if why in set(Cause) else ()
    return tuple(line.format(url=service["url"]) for line in lines)


def standing(services: pd.DataFrame, agents: pd.DataFrame) -> Standing:
    """The sentence of state for the frames `services.current` (worst first) and `agents.current`."""
    rows = [row for row in records(services) if row["state"] != "gone"]
    watched = [row for row in rows if row["state"] != "paused"]
    wrong = [row for row in watched if row["state"] not in UP]
    count = counted(watched, wrong, paused=len(rows) - len(watched))
    at_work = activity(agents, heard={str(row["name"]) for row in watched if row["state"] in UP})
    if wrong:
        return Standing(worst(wrong), trouble(wrong[0]), joined(last_good(wrong[0]), others(wrong[1:]), count, at_work))
    ailing = [row for row in watched if row["health"] in ("degraded", "unhealthy")]
    if ailing:
        said = f"{title(ailing[0]['name'])} answers, but calls itself {ailing[0]['health']}."
        return Standing("late", (said,), joined(count, at_work))
    if not watched:
        return Standing("paused", ("Nothing is watched: every service is paused.",), at_work)
    return Standing("live", joined(count, at_work), ())


def worst(wrong: Sequence[Mapping[str, Any]]) -> str:
    states = {str(row["state"]) for row in wrong}
    return next((state for state in ("down", "stale", "unknown", "gone") if state in states), "down")


def others(wrong: Sequence[Mapping[str, Any]]) -> Sentence:
    """Further trouble: one more in full, the rest as names."""
    if len(wrong) < 2:
        return trouble(wrong[0]) if wrong else ()
    names = [title(str(row["name"])) for row in wrong]
    return (f"Also not up: {', '.join(names[:-1])} and {names[-1]}.",)


def counted(watched: Sequence[Mapping[str, Any]], wrong: Sequence[object], *, paused: int) -> Sentence:
    up, total = len(watched) - len(wrong), len(watched)
    if not total:
        return ()
    some = f"{up or 'None'} of {total} services up"
    every = {1: "1 service up", 2: "Both services up"}.get(total, f"All {total} services up")
    said = some if wrong else every
    return (f"{said}, {paused} paused." if paused else f"{said}.",)


def activity(agents: pd.DataFrame, heard: set[str]) -> Sentence:
    """ "3 agents working, 1 waiting 12 min." Agents whose Bridge is not `heard` were so at the last reading."""
    if agents.empty:
        return ()
    counts = agents["status"].value_counts()
    working = int(counts.get("running", 0))
    past = not set(agents["target"]) & heard
    parts: list[str | Moment] = [f"{working or 'No'} {'agent' if working == 1 else 'agents'} "]
    parts.append(("were working" if working != 1 else "was working") if past else "working")
    for status, word in (("idle", "waiting"), ("paused", "paused"), ("failed", "failed")):
        parts += tail(agents[agents["status"] == status], word, aged=not past)
    parts.append(" at the last reading." if past else ".")
    return merged(parts)


def tail(agents: pd.DataFrame, word: str, *, aged: bool) -> list[str | Moment]:
    """ ", 1 waiting 12 min" with the age of the one that has been so for longest."""
    if agents.empty:
        return []
    first = instant(agents["since"].min())
    said = f", {len(agents)} {word}"
    return [f"{said} ", Moment("for", first)] if aged and first and word != "failed" else [said]


def joined(*sentences: Sentence) -> Sentence:
    parts: list[str | Moment] = []
    for sentence in sentences:
        parts += [" ", *sentence] if parts and sentence else sentence
    return merged(parts)


def merged(parts: Sequence[str | Moment]) -> Sentence:
    """The same sentence with neighbouring texts in one."""
    found: list[str | Moment] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


def plain(sentence: Sentence) -> str:
    """The sentence with each moment as `<for>`, `<ago>` or `<clock>`: for labels, logs and tests."""
    return "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in sentence)


def uptime(ratio: float | None, observed: float | None) -> str:
    """ "99.2 % of the 96.4 % observed"; "not observed" when nothing was. Both arguments lie in [0, 1]."""
    if ratio is None or not observed:
        return "not observed"
    if observed >= 0.9995:
        return percent(ratio)
    seen = percent(observed) if observed >= 0.01 else f"first <{THIN}1{THIN}%"
    return f"{percent(ratio)} of the {seen} observed"


def percent(ratio: float) -> str:
    """One decimal, never rounded up to a whole that was not reached."""
    tenths = int(ratio * 1000 + 1e-9) if ratio < 1 else 1000
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest}{THIN}%" if rest or 0 < tenths < 1000 else f"{whole}{THIN}%"


def change(value: float | None, before: float | None, unit: str) -> str:
    """Against the same time yesterday, arrow and words; "" when it cannot be computed."""
    if value is None or before is None:
        return ""
    if unit == "ratio":
        return compared(round((value - before) * 100, 1), " points")
    if before == 0:
        return compared(round(value, 2), "")
    return compared(round((value - before) / abs(before) * 100), f"{THIN}%")


def compared(difference: float, unit: str) -> str:
    if difference == 0:
        return "as yesterday at this time"
    arrow, word = ("↑", "more") if difference > 0 else ("↓", "less")
    size = f"{abs(difference):g}"
    unit = unit[:-1] if unit == " points" and size == "1" else unit
    return f"{arrow} {size}{unit} {word} than yesterday"


def duration(seconds: float) -> str:
    """How long something that is over took: "12 ms", "1.2 s", "34 min", "2.5 h"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}{THIN}ms"
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s"
    return f"{seconds / 60:.0f}{THIN}min" if seconds < 7200 else f"{seconds / 3600:.1f}{THIN}h"


def instant(value: Any) -> Instant | None:
    return None if value is None or pd.isna(value) else int(value)


def metric(name: str) -> str:
    """A metric's name as words: `node_memory_MemAvailable_bytes` → "node memory MemAvailable"."""
    stem, _ = split_unit(name)
    return stem.replace("_", " ").strip() or name


def unit(name: str) -> str:
    """The unit that the end of a metric's name tells; `number` when it tells none."""
    return split_unit(name)[1]


def is_instant(name: str) -> bool:
    """Whether a metric holds seconds since 1970, not a length of time."""
    return name.endswith(("_timestamp_seconds", "_start_time_seconds", "_boot_time_seconds"))


def split_unit(name: str) -> tuple[str, str]:
    """`http_requests_total` → (`http_requests`, `count`); a counter of seconds or bytes keeps that unit."""
    stem = name.removesuffix("_total")
    for suffix in ("per_minute", "per_hour"):
        if name.endswith(f"_{suffix}"):
            return name.removesuffix(f"_{suffix}"), suffix
    head, _, last = stem.rpartition("_")
    if head and last in ("seconds", "milliseconds", "bytes", "ratio"):
        return head, last
    return (stem, "count") if stem != name or last == "count" else (name, "number")
