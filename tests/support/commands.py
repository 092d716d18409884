"""`observatory …` as real processes, many of them quickly: one process imports everything once, and forks for each."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from observatory import cli
from tests.support.processes import ROOT, environment


class Finished(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str


class Command(Protocol):
    """`given` is its standard input. It must end with the exit code `fails`."""

    def __call__(self, *words: str, given: str = "", fails: int = 0) -> Finished: ...


class Commands:
    """`with Commands(folder) as commands: commands.with_environment({…})("user", "list")`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.commands"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Commands":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=15)  # its input ends, and with it the process

    def with_environment(self, env: Mapping[str, str]) -> Command:
        def run(*words: str, given: str = "", fails: int = 0) -> Finished:
            done = self.run(words, given, env)
            assert done.code == fails, done.stderr
            assert "Traceback" not in done.stderr
            return done

        return run

    def run(self, words: tuple[str, ...], given: str, env: Mapping[str, str]) -> Finished:
        files = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(given)
        assert self.process.stdin is not None and self.process.stdout is not None
        call = {"words": words, "env": dict(env), "files": list(map(str, files))}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return Finished(int(self.process.stdout.readline()), files[1].read_text(), files[2].read_text())


def serve() -> None:
    """Run what comes, a line a command, and answer each with its exit code."""
    from observatory import cli_people  # noqa: F401 — before the fork, not after each

    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(run(call["words"], call["env"], call["files"]))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(words: list[str], env: dict[str, str], files: list[str]) -> int:
    """One command, with `files` in place of the standard ones."""
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, flags in enumerate((os.O_RDONLY, written, written)):
        os.dup2(os.open(files[number], flags, 0o600), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 — the old one may have read ahead
    os.environ.update(env)
    code = 70
    try:
        code = cli.main(words)
    except SystemExit as end:  # argparse
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    serve()
