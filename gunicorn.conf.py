"""How gunicorn serves us: threads, because every open browser holds a stream; and the collector beside it."""

import signal
import sys
from typing import Any

from observatory import log
from observatory.errors import ConfigurationError
from observatory.processes import ROOT, Companion, ensure_admin, load_settings, ready_store

try:
    settings = load_settings()
except ConfigurationError as error:
    print("Happy Observatory cannot start:", *(f"  - {fault}" for fault in error.faults), sep="\n", file=sys.stderr)
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
loglevel = settings.log_level


def on_starting(_: Any) -> None:
    store = ready_store(settings)
    ensure_admin(store, settings)
    store.close()
    if settings.collector == "beside":
        companion.start()


def on_exit(_: Any) -> None:
    if companion.thread.is_alive():
        companion.end()


def post_worker_init(worker: Any) -> None:
    """Before a worker waits for its requests to end, tell the streams to end, which never would by themselves."""
    hub = worker.app.wsgi().extensions["observatory_hub"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        usual = signal.getsignal(number)

        def close(number: int, frame: Any, usual: Any = usual) -> None:
            hub.closing = True  # the tail thread sees it within a moment; a handler takes no lock
            usual(number, frame)

        signal.signal(number, close)
