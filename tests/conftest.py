"""What every test may ask for. Names of fixtures are nouns; each starts a real thing and ends it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from observatory.store.engine import Store, migrate, open_store
from tests.contract.options import pytest_addoption  # noqa: F401
from tests.support import postgres
from tests.support import simulator as simulators
from tests.support.clock import Clock
from tests.support.processes import free_port as find_free_port
from tests.support.simulator import Simulator


class Sharing(LoadScopeScheduling):
    """Hands tests out a module at a time, since those of one share what is costly to start; all those with a browser to
    one process, and those that measure a time to one.

    xdist's own `loadgroup` writes its groups where pytest does not look for them any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith("tests/e2e/"):
            return nodeid.partition("::")[0]
        return "latency" if "test_latency.py" in nodeid else "e2e"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order is that of the collection: the browser's first
    return Sharing(config, log)


# How quick a machine is today says nothing about what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# As the product logs: plain. What structlog does by itself draws a traceback for seconds, in the thread that logs it.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(["event"]),
    ]
)


@pytest.fixture(scope="session")
def postgres_url(testrun_uid: str) -> str:
    """A PostgreSQL server on which databases may be made; see `postgres_database` for one of your own."""
    try:
        return postgres.server(testrun_uid)
    except postgres.NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty PostgreSQL database for this test alone, as SQLAlchemy names it."""
    with postgres.database(postgres_url) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind we support: a test that asks for it runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'observatory.sqlite3'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated, empty store, once on each kind of database."""
    opened = open_store(store_url)
    try:
        migrate(opened)
        yield opened
    finally:
        opened.close()


@pytest.fixture
def clock() -> Clock:
    """The time, in our hands: `clock()`, `clock.set(ms)`, `clock.advance(seconds)`."""
    return Clock()


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    return find_free_port()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The simulator that all tests of this process share. One that changes its faults starts its own with `running`."""
    with simulators.running(tmp_path_factory.mktemp("simulator") / "log") as running:
        yield running


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether slow tests run in full size (`make soak`) or small enough for every day."""
    return os.environ.get("TEST_SIZE") == "full"
