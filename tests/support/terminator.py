"""What stands before the product in earnest: TLS ends here, and the product is told by which scheme a visitor came."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

NAME = "observatory.test"
ALWAYS = ("127.0.0.1", "localhost", NAME)


@dataclass(frozen=True, slots=True)
class Terminator:
    """One address for each scheme, and the authority that a visitor has to know."""

    http_port: int
    https_port: int
    authority: Path  # PEM

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    def trust(self) -> ssl.SSLContext:
        """What a visitor's client believes."""
        return ssl.create_default_context(cafile=self.authority)


@contextmanager
def terminating(upstream: int, folder: Path, *, headers: Sequence[str] = ()) -> Iterator[Terminator]:
    """Before the port `upstream` of 127.0.0.1. `headers` are lines added to every request, such as a cookie."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*ALWAYS).configure_cert(tls)
    with ExitStack() as stack:
        ports = []
        for context in (None, tls):
            server = stack.enter_context(Server(upstream, context, headers))
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
            ports.append(server.server_address[1])
        yield Terminator(*ports, folder / "authority.pem")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # a stream may be open still
    request_queue_size = 128

    def __init__(self, upstream: int, tls: ssl.SSLContext | None, headers: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream, self.tls, self.headers = upstream, tls, tuple(headers)


class Exchange(socketserver.BaseRequestHandler):
    """One request and its answer, however long that goes on; the next one takes a new connection."""

    server: Server

    def handle(self) -> None:
        with suppress(OSError):  # somebody went away
            if self.server.tls is not None:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            with self.request, self.request.makefile("rb") as visitor:
                head = list(iter(visitor.readline, b"\r\n"))
                if head and head[-1].endswith(b"\r\n"):
                    self.forward(head, visitor.read(length(head)))

    def forward(self, head: list[bytes], body: bytes) -> None:
        told = (
            f"X-Forwarded-Proto: {'https' if self.server.tls else 'http'}",
            f"X-Forwarded-For: {self.client_address[0]}",
            "Connection: close",
            *self.server.headers,
        )
        dropped = (b"x-forwarded-proto:", b"connection:")
        kept = [line for line in head if not line.lower().startswith(dropped)]
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as product:
            product.sendall(b"".join([*kept, *(f"{line}\r\n".encode() for line in told), b"\r\n", body]))
            while answer := product.recv(65536):
                self.request.sendall(answer)


def length(head: list[bytes]) -> int:
    named = [line.split(b":", 1)[1] for line in head if line.lower().startswith(b"content-length:")]
    return int(named[0]) if named else 0
