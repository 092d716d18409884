"""A Bridge that talks: 50 projects of 20 agents over one WebSocket, and the REST beside it. `python -m bench.chatter`.

What REST says of agents is older than every frame, so that a last state which is right came over the stream.
"""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

PROJECTS, AGENTS, RATE = 50, 20, 500
STATUSES = ("running", "stopped", "error", "starting")
METRICS_EVERY = 5  # one frame in so many is of a host's metrics, the others are of agents


def now() -> int:
    return time.time_ns() // 1_000_000


class Bridge:
    def __init__(self, rate: float) -> None:
        self.rate, self.began = rate, now()
        self.projects = [f"p{number:02}" for number in range(PROJECTS)]
        self.agents = [f"agent-{number:02}" for number in range(AGENTS)]
        self.last: dict[str, str] = {}
        self.sent = 0
        self.talking = threading.Event()
        self.talking.set()
        self.random = random.Random(7)

    def talk(self, connection: ServerConnection) -> None:
        """Frames at the rate, once every project was subscribed to, and no more while nobody talks."""
        wanted: set[str] = set()
        while wanted != set(self.projects):
            message = json.loads(connection.recv())
            if message["type"] == "subscribe":
                wanted.add(message["projectId"])
        threading.Thread(target=self.listen, args=(connection,), daemon=True).start()
        due, number = time.monotonic(), 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.talking.wait()
                connection.send(self.frame(number))
                number += 1
                self.sent += 1
                due = max(due + 1 / self.rate, time.monotonic() - 0.1)
                time.sleep(max(0.0, due - time.monotonic()))

    def listen(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                if json.loads(message)["type"] == "ping":
                    connection.send('{"type":"pong"}')

    def frame(self, number: int) -> str:
        project = self.projects[number % PROJECTS]
        if number % METRICS_EVERY == 0:
            project = self.projects[number // METRICS_EVERY % PROJECTS]
            data: dict[str, Any] = {
                "cpu": self.random.uniform(0, 100), "memory": 913, "disk": 55, "network": {"rx": 2100, "tx": 880},
                "processes": 132, "uptime": 90215,
            }  # fmt: skip
            return json.dumps({"type": "metrics", "timestamp": now(), "projectId": project, "data": data})
        agent, status = self.random.choice(self.agents), self.random.choice(STATUSES)
        self.last[f"{project}/{agent}"] = status
        told = {
            "status": status, "pid": 7712, "startTime": self.began, "lastUpdate": now(),
            "resources": {"cpu": self.random.uniform(0, 100), "memory": 210}, "healthStatus": "healthy",
        }  # fmt: skip
        data = {"agentId": agent, "status": told}
        return json.dumps({"type": "agent_status_update", "timestamp": now(), "projectId": project, "data": data})

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/ws":
            return None
        response = connection.respond(HTTPStatus.OK, json.dumps(self.body(path)))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def body(self, path: str) -> object:
        if path in ("/quiet", "/loud"):
            (self.talking.clear if path == "/quiet" else self.talking.set)()
            return {}
        if path == "/last":
            return {"last": self.last, "sent": self.sent}
        if path == "/api/projects":
            listed = [{"id": project, "name": project} for project in self.projects]
            return {"projects": listed, "timestamp": now()}
        if path.endswith("/agents/status"):
            agents = [{"id": agent, "name": agent, "status": "idle"} for agent in self.agents]
            return {"agents": agents, "timestamp": self.began}
        if path.startswith("/api/projects/"):
            return {"metrics": {"agents": {"active": 1, "total": AGENTS}}, "timestamp": now()}
        if path == "/api/telemetry/metrics":
            return {"metrics": {"system": {"cpu": 31}}, "timestamp": now()}
        return {"status": "healthy", "isAvailable": False, "servers": [], "timestamp": now()}


def main(rate: float) -> None:
    bridge = Bridge(rate)
    server = serve(
        bridge.talk, "127.0.0.1", 0, process_request=bridge.answer, ping_interval=None, compression=None, max_queue=None
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()  # until whoever started us is gone


@contextmanager
def running(rate: float = RATE) -> Iterator[str]:
    """Its address, in a process of its own."""
    command = [sys.executable, "-m", "bench.chatter", str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def ask(url: str) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    main(float(sys.argv[1]))
