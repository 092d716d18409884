"""Find a Chromium, or get one: `python tests/support/browser.py` prints its path.

Standard library only, and nothing of ours: it also runs before the tests, as a program.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ADVICE = "No Chromium was found or could be installed: install one and set CHROMIUM to its path."


class NoBrowser(RuntimeError):
    """There is no browser. The message says in one sentence what to do."""


def find() -> str | None:
    """The path of a Chromium that starts, None when there is none."""
    return next((path for path in candidates() if starts(path)), None)


def candidates() -> Iterator[str]:
    """Where one may be, the wanted first."""
    named = os.environ.get("CHROMIUM")
    if named:
        yield named
    yield from filter(None, map(shutil.which, NAMES))
    own = playwrights_own()
    if own:
        yield own


def playwrights_own() -> str | None:
    """Where Playwright keeps its own Chromium; None when it was not downloaded or Playwright is not there."""
    # In a child, since a synchronous Playwright can be started only once at a time in a process.
    program = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    try:
        path = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()
    except (subprocess.SubprocessError, OSError):
        return None
    return path if Path(path).exists() else None


def starts(path: str) -> bool:
    """Whether `path` is a browser that runs here. Ubuntu's `chromium-browser` may be a stub that only talks of snap."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and any(word in answer.stdout for word in ("Chromium", "Chrome"))


def install() -> None:
    """Try what this machine offers: Debian's package, else Playwright's download. What fails is left to `find`."""
    print("Looking for a Chromium: none is here, so one is installed (once).", file=sys.stderr)
    root = os.geteuid() == 0
    if root and shutil.which("apt-get"):
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
        if find():
            return
    with_libraries = ["--with-deps"] if root and shutil.which("apt-get") else []
    run(sys.executable, "-m", "playwright", "install", *with_libraries, "chromium")


def run(*command: str) -> None:
    """Run `command` with its output on our standard error; our own output is the path alone."""
    try:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, check=False, stdout=sys.stderr, env=environ, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)


def executable() -> str:
    """The path of a Chromium that is here. Raises NoBrowser; installs nothing."""
    path = find()
    if path is None:
        raise NoBrowser(ADVICE)
    return path


def main() -> int:
    path = find()
    if path is None:
        install()
        path = find()
    if path is None:
        print(ADVICE, file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
