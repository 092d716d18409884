"""Exporters that are not ours: an entry of four lines in the file, and their numbers are there."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import prometheus_client
import pytest

from observatory.frames import series
from observatory.model import Actor, Role
from observatory.store.engine import open_store
from tests.support.processes import answers, free_port
from tests.support.product import PASSWORD, START, Product, start
from tests.support.waiting import wait_for

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
NAMES = ("prometheus-node-exporter", "node_exporter")  # Debian's, and everybody else's
NODE_EXPORTER = next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def watching(folder: Path, exporter: str) -> Iterator[Product]:
    """The product with the entry of the handbook and nothing else."""
    folder.mkdir(exist_ok=True)
    file = folder / "mine.toml"
    file.write_text(f'[[target]]\nname = "host"\nkind = "prometheus"\nurl = "{exporter}"\ninterval = "5s"\n')
    running = start(folder, free_port(), {"OBSERVATORY_CONFIG": str(file)})
    try:
        yield running
    finally:
        running.process.end()


def live_targets(running: Product, names: set[str]) -> dict[str, dict[str, Any]]:
    """What the API tells of the targets `names`, once all of them are live."""
    with httpx.Client(trust_env=False, base_url=running.url) as http:
        signed_in = http.post("/api/auth/login", json={"username": "admin", "password": PASSWORD}).json()
        http.headers["Authorization"] = f"Bearer {signed_in['token']}"

        def live() -> dict[str, dict[str, Any]]:
            found = {target["name"]: target for target in http.get("/api/targets").json()["targets"]}
            return found if names <= {name for name, t in found.items() if t["state"] == "live"} else {}

        return wait_for(live, timeout=START, what=f"live targets {sorted(names)}")


def latest(running: Product, target: str, *names: str) -> dict[tuple[str, str], float]:
    """The newest value of each series by name and labels, as pages and API are told."""
    store = open_store(f"sqlite:///{running.data / 'observatory.sqlite3'}")
    try:
        df = series.latest(store, ADMIN, target, names)
        return {(row.name, row.labels): row.value for row in df.itertuples(index=False)}
    finally:
        store.close()


@pytest.mark.skipif(NODE_EXPORTER is None, reason=f"none of {', '.join(NAMES)} is installed on this machine")
def test_a_node_exporter_is_watched_with_four_lines(tmp_path: Path) -> None:
    assert NODE_EXPORTER is not None
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    with (tmp_path / "exporter.log").open("wb") as log:
        exporter = subprocess.Popen([NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(url), what="the node exporter")
        with watching(tmp_path / "data", url) as running:
            found = live_targets(running, {"host", "observatory"})
            values = latest(running, "host", "node_load1", "node_time_seconds", "up")
    finally:
        exporter.terminate()
        exporter.wait(10)

    assert found["host"]["kind"] == "prometheus"
    assert found["host"]["url"] == url
    assert (found["host"]["intervalSeconds"], found["host"]["origin"]) == (5.0, "file")
    assert (found["observatory"]["origin"], found["observatory"]["simulated"]) == ("builtin", False)
    assert values["node_load1", ""] >= 0
    assert values["node_time_seconds", ""] > 1_700_000_000
    assert values["up", ""] == 1


def test_the_official_client_is_watched_with_four_lines(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    load = prometheus_client.Gauge("loom_threads", "Threads on the loom", ["colour"], registry=registry)
    load.labels("madder").set(12.5)
    prometheus_client.Counter("loom_picks", "Picks woven", registry=registry).inc(3)
    prometheus_client.Histogram("loom_pause_seconds", "Pauses", buckets=(1.0,), registry=registry).observe(0.25)
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry=registry)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    try:
        with watching(tmp_path / "data", url) as running:
            live_targets(running, {"host", "observatory"})
            values = latest(running, "host")
            ours = latest(running, "observatory", "process_resident_memory_bytes", "up")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

    assert values["loom_threads", "colour=madder"] == 12.5
    assert values["loom_picks_total", ""] == 3
    assert values["loom_pause_seconds_bucket", "le=1.0"] == 1
    assert values["loom_pause_seconds_sum", ""] == 0.25
    assert values["up", ""] == 1
    assert ours["up", ""] == 1
    assert ours["process_resident_memory_bytes", ""] > 10_000_000
