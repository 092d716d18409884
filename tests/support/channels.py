"""A Bridge's WebSockets on a free port, for what the simulator cannot do: it says and closes what a test wants."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.waiting import wait_for

Headers = Mapping[str, str]


class Channels:
    """`received` are the frames of all clients as (path, frame), `open` the connections by path, newest last.

    `refuse` answers a path's handshake with a status and headers; `greet` is called with each new connection. `port`
    0 is a free one.
    """

    def __init__(
        self,
        *,
        simulated: bool = False,
        greet: Callable[[ServerConnection], None] | None = None,
        refuse: Mapping[str, int] | None = None,
        headers: Headers | None = None,
        port: int = 0,
    ) -> None:
        self.greet, self.refuse, self.headers = greet, dict(refuse or {}), dict(headers or {})
        self.headers |= {"X-Simulated": "1"} if simulated else {}
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.open: list[ServerConnection] = []
        self.asked: list[tuple[str, Headers]] = []  # handshakes, those that were refused too
        self.opened = 0
        self.closes: list[tuple[int | None, str]] = []  # what the clients closed with
        self.server: Server = serve(
            self.talk, "127.0.0.1", port, process_request=self.check, process_response=self.mark, ping_interval=None,
            max_size=None, compression=None,
        )  # fmt: skip
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append((request.path, dict(request.headers.raw_items())))
        status = self.refuse.get(request.path)
        if status is None:
            return None
        answer = connection.respond(HTTPStatus(status), "no\n")
        answer.headers.update(self.headers)
        return answer

    def mark(self, _connection: ServerConnection, _request: Request, response: Response) -> Response:
        response.headers.update(self.headers)
        return response

    def talk(self, connection: ServerConnection) -> None:
        self.open.append(connection)
        self.opened += 1
        try:
            if self.greet is not None:
                self.greet(connection)
            for message in connection:
                self.received.append((path_of(connection), json.loads(message)))
        except ConnectionClosed:
            pass
        finally:
            self.open.remove(connection)
            self.closes.append((connection.close_code, connection.close_reason or ""))

    def send(self, *frames: object, path: str = "") -> None:
        """Over the newest connection, or the newest of a path: objects as JSON, text and bytes as they are."""
        connection = [c for c in self.open if not path or path_of(c) == path][-1]
        for frame in frames:
            connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def told(self, kind: str, path: str = "") -> list[str]:
        """The projects (or "") of all frames of a type."""
        return [frame.get("projectId", "") for at, frame in self.received if frame["type"] == kind and path in ("", at)]

    @property
    def paths(self) -> list[str]:
        """Of the connections that are open."""
        return sorted(path_of(connection) for connection in self.open)

    def wait_for(self, *projects: str) -> None:
        """Until these were subscribed to over one connection, in this order."""
        wait_for(lambda: self.told("subscribe")[-len(projects) :] == list(projects), what=f"subscriptions {projects}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def path_of(connection: ServerConnection) -> str:
    assert connection.request is not None
    return connection.request.path


@contextmanager
def channels(**fields: Any) -> Iterator[Channels]:
    bridge = Channels(**fields)
    bridge.thread.start()
    try:
        yield bridge
    finally:
        end(bridge)


def end(bridge: Channels) -> None:
    for client in list(bridge.open):
        client.close()
    bridge.server.shutdown()
    bridge.thread.join(5)


def closing(codes: Sequence[int]) -> Callable[[ServerConnection], None]:
    """A greeting that closes one connection after the other with these codes, and lets later ones be."""
    left = iter(codes)

    def greet(connection: ServerConnection) -> None:
        code = next(left, None)
        if code == 1006:
            assert connection.socket is not None
            connection.socket.shutdown(2)
        elif code is not None:
            connection.close(code, "as the test wants")

    return greet
