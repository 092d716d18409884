"""What administrators add to the targets over the API: everything that is wrong at once, and each change on record."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from observatory.api import targets as targets_api
from observatory.frames import events
from observatory.model import Actor, Kind, Origin, Role
from observatory.store import audit, targets, watchlist
from tests.support.clock import NOON
from tests.support.scraped import a_target
from tests.support.website import Website

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
SHOP = {"name": "shop", "kind": "http", "url": "https://shop.example/health"}
WHOLE = {
    **SHOP, "intervalSeconds": 30.0, "timeoutSeconds": 2.5, "labels": {"team": "blue"}, "project": "loom",
    "tokenEnv": "TARGET_SHOP_TOKEN", "headersEnv": {"X-Key": "TARGET_SHOP_KEY"},
    "expect": {"status": 204, "json": {"$.status": "ok", "$.ready": True}},
}  # fmt: skip


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    return make_website(blueprints=[targets_api.blueprint])


@pytest.fixture
def ada(site: Website) -> FlaskClient:
    return site.signed_in("ada")


def told(site: Website) -> list[tuple[str, str, str]]:
    rows = audit.found(site.store, audit.Wanted(event="target."), 100)
    return [(row.event, row.name, row.resource) for row in rows][::-1]


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    body = answer.get_json()
    return {fault["path"]: fault["message"] for fault in body["details"]}


def test_a_target_is_added_whole_and_told_as_it_was_given(site: Website, ada: FlaskClient) -> None:
    answer = ada.post("/api/targets", json=WHOLE)

    assert (answer.status_code, answer.get_json()) == (201, WHOLE)
    kept = watchlist.find(site.store, "shop")
    assert (
        kept is not None
        and kept.target(10.0, lambda name: f"content of {name}").token == "content of TARGET_SHOP_TOKEN"
    )
    assert told(site) == [("target.added", "ada", "shop")]
    assert events.recent(site.store, ADMIN)["text"].tolist() == ["ada added shop."]


def test_what_is_left_out_is_as_the_settings_say(site: Website, ada: FlaskClient) -> None:
    ada.post("/api/targets", json=SHOP)

    kept = watchlist.find(site.store, "shop")
    assert kept is not None
    target = kept.target(7.0, str)
    assert (target.interval, target.timeout, target.token, target.expect, target.origin) == (
        7.0,
        None,
        "",
        None,
        Origin.ADMIN,
    )


WRONG: list[tuple[dict[str, object], str, str]] = [
    ({"name": ""}, "name", "1 to 100"),
    ({"name": "a" * 101}, "name", "1 to 100"),
    ({"name": "../etc"}, "name", "upwards"),
    ({"name": " shop"}, "name", "space"),
    ({"name": "observatory"}, "name", "the observatory itself"),
    ({"kind": "gopher"}, "kind", ""),
    ({"kind": "observatory"}, "kind", "must be one of"),
    ({"url": "ftp://shop.example"}, "url", "must be an address"),
    ({"url": "https://u:p@shop.example"}, "url", "user or password"),
    ({"url": "https://shop .example"}, "url", "spaces"),
    ({"url": ""}, "url", ""),
    ({"url": "http://127.0.0.1:1"}, "url", "OBSERVATORY_PRIVATE_TARGETS"),
    ({"url": "http://[::ffff:10.0.0.1]"}, "url", "private"),
    ({"url": "http://169.254.169.254/latest"}, "url", "metadata address"),
    ({"intervalSeconds": 0.5}, "intervalSeconds", ""),
    ({"intervalSeconds": "30s"}, "intervalSeconds", ""),
    ({"timeoutSeconds": 0}, "timeoutSeconds", ""),
    ({"labels": {"simulated": "true"}}, "labels", "cannot be a label"),
    ({"labels": {"a b": "x"}}, "labels", "cannot be a label"),
    ({"project": "x!"}, "project", "3 to 64"),
    ({"tokenEnv": "JWT_SECRET"}, "tokenEnv", "begins with TARGET_"),
    ({"tokenEnv": "s3cr3t"}, "tokenEnv", "never the secret"),
    ({"headersEnv": {"X Key": "TARGET_A"}}, "headersEnv", "cannot be a header"),
    ({"headersEnv": {"X-Key": "PATH"}}, "headersEnv", "begins with TARGET_"),
    ({"kind": "prometheus", "expect": {"status": 200}}, "expect", "HTTP endpoints"),
    ({"expect": {"status": 99}}, "expect.status", ""),
    ({"expect": {"status": 200, "json": {"status": "ok"}}}, "expect.json", "$.status"),
    ({"surprise": 1}, "surprise", ""),
]


@pytest.mark.parametrize(("wrong", "path", "word"), WRONG)
def test_a_fault_is_told_with_its_field_and_nothing_is_kept(
    site: Website, ada: FlaskClient, wrong: dict[str, object], path: str, word: str
) -> None:
    found = faults(ada.post("/api/targets", json={**SHOP, **wrong}))

    assert list(found) == [path]
    assert word in found[path]
    assert watchlist.all_added(site.store) == []
    assert told(site) == []


def test_every_fault_is_told_at_once(ada: FlaskClient) -> None:
    wrong = {**SHOP, "name": "observatory", "url": "http://10.0.0.1", "tokenEnv": "SECRET"}

    assert set(faults(ada.post("/api/targets", json=wrong))) == {"name", "url", "tokenEnv"}


def test_where_the_setting_allows_it_private_addresses_are_taken(make_website: Callable[..., Website]) -> None:
    site = make_website(blueprints=[targets_api.blueprint], private_targets=True)
    ada = site.signed_in("ada")

    assert ada.post("/api/targets", json={**SHOP, "url": "http://10.0.0.1:8080"}).status_code == 201
    assert set(faults(ada.post("/api/targets", json={**SHOP, "name": "b", "url": "http://169.254.1.1"}))) == {"url"}


def test_a_name_that_is_taken_is_a_conflict(site: Website, ada: FlaskClient) -> None:
    targets.replace(site.store, [a_target("ours"), a_target("went")], NOON)
    targets.replace(site.store, [a_target("ours")], NOON + 1)
    ada.post("/api/targets", json=SHOP)

    names = ("ours", "shop", "went")
    assert [ada.post("/api/targets", json={**SHOP, "name": name}).status_code for name in names] == [409, 409, 201]


def test_a_thing_that_is_watched_is_not_added_under_another_name(site: Website, ada: FlaskClient) -> None:
    targets.replace(site.store, [a_target("ours", url="https://shop.example:443/health/")], NOON)

    assert "ours is watched at this address already" in faults(ada.post("/api/targets", json=SHOP))["url"]
    assert ada.post("/api/targets", json={**SHOP, "kind": "prometheus"}).status_code == 201


def test_a_change_sets_what_it_names_and_is_recorded(site: Website, ada: FlaskClient) -> None:
    ada.post("/api/targets", json=WHOLE)

    changed = ada.patch("/api/targets/shop", json={"intervalSeconds": 5, "expect": None, "url": "https://b.example/"})

    assert changed.get_json() == {**WHOLE, "intervalSeconds": 5.0, "expect": None, "url": "https://b.example"}
    [line, _] = audit.found(site.store, audit.Wanted(event="target."), 100)
    assert line.event == "target.changed"
    assert set(json.loads(line.details)) == {"interval", "expect", "url"}
    assert set(faults(ada.patch("/api/targets/shop", json={"url": "http://127.0.0.1"}))) == {"url"}


def test_what_is_removed_is_not_kept_and_what_others_name_cannot_be(site: Website, ada: FlaskClient) -> None:
    targets.replace(site.store, [a_target("ours")], NOON)
    ada.post("/api/targets", json=SHOP)

    answers = [ada.delete(f"/api/targets/{name}").status_code for name in ("shop", "shop", "ours", "nobody")]

    assert answers == [200, 404, 404, 404]
    assert ada.patch("/api/targets/ours", json={"intervalSeconds": 5}).status_code == 404
    assert watchlist.all_added(site.store) == []
    assert [event for event, _, _ in told(site)] == ["target.added", "target.removed"]


def test_anything_that_is_watched_is_paused_and_resumed(site: Website, ada: FlaskClient) -> None:
    names = ("ours", "shop")
    targets.replace(site.store, [a_target("ours", kind=Kind.BRIDGE)], NOON)
    ada.post("/api/targets", json=SHOP)

    def ask(what: str) -> list[int]:
        return [ada.post(f"/api/targets/{name}/{what}").status_code for name in (*names, "nobody")]

    assert ask("pause") == [200, 200, 404]
    assert watchlist.paused(site.store) == set(names)
    assert ask("pause") == [409, 409, 404]
    assert ask("resume") == [200, 200, 404]
    assert ask("resume") == [409, 409, 404]
    assert [event for event, _, _ in told(site)][1:] == ["target.paused"] * 2 + ["target.resumed"] * 2


def test_the_pause_of_a_file_is_its_own(site: Website, ada: FlaskClient) -> None:
    targets.replace(site.store, [a_target("ours", paused=True)], NOON)

    answer = ada.post("/api/targets/ours/resume")

    assert answer.status_code == 409
    assert "observatory.toml" in answer.text


def test_one_that_is_added_again_is_not_paused_from_before(site: Website, ada: FlaskClient) -> None:
    ada.post("/api/targets", json={**SHOP, "paused": True})
    assert watchlist.paused(site.store) == {"shop"}
    ada.delete("/api/targets/shop")
    ada.post("/api/targets", json=SHOP)

    assert watchlist.paused(site.store) == frozenset()


@pytest.mark.parametrize("name", ["a/b", "ä ö", "a%2Fb", "x#y?z"])
def test_any_name_that_may_be_given_may_be_asked_for(ada: FlaskClient, name: str) -> None:
    assert ada.post("/api/targets", json={**SHOP, "name": name}).status_code == 201
    assert ada.post(f"/api/targets/{quote(name, safe='')}/pause").get_json() == {"target": name, "paused": True}
    assert ada.delete(f"/api/targets/{quote(name, safe='')}").status_code == 200


@pytest.mark.parametrize("who", ["victor", "olga"])
def test_only_administrators_change_the_list(site: Website, who: str) -> None:
    client = site.signed_in(who)
    targets.replace(site.store, [a_target("ours")], NOON)

    asked = [
        client.post("/api/targets", json=SHOP), client.patch("/api/targets/ours", json={}),
        client.delete("/api/targets/ours"), client.post("/api/targets/ours/pause"),
        client.post("/api/targets/ours/resume"),
    ]  # fmt: skip

    assert {answer.status_code for answer in asked} == {403}
    assert watchlist.all_added(site.store) == []


def test_no_secret_of_an_address_reaches_the_audit_log(site: Website, ada: FlaskClient) -> None:
    ada.post("/api/targets", json={**SHOP, "url": "https://shop.example/health?key=s3cr3t"})

    assert all("s3cr3t" not in row.details for row in audit.found(site.store, audit.Wanted(), 100))


def test_who_else_names_a_thing_is_told(site: Website, ada: FlaskClient) -> None:
    targets.replace(site.store, [a_target("ours", also=((Origin.ADMIN, "mine"),))], NOON)

    [target] = ada.get("/api/targets").get_json()["targets"]

    assert target["alsoNamedBy"] == [{"origin": "admin", "name": "mine"}]
    assert (target["status"], target["lastCheck"]) == ("unknown", None)
