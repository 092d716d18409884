"""What a service says when it will not do something (§2.0): the body beside a status that is no success."""

from collections.abc import Iterator
from typing import Any

from pydantic import model_validator

from observatory.contract.normalise import Message, Number, Text, Time, mapping

FAULTS = 10  # of a body that are named
DEPTH = 8


class Failure(Message):
    """`error` is the service's sentence, `code` its word for a program. Everything may be missing."""

    error: Text = ""
    code: Text = ""
    details: Any = None
    project_id: Text = ""
    retry_after: Number = None
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def lift(cls, value: Any) -> Any:
        """`{error: {message, code}}` and `{message}` say the same as `{error, code}`."""
        body = mapping(value)
        inner = body.get("error")
        if isinstance(inner, dict):
            return {**body, **inner, "error": inner.get("message")}
        return body if isinstance(inner, str) else {**body, "error": body.get("message")}

    @property
    def words(self) -> str:
        """The sentence, and the details in brackets."""
        told = "; ".join(rendered(self.details))
        return f"{self.error} ({told})" if self.error and told else self.error or told


def rendered(details: Any) -> list[str]:
    """Each fault of a tree, a list of issues or a plain text as `path: message` (Q15)."""
    found: list[str] = []
    for path, message in leaves(details, (), DEPTH):
        if len(found) == FAULTS:
            break
        found.append(f"{'.'.join(path)}: {message}" if path else message)
    return found


def leaves(node: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    if not depth or node is None:
        return
    if isinstance(node, list):
        for item in node:
            yield from leaves(item, path, depth - 1)
    elif isinstance(node, dict) and isinstance(node.get("message"), str):
        yield (*path, *place(node.get("path"))), node["message"]
    elif isinstance(node, dict):
        for key, item in node.items():
            # The names a validator gives to its lists say nothing of where the fault is.
            below = path if key in {"_errors", "errors", "issues", "formErrors", "fieldErrors"} else (*path, str(key))
            yield from leaves(item, below, depth - 1)
    else:
        yield path, str(node)


def place(path: Any) -> tuple[str, ...]:
    """Where an issue says it is: a list of keys, or a dotted text."""
    if isinstance(path, list):
        return tuple(str(part) for part in path)
    return (path,) if isinstance(path, str) and path else ()
