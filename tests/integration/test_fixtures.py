"""The fixtures themselves: a test that trusts them must be able to."""

import signal
import socket
import urllib.request
from pathlib import Path

import psycopg
import pytest
from pytest_socket import SocketConnectBlockedError
from sqlalchemy import create_engine, text

from tests.support import postgres
from tests.support import simulator as simulators
from tests.support.clock import NOON, Clock
from tests.support.processes import Process, environment
from tests.support.waiting import wait_for


def test_every_test_has_a_database_of_its_own(store_url: str) -> None:
    engine = create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(text("create table only_once (n integer)"))  # fails if another test's database were ours
        count = connection.execute(text("select count(*) from only_once")).scalar_one()
    engine.dispose()

    assert count == 0


@pytest.mark.postgres
def test_a_database_is_dropped_even_when_somebody_is_connected(postgres_url: str) -> None:
    with postgres.database(postgres_url) as url:
        left_open = psycopg.connect(url.replace("+psycopg", ""))
        name = url.rsplit("/", 1)[1].split("?")[0]

    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
    left_open.close()

    assert found is None


def test_the_clock_goes_only_when_told(clock: Clock) -> None:
    assert clock() == NOON
    assert clock.advance(1.5) == clock() == NOON + 1500
    assert clock.set(7) == clock() == 7


def test_waiting_tells_what_did_not_happen() -> None:
    with pytest.raises(TimeoutError, match=r"the moon did not happen within 0\.05 s; the last answer was 0"):
        wait_for(lambda: 0, timeout=0.05, what="the moon")


def test_waiting_outlasts_errors() -> None:
    answers = iter([None, 3])

    assert wait_for(lambda: 6 // next(answers), what="the division") == 2  # the first try raises TypeError


def test_the_simulator_answers_and_says_what_it_is(simulator: simulators.Simulator) -> None:
    with urllib.request.urlopen(simulator["bridge"] + "/api/health") as response:
        assert response.headers["X-Simulated"] == "1"
    assert set(simulator.environment) == set(simulators.VARIABLES.values())


def test_a_simulator_ends_when_its_test_does(tmp_path: Path) -> None:
    with simulators.running(tmp_path / "log") as running:
        assert running.process.running

    assert running.process.child.returncode == 0


def test_a_child_that_dies_early_fails_the_test_with_its_log(tmp_path: Path) -> None:
    program = ["-c", "import sys; sys.exit('the disk is on fire')"]

    with Process(program, tmp_path / "log") as process, pytest.raises(AssertionError, match="the disk is on fire"):
        process.wait_until(lambda: False, what="readiness")


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    with Process(["-c", program], tmp_path / "log") as process:
        process.wait_until(lambda: "deaf" in process.output(), what="deafness")

        assert process.end(timeout=0.1) == -signal.SIGKILL


def test_children_inherit_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://the-developers-own")

    assert "DATABASE_URL" not in environment()
    assert environment({"PORT": "1"})["PORT"] == "1"


@pytest.mark.filterwarnings("ignore:A test tried to use socket")  # pytest-socket also warns; here it is wanted
def test_nothing_leaves_this_machine(free_port: int) -> None:
    with pytest.raises(SocketConnectBlockedError), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))  # an address reserved for documentation
    with pytest.raises(ConnectionRefusedError), socket.socket() as inside:
        inside.connect(("127.0.0.1", free_port))
