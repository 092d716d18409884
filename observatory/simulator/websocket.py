"""One WebSocket connection: what comes in is put together, what goes out is sent whole (RFC 6455, by wsproto)."""

import base64
import hashlib
import json
import socket
import threading
import time
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from observatory.simulator.failure import Failure
from observatory.simulator.wire import Headers, Request, close, reset

SILENCE = 65.0  # seconds after which a connection that says nothing is closed
MAX_MESSAGE = 1_000_000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class WebSocket:
    """A subclass says what a message means, in `understand`; `text` writes a frame."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.connection = Connection(ConnectionType.SERVER)
        self.lock = threading.Lock()
        self.heard = time.monotonic()
        self.buffer: list[str] = []
        self.buffered = 0

    # to be said by what it is for

    def understand(self, text: str) -> None:
        raise NotImplementedError

    def understand_bytes(self, _data: bytes) -> None:
        self.complain("Binary frames are not understood", "INVALID_MESSAGE")

    def complain(self, text: str, code: str) -> None:
        raise NotImplementedError

    # receiving

    def run(self) -> None:
        """Read until either side closes."""
        self.socket.settimeout(5.0)
        try:
            while self.connection.state is not ConnectionState.CLOSED:
                try:
                    received = self.socket.recv(65_536)
                except TimeoutError:
                    self.look()
                    if time.monotonic() - self.heard > SILENCE:
                        self.close(1001, "nothing heard")
                        return
                    continue
                if not received:
                    return
                self.heard = time.monotonic()
                self.receive(received)
        except OSError:
            pass  # the client is gone

    def look(self) -> None:
        """Called each 5 s in which nothing comes."""

    def receive(self, received: bytes) -> None:
        try:
            with self.lock:
                self.connection.receive_data(received)
                events = list(self.connection.events())
        except RemoteProtocolError:
            self.close(1002, "protocol error")
            self.drop()
            return
        for event in events:
            if isinstance(event, Ping):
                self.put(event.response())
            elif isinstance(event, CloseConnection):
                self.put(event.response())
                return
            elif isinstance(event, BytesMessage):
                self.understand_bytes(bytes(event.data))
            elif isinstance(event, TextMessage):
                self.gather(event)

    def gather(self, event: TextMessage) -> None:
        """Put a message's pieces together."""
        self.buffer.append(event.data)
        self.buffered += len(event.data)
        if self.buffered > MAX_MESSAGE:
            self.buffer, self.buffered = [], 0
            self.close(1009, "message too big")
            return
        if event.message_finished:
            text = "".join(self.buffer)
            self.buffer, self.buffered = [], 0
            self.understand(text)

    # sending

    def send(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.put(BytesMessage(data=data))
            return
        # Half a surrogate may have come in by JSON; it cannot go out.
        self.put(TextMessage(data=data if data.isascii() else data.encode(errors="replace").decode()))

    def put(self, event: Event) -> None:
        """Send one protocol event; a client that does not read for 5 s is dropped."""
        with self.lock:
            try:
                self.socket.sendall(self.connection.send(event))
            except LocalProtocolError:
                pass  # closing already
            except OSError:
                self.drop()

    def close(self, code: int, reason: str) -> None:
        self.put(CloseConnection(code=code, reason=reason))

    def drop(self) -> None:
        """Tear the connection down without a word."""
        reset(self.socket)
        close(self.socket)


def parsed(text: str) -> dict[str, Any]:
    """A message as an object; {} for anything else."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def check_handshake(request: Request) -> None:
    """Raises Failure 426 for what is no handshake."""
    if request.headers.get("upgrade", "").lower() != "websocket" or "sec-websocket-key" not in request.headers:
        raise Failure(426, "Upgrade required", headers=(("Upgrade", "websocket"), ("Connection", "Upgrade")))
    if request.headers.get("sec-websocket-version") != "13":
        raise Failure(426, "Upgrade required", headers=(("Sec-WebSocket-Version", "13"),))


def handshake(request: Request, headers: Headers, *, protocol: str = "") -> bytes:
    """The answer that opens the connection. `protocol` is agreed to if the client offers it."""
    key = request.headers["sec-websocket-key"].encode()
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    offered = [part.strip() for part in request.headers.get("sec-websocket-protocol", "").split(",")]
    if protocol and protocol in offered:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
