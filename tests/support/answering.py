"""Small real servers for what a service may do to us: a script speaks to each connection, byte by byte if it likes."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

Script = Callable[[socket.socket, str], None]


class Answering:
    """Listens on a free port; `script(connection, path)` runs for each connection after its request was read.

    Requests are kept as `requests`: (path, headers with lower-case names), and as `sent`: (method, body). Each
    connection serves one request.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent: list[tuple[str, bytes]] = []
        self.released = threading.Event()  # set at the end: a script that hangs waits on this
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(4096)
                    if not part:
                        return
                    head += part
                head, _, body = head.partition(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                while len(body) < int(headers.get("content-length", "0")):
                    body += connection.recv(65_536) or b"\0" * int(headers["content-length"])  # it may have gone
                method, path, _ = first.split(" ")
                self.sent.append((method, body))
                self.requests.append((path, headers))
                self.script(connection, path)
            except OSError:
                pass  # the client has had enough, which is often what is tested

    def hang(self, _connection: socket.socket, _path: str) -> None:
        self.released.wait(30)

    def __enter__(self) -> "Answering":
        self.thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer no more; a second time is harmless."""
        self.released.set()
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.thread.join(5)


def answer(
    status: int = 200, body: bytes | str | object = b"", *, headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> bytes:  # fmt: skip
    """The bytes of an HTTP answer; a body that is neither bytes nor text becomes JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "application/json" if not isinstance(body, bytes | str) else "text/plain"
    sent = {"Content-Type": kind, "Content-Length": str(len(raw) if length is None else length), "Connection": "close"}
    sent |= headers or {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + raw


def saying(message: bytes) -> Script:
    """Send `message` and close."""
    return lambda connection, _path: connection.sendall(message)


def serving(routes: Mapping[str, object]) -> Script:
    """JSON by path (without query), 404 elsewhere. Bytes are a whole answer; a callable is a script of its own."""

    def script(connection: socket.socket, path: str) -> None:
        found = routes.get(path.split("?", maxsplit=1)[0])
        if callable(found):
            found(connection, path)
        elif isinstance(found, bytes):
            connection.sendall(found)
        else:
            connection.sendall(answer(404, {"error": "Not found"}) if found is None else answer(200, found))

    return script


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
