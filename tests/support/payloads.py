"""Bodies that services may send, as files, and beside each what we make of it.

A new surprising body is two files in a folder of `tests/contract/payloads`: `<name>.json` (or `.txt`, `.html`: as it
comes) and `<name>.expected.json` with `as`, what it is the answer to, and `brings`, or `fails` with the cause.
`as` is a call of `tests.support.calls`, or one of the READERS below for what does not come as an answer.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from observatory.contract import frames
from observatory.contract.failure import Failure
from observatory.contract.frames import Topic
from observatory.contract.nexus import Output
from observatory.contract.sign_in import SignedIn, Token
from observatory.errors import TargetError
from tests.support.answering import Answering, answer, saying
from tests.support.calls import CALLS, SILENT, a_session, by_name, lean, told

FOLDER = Path(__file__).parent.parent / "contract" / "payloads"
TYPES = {".json": "application/json", ".html": "text/html", ".txt": "text/plain"}


def bodies(folder: str) -> list[Path]:
    """The bodies of a folder, in order. There is at least one."""
    found = sorted(path for path in (FOLDER / folder).iterdir() if not path.name.endswith(".expected.json"))
    assert found, folder
    return found


def expected(body: Path) -> dict[str, Any]:
    wanted: dict[str, Any] = json.loads(body.with_name(f"{body.stem}.expected.json").read_text("utf-8"))
    return wanted


def read(body: Path) -> dict[str, Any]:
    """What we make of a body, in the form of its `.expected.json`."""
    name = expected(body)["as"]
    try:
        brings = READERS[name](body.read_bytes()) if name in READERS else asked(name, body)
    except TargetError as error:
        return {"as": name, "fails": error.cause.value}
    return {"as": name, "brings": json.loads(json.dumps(brings))}


def asked(name: str, body: Path) -> Any:
    """The body as a real server's answer to a call."""
    script = saying(answer(200, body.read_bytes(), headers={"Content-Type": TYPES[body.suffix]}))
    with Answering(script) as server:
        return told((CALLS | SILENT)[name].ask(a_session(server.url), server.url))


def throttled(content: bytes) -> Any:
    """`{headers, body}` of a 429, as the seconds it asks for. The server's clock says when we are."""
    said = json.loads(content)
    date = {"Date": "Tue, 02 Sep 2025 07:15:00 GMT"}
    with Answering(saying(answer(429, said["body"], headers=date | said["headers"]))) as server:
        try:
            CALLS["B13"].ask(a_session(server.url), server.url)
        except TargetError as error:
            return {"cause": error.cause, "seconds": round((error.retry_after or 0) / 10) * 10}
    return None


def framed(content: bytes) -> Any:
    """Frames, one a list's element, as the stream reads them."""
    return [frame(json.dumps(item)) for item in json.loads(content)]


def frame(text: str) -> Any:
    read = frames.read(text)
    found = {"topic": read.topic, "project": read.project, "at": read.timestamp}
    if read.topic is Topic.METRICS or read.counts_agents():
        return lean({**found, "samples": by_name(read.samples(read.project))})
    if read.topic is Topic.AGENTS:
        return lean({**found, **told(read.agents())})
    return lean({**found, "said": read.said().text} if read.topic in {Topic.LOG, Topic.ERROR} else found)


def printed(content: bytes) -> Any:
    """What a terminal has printed after messages of `{data, encoding?}`; data under `binary` came as such (hex)."""
    output, text = Output(), ""
    for item in json.loads(content):
        data = bytes.fromhex(item["binary"]) if "binary" in item else item["data"]
        text += output.text(data, encoding=item.get("encoding", ""))
    return text


READERS: dict[str, Callable[[bytes], Any]] = {
    "429": throttled,
    "frames": framed,
    "terminal": printed,
    "error": lambda content: Failure.model_validate(from_json(content)).words,
    "sign-in": lambda content: lean(SignedIn.model_validate(from_json(content)).model_dump()),
    "token": lambda content: lean(Token.model_validate(from_json(content)).model_dump()),
}

if __name__ == "__main__":  # shows what is made of one body, to be checked by eye and kept
    import sys

    for name in sys.argv[1:]:
        print(json.dumps(read(Path(name)), indent=1, ensure_ascii=False))
