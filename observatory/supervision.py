"""Our processes as a family: who starts whom, and who ends with whom. Light on purpose: parents stay small."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from observatory import log
from observatory.config import Settings
from observatory.errors import ConfigurationError, ObservatoryError

ROOT = Path(__file__).resolve().parent.parent

logger = log.get(__name__)


def environment() -> dict[str, str]:
    """What a child of ours starts with: it finds our modules wherever it runs, and keeps our working folder."""
    found = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}


def in_child(work: Callable[[], None]) -> int:
    """Do `work` in a child and wait for its end: what it imports is not kept. Answers its exit code, 0 or 2."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 2
    try:
        work()
        code = 0
    except ObservatoryError as error:
        print(refusal(error), file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Child:
    """Work in a child in a group of its own. What we are asked to end with ends it, even in its first moment."""

    def __init__(self, work: Callable[[], object]) -> None:
        signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # none may come between the fork and its handler
        self.pid = os.fork()
        if self.pid == 0:
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            work()
        for number in signals:
            signal.signal(number, lambda *_: self.end())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def running(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def refusal(error: ObservatoryError) -> str:
    """Why we do not start, for a person: every fault of a configuration in a line of its own."""
    faults = error.faults if isinstance(error, ConfigurationError) else (str(error),)
    return "\n".join(["Happy Observatory cannot start:", *(f"  - {fault}" for fault in faults)])


def require_free_port(settings: Settings) -> None:
    """Raise ConfigurationError when something listens already where we are about to."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise ConfigurationError([f"Cannot listen on {where} ({error.strerror}). PORT chooses another."]) from error


def when_parent_ends(act: Callable[[], None]) -> None:
    """Call `act` once the process that started us is gone, even if it was killed."""
    parent = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(0.5)
        act()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class Companion:
    """The collector beside the web server: started with it, restarted when it dies, ended with it."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "observatory", "collect")) -> None:
        self.command = list(command)
        self.stopping = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.thread = threading.Thread(target=self.watch, name="collector-watch", daemon=True)

    def start(self) -> None:
        # The first one from here, before the server forks its workers: a worker forked while a process is being started
        # keeps the pipe open that reports the start, and then the thread would wait for it as long as the worker lives.
        self.process = self.begin()
        self.thread.start()

    def begin(self) -> "subprocess.Popen[bytes]":
        # In a group of its own: Ctrl-C at the terminal is for our parent, which then ends it in order.
        return subprocess.Popen(self.command, env=environment(), process_group=0)  # noqa: S603 — our own interpreter

    def watch(self) -> None:
        wait = 0.5
        while self.process is not None:
            began = time.monotonic()
            code = self.process.wait()
            if self.stopping.is_set():
                return
            logger.warning("collector_ended", code=code, restart_in=wait)
            if self.stopping.wait(wait):
                return
            wait = 0.5 if time.monotonic() - began > 60 else min(wait * 2, 10.0)
            self.process = self.begin()

    def end(self) -> None:
        self.stopping.set()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
        self.thread.join(timeout=10)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
