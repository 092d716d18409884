"""The product on a test stand: filled with a simulated day, then without a collector, so that only we change it."""

import http.client
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from observatory.auth import tokens
from observatory.model import Sample, Scrape
from observatory.store import accounts, samples, sessions, targets
from observatory.store.engine import Store, open_store
from observatory.store.scrapes import Recorder
from tests.support.processes import Process, free_port
from tests.support.product import SECRETS, Product, start
from tests.support.waiting import wait_for

MOCK = {"MOCK_MODE": "true"}
STILL = {"OBSERVATORY_COLLECTOR": "external"}  # nobody collects
FILL = 180.0  # seconds a busy machine may need for the simulated day
HEADERS = {
    "Accept-Encoding": "gzip, deflate, br",
    "Sec-Fetch-Site": "same-origin",
    "Content-Type": "application/json",
}
# All viewers of a bench are one person at one address.
CROWD = {
    "OBSERVATORY_LIMIT_UI": "1000000 per minute",
    "OBSERVATORY_STREAMS_PER_SESSION": "500",
    "OBSERVATORY_STREAMS_PER_ADDRESS": "500",
}
DAY_DONE = '"history_simulated"'
# What a browser has in the shell's stores when the page is open; of no other input is anything said.
VALUES: Mapping[str, Any] = {
    "live.data": {"why": "beat", "at": 1},
    "range.value": "24h",
    "theme.data": "light",
    "zone.data": {"name": "Europe/Berlin", "offset_ms": 3_600_000},
}


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="observatory-bench-") as path:
        yield Path(path)


@contextmanager
def running(at: Path, env: Mapping[str, str]) -> Iterator[Product]:
    product = start(at, free_port(), {"OBSERVATORY_LOG_LEVEL": "info", **CROWD, **env})
    try:
        yield product
    finally:
        product.process.end()


@contextmanager
def filled() -> Iterator[tuple[Product, Store]]:
    """A running product whose database holds the simulated day and does not change by itself."""
    with folder() as at:
        with running(at, MOCK) as product:
            wait_for_day(product.process)
        with running(at, STILL) as product, opened(product) as store:
            yield product, store


@contextmanager
def opened(product: Product) -> Iterator[Store]:
    """The database of a running product."""
    store = open_store(f"sqlite:///{product.data / 'observatory.sqlite3'}")
    try:
        yield store
    finally:
        store.close()


def wait_for_day(process: Process) -> None:
    process.wait_until(lambda: DAY_DONE in process.log.read_text(), timeout=FILL, what="the simulated day")


def worker(product: Product) -> int:
    """The process id of gunicorn's worker, which answers the requests."""

    def found() -> list[int]:
        children = psutil.Process(product.process.pid).children()
        return [child.pid for child in children if "collect" not in child.cmdline()]

    return wait_for(found, what="a worker")[0]


def cookies(store: Store, count: int) -> list[str]:
    """Sessions of the administrator, as cookies: opened in the database, since passwords are slow on purpose."""
    admin = accounts.find_user(store, "admin")
    assert admin is not None
    made = []
    for _ in range(count):
        now = time.time_ns() // 1_000_000
        claims = tokens.claims_for(admin.name, admin.role, admin.projects, now=now, lifetime=86_400)
        sessions.open_session(store, admin.id, claims.jti, issued=claims.issued, expires=claims.expires)
        made.append(f"auth-token={tokens.sign(claims, [SECRETS['JWT_SECRET']])}")
    return made


class Client:
    """One connection to the product that stays open, signed in by `cookie`."""

    def __init__(self, product: Product, cookie: str = "") -> None:
        self.connection = http.client.HTTPConnection(product.url.removeprefix("http://"), timeout=60)
        self.headers = {**HEADERS, **({"Cookie": cookie} if cookie else {})}

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer; anything but a success fails the benchmark."""
        self.connection.request("GET" if body is None else "POST", path, body, self.headers)
        response = self.connection.getresponse()
        content = response.read()
        assert response.status in {200, 204}, f"{path}: {response.status} {content[:300]!r}"
        return content


UPDATE = "/_dash-update-component"


def refreshing(client: Client, page: str) -> dict[str, bytes]:
    """The callbacks of a page that every tick asks again: name of the first output → body of the request."""
    bodies = {}
    for callback in json.loads(client.ask("/_dash-dependencies")):
        inputs = [named(entry) for entry in callback["inputs"]]
        outputs = [output(text) for text in re.split(r"\.\.\.", callback["output"].strip("."))]
        ticks = inputs[0]["id"] == "live" if inputs else False
        if ticks and not callback["clientside_function"] and outputs[0]["id"].startswith(f"{page}-"):
            body = {
                "output": callback["output"],
                "outputs": outputs if callback["output"].startswith("..") else outputs[0],
                "inputs": inputs,
                "changedPropIds": ["live.data"],
                "state": [named(entry) for entry in callback["state"]],
            }
            bodies[outputs[0]["id"]] = json.dumps(body).encode()
    assert bodies, f"no callback of {page} was found"
    return bodies


def named(entry: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "property": entry["property"],
        "value": VALUES.get(f"{entry['id']}.{entry['property']}"),
    }


def output(text: str) -> dict[str, str]:
    name, _, prop = text.rpartition(".")
    return {"id": name, "property": prop}


def series_shown(client: Client, bodies: Mapping[str, bytes]) -> list[int]:
    """The series of a page, which its stream asks for: whatever the answers name as such."""
    answers = b"".join(client.ask(UPDATE, body) for body in bodies.values())
    found = {int(key) for ids in re.findall(rb'"data-series": ?"([\d ]+)"', answers) for key in ids.split()}
    assert found, "no series is shown"
    return sorted(found)


class Changes:
    """Writes new values of some series as the collector does: a scrape a target, all in one transaction."""

    def __init__(self, store: Store, ids: Sequence[int]) -> None:
        self.recorder = Recorder(store)
        self.samples: dict[str, list[Sample]] = {}
        for target in targets.current(store):
            for row in samples.catalogue(store, target.name, project=""):
                if row.id in ids:
                    labels = tuple((name, value) for name, value in json.loads(row.labels))
                    self.samples.setdefault(target.name, []).append(Sample(row.name, 0.0, labels))

    def write(self) -> int:
        """One change; answers its moment in milliseconds."""
        now = time.time_ns() // 1_000_000
        self.recorder.append(
            [
                Scrape(name, now, now + 3, 10.0, samples=tuple(s._replace(value=now % 97 / 97) for s in mine))
                for name, mine in self.samples.items()
            ]
        )
        return now
