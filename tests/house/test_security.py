"""SECURITY.md names tests and settings; what it names has to be there."""

import re

from observatory.web.guard import PUBLIC
from tests.house.test_settings import names
from tests.support.processes import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def promises() -> list[str]:
    """The rows of the table of promises."""
    table = TEXT.split("| Promise | Tests |")[1].split("\n\n")[0]
    return [row for row in table.splitlines() if row.startswith("| **")]


def test_every_promise_names_the_tests_that_hold_it() -> None:
    named = [re.findall(r"`(tests/[^`]+)`", row) for row in promises()]

    assert len(named) > 8
    assert all(named)
    assert not [path for row in named for path in row if not (ROOT / path).is_file()]


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", TEXT))

    assert len(named) > 6
    assert named <= set(names()) | {f"{name}_FILE" for name in names()}


def test_every_path_it_names_exists() -> None:
    probes = {path for path in re.findall(r"`(/[a-z]+)`", TEXT) if path != "/api"}

    assert probes == {"/healthz", "/readyz", "/metrics"}
    assert {("GET", path) for path in probes - {"/metrics"}} <= set(PUBLIC)
    assert (ROOT / "observatory" / "web" / "guard.py").is_file()
