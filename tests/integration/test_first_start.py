"""The first start, by somebody who set no password: a link in the log, good once, and what becomes of it."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes import ROOT, environment
from tests.support.product import PASSWORD as SHORT_OF_RULES
from tests.support.product import SECRETS, Product, start

CHOSEN, SET = "Chosen-Horse-7!", "Setting-Horse-8!"
UNSET = {"OBSERVATORY_ADMIN_PASSWORD": "", "OBSERVATORY_COLLECTOR": "external"}


@contextmanager
def product(folder: Path, port: int, env: Mapping[str, str] = UNSET) -> Iterator[Product]:
    started = start(folder, port, dict(env))
    try:
        yield started
    finally:
        started.process.end()


def prepare(folder: Path, port: int, **env: str) -> str:
    """What every start does before it serves, by itself; what it prints."""
    given = {**SECRETS, "OBSERVATORY_DATA": str(folder), "PORT": str(port), **env}
    program = "from observatory import processes; processes.prepare()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(given),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def links(text: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:\d+/setup/[\w-]+", text)


def status(served: Product, password: str) -> int:
    credentials = {"username": "admin", "password": password}
    return httpx.post(f"{served.url}/api/auth/login", json=credentials, trust_env=False).status_code


def choose(link: str, new: str, again: str = "") -> httpx.Response:
    return httpx.post(link, data={"new": new, "again": again or new}, trust_env=False)


def test_the_first_administrator_chooses_a_password_by_a_link_in_the_log(tmp_path: Path, free_port: int) -> None:
    with product(tmp_path, free_port) as served:
        [lost] = links(served.process.output())
        assert status(served, "") == 400 and status(served, "admin") == 401

    with product(tmp_path, free_port) as served:
        [link] = set(links(served.process.output())) - {lost}
        assert httpx.get(lost, trust_env=False).status_code == 410
        assert choose(lost, CHOSEN).status_code == 410
        shown = httpx.get(link, trust_env=False)
        assert shown.status_code == 200 and "admin" in shown.text

        short = choose(link, "short")
        assert short.status_code == 400
        rules = ("at least 8 characters", "an upper case letter", "a digit", "one of !@#$%")
        assert [rule for rule in rules if f"must have {rule}" not in short.text] == []
        assert choose(link, SHORT_OF_RULES).status_code == 400
        unlike = choose(link, CHOSEN, "Another-Horse-7!")
        assert unlike.status_code == 400 and "not the same" in unlike.text

        assert choose(link, CHOSEN).status_code == 303
        assert status(served, CHOSEN) == 200
        assert httpx.get(link, trust_env=False).status_code == choose(link, SET).status_code == 410

        assert links(prepare(tmp_path, free_port)) == []
        assert links(prepare(tmp_path, free_port, OBSERVATORY_ADMIN_PASSWORD=SET)) == []
        assert (status(served, SET), status(served, CHOSEN)) == (401, 200)


def test_a_password_that_is_set_later_acts_while_nobody_chose_one(tmp_path: Path, free_port: int) -> None:
    [link] = links(prepare(tmp_path, free_port))

    with product(tmp_path, free_port, {**UNSET, "OBSERVATORY_ADMIN_PASSWORD": SET}) as served:
        assert links(served.process.output()) == []
        assert status(served, SET) == 200
        assert choose(link, CHOSEN).status_code == 410, "the link would undo what the settings say"
        assert status(served, SET) == 200
