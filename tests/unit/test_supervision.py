"""Children of ours: what they say when they fail, and that none outlives us."""

import os
import signal
import subprocess
import sys

import pytest

from observatory.errors import ConfigurationError
from observatory.supervision import in_child
from tests.support.processes import ROOT, environment

PARENT = """
import signal
from observatory.supervision import Child
child = Child(signal.pause)
print(child.pid, flush=True)
child.wait()
"""


def failing(error: Exception) -> None:
    raise error


def test_a_child_tells_every_fault_of_a_configuration(capfd: pytest.CaptureFixture[str]) -> None:
    code = in_child(lambda: failing(ConfigurationError(["PORT is odd.", "HOST is odder."])))

    assert code == 2
    assert "  - PORT is odd.\n  - HOST is odder." in capfd.readouterr().err


def test_a_child_that_fails_unforeseen_does_not_fail_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    code = in_child(lambda: failing(ZeroDivisionError("by nothing")))

    assert code == 2
    assert "ZeroDivisionError: by nothing" in capfd.readouterr().err


def test_a_child_is_ended_by_the_first_ctrl_c_however_early() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.send_signal(signal.SIGINT)
    parent.wait(10)
    parent.stdout.close()

    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
