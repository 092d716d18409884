"""A Bridge by other hands than the simulator's: the standard library's HTTP, and a WebSocket on a port of its own.

It keeps much of the contract and breaks some of it, as `tests/integration/test_contract_report.py` tells.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

LATHE = {"id": "lathe", "name": "Lathe", "path": "/srv/lathe", "mcpServerUrl": 8001}
TURNER = {
    "id": "turner-1", "name": "Turner", "type": "analyzer", "projectId": "lathe", "status": "busy",
    "last_activity": "2026-11-25 04:00:00", "metrics": {"tasks_completed": 3},
}  # fmt: skip
NOT_FOUND = (404, {"detail": "Not Found"})
ANSWERS: dict[str, tuple[int, Any]] = {
    "/api/health": (200, {"status": "healthy", "version": "0.1"}),
    "/api/bridge/status": (200, "{'healthy': True}"),
    "/api/mcp/context": (302, ""),
    "/api/projects": (200, {"projects": [LATHE], "timestamp": "2026-11-25T04:00:00"}),
    "/api/projects/lathe": (200, {"project": LATHE}),
    "/api/projects/lathe/agents/status": (200, [TURNER]),
    "/api/projects/lathe/agents/status?agentId=turner-1": (200, TURNER),
    "/api/projects/lathe/agents/status?agentId=no-such-agent-here": (200, []),
    "/api/projects/no-such-project-here": (200, {"error": "Project not found"}),
    "/api/projects/lathe/telemetry/metrics": (401, {"error": "Authentication required"}),
    "/api/projects/lathe/console/output": (500, "<!doctype html><title>Oh no</title>"),
    "/api/telemetry/metrics": (200, {"metrics": {"system": "fine"}}),
    "/api/terminal/endpoints": (200, "<html>Welcome</html>"),
}
FRAMES = ['{"type": "subscribed"}', "hello", '{"type": "telemetry", "data": {"metric": "cpu", "value": 1}}']


@dataclass
class Foreign:
    """Where it is, and what it was asked: (method, path, headers with lower-case names)."""

    url: str = ""
    ws_url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)  # frames that came over the WebSocket


@contextmanager
def running() -> Iterator[Foreign]:
    foreign = Foreign()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            foreign.asked.append((self.command, self.path, headers))
            status, body = ANSWERS.get(self.path, NOT_FOUND)
            raw = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news here."""

    def speak(line: ServerConnection) -> None:
        assert line.request is not None
        if urlsplit(line.request.path).path != "/ws/projects/lathe":
            return
        for message in FRAMES:
            line.send(message)
        try:
            for message in line:
                foreign.said.append(json.loads(message))
                if len(foreign.said) == 2:
                    return
        except ConnectionClosed:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ws = serve(speak, "127.0.0.1", 0)
    foreign.url, foreign.ws_url = f"http://127.0.0.1:{http.server_port}", f"ws://127.0.0.1:{ws.socket.getsockname()[1]}"
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in (http, ws)]
    for thread in threads:
        thread.start()
    try:
        yield foreign
    finally:
        http.shutdown()
        http.server_close()
        ws.shutdown()
        for thread in threads:
            thread.join(5)
