"""The processes as people start and kill them: what comes up, who takes over, and that nothing stays behind."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from observatory.context import wall_clock
from observatory.model import Instant
from observatory.store.engine import open_store
from observatory.store.points import POINT
from observatory.store.schema import scrapes
from tests.support.processes import Process, answers, observatory
from tests.support.product import PASSWORD, SECRETS, START, Product, start
from tests.support.simulator import Simulator
from tests.support.waiting import wait_for

TAKEN_OVER = 15.0  # seconds after a kill in which another collector must be at work


@contextmanager
def product(folder: Path, port: int, **env: str) -> Iterator[Product]:
    started = start(folder, port, {"OBSERVATORY_INTERVAL": "0.5s", **env})
    try:
        yield started
    finally:
        started.process.end()


def watching(simulator: Simulator) -> dict[str, str]:
    return {**simulator.environment, "OBSERVATORY_INTERVAL": "0.5s"}


def below(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def collectors(process: Process) -> list[psutil.Process]:
    return running(process, "collect")


def simulators(process: Process) -> list[psutil.Process]:
    return running(process, "observatory.simulator")


def running(process: Process, word: str) -> list[psutil.Process]:
    """Those below `process` whose command line has `word`."""
    found = []
    for child in below(process):
        with suppress(psutil.NoSuchProcess):  # it just ended, or is a zombie
            if word in child.cmdline():
                found.append(child)
    return found


def gone(processes: list[psutil.Process], timeout: float) -> bool:
    """Whether all are gone in time; a zombie that waits for its parent is gone, too."""

    def alive() -> list[psutil.Process]:
        return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    wait_for(lambda: not alive(), timeout=timeout, what=f"the end of {[p.pid for p in processes]}")
    return True


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'observatory.sqlite3'}"


def newest_scrape(url: str) -> Instant:
    """When the newest stored scrape began; 0 when there is none."""
    store = open_store(url)
    try:
        with store.read() as connection:
            return connection.execute(select(func.max(scrapes.c.started_ms))).scalar() or 0
    finally:
        store.close()


def wait_for_scrapes(url: str, *, after: Instant, timeout: float = START) -> None:
    wait_for(lambda: newest_scrape(url) > after, timeout=timeout, what="a scrape")


def torn_scrapes(url: str) -> list[int]:
    """Ids of rows that do not hold as many points as they say."""
    store = open_store(url)
    try:
        with store.read() as connection:
            rows = connection.execute(select(scrapes.c.id, scrapes.c.count, scrapes.c.points)).all()
    finally:
        store.close()
    assert rows
    return [row.id for row in rows if len(row.points) != row.count * POINT.itemsize]


@contextmanager
def open_stream(served: Product) -> Iterator[None]:
    """A browser that listens."""
    with httpx.Client(trust_env=False, base_url=served.url, timeout=20) as http:
        answer = http.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        with http.stream("GET", "/api/stream", headers=headers) as response:
            lines = response.iter_lines()  # held: without it the connection would be given up
            assert next(lines).startswith("retry")
            yield
            del lines


# ── serve ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_serve_brings_the_collector_and_takes_all_with_it_when_it_ends(
    tmp_path: Path, free_port: int, simulator: Simulator
) -> None:
    with product(tmp_path, free_port, **watching(simulator)) as served:
        wait_for_scrapes(sqlite(tmp_path), after=0)
        family = below(served.process)
        assert len(collectors(served.process)) == 1
        with open_stream(served):
            began = time.monotonic()
            served.process.signal(signal.SIGTERM)

            assert served.process.child.wait(15) == 0
        assert time.monotonic() - began < 10
        assert gone(family, timeout=2)
        assert not answers(f"{served.url}/healthz")
    assert "Traceback" not in served.process.output()


def test_a_killed_collector_is_replaced_and_leaves_no_scrape_half_written(
    tmp_path: Path, free_port: int, simulator: Simulator
) -> None:
    with product(tmp_path, free_port, **watching(simulator)) as served:
        wait_for_scrapes(sqlite(tmp_path), after=0)
        [killed] = collectors(served.process)
        killed.kill()
        at = wall_clock()

        wait_for_scrapes(sqlite(tmp_path), after=at, timeout=TAKEN_OVER)

        [other] = collectors(served.process)
        assert other.pid != killed.pid
        assert answers(f"{served.url}/healthz")
        assert torn_scrapes(sqlite(tmp_path)) == []


def test_nobody_outlives_a_killed_master(tmp_path: Path, free_port: int) -> None:
    with product(tmp_path, free_port, MOCK_MODE="true") as served:
        wait_for(lambda: simulators(served.process), timeout=START, what="the simulator")
        family = below(served.process)
        assert len(family) >= 3  # a worker, the collector, its simulator
        with open_stream(served):
            served.process.kill()

            assert gone(family, timeout=10)


def test_an_external_collector_is_not_started(tmp_path: Path, free_port: int, simulator: Simulator) -> None:
    with product(tmp_path, free_port, **watching(simulator), OBSERVATORY_COLLECTOR="external") as served:
        assert answers(f"{served.url}/readyz")
        assert collectors(served.process) == []
        assert len(below(served.process)) == 1  # the worker

    assert newest_scrape(sqlite(tmp_path)) == 0


def test_app_py_serves_too(tmp_path: Path, free_port: int) -> None:
    env = {"PORT": str(free_port), "OBSERVATORY_DATA": str(tmp_path), "OBSERVATORY_COLLECTOR": "external"}
    with Process(["app.py"], tmp_path / "log", env=env) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{free_port}/healthz"), timeout=START)


# ── collect ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_collectors_one_works_and_the_other_takes_over_from_a_killed_one(
    tmp_path: Path, free_port: int, simulator: Simulator
) -> None:
    env = {**watching(simulator), **SECRETS, "OBSERVATORY_DATA": str(tmp_path), "PORT": str(free_port)}
    with observatory("collect", log=tmp_path / "first", env=env) as first:
        first.wait_until(lambda: newest_scrape(sqlite(tmp_path)), timeout=START)
        with observatory("collect", log=tmp_path / "second", env=env) as second:
            wait_for(lambda: psutil.Process(second.pid).num_threads() > 1, timeout=START, what="the second collector")
            wait_for_scrapes(sqlite(tmp_path), after=wall_clock() + 1000)
            waited = "collector_started" not in second.output()
            first.kill()
            at = wall_clock()

            wait_for_scrapes(sqlite(tmp_path), after=at, timeout=TAKEN_OVER)

            assert waited
            assert "collector_started" in second.output()
            assert torn_scrapes(sqlite(tmp_path)) == []
            assert second.end() == 0


# ── what stops a start ──────────────────────────────────────────────────────────────────────────────────────────────

WRONG = {"PORT": "70000", "JWT_SECRET": "short", "OBSERVATORY_COLLECTOR": "maybe"}


@pytest.mark.parametrize(
    "command", [["-m", "observatory", "serve"], ["-m", "observatory", "collect"], ["-m", "gunicorn", "app:server"]]
)
def test_wrong_settings_stop_the_start_and_are_all_told_once(tmp_path: Path, command: list[str]) -> None:
    with Process(command, tmp_path / "log", env={**WRONG, "OBSERVATORY_DATA": str(tmp_path / "data")}) as process:
        code = process.child.wait(START)

    told = process.output()
    assert code == 2
    assert told.count("Happy Observatory cannot start:") == 1
    assert {name: len(re.findall(rf"^  - {name} ", told, re.MULTILINE)) for name in WRONG} == dict.fromkeys(WRONG, 1)
    assert "Traceback" not in told
    assert not (tmp_path / "data").exists()


def test_a_faulty_target_in_the_file_stops_the_start_too(tmp_path: Path, free_port: int) -> None:
    file = tmp_path / "observatory.toml"
    file.write_text('[[target]]\nname = "a"\nkind = "carrier pigeon"\nurl = "nowhere"\n')
    env = {"OBSERVATORY_CONFIG": str(file), "PORT": "70000", "OBSERVATORY_DATA": str(tmp_path / "data")}

    with observatory("serve", log=tmp_path / "log", env=env) as process:
        code = process.child.wait(START)

    told = process.output()
    assert code == 2
    assert [told.count(word) for word in ("kind must be one of", "url must be an address", "PORT must be")] == [1, 1, 1]


@pytest.mark.postgres
def test_an_old_schema_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, free_port: int, postgres_database: str, simulator: Simulator
) -> None:
    env = {
        **watching(simulator), **SECRETS, "PORT": str(free_port), "OBSERVATORY_DATA": str(tmp_path),
        "OBSERVATORY_ADMIN_PASSWORD": PASSWORD, "DATABASE_URL": postgres_database,
    }  # fmt: skip
    for command in ("collect", "serve"):
        with observatory(command, log=tmp_path / command, env=env) as refused:
            code = refused.child.wait(START)
        assert code != 0
        assert "Run `observatory migrate` first" in refused.output()
        assert "Traceback" not in refused.output()

    with observatory("migrate", log=tmp_path / "migrate", env=env) as migration:
        assert migration.child.wait(START) == 0
    with observatory("collect", log=tmp_path / "collect", env=env) as collector:
        collector.wait_until(lambda: newest_scrape(postgres_database), timeout=START)


# ── demo ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("to_all", [True, False], ids=["ctrl-c", "kill"])
def test_a_demo_leaves_nothing_behind(tmp_path: Path, free_port: int, to_all: bool) -> None:
    env = {"PORT": str(free_port), "TMPDIR": str(tmp_path), "OBSERVATORY_CONFIG": os.devnull}
    with observatory("demo", log=tmp_path / "log", env=env) as demo:
        demo.wait_until(lambda: answers(f"http://127.0.0.1:{free_port}/healthz"), timeout=START)
        wait_for(lambda: simulators(demo), timeout=START, what="the simulator")
        family = below(demo)
        folders = list(tmp_path.glob("observatory-demo-*"))
        if to_all:  # as a terminal does
            os.killpg(demo.pid, signal.SIGINT)
        else:
            demo.signal(signal.SIGINT)

        demo.child.wait(20)

        assert len(folders) == 1
        assert gone(family, timeout=5)
        assert not folders[0].exists()
    assert "user      admin" in demo.output()
    assert "Traceback" not in demo.output()
