"""The Nexus Console: N1, N3 and N5 over HTTP, whether its page may be embedded, and what its terminals print."""

import base64
import binascii
import codecs
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from observatory.contract.bridge_commands import ConsoleOrder, ConsoleResult
from observatory.contract.health import ServiceHealth
from observatory.contract.normalise import PRESENT, Id, Message, Number, Text, wrapped
from observatory.contract.sign_in import Token

__all__ = [
    "ConsoleOrder",
    "ConsoleResult",
    "ConsoleTerminals",
    "Embedding",
    "Output",
    "ServiceHealth",
    "Token",
    "embedding",
]

READY_WITHIN = 10.0  # seconds after which a page that says nothing is offered in a tab of its own


class ConsoleTerminal(Message):
    id: Id
    project_id: Text = ""
    cols: Number = None
    rows: Number = None
    cwd: Text = ""


class ConsoleTerminals(Message):
    """N5, wrapped or as a bare array (Q12)."""

    listed: Annotated[tuple[ConsoleTerminal, ...], PRESENT] = Field(validation_alias="terminals")

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "terminals")


class Embedding(StrEnum):
    """What stands where the console should be."""

    AWAY = "away"  # it does not answer: its address, how to start it
    WAITING = "waiting"
    SHOWN = "shown"
    ELSEWHERE = "elsewhere"  # it answers and says nothing: its own headers may forbid the frame, so a tab is offered


def embedding(*, answers: bool, ready: bool, waited: float) -> Embedding:
    """By whether N1 answers, the page has said `console-ready`, and the seconds since it was loaded (Q24).

    That the frame has loaded tells nothing: a page that is blocked or dead loads, too.
    """
    if ready:
        return Embedding.SHOWN
    if not answers:
        return Embedding.AWAY
    return Embedding.ELSEWHERE if waited >= READY_WITHIN else Embedding.WAITING


class Output:
    """Text of one terminal from what comes over its socket, in any of the forms in use (Q25).

    A character may be cut between two messages, so the decoder remembers. What is no UTF-8 is replaced.
    """

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text(self, output: object, *, encoding: str = "") -> str:
        """`output` is a string (base64 if `encoding` says so), bytes, a list of bytes, or a batch of these."""
        if isinstance(output, str) and encoding != "base64":
            return self.decoder.decode(b"", final=True) + output
        return "".join(map(self.decoder.decode, chunks(output, encoding)))


def chunks(output: object, encoding: str) -> Iterator[bytes]:
    if isinstance(output, bytes | bytearray | memoryview):
        yield bytes(output)
    elif isinstance(output, str):
        yield from unpacked(output) if encoding == "base64" else (output.encode("utf-8", "replace"),)
    elif isinstance(output, list) and all(isinstance(item, int) and not isinstance(item, bool) for item in output):
        yield bytes(item & 0xFF for item in output)
    elif isinstance(output, list):
        for item in output:
            yield from chunks(item, encoding)
    elif isinstance(output, dict):  # one message of a batch, or bytes as a runtime's buffer writes them
        yield from chunks(output.get("data"), str(output.get("encoding") or encoding))


def unpacked(packed: str) -> Iterator[bytes]:
    try:
        yield base64.b64decode(packed)
    except (binascii.Error, ValueError):  # it only said that it was
        yield packed.encode("utf-8", "replace")
