"""What holds for every file: it says what it is for, a test can fail, and nothing names the machine it was made on."""

import ast
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.processes import ROOT

LARGEST = 2_000_000  # bytes of a file that is looked into


def files() -> list[Path]:
    """Everything that is or may be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in sorted(filter(None, listed)) if (ROOT / name).is_file()]


def modules(*folders: str) -> list[Path]:
    return [p for p in files() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in folders]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def cases(module: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def called(node: ast.AST) -> str:
    """The last part of the name of what is called: `expect` for `playwright.expect(…)`; "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def claims(node: ast.AST, helpers: set[str]) -> bool:
    """Whether something in `node` may fail a test: an assert, or a call of something that asserts."""
    known = {"expect", "raises", "fail"} | helpers
    return any(isinstance(part, ast.Assert) or called(part) in known for part in ast.walk(node))


def asserting_helpers() -> set[str]:
    """Names of the functions of the tests' own that assert."""
    trees = map(tree, modules("tests"))
    functions = [node for module in trees for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if not node.name.startswith("test_") and claims(node, set())}


def machine() -> dict[str, str]:
    """What only this machine knows, by what it is."""
    found = {
        "the folder of this checkout": str(ROOT),
        "this Python": sys.base_prefix,
        "the name of this machine": socket.gethostname(),
    }
    if len(Path.home().parts) > 2:  # / and /root are everybody's
        found["the home folder"] = str(Path.home())
    return found | {f"the registry {name}": host for name, host in registries()}


def registries() -> Iterator[tuple[str, str]]:
    """Hosts of package registries that this machine was told to use, and that are not the public ones."""
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    told = dict(line.split("=", 1) for line in pip.splitlines() if "index-url" in line)
    told |= {
        k: v
        for k, v in os.environ.items()
        if re.search(r"INDEX_URL$|^UV_.*INDEX$|_REGISTRY$|^GOPROXY$", k, re.IGNORECASE)
    }
    for name, value in told.items():
        host = urlsplit(value.strip("'\" ")).hostname
        if host and host not in {"pypi.org", "registry.npmjs.org", "localhost", "127.0.0.1"}:
            yield name, host


def tells_much(value: str) -> bool:
    """Whether finding `value` in a file means something: `/app` or `build` may stand anywhere."""
    return len(Path(value).parts) > 2 if value.startswith("/") else len(value) > 5 and not value.isalpha()


def test_a_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules("observatory", "pages", "bench", "tests", "docs", "app.py")
        if not path.name.startswith("test_") and path.read_text(encoding="utf-8").strip()
        if not ast.get_docstring(tree(path))
    ]

    assert not silent, "These have no docstring: " + ", ".join(silent)


def test_every_test_can_fail() -> None:
    helpers = asserting_helpers() | {"verify", "wait_for"}
    tests = [(path, test) for path in modules("tests") if path.name.startswith("test_") for test in cases(tree(path))]
    idle = [f"{path.relative_to(ROOT)}: {test.name}" for path, test in tests if not claims(test, helpers)]

    assert tests
    assert not idle, "These claim nothing:\n" + "\n".join(idle)


def test_a_test_waits_for_a_condition_never_for_a_time() -> None:
    sleeping = [
        f"{path.relative_to(ROOT)}: {test.name}"
        for path in modules("tests")
        for test in cases(tree(path))
        if any(called(node) in {"sleep", "wait_for_timeout"} for node in ast.walk(test))
    ]

    assert not sleeping


def test_no_file_knows_the_machine_it_was_made_on() -> None:
    patterns = {
        what: re.compile(rf"(?<![\w.-]){re.escape(value)}(?![\w-])".encode())
        for what, value in machine().items()
        if tells_much(value)
    }
    told = [
        f"{path.relative_to(ROOT)} names {what}"
        for path in files()
        if path.stat().st_size < LARGEST
        for what, pattern in patterns.items()
        if pattern.search(path.read_bytes())
    ]

    assert not told


def test_a_planted_path_would_be_found(tmp_path: Path) -> None:
    """The control of the test above: it looks at what is there, so it must find what is planted."""
    planted = f"see {ROOT}/observatory".encode()

    assert re.search(rf"(?<![\w.-]){re.escape(str(ROOT))}(?![\w-])".encode(), planted)
    assert not re.search(rf"(?<![\w.-]){re.escape(str(ROOT))}(?![\w-])".encode(), f"{ROOT}s".encode())
