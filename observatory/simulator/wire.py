"""HTTP/1.1 over plain sockets, as much of it as the contract needs: an answer is cheap and a reset is a reset."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_LINE, MAX_HEADERS, MAX_BODY = 65_536, 100, 1_000_000
REASONS = {status.value: status.phrase for status in HTTPStatus}
Headers = tuple[tuple[str, str], ...]


class BadRequest(Exception):
    """What came is not a request we can read. `status` is what to answer before closing."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class ResetConnection(Exception):
    """The connection is to be torn down without an answer."""


@dataclass(slots=True)
class Request:
    """`path` is decoded, `segments` are its parts, decoded one by one; header names are in lower case."""

    method: str
    path: str
    segments: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    peer: str
    keep_alive: bool


@dataclass(slots=True)
class Response:
    """`deliver`, if there is one, sends the head and the body in a way of its own; the connection ends after it."""

    status: int
    body: bytes
    type: str = "application/json"
    headers: Headers = ()
    deliver: "Callable[[socket.socket, Response], None] | None" = None

    def head(self, *, keep_alive: bool, length: int | None = None) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}",
            f"Content-Type: {self.type}",
            f"Content-Length: {len(self.body) if length is None else length}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        if not keep_alive:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def bytes(self, *, keep_alive: bool) -> bytes:
        return self.head(keep_alive=keep_alive) + self.body


@dataclass(slots=True)
class Takeover:
    """The connection stops speaking HTTP: `run` has it until it returns."""

    run: Callable[[socket.socket], None]


class Service(Protocol):
    """What a listener serves."""

    def answer(self, request: Request, sock: socket.socket) -> Response | Takeover:
        """Raises ResetConnection."""

    def refuse(self, error: BadRequest) -> Response:
        """The answer to something that is not a request."""


@dataclass
class Listener:
    """Accepts connections for one service, a thread for each. `port` 0 becomes the one that was free."""

    service: Service
    host: str
    port: int
    open: set[socket.socket] = field(default_factory=set)
    closing: bool = True  # or not yet open

    def bind(self) -> None:
        """Raises OSError when the port is taken."""
        self.socket = socket.create_server((self.host, self.port), backlog=256, reuse_port=False)
        self.port = self.socket.getsockname()[1]

    def start(self) -> None:
        self.closing = False
        self.thread = threading.Thread(target=self.accept, name=f"accept-{self.port}", daemon=True)
        self.thread.start()

    def accept(self) -> None:
        while True:
            try:
                sock, peer = self.socket.accept()
            except OSError:
                return
            if self.closing:
                sock.close()
                return
            threading.Thread(target=self.converse, args=(sock, peer[0]), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections and end those that are open. `bind` and `start` open it again."""
        if self.closing:
            return
        self.closing = True
        with suppress(OSError):  # a thread in accept() is not woken by closing the socket under it
            socket.create_connection((self.host, self.port), timeout=1).close()
        self.thread.join(1)
        self.socket.close()
        for sock in list(self.open):
            close(sock)

    def converse(self, sock: socket.socket, peer: str) -> None:
        """One connection from the first request to the last."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.add(sock)
        reader: BinaryIO = sock.makefile("rb")
        try:
            while self.exchange(sock, reader, peer):
                pass
        except ResetConnection:
            reset(sock)
        except OSError:
            pass  # the client is gone; there is nobody to tell
        finally:
            self.open.discard(sock)
            reader.close()
            sock.close()

    def exchange(self, sock: socket.socket, reader: BinaryIO, peer: str) -> bool:
        """One request and its answer. Returns whether another may follow."""
        try:
            request = read_request(reader, peer)
        except BadRequest as error:
            sock.sendall(self.service.refuse(error).bytes(keep_alive=False))
            return False
        if request is None:
            return False
        response = self.service.answer(request, sock)
        if isinstance(response, Takeover):
            response.run(sock)
            return False
        if response.deliver:
            response.deliver(sock, response)
            return False
        keep_alive = request.keep_alive and not self.closing
        head_only = request.method == "HEAD"
        sock.sendall(response.head(keep_alive=keep_alive) if head_only else response.bytes(keep_alive=keep_alive))
        return keep_alive


def read_request(reader: BinaryIO, peer: str) -> Request | None:
    """The next request, None when the client closed. Raises BadRequest."""
    line = reader.readline(MAX_LINE)
    while line in (b"\r\n", b"\n"):
        line = reader.readline(MAX_LINE)
    if not line:
        return None
    try:
        method, target, version = line.decode("latin-1").split()
        parts = urlsplit(target)
    except ValueError:
        raise BadRequest(400, "Malformed request line") from None
    headers = read_headers(reader)
    if "transfer-encoding" in headers:
        raise BadRequest(411, "Length required")
    segments = tuple(unquote(part) for part in parts.path.split("/") if part)
    alive = headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
    return Request(
        method=method,
        path=unquote(parts.path),
        segments=segments,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else {},
        headers=headers,
        body=read_body(reader, headers.get("content-length", "0")),
        peer=peer,
        keep_alive=alive,
    )


def read_headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        line = reader.readline(MAX_LINE)
        if line in (b"\r\n", b"\n", b""):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequest(400, "Malformed header")
        headers[name.strip().lower()] = value.strip()
    raise BadRequest(431, "Too many headers")


def read_body(reader: BinaryIO, length: str) -> bytes:
    if not length.isdecimal():
        raise BadRequest(400, "Malformed Content-Length")
    if int(length) > MAX_BODY:
        raise BadRequest(413, "Payload too large")
    return reader.read(int(length)) if length != "0" else b""


def close(sock: socket.socket) -> None:
    """End a connection another thread may be reading from."""
    with suppress(OSError):  # it may have ended by itself
        sock.shutdown(socket.SHUT_RDWR)


def reset(sock: socket.socket) -> None:
    """Make closing send RST, which the client sees as `connection reset`."""
    with suppress(OSError):  # it may have ended by itself
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
