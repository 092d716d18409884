"""The lock, the commands a person types, and what the platform starts."""

import re
import tomllib

import pytest

from tests.support.processes import ROOT

TARGETS = {"demo", "run", "test", "check", "bench", "docs", "lock", "clean", "soak"}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def asked(name: str) -> set[str]:
    """Names of the packages that a requirements*.in asks for."""
    lines = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in text(name).splitlines())
    return {match[0].lower().replace("_", "-") for match in lines if match}


def locked(name: str) -> dict[str, str]:
    """The lock: package → its whole entry."""
    entries = re.split(r"\n(?=[a-z0-9])", text(name))
    return {entry.split("==")[0].strip().split("[")[0]: entry for entry in entries if "==" in entry}


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_holds_everything_that_is_asked_for_with_hashes(name: str) -> None:
    lock = locked(f"{name}.txt")

    assert asked(f"{name}.in") <= set(lock)
    assert [package for package, entry in lock.items() if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_names_no_registry(name: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text(name))


def test_both_locks_agree() -> None:
    runtime, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    versions = {package: entry.split(" ")[0] for package, entry in runtime.items()}

    assert {package: dev[package].split(" ")[0] for package in versions} == versions


def test_the_commands_a_person_types_exist() -> None:
    makefile = text("Makefile")

    assert set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)) >= TARGETS


def test_the_platform_starts_what_the_house_says() -> None:
    lines = dict(line.split(": ", 1) for line in text("Procfile").splitlines())

    assert lines == {
        "release": "python -m observatory migrate",
        "web": "gunicorn app:server",
        "collector": "python -m observatory collect",
    }


def test_the_pinned_python_is_one_we_support() -> None:
    wanted = tuple(map(int, text(".python-version").strip().split(".")[:2]))
    minimum = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]

    assert wanted >= tuple(map(int, minimum.removeprefix(">=").split(".")))
