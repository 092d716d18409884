"""What became of a claim: it holds, it does not, or it cannot be told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from observatory.doctor.asking import Heard, Reply


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
