"""How gunicorn serves us: threads, because every open browser holds a stream; and the collector beside it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from observatory import log
from observatory.config import load
from observatory.errors import ConfigurationError
from observatory.supervision import ROOT, Companion, in_child, refusal

try:
    settings = load()
except ConfigurationError as error:
    print(refusal(error), file=sys.stderr)
    raise SystemExit(2) from None

log.configure(settings.log_level, process="parent")
companion = Companion()

bind = f"{settings.host}:{settings.port}"
pythonpath = str(ROOT)  # `app` is found from whatever folder we were started in
worker_class = "gthread"
workers = settings.workers
threads = settings.streams + 16  # made as they are needed; what the streams leave serves pages
graceful_timeout = 5
keepalive = 30
control_socket_disable = True
accesslog = None
# A worker says several times a request that it is alive, by touching a file: in memory that costs next to nothing.
MEMORY = Path("/dev/shm")  # noqa: S108 — gunicorn makes the file with a name of its own, and unlinks it at once
worker_tmp_dir = str(MEMORY) if os.access(MEMORY, os.W_OK | os.X_OK) else None
# By itself gunicorn believes what a caller on this machine says of scheme and path. What we believe: web/proxy.py.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
loglevel = settings.log_level


def prepare() -> None:
    from observatory import processes  # in a child: this process only watches, and stays small

    processes.prepare()


def on_starting(_: Any) -> None:
    if in_child(prepare):
        raise SystemExit(2)
    if settings.collector == "beside":
        companion.start()


def on_exit(_: Any) -> None:
    if companion.thread.is_alive():
        companion.end()


def post_worker_init(worker: Any) -> None:
    """Before a worker waits for its requests to end, tell the streams to end, which never would by themselves."""
    from observatory.processes import when_parent_ends  # the worker has it loaded; the parent stays small

    hub = worker.app.wsgi().extensions["observatory_hub"]
    when_parent_ends(lambda: setattr(hub, "closing", True))  # a killed parent sends no signal
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        usual = signal.getsignal(number)

        def close(number: int, frame: Any, usual: Any = usual) -> None:
            hub.closing = True  # the tail thread sees it within a moment; a handler takes no lock
            usual(number, frame)

        signal.signal(number, close)
