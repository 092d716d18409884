"""Real child processes with a log of their own, ended by their id."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
# What a child may inherit. Everything else, a developer's DATABASE_URL above all, stays out of the tests.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
LOG_TAIL = 6000  # characters shown when something goes wrong


def free_port() -> int:
    """A port of the loopback address on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: the few variables it needs, those that coverage works by, and `extra`."""
    kept = {k: v for k, v in os.environ.items() if k in INHERITED or k.startswith("COV")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TZ": "UTC", **(extra or {})}


def answers(url: str) -> bool:
    """Whether `url` answers with a success; any failure is "not yet"."""
    # We ask loopback addresses only, and no proxy of the machine may come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return 200 <= response.status < 300
    except (OSError, urllib.error.HTTPError):
        return False


class Process:
    """A running child. `with` ends it: SIGTERM, and SIGKILL for one that does not go. Output goes to `log`."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        pipe: bool = False,
    ) -> None:
        """Start `python <arguments>`. `pipe`: its standard output is `self.child.stdout` instead of the log."""
        self.arguments, self.log = tuple(arguments), log
        with log.open("ab") as file:
            self.child = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else file,
                stderr=file,
                env=environment(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C at the terminal is ours to handle, not the child's
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    def output(self) -> str:
        """The log so far, its end if it is long."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return text if len(text) <= LOG_TAIL else "…" + text[-LOG_TAIL:]

    def wait_until(self, ready: Callable[[], object], *, timeout: float = 30.0, what: str = "the start") -> None:
        """Wait for `ready`. A child that ends first, or never gets there, fails the test with its log."""

        def ready_or_dead() -> bool:
            return not self.running or bool(ready())

        try:
            wait_for(ready_or_dead, timeout=timeout, what=what)
        except TimeoutError as error:
            self.fail(str(error))
        if not self.running:
            self.fail(f"ended with {self.child.returncode} before {what}")

    def fail(self, reason: str) -> None:
        self.end()
        raise AssertionError(f"python {' '.join(self.arguments)}: {reason}. Its log:\n{self.output()}")

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power would."""
        self.child.kill()
        self.child.wait()

    def end(self, *, timeout: float = 15.0) -> int:
        """Ask it to stop, insist after `timeout` seconds; its exit code, negative for a signal. Safe to repeat."""
        if self.running:
            self.child.terminate()
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()
        return self.child.returncode


def observatory(
    *arguments: str, log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT, pipe: bool = False
) -> Process:
    """`python -m observatory <arguments>` as a child."""
    return Process(["-m", "observatory", *arguments], log, env=env, cwd=cwd, pipe=pipe)
