"""`observatory doctor`: what works, what does not and what to do, on real databases and beside real processes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from observatory.collector.loop import LEASE
from observatory.context import wall_clock
from observatory.doctor.checkup import Check, State, checkup, told, well
from observatory.model import Role
from observatory.store import accounts, leases
from observatory.store.engine import Store
from tests.support import product, redis
from tests.support import simulator as simulators
from tests.support.answering import Answering, answer, saying
from tests.support.commands import Commands
from tests.support.product import SECRETS
from tests.support.simulator import Simulator

Examine = Callable[..., dict[str, Check]]


@pytest.fixture
def env(tmp_path: Path, free_port: int) -> dict[str, str]:
    """Settings under which nothing is wrong but that there is no database and nothing to watch."""
    nothing = tmp_path / "observatory.toml"
    nothing.touch()
    return {"OBSERVATORY_CONFIG": str(nothing), "OBSERVATORY_DATA": str(tmp_path), "PORT": str(free_port)}


@pytest.fixture
def examine(env: dict[str, str]) -> Examine:
    """The checks by name, under these settings and `more`; several of a name: the last."""

    def look(**more: str) -> dict[str, Check]:
        return {check.name: check for check in checkup({**env, **more}, clock=wall_clock)}

    return look


@pytest.fixture
def at_work(store: Store, store_url: str, env: dict[str, str], simulator: Simulator) -> dict[str, str]:
    """A database of either kind with an administrator and a collector at work, and services that are well."""
    accounts.create_user(store, "ada", "a hash", Role.ADMIN, now=wall_clock())
    leases.take(store, LEASE, "somebody", wall_clock(), 60)
    database = {} if store.sqlite else {"DATABASE_URL": store_url}
    return {**env, **simulator.environment, **database}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as running:
        yield running


def test_where_all_is_well_it_says_so_and_ends_with_0(at_work: dict[str, str], commands: Commands):
    command = commands.with_environment(at_work)

    lines = command("doctor").stdout.splitlines()

    assert lines[-1] == "All is well."
    assert all(line.startswith("✓ ") for line in lines[:-2]), lines
    told_names = [line.split(":")[0].removeprefix("✓ ") for line in lines[:-2]]
    assert {"settings", "secrets", "data folder", "database", "collector", "administrator", "clock", "port"} <= {
        *told_names
    }
    assert {"Bridge server", "MCP daemon", "DevKit API", "Nexus Console"} <= {*told_names}
    document = json.loads(command("doctor", "--json").stdout)
    assert document["well"] is True
    assert [check["name"] for check in document["checks"]] == told_names


def test_beside_the_running_product_it_finds_the_server_and_the_collector(
    tmp_path: Path, free_port: int, simulator: Simulator, commands: Commands
):
    running = product.start(tmp_path, free_port, simulator.environment)
    try:
        settings = {
            "PORT": str(free_port), "OBSERVATORY_DATA": str(tmp_path),
            "OBSERVATORY_CONFIG": str(tmp_path / "observatory.toml"), **SECRETS, **simulator.environment,
        }  # fmt: skip
        running.process.wait_until(
            lambda: "A collector is at work" in commands.run(("doctor",), "", settings).stdout, what="a collector"
        )
        text = commands.with_environment(settings)("doctor").stdout
    finally:
        running.process.end()

    assert f"✓ port: Our server answers on {running.url}/healthz." in text
    assert "✓ administrator: There is an administrator who can sign in." in text


def test_every_fault_of_the_settings_is_told_and_of_the_file_too(examine: Examine, env: dict[str, str]):
    Path(env["OBSERVATORY_CONFIG"]).write_text('[[target]]\nname = "x"\nkind = "nothing"\n')

    checks = checkup({**env, "PORT": "many", "OBSERVATORY_ENV": "production"}, clock=wall_clock)
    text = told(checks)

    for fault in ("PORT must be a port number", "JWT_SECRET is required", "SESSION_SECRET is required", "kind"):
        assert fault in text
    assert [check.state for check in checks if check.name == "settings"] == [State.FAILS] * (len(checks) - 1)


def test_a_fault_of_the_file_alone_leaves_the_rest_to_be_looked_at(examine: Examine, env: dict[str, str]):
    Path(env["OBSERVATORY_CONFIG"]).write_text('[[target]]\nname = "x"\nkind = "nothing"\n')

    found = examine()

    assert found["settings"].state is State.FAILS
    assert found["port"].state is State.WORKS


def test_in_production_both_secrets_are_there(examine: Examine):
    found = examine(OBSERVATORY_ENV="production", OBSERVATORY_HOST="127.0.0.1", **SECRETS)

    assert found["secrets"].sentence == "JWT_SECRET and SESSION_SECRET are set and strong enough."


def test_looking_changes_nothing(examine: Examine, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))

    found = examine(OBSERVATORY_DATA=str(tmp_path / "new" / "data"))

    assert sorted(tmp_path.rglob("*")) == before
    assert found["data folder"].sentence.endswith("is not there yet and can be made.")
    assert (found["database"].state, found["collector"].state) == (State.UNTOLD, State.UNTOLD)
    assert not well(list(found.values()))


def test_a_file_is_no_data_folder(examine: Examine, env: dict[str, str]):
    found = examine(OBSERVATORY_DATA=env["OBSERVATORY_CONFIG"])["data folder"]

    assert found.state is State.FAILS
    assert "OBSERVATORY_DATA names another folder" in found.advice[0]


def test_an_older_database_names_the_command(examine: Examine, store_url: str, tmp_path: Path):
    is_sqlite = store_url.startswith("sqlite")
    if is_sqlite:
        (tmp_path / "observatory.sqlite3").touch()  # empty is a database without a schema

    found = examine(**{} if is_sqlite else {"DATABASE_URL": store_url})["database"]

    assert found.state is State.FAILS
    assert "Run `observatory migrate` first." in found.advice[0]


def test_a_file_that_is_no_database_is_told(examine: Examine, tmp_path: Path):
    (tmp_path / "observatory.sqlite3").write_bytes(b"this is a letter, and no database " * 200)

    found = examine()["database"]

    assert found.state is State.FAILS
    assert "file is not a database" in found.sentence


def test_a_postgresql_that_is_away_is_told_without_its_password(examine: Examine):
    found = examine(DATABASE_URL="postgresql://ours:hush@127.0.0.1:9/observatory")

    assert found["database"].state is State.FAILS
    assert "DATABASE_URL" in found["database"].advice[0]
    assert "hush" not in told(list(found.values()))


def test_without_collector_and_administrator_nothing_is_read_and_nobody_can_sign_in(store: Store, store_url: str,
                                                                                    examine: Examine):  # fmt: skip
    more = {} if store.sqlite else {"DATABASE_URL": store_url}

    found = examine(**more)
    assert "No collector has worked on this database yet" in found["collector"].sentence
    assert "observatory serve" in found["collector"].advice[0]
    assert found["administrator"].state is State.FAILS

    leases.take(store, LEASE, "somebody", wall_clock() - 3_600_000, 10)
    assert "the last one was heard" in examine(**more)["collector"].sentence
    leases.take(store, LEASE, "from the future", wall_clock() + 3_600_000, 10)
    assert "in our future" in examine(**more)["collector"].sentence


def test_a_service_that_fails_says_why_and_what_to_try(examine: Examine):
    with Answering(saying(answer(503, "resting"))) as resting:
        found = examine(BRIDGE_API_URL="http://127.0.0.1:9", MCP_DAEMON_URL=resting.url)

    assert found["Bridge server"].sentence.startswith("Bridge server cannot be reached at http://127.0.0.1:9")
    assert "curl -i http://127.0.0.1:9" in " ".join(found["Bridge server"].advice)
    assert "answers with an error" in found["MCP daemon"].sentence
    assert "503: resting" in found["MCP daemon"].sentence
    assert not any("below" in line for check in found.values() for line in check.advice)


def test_where_nothing_is_watched_it_says_how_to_begin(examine: Examine):
    found = examine()

    if "services" in found:  # nothing happens to listen on a default port of this machine
        assert found["services"].state is State.FAILS
        assert "BRIDGE_API_URL=" in found["services"].advice[0]


def test_a_paused_service_is_not_asked(examine: Examine, env: dict[str, str]):
    Path(env["OBSERVATORY_CONFIG"]).write_text(
        '[[target]]\nname = "resting"\nkind = "http"\nurl = "http://127.0.0.1:9"\npaused = true\n'
    )

    assert examine()["resting"].sentence == "resting is paused: it is not asked."


def test_clocks_that_all_differ_from_ours_are_told(examine: Examine, tmp_path: Path):
    with simulators.running(tmp_path / "log") as devkit:
        devkit.control("switch", date_skew=-120)
        found = examine(**devkit.environment)

    assert "Our clock differs from those of most services: they are 120 s behind it." in found["clock"].sentence
    assert "its clock is 120 s behind ours" in found["Bridge server"].sentence


def test_a_port_that_another_has_is_told(examine: Examine):
    with Answering(saying(answer(200, "somebody else"))) as other:
        found = examine(PORT=other.url.rsplit(":", 1)[1])["port"]

    assert found.state is State.FAILS
    assert "that is not the observatory" in found.sentence
    assert "PORT chooses another port" in found.advice[1]


def test_redis_is_looked_at_where_one_is_set(examine: Examine, tmp_path: Path):
    away = examine(REDIS_URL="redis://:hush@127.0.0.1:9/0")["redis"]
    assert away.state is State.FAILS
    assert "hush" not in told([away])
    try:
        with redis.server(tmp_path) as url:
            assert examine(REDIS_URL=url)["redis"].state is State.WORKS
    except redis.NoRedis as error:
        pytest.skip(str(error))
