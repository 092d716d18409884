"""`GET /api/targets`: the same answer a page gives, for programs."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from observatory.api import targets as targets_api
from observatory.model import HOUR, Cause, Kind, Origin
from observatory.store import targets
from observatory.store.scrapes import Recorder
from tests.support.clock import NOON
from tests.support.scraped import a_failure, a_scrape, a_target
from tests.support.website import Website

PROMISED = {
    "name", "kind", "url", "origin", "state", "cause", "simulated", "measuredAt", "receivedAt", "ageSeconds",
    "intervalSeconds", "latencyMs",
}  # fmt: skip
MORE = {
    "status",
    "lastCheck",
    "alsoNamedBy",
    "project",
    "detail",
    "health",
    "version",
    "since",
    "skewSeconds",
    "stream",
}


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    return make_website(blueprints=[targets_api.blueprint])


def asked(client: FlaskClient) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/targets")
    assert answer.status_code == 200
    found = answer.get_json()
    assert list(found) == ["targets"]
    return {target["name"]: target for target in found["targets"]}


def test_a_target_has_exactly_the_promised_keys_with_their_meaning(site: Website) -> None:
    targets.replace(site.store, [a_target("shop", interval=5.0, url="http://127.0.0.1:1/health")], NOON)
    Recorder(site.store).append([a_scrape(NOON - 3000, 1.0, target="shop", interval=5.0)])

    shop = asked(site.signed_in("ada"))["shop"]

    assert set(shop) == PROMISED | MORE
    assert {key: shop[key] for key in PROMISED} == {
        "name": "shop", "kind": "http", "url": "http://127.0.0.1:1/health", "origin": "file", "state": "live",
        "cause": None, "simulated": False, "measuredAt": NOON - 3000, "receivedAt": NOON - 2980, "ageSeconds": 3.0,
        "intervalSeconds": 5.0, "latencyMs": 20.0,
    }  # fmt: skip


def test_a_dead_target_says_so_with_its_cause_and_keeps_its_age(site: Website) -> None:
    targets.replace(site.store, [a_target("was-up"), a_target("never-up"), a_target("never-asked")], NOON)
    Recorder(site.store).append([
        a_scrape(NOON - 60_000, 1.0, target="was-up"),
        a_failure(NOON - 10_000, Cause.UNREACHABLE, target="was-up"),
        a_failure(NOON - 10_000, Cause.UNREACHABLE, target="never-up"),
    ])  # fmt: skip

    found = asked(site.signed_in("ada"))

    assert list(found) == ["was-up", "never-asked", "never-up"]  # the worst first
    states = {name: (t["state"], t["cause"], t["ageSeconds"], t["measuredAt"]) for name, t in found.items()}
    assert states == {
        "was-up": ("down", "unreachable", 60.0, NOON - 60_000),
        "never-up": ("unknown", "unreachable", None, None),
        "never-asked": ("unknown", None, None, None),
    }
    assert found["never-asked"]["latencyMs"] is None


def test_ages_are_of_the_moment_of_the_answer(site: Website) -> None:
    targets.replace(site.store, [a_target()], NOON)
    Recorder(site.store).append([a_scrape(NOON, 1.0)])
    client = site.signed_in("ada")

    first = asked(client)["a"]
    site.clock.advance(31)
    later = asked(client)["a"]

    assert (first["ageSeconds"], first["state"]) == (0.0, "live")
    assert (later["ageSeconds"], later["state"]) == (31.0, "stale")


def test_the_simulator_is_marked(site: Website) -> None:
    simulated = a_target("bridge-server", kind=Kind.BRIDGE, origin=Origin.SIMULATOR, simulated=True)
    targets.replace(site.store, [simulated, a_target("real"), a_target("typed-by-hand")], NOON)
    Recorder(site.store).append([
        a_scrape(NOON, 1.0, target="real"), a_scrape(NOON, 1.0, target="typed-by-hand", simulated=True)
    ])  # fmt: skip

    marks = {name: target["simulated"] for name, target in asked(site.signed_in("ada")).items()}

    assert marks == {"bridge-server": True, "real": False, "typed-by-hand": True}


def test_strangers_are_refused(site: Website) -> None:
    answer = site.anonymous().get("/api/targets")

    assert answer.status_code == 401
    assert "targets" not in answer.get_json()


def test_targets_of_a_project_are_for_those_who_see_it(site: Website) -> None:
    listed = [a_target("everybodys"), a_target("of-loom", project="loom"), a_target("of-kiln", project="kiln")]
    targets.replace(site.store, listed, NOON)

    seen = {name: set(asked(site.signed_in(name))) for name in ("victor", "olga", "ada", "otto")}

    assert seen == {
        "victor": {"everybodys", "of-loom"},
        "olga": {"everybodys", "of-loom", "of-kiln"},
        "ada": {"everybodys", "of-loom", "of-kiln"},
        "otto": {"everybodys"},
    }


def test_no_target_is_an_empty_list(site: Website) -> None:
    assert asked(site.signed_in("ada")) == {}


def test_what_is_gone_or_paused_says_so(site: Website) -> None:
    targets.replace(site.store, [a_target("gone"), a_target("resting", paused=True)], NOON - HOUR)
    targets.replace(site.store, [a_target("resting", paused=True)], NOON)

    assert {name: t["state"] for name, t in asked(site.signed_in("ada")).items()} == {
        "resting": "paused", "gone": "gone"
    }  # fmt: skip
