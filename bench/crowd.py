"""Many viewers in a process of their own, so that their cost is not counted as the server's.

Reads its task as JSON from standard input and answers on standard output, as JSON too. A viewer holds a stream, or asks
the callbacks of its page on a beat, or both; with both it also asks again when the stream names one of its topics, as
`live.js` does.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.support.processes import ROOT

PATIENCE = 60.0  # seconds until every stream has said hello


@dataclass(frozen=True, slots=True)
class Task:
    """What the crowd does. `cookies`: a viewer each. `stream`: path, "" for none. `beat`: seconds, 0 for none."""

    port: int
    cookies: Sequence[str]
    seconds: float
    stream: str = ""
    path: str = "/_dash-update-component"
    bodies: Sequence[str] = ()
    beat: float = 0.0
    topics: Sequence[str] = ()


@dataclass(slots=True)
class Found:
    """What the crowd saw: milliseconds from each change to its arrival and of each answer, and what went wrong."""

    delays: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    reactions: int = 0
    errors: int = 0


@dataclass(eq=False)
class Viewer:
    task: Task
    cookie: str
    found: Found
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)

    def head(self, method: str, path: str, length: int = 0) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.task.port}\r\nCookie: {self.cookie}\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\nSec-Fetch-Site: same-origin\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    async def listen(self) -> None:
        """Hold the stream; each message with points tells how old its newest one is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.task.port)
        writer.write(self.head("GET", self.task.stream))
        try:
            while text := await reader.readline():
                if not text.startswith(b"data: "):
                    continue
                now = time.time() * 1000
                message = json.loads(text[6:])
                if "hello" in message:
                    self.heard.set()
                elif message.get("points"):
                    self.found.delays.append(now - max(p[-1][0] for p in message["points"].values()))
                if set(message.get("topics", ())) & set(self.task.topics):
                    self.found.reactions += 1
                    self.again.set()
            self.found.errors += 1  # a stream does not end by itself
        finally:
            writer.close()

    async def ask(self, first: float) -> None:
        """Ask all callbacks on each beat and whenever the stream says so."""
        await asyncio.sleep(first)
        connection = await asyncio.open_connection("127.0.0.1", self.task.port)
        while True:
            for body in self.task.bodies:
                began = time.perf_counter()
                connection = await self.post(connection, body.encode())
                self.found.answers.append((time.perf_counter() - began) * 1000)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.again.wait(), self.task.beat)
            self.again.clear()

    async def post(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], body: bytes
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One answer; on a connection that the server has closed meanwhile, on a new one. Answers the one in use."""
        for _ in range(2):
            reader, writer = connection
            try:
                writer.write(self.head("POST", self.task.path, len(body)) + body)
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(int(part.split(b":")[1]) for part in lines if part.startswith(b"content-length:"))
                await reader.readexactly(length)
                self.found.errors += b" 200 " not in lines[0]
                return connection
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                connection = await asyncio.open_connection("127.0.0.1", self.task.port)
        self.found.errors += 1
        return connection


async def crowd(task: Task) -> Found:
    """Begin, say so on standard output once everybody is there, and go on for the task's seconds."""
    found = Found()
    viewers = [Viewer(task, cookie, found) for cookie in task.cookies]
    jobs = []
    if task.stream:
        jobs += [asyncio.create_task(viewer.listen()) for viewer in viewers]
        await asyncio.wait_for(asyncio.gather(*(viewer.heard.wait() for viewer in viewers)), PATIENCE)
    if task.beat:
        steps = task.beat / len(viewers)
        jobs += [asyncio.create_task(viewer.ask(place * steps)) for place, viewer in enumerate(viewers)]
    print("ready", flush=True)
    await asyncio.sleep(task.seconds)
    broken = [job.exception() for job in jobs if job.done() and not job.cancelled()]
    found.errors += sum(error is not None for error in broken)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    return found


class Crowd:
    """`with Crowd(task) as one: …` starts it and waits until it is there; `one.found()` waits for its end."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __enter__(self) -> "Crowd":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.crowd"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(self.task)))
        self.process.stdin.close()
        assert self.process.stdout.readline() == "ready\n", "the crowd did not come"
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def found(self) -> Found:
        assert self.process.stdout is not None
        return Found(**json.loads(self.process.stdout.read()))


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(crowd(Task(**json.load(sys.stdin))))), sys.stdout)
