"""What listening to a Bridge costs the collector: 50 projects of 20 agents, 500 frames a second over one WebSocket."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import chatter, stand
from bench.measure import CpuShare, Result, main
from observatory.contract.bridge_agents import STATUSES
from observatory.store import agents, streams
from observatory.store.engine import Store, open_store
from observatory.store.scrapes import since
from tests.support.processes import free_port, observatory
from tests.support.product import SECRETS
from tests.support.waiting import wait_for

SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
BUDGET = 40.0
PEER = "websockets client that decodes JSON"


def run() -> Sequence[Result]:
    with chatter.running() as url, stand.folder() as at:
        process = observatory("collect", log=at / "log", env=settings(at, url))
        try:
            store = open_store(f"sqlite:///{at / 'observatory.sqlite3'}")
            process.wait_until(lambda: is_heard(store), timeout=60, what="a stream that is heard")
            time.sleep(5)  # until the first readings of all projects are over
            before, began = chatter.ask(f"{url}/last")["sent"], time.monotonic()
            with CpuShare(process.pid) as used:
                time.sleep(SECONDS)  # the time is what is measured here
            rate = (chatter.ask(f"{url}/last")["sent"] - before) / (time.monotonic() - began)
            chatter.ask(f"{url}/quiet")
            wrong = last_states_wrong(store, url)
            pace = written(store)
            store.close()
        finally:
            process.end()
        chatter.ask(f"{url}/loud")
        bare = peer(url)
    return [
        Result("500 frames/s: collector", used.percent, "% of a core", BUDGET, PEER, bare),
        Result("frames", rate, "1/s"),
        Result("a frame, all told", used.percent / 100 / rate * 1e6, "µs CPU"),
        Result("writings of a project", pace, "1/s"),
        Result("agents whose last state is wrong", wrong, "of 1000", 0),
    ]


def settings(at: Path, url: str) -> dict[str, str]:
    return {
        "OBSERVATORY_DATA": str(at),
        "OBSERVATORY_LOG_LEVEL": "warning",
        "BRIDGE_API_URL": url,
        "PORT": str(free_port()),
        **SECRETS,
    }


def is_heard(store: Store) -> bool:
    return [row.state for row in streams.current(store)] == ["heard"]


def last_states_wrong(store: Store, url: str) -> int:
    """How many of all agents are not, two seconds after the last frame, as that frame told."""
    last = chatter.ask(f"{url}/last")["last"]
    wanted = {key: STATUSES[status] for key, status in last.items()}

    def wrong() -> int:
        found = {f"{row.project}/{row.id}": row.status for row in agents.current(store)}
        return sum(found.get(key) != status for key, status in wanted.items())

    deadline = time.monotonic() + 2
    while wrong() and time.monotonic() < deadline:
        time.sleep(0.1)
    return wrong()


def written(store: Store) -> float:
    """Scrapes of one project a second, of the last ones."""
    rows = [row for row in since(store, 0) if row.project == "p00" and len(row.points)][-20:]
    first, last = (int(row.points["at"].max()) for row in (rows[0], rows[-1]))
    return (len(rows) - 1) / ((last - first) / 1000)


BARE = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None, compression=None, ping_interval=None) as connection:
    for number in range(50):
        connection.send(json.dumps({"type": "subscribe", "projectId": f"p{number:02}"}))
    print("open", flush=True)
    for message in connection:
        json.loads(message)
"""


def peer(url: str) -> float:
    """CPU share of a program that does nothing with the same frames."""
    address = "ws" + url.removeprefix("http") + "/ws"
    with subprocess.Popen([sys.executable, "-c", BARE, address], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            before = chatter.ask(f"{url}/last")["sent"]
            wait_for(lambda: chatter.ask(f"{url}/last")["sent"] > before, what="frames")
            with CpuShare(process.pid) as used:
                time.sleep(SECONDS / 2)  # the time is what is measured here
            return used.percent
        finally:
            process.kill()


if __name__ == "__main__":
    main("stream", run)
