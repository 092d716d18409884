"""Holding services against the clauses: what holds, what does not, what cannot be told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from observatory.clients.base import parsed, segment
from observatory.doctor import claims, frames, lists
from observatory.doctor.asking import BRIDGE, TIMEOUT, Asker, Heard, Reply, Service
from observatory.doctor.claims import GATEWAY
from observatory.doctor.clauses import AGENTS, CLAUSES, READERS, STREAM, THROUGHOUT, UNTRIED, Clause
from observatory.doctor.findings import Finding, Verdict, untold
from observatory.errors import TargetError
from observatory.model import Cause, Instant

PROJECTS_LOOKED_AT = 5  # for one that has agents
TURNED_AWAY = {401, 403}


@dataclass(frozen=True, slots=True)
class Ruling:
    """A clause, and what was found. `tolerated` says how we live with a clause that does not hold, "" if badly."""

    id: str
    section: str
    sentence: str
    service: str
    verdict: Verdict
    why: str
    quirk: str
    tolerated: str
    asked: str
    came: str


@dataclass(frozen=True, slots=True)
class Named:
    """A project and an agent that the Bridge lists, "" where it lists none."""

    project: str = ""
    agent: str = ""

    def path(self, pattern: str) -> str:
        """The path for them; "" when there is none for what it needs."""
        if ("{project}" in pattern.lower() and not self.project) or ("{agent}" in pattern and not self.agent):
            return ""
        project = segment(self.project)
        return (
            pattern.replace("{project}", project)
            .replace("{PROJECT}", project.upper())
            .replace("{agent}", segment(self.agent))
        )


def examine(services: Sequence[Service], *, clock: Callable[[], Instant], timeout: float = TIMEOUT) -> list[Ruling]:
    """A ruling for every clause of these services. Never raises: what does not answer cannot be told."""
    found: list[Ruling] = []
    for service in services:
        asker = Asker(service, clock, timeout)
        try:
            found += rulings(asker)
        finally:
            asker.close()
    return found


def rulings(asker: Asker) -> Iterator[Ruling]:
    name = asker.service.name
    named = whom_to_ask_for(asker) if name == BRIDGE else Named()
    for clause in CLAUSES:
        if clause.service == name:
            yield rule(clause, named, asker)
    if name == BRIDGE:
        yield from stream_rulings(asker, named)
    replies = tuple(asker.replies.values())
    for every in THROUGHOUT:
        if every.service == name:
            yield rule_all(every, replies)
    for left in UNTRIED:
        if left.service == name:
            yield ruling(left, left.check(None))


def whom_to_ask_for(asker: Asker) -> Named:
    """The first project that lists an agent, with it; else the first project."""
    ids = [str(one["id"]) for one in lists.projects(asker.get("/api/projects").body) if isinstance(one.get("id"), str)]
    for project in ids[:PROJECTS_LOOKED_AT]:
        found = claims.agents(asker.get(Named(project).path(AGENTS)).body)
        agent = next((str(one["id"]) for one in found if isinstance(one.get("id"), str) and one["id"]), "")
        if agent:
            return Named(project, agent)
    return Named(ids[0]) if ids else Named()


def rule(clause: Clause[Reply], named: Named, asker: Asker) -> Ruling:
    path = named.path(clause.path)
    if not path:
        lacking = "project" if not named.project else "agent"
        return ruling(clause, untold(f"The Bridge lists no {lacking} to ask for."))
    reply = asker.get(path)
    finding = beyond(clause, reply) or clause.check(reply)
    readable = is_readable(clause, reply) if finding.verdict is Verdict.BROKEN else None
    return ruling(clause, finding, reply.asked, reply.came, readable=readable)


def beyond(clause: Clause[Reply], reply: Reply) -> Finding | None:
    """Why a clause cannot be told from this answer; None when it can."""
    presence = clause.id.endswith(".answers")
    if reply.failure is not None and not (presence and reply.failure.cause is Cause.MALFORMED):
        return untold(f"It gave no answer ({reply.failure.cause}).")
    if reply.status in TURNED_AWAY:
        return untold(f"It turned us away with {reply.status}; --token-env names the variable of a token.")
    if reply.status == 429:
        return untold("It throttled us.")
    if reply.status in GATEWAY and not presence:
        return untold(f"It is away: a gateway answered with {reply.status}.")
    if not clause.whole and claims.answers(reply).verdict is not Verdict.HOLDS:
        return untold("There is no usable answer.")
    return None


def is_readable(clause: Clause[Reply], reply: Reply) -> bool | None:
    """Whether our own client makes sense of the answer; None where no client reads it."""
    model = READERS.get((clause.service, clause.path))
    try:
        if model is not None and reply.answer is not None:
            parsed(reply.answer, model)
            return True
    except TargetError:
        return False
    return None


def rule_all(clause: Clause[tuple[Reply, ...]], replies: tuple[Reply, ...]) -> Ruling:
    answered = tuple(reply for reply in replies if reply.answer is not None)
    if not answered:
        return ruling(clause, untold("It gave no answer."))
    return ruling(clause, clause.check(answered), f"{len(replies)} questions", "")


def stream_rulings(asker: Asker, named: Named) -> Iterator[Ruling]:
    heard: dict[str, Heard] = {}
    for clause in STREAM:
        path = named.path(clause.path)
        if not path or not named.project:
            yield ruling(clause, untold("The Bridge lists no project to listen to."))
            continue
        if path not in heard:
            heard[path] = asker.listen(path, named.project, enough=has_all)
        yield rule_heard(clause, heard[path])


def rule_heard(clause: Clause[Heard], heard: Heard) -> Ruling:
    finding = None
    if heard.failure and heard.status in TURNED_AWAY:
        finding = untold(f"It turned us away with {heard.status}; --token-env names the variable of a token.")
    elif heard.failure and (clause.check is not frames.opens or not heard.status):
        finding = untold(f"It did not open: {heard.failure}.")
    return ruling(clause, finding or clause.check(heard), heard.asked, heard.came)


def has_all(frames: list[dict[str, Any]]) -> bool:
    """Whether everything came that follows what we say; what comes by itself later is not waited for."""
    types = {str(frame.get("type")) for frame in frames}
    return {"subscribed", "pong"} <= types and bool(types & claims.FULL)


def ruling(
    clause: Clause[Any], finding: Finding, asked: str = "", came: str = "", *, readable: bool | None = None
) -> Ruling:
    return Ruling(
        id=clause.id,
        section=clause.section,
        sentence=clause.sentence,
        service=clause.service,
        verdict=finding.verdict,
        why=finding.why,
        quirk=finding.quirk,
        tolerated=toleration(clause, finding, readable),
        asked=asked,
        came=came,
    )


def toleration(clause: Clause[Any], finding: Finding, readable: bool | None) -> str:
    """How we live with it: as a quirk, by reading the rest, by not needing it; "" when it is not tolerated."""
    if finding.verdict is not Verdict.BROKEN:
        return ""
    if finding.quirk and (readable is not False or clause.id.endswith(".answers")):
        return f"as {finding.quirk}"
    if clause.without:
        return clause.without
    return "we can read the answer all the same" if readable else ""


def kept(rulings: Iterable[Ruling]) -> bool:
    """Whether nothing that could be told does not hold, and something could be told."""
    verdicts = [one.verdict for one in rulings]
    return Verdict.BROKEN not in verdicts and Verdict.HOLDS in verdicts
