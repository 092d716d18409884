"""Any HTTP address that says by its answer whether it is well."""

import json
from dataclasses import dataclass

from pydantic_core import from_json

from observatory.clients.base import Answer, Session, cut, malformed, succeeded
from observatory.errors import TargetError
from observatory.model import Cause, Expect, Sample

ABSENT = object()


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer and what is wrong with it, None when it is as it should be."""

    answer: Answer
    fault: TargetError | None

    def samples(self) -> tuple[Sample, ...]:
        seconds = (self.answer.received - self.answer.started) / 1000
        return (
            Sample("http_response_status", float(self.answer.status)),
            Sample("http_response_seconds", seconds),
        )


class HttpCheck:
    """`check` raises TargetError when there was no answer; an answer with a fault is one that tells it."""

    def __init__(self, session: Session, url: str, expect: Expect | None) -> None:
        self.session, self.url, self.expect = session, url, expect

    def check(self) -> Checked:
        answer = self.session.answer(self.url, accept="*/*")
        try:
            self.compare(answer)
        except TargetError as fault:
            return Checked(answer, fault)
        return Checked(answer, None)

    def compare(self, answer: Answer) -> None:
        if self.expect is None or answer.status != self.expect.status:
            succeeded(answer, self.session.skew or 0.0)
        if self.expect is None:
            return
        if answer.status != self.expect.status:
            raise TargetError(Cause.HTTP_ERROR, f"status {answer.status} instead of {self.expect.status}")
        if self.expect.json:
            self.compare_json(answer, self.expect)

    def compare_json(self, answer: Answer, expect: Expect) -> None:
        try:
            content = from_json(answer.body)
        except ValueError:
            raise malformed(answer, "no JSON") from None
        for path, wanted in expect.json.items():
            found = at_path(content, path)
            if found is ABSENT or not same(found, wanted):
                shown = "nothing" if found is ABSENT else json.dumps(found)
                raise TargetError(Cause.HTTP_ERROR, cut(f"{path} is {shown} instead of {json.dumps(wanted)}"))


def at_path(content: object, path: str) -> object:
    """What stands at `$.key.0.key`, or ABSENT. A number steps into a list."""
    for key in path.removeprefix("$").strip(".").split("."):
        if not key:
            continue
        if isinstance(content, dict) and key in content:
            content = content[key]
        elif isinstance(content, list) and key.isdecimal() and int(key) < len(content):
            content = content[int(key)]
        else:
            return ABSENT
    return content


def same(found: object, wanted: object) -> bool:
    """Equal in JSON's sense, where `true` is not 1."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
