"""`observatory user` and `observatory token`, as processes beside a running dashboard that shares their database."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from observatory.cli_people import write_table
from observatory.context import wall_clock
from observatory.store import audit
from tests.support.commands import Command, Commands
from tests.support.processes import ROOT, environment
from tests.support.product import SECRETS
from tests.support.website import METRICS, PASSWORD, Website

NEW = "Another-Horse-8!"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as running:
        yield running


@pytest.fixture
def observatory(tmp_path: Path, website: Website, commands: Commands) -> Command:
    """The command line with the database, and the secret of links, of the dashboard."""
    website.clock.set(wall_clock())  # the command has no other
    env = {**SECRETS, "OBSERVATORY_DATA": str(tmp_path), "SESSION_SECRET": METRICS, "PORT": "8123"}
    return commands.with_environment(env)


def status(website: Website, name: str, password: str) -> int:
    return website.anonymous().post("/api/auth/login", json={"username": name, "password": password}).status_code


def choose(client: FlaskClient, link: str, password: str) -> int:
    form = {"new": password, "again": password}
    return client.post(urlsplit(link).path, data=form, headers={"Sec-Fetch-Site": "same-origin"}).status_code


def test_a_user_who_was_created_chooses_a_password_by_the_printed_link(website: Website, observatory: Command):
    made = observatory("user", "create", "mira", "--role", "operator", "--project", "loom", "kiln")
    [link] = made.stdout.splitlines()

    assert link.startswith("http://127.0.0.1:8123/setup/")
    assert "mira chooses a password" in made.stderr
    assert choose(website.anonymous(), link, NEW) == 303
    assert status(website, "mira", NEW) == 200
    assert choose(website.anonymous(), link, NEW) == 410
    [told] = audit.found(website.store, audit.Wanted(event="user.created"), 9)
    assert (told.name, told.resource) == ("command line", "mira")


def test_a_user_can_be_created_with_a_password_from_standard_input(website: Website, observatory: Command):
    done = observatory("user", "create", "mira", "--password-stdin", given=f"{NEW}\n")

    assert done.stdout == ""
    assert done.stderr == "mira is viewer and can sign in.\n"
    assert status(website, "mira", NEW) == 200


def test_a_secret_stands_alone_on_standard_output_and_opens_until_it_is_revoked(website: Website, observatory: Command):
    secret = observatory("token", "create", "olga", "nightly export", "--role", "viewer", "--project", "loom").stdout
    bearer = {"Authorization": f"Bearer {secret.strip()}"}

    def asks() -> tuple[int, object]:
        answer = website.anonymous().get("/api/auth/check", headers=bearer)
        return answer.status_code, answer.get_json().get("user", {}).get("projectIds")

    assert secret.count("\n") == 1
    assert asks() == (200, ["loom"])
    [row] = observatory("token", "list", "olga").stdout.splitlines()[1:]
    observatory("token", "revoke", row.split()[0])
    assert asks() == (401, None)
    observatory("token", "revoke", row.split()[0], fails=1)


def test_lists_have_the_shape_of_the_api(website: Website, observatory: Command):
    observatory("token", "create", "ada", "one", "--role", "operator")
    client = website.signed_in("ada")

    for words in (("user", "list"), ("user", "sessions"), ("token", "list")):
        thing = "users" if words == ("user", "list") else "sessions" if words[0] == "user" else "tokens"
        told = json.loads(observatory(*words, "--json").stdout)

        assert told[thing]
        assert told == client.get(f"/api/admin/{thing}").get_json()


def test_what_is_done_to_a_user_holds_at_once(website: Website, observatory: Command):
    client = website.signed_in("olga")

    def who() -> tuple[str, list[str]]:
        user = client.get("/api/auth/check").get_json()["user"]
        return user["permissions"][-1], user["projectIds"]

    observatory("user", "projects", "olga", "Lathe", "loom")
    assert who() == ("write", ["lathe", "loom"])
    assert observatory("user", "projects", "olga").stdout == "lathe\nloom\n"
    observatory("user", "projects", "olga", "--none")
    assert who() == ("write", [])
    observatory("user", "end-sessions", "olga")
    assert client.get("/api/auth/check").status_code == 401
    observatory("user", "role", "olga", "viewer")
    client = website.signed_in("olga")
    assert who() == ("read", [])
    observatory("user", "disable", "olga")
    assert client.get("/api/auth/check").status_code == status(website, "olga", PASSWORD) == 401
    observatory("user", "enable", "olga")
    assert status(website, "olga", PASSWORD) == 200
    link = observatory("user", "reset", "olga").stdout.strip()
    assert status(website, "olga", PASSWORD) == 401
    assert choose(website.anonymous(), link, NEW) == 303
    observatory("user", "erase", "olga")
    assert status(website, "olga", NEW) == 401
    assert "olga" not in observatory("user", "list").stdout


def test_every_fault_is_told_in_a_sentence(website: Website, observatory: Command):
    bad = observatory("user", "create", "b ob", "--project", "x", "--password-stdin", given="short\n", fails=2)
    words = ("has 1 to 50 letters", "has 3 to 64 letters", "at least 8", "upper case", "a digit", "one of !@#")
    assert [word for word in words if word not in bad.stderr] == []
    assert bad.stdout == ""

    token = observatory("token", "create", "victor", "t", "--role", "admin", "--days", "400", fails=2)
    assert "1 to 365 days" in token.stderr and "victor is viewer" in token.stderr

    taken = observatory("user", "create", "Victor", fails=1)
    assert taken.stderr == "observatory: There is a user named Victor already.\n"
    last = observatory("user", "disable", "ada", fails=1)
    assert last.stderr == "observatory: The last administrator cannot be taken away: make another one first.\n"
    assert "invalid choice: 'boss'" in observatory("user", "role", "ada", "boss", fails=2).stderr
    assert "end-sessions" in observatory("user").stdout
    assert "revoke" in observatory("token", "--help").stdout


@pytest.mark.postgres
def test_an_older_schema_is_refused_and_a_new_one_served(tmp_path: Path, postgres_database: str, commands: Commands):
    env = {**SECRETS, "OBSERVATORY_DATA": str(tmp_path), "DATABASE_URL": postgres_database}
    observatory = commands.with_environment({**env, "API_URL": "https://observatory.example"})

    refused = observatory("user", "list", fails=1)
    assert refused.stderr.startswith("observatory: ")
    assert "Run `observatory migrate` first." in refused.stderr

    observatory("migrate")
    link = observatory("user", "create", "mira", "--project", "loom").stdout
    observatory("user", "role", "mira", "operator")  # nobody administers yet, which is no reason to refuse
    secret = observatory("token", "create", "mira", "export").stdout

    assert link.startswith("https://observatory.example/setup/")
    assert secret.startswith("obs_")
    assert observatory("user", "list").stdout.splitlines()[1].split()[:4] == ["mira", "operator", "loom", "invited"]
    assert "as owner" in observatory("token", "list").stdout


def test_a_database_that_is_away_is_one_sentence(tmp_path: Path, free_port: int, commands: Commands):
    url = f"postgresql://nobody@127.0.0.1:{free_port}/nothing"
    done = commands.with_environment({"OBSERVATORY_DATA": str(tmp_path), "DATABASE_URL": url})("user", "list", fails=1)

    assert done.stderr.startswith("observatory: ")
    assert done.stderr.count("\n") == 1


def test_a_table_is_aligned_and_nothing_in_it_moves_the_terminal(capsys: pytest.CaptureFixture[str]):
    write_table(("NAME", "BROWSER"), [("a", "\x1b[2J\nroot"), ("longer", "x" * 99)])

    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "NAME    BROWSER"
    assert first == "a       ?[2J?root"
    assert second == f"longer  {'x' * 59}…"


def test_the_real_program_prints_help_for_a_command_alone():
    done = subprocess.run(
        [sys.executable, "-m", "observatory", "user"],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert "end-sessions" in done.stdout and not done.stderr
