"""Real exporters: the machine's own node exporter, and a small one whose number is the moment it answered."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import prometheus_client

from tests.support.processes import Process, answers, free_port

ROUND = 1_000_000  # milliseconds after which the clock's number begins anew: it stays short enough to be shown in full
NAMES = ("prometheus-node-exporter", "node_exporter")


class Clockwork(BaseHTTPRequestHandler):
    """Answers each request with the time of the answer."""

    def do_GET(self) -> None:
        body = f"# TYPE exporter_answered gauge\nexporter_answered {time.time() * 1000 % ROUND:.0f}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news here."""


@contextmanager
def clockwork() -> Iterator[str]:
    """An exporter of one gauge, `exporter_answered`: milliseconds of the epoch, modulo `ROUND`. Gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Clockwork)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sent_at(number: float, painted: float) -> float:
    """The epoch in milliseconds that `number` of the clockwork stands for, given when it was seen."""
    return painted - (painted - number) % ROUND


@contextmanager
def host(log: Path) -> Iterator[tuple[str, str]]:
    """A real exporter: address, and a metric it exposes. The node exporter where one is installed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        with python_itself() as url:
            yield url, "process_resident_memory_bytes"
        return
    address = f"127.0.0.1:{free_port()}"
    with Process(
        ["-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])", found, *listening(address)], log
    ) as ours:
        url = f"http://{address}/metrics"
        ours.wait_until(lambda: answers(url), what="an answer of the node exporter")
        yield url, "node_load1"


def listening(address: str) -> list[str]:
    return [f"--web.listen-address={address}", "--web.disable-exporter-metrics"]


class Quiet(WSGIRequestHandler):
    """Requests are no news here."""

    def log_message(self, format: str, *args: object) -> None:
        """As said."""


@contextmanager
def python_itself() -> Iterator[str]:
    """What prometheus_client tells of the process it runs in, which is this one."""
    server: WSGIServer = make_server("127.0.0.1", 0, prometheus_client.make_wsgi_app(), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
