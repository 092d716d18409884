"""Many Prometheus exporters in one process: `/metrics/<n>` is the n-th, with series of its own that move.

`python -m bench.exporters <series>` prints its port and serves until its parent is gone.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import ROOT


def exposition(number: int, series: int, now: float) -> str:
    """Counters and gauges as exporters have them."""
    lines = ["# HELP work_done_total What was done.", "# TYPE work_done_total counter"]
    half = series // 2
    lines += [f'work_done_total{{instance="{number}",shard="{k}"}} {int(now * (k + 1))}' for k in range(half)]
    lines += ["# HELP queue_length What waits.", "# TYPE queue_length gauge"]
    level = now / 7 + number
    lines += [
        f'queue_length{{instance="{number}",shard="{k}"}} {(level * (k + 3)) % 50:.2f}' for k in range(half, series)
    ]
    return "\n".join(lines) + "\n"


async def serve(series: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                number = int(head.split(b" ", 2)[1].rsplit(b"/", 1)[1])
                body = exposition(number, series, time.time()).encode()
                kind = b"text/plain; version=0.0.4; charset=utf-8"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)))
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 — no event tells of a parent's end
        await asyncio.sleep(0.5)


@contextmanager
def running(series: int) -> Iterator[str]:
    """Their common address, to which a number is added."""
    command = [sys.executable, "-m", "bench.exporters", str(series)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/metrics/"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
