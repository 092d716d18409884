"""The stream a browser listens to: at once, only what it may see, never too much, and over when the session is."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dash
import httpx
import pytest
from dash import html
from sqlalchemy import delete
from werkzeug.serving import make_server

from observatory.api import targets as targets_api
from observatory.auth import tokens
from observatory.context import Services, wall_clock
from observatory.model import Cause, Instant, Role
from observatory.people import Administration
from observatory.store import accounts, samples, sessions, targets, topics
from observatory.store.engine import Store
from observatory.store.schema import user_projects
from observatory.store.scrapes import Recorder
from observatory.web import create_app, realtime
from tests.support.away import away
from tests.support.scraped import a_scrape, a_target
from tests.support.told import a_record
from tests.support.waiting import wait_for
from tests.support.website import ASSETS, KEY, METRICS, PAGES

Message = dict[str, Any]


class Site:
    """The real application behind a real threaded server."""

    def __init__(self, store: Store, cache: Path) -> None:
        services = Services(store=store, secrets=(KEY,), session_secret=METRICS)
        self.app = create_app(
            services,
            pages_folder=PAGES,
            assets_folder=ASSETS,
            cache_folder=cache,
            layout=lambda: html.Div([dash.page_container]),
            blueprints=[realtime.blueprint, targets_api.blueprint],
        )
        self.store, self.hub = store, realtime.Hub(store, services.clock)
        self.app.server.extensions["observatory_hub"] = self.hub
        self.server = make_server("127.0.0.1", 0, self.app.server, threaded=True)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def sign_in(self, name: str, role: Role, *projects: str) -> str:
        """A person with an open session; the token of it."""
        user = accounts.create_user(self.store, name, "no password", role, projects=projects, now=wall_clock())
        claims = tokens.claims_for(name, role, projects, now=wall_clock(), lifetime=3600)
        sessions.open_session(self.store, user, claims.jti, issued=claims.issued, expires=claims.expires)
        return tokens.sign(claims, [KEY])

    def headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}


class Browser(threading.Thread):
    """Listens to a stream: `messages` with data, `events` by name, `over` when the server ended it."""

    def __init__(self, site: Site, token: str, series: list[int]) -> None:
        super().__init__(daemon=True)
        self.messages: list[Message] = []
        self.events: list[str] = []
        self.over = threading.Event()
        self.leaving = threading.Event()
        self.http = httpx.Client(trust_env=False, timeout=20, headers=site.headers(token))
        self.url = f"{site.url}/api/stream?series={','.join(map(str, series))}"

    def run(self) -> None:
        try:
            with self.http, self.http.stream("GET", self.url) as response:
                assert response.status_code == 200
                name = "message"
                for line in response.iter_lines():
                    if self.leaving.is_set():
                        return
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        self.take(name, json.loads(line.removeprefix("data: ")))
                        name = "message"
        finally:
            self.over.set()

    def take(self, name: str, content: Message) -> None:
        if name == "message":
            self.messages.append(content)
        else:
            self.events.append(name)

    @property
    def hello(self) -> Message:
        return self.messages[0]

    def points(self, series: int) -> list[list[float]]:
        """The points that came after the first message, in the order of their coming."""
        return [point for message in self.messages[1:] for point in message.get("points", {}).get(str(series), [])]

    def topics(self) -> set[str]:
        return {topic for message in self.messages[1:] for topic in message.get("topics", [])}


@pytest.fixture
def site(store: Store, static_cache: Path) -> Iterator[Site]:
    made = Site(store, static_cache)
    made.thread.start()
    targets.replace(store, [a_target(), a_target("of-loom", project="loom")], wall_clock())
    try:
        yield made
    finally:
        made.hub.closing = True
        made.server.shutdown()
        made.thread.join(5)
        made.server.server_close()
        if made.hub.thread is not None:
            made.hub.thread.join(5)


@pytest.fixture
def recorder(site: Site) -> Recorder:
    return Recorder(site.store)


@pytest.fixture
def listening(site: Site) -> Callable[..., Any]:
    @contextmanager
    def listen(token: str, *series: int) -> Iterator[Browser]:
        browser = Browser(site, token, list(series))
        browser.start()
        try:
            wait_for(lambda: browser.messages, what="hello")
            yield browser
        finally:
            browser.leaving.set()

    return listen


def series_of(store: Store, target: str = "a", project: str | None = None) -> int:
    return int(samples.catalogue(store, target, ["load"], project=project)[0].id)


class Times:
    """Moments that are never used twice, so that no two scrapes are the same one."""

    def __init__(self) -> None:
        self.now: Instant = wall_clock() - 100_000

    def next(self) -> Instant:
        self.now += 10
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


def test_hello_brings_the_newest_points(site: Site, recorder: Recorder, times: Times, listening: Any) -> None:
    token, first, second = site.sign_in("ada", Role.ADMIN), times.next(), times.next()
    recorder.append([a_scrape(first, 1.0), a_scrape(second, 2.0)])
    series = series_of(site.store)

    with listening(token, series) as browser:
        hello = browser.hello

    assert hello["hello"] == topics.position(site.store).epoch
    assert hello["points"] == {str(series): [[second, 2.0]]}
    assert abs(hello["now"] - wall_clock()) < 5000


def test_points_come_as_they_are_written_and_only_of_what_is_wanted(
    site: Site, recorder: Recorder, times: Times, listening: Any
) -> None:
    token = site.sign_in("ada", Role.ADMIN)
    recorder.append([a_scrape(times.next(), 1.0), a_scrape(times.next(), 1.0, name="other")])
    series, at = series_of(site.store), times.next()

    with listening(token, series) as browser:
        recorder.append([a_scrape(times.next(), 9.0, name="other")])
        recorder.append([a_scrape(at, 2.0)])
        wait_for(lambda: browser.points(series), timeout=2, what="the point")

    assert browser.points(series) == [[at, 2.0]]
    assert {key for message in browser.messages for key in message["points"]} == {str(series)}


def test_nothing_comes_of_a_project_one_may_not_see(
    site: Site, recorder: Recorder, times: Times, listening: Any
) -> None:
    viewer, outsider = site.sign_in("victor", Role.VIEWER, "loom"), site.sign_in("otto", Role.VIEWER)
    everything = [{}, {"project": "loom"}, {"project": "kiln"}, {"target": "of-loom"}]
    recorder.append([a_scrape(times.next(), 1.0, **where) for where in everything])
    own, loom, kiln = (series_of(site.store, "a", project) for project in ("", "loom", "kiln"))
    of_loom = series_of(site.store, "of-loom")

    with (
        listening(viewer, own, loom, kiln, of_loom, 999_999) as inside,
        listening(outsider, own, loom, kiln, of_loom) as outside,
    ):
        recorder.append([a_scrape(times.next(), 2.0, **where) for where in everything])
        wait_for(lambda: inside.points(own) and outside.points(own), what="the point that both may see")

    assert [set(map(int, browser.hello["points"])) for browser in (inside, outside)] == [{own, loom, of_loom}, {own}]
    assert [len(inside.points(series)) for series in (own, loom, kiln, of_loom)] == [1, 1, 0, 1]
    assert [len(outside.points(series)) for series in (own, loom, kiln, of_loom)] == [1, 0, 0, 0]


def test_an_outage_is_told_as_topics(site: Site, recorder: Recorder, times: Times, listening: Any) -> None:
    recorder.append([a_scrape(times.next(), 1.0)])
    with listening(site.sign_in("ada", Role.ADMIN)) as browser:
        recorder.append([a_scrape(times.next(), 2.0)])
        recorder.append([a_scrape(times.next(), cause=Cause.TIMEOUT)])
        wait_for(browser.topics, timeout=2, what="topics")

    assert browser.topics() == {"targets", "events"}


def test_a_burst_reaches_a_browser_in_four_messages_a_second_and_whole(
    site: Site, recorder: Recorder, times: Times, listening: Any
) -> None:
    recorder.append([a_scrape(times.next(), -1.0)])
    series, sent, began = series_of(site.store), 0, time.monotonic()

    with listening(site.sign_in("ada", Role.ADMIN), series) as browser:
        while time.monotonic() - began < 2.2:  # longer than two of the seconds that are counted
            recorder.append([a_scrape(times.next(), float(sent))])
            sent += 1
        wait_for(lambda: len(browser.points(series)) >= sent, what="all points")

    told_at = [message["now"] for message in browser.messages[1:] if message["points"]]
    assert [value for _, value in browser.points(series)] == list(range(sent))
    assert sent > 20
    assert len(told_at) >= 8
    assert min(after - before for before, after in zip(told_at, told_at[4:], strict=False)) >= 990


def test_a_great_many_scrapes_at_once_are_told_whole(
    site: Site, recorder: Recorder, times: Times, listening: Any
) -> None:
    recorder.append([a_scrape(times.next(), -1.0)])
    series = series_of(site.store)

    with listening(site.sign_in("ada", Role.ADMIN), series) as browser:
        recorder.append([a_scrape(times.next(), float(value), pushed=True) for value in range(600)])
        wait_for(lambda: len(browser.points(series)) >= 600, what="all points")

    assert [value for _, value in browser.points(series)] == list(range(600))


def test_a_session_that_ended_ends_its_stream(
    site: Site, recorder: Recorder, times: Times, listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert realtime.BEAT_SECONDS <= 5
    monkeypatch.setattr(realtime, "BEAT_SECONDS", 1.0)
    token, other = site.sign_in("ada", Role.ADMIN), site.sign_in("olga", Role.OPERATOR)
    recorder.append([a_scrape(times.next(), 1.0)])
    series, done = series_of(site.store), threading.Event()

    def keep_busy() -> None:  # what comes just before the beat must not put the look at the session off
        while not done.wait(0.45):
            recorder.append([a_scrape(times.next(), 2.0)])

    busy = threading.Thread(target=keep_busy)
    with listening(token, series) as browser, listening(other, series) as colleague:
        busy.start()
        try:
            answer = httpx.post(f"{site.url}/api/auth/logout", headers=site.headers(token), trust_env=False)
            assert answer.status_code == 200
            began = time.monotonic()
            assert browser.over.wait(5)
            took = time.monotonic() - began
            wait_for(lambda: len(colleague.points(series)) >= 3, what="news for the colleague")
        finally:
            done.set()
            busy.join()

        assert took < 1.3
        assert browser.events == ["ended"]
        assert not colleague.over.is_set()


def test_a_right_that_was_withdrawn_closes_the_streams_opened_with_it(
    site: Site, recorder: Recorder, times: Times, listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "BEAT_SECONDS", 0.3)
    with listening(site.sign_in("lea", Role.VIEWER, "loom")) as browser:
        with site.store.write() as connection:
            connection.execute(delete(user_projects))

        assert browser.over.wait(6)
        assert browser.events == [
            "closing"
        ]  # and not "ended": the session holds, the page comes back with fewer rights


def test_past_the_limit_a_stream_is_refused_and_told_when_to_come_again(site: Site, listening: Any) -> None:
    site.hub.caps = realtime.Caps(all=1)
    token = site.sign_in("vera", Role.VIEWER)
    with listening(token):
        refused = httpx.get(f"{site.url}/api/stream", headers=site.headers(token), trust_env=False)

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0


def test_a_session_and_an_address_have_only_so_many_streams(site: Site, listening: Any) -> None:
    site.hub.caps = realtime.Caps(session=2, address=3)
    vera, otto = site.sign_in("vera", Role.VIEWER), site.sign_in("otto", Role.VIEWER)

    def status(token: str) -> int:
        with httpx.stream("GET", f"{site.url}/api/stream", headers=site.headers(token), trust_env=False) as answer:
            return answer.status_code

    with listening(vera), listening(vera):
        assert status(vera) == 503
        with listening(otto):
            assert status(otto) == 503, "three of this address are open"

    wait_for(lambda: not (site.hub.everybody() or site.hub.open), what="the end of all streams")
    assert status(vera) == 200
    wait_for(lambda: not site.hub.open, what="nobody being counted")


def test_a_stream_of_an_api_token_ends_with_it(site: Site, listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "BEAT_SECONDS", 0.3)
    site.sign_in("olga", Role.OPERATOR, "loom")
    desk = Administration(site.store, METRICS, site.url, wall_clock, a_record)
    made = desk.make_token("olga", "screen", Role.VIEWER, days=1)

    with listening(made.secret) as browser:
        desk.revoke(made.id)
        assert browser.over.wait(10)
        assert browser.events == ["ended"]


def test_who_computes_from_a_target_is_told_of_each_scrape_of_it_and_of_no_other(
    site: Site, recorder: Recorder, times: Times
) -> None:
    before = wall_clock() - 10_000  # the first reading of all is news to everybody
    recorder.append([a_scrape(before, 1.0, target="of-loom"), a_scrape(before, 1.0)])
    browser = Browser(site, site.sign_in("vera", Role.VIEWER), [])
    browser.url += "&target=a&target=of-loom"
    browser.start()
    wait_for(lambda: browser.messages, what="hello")

    recorder.append([a_scrape(wall_clock(), 1.0, target="of-loom")])
    recorder.append([a_scrape(wall_clock() + 1, 2.0)])
    wait_for(browser.topics, what="a topic")
    browser.leaving.set()

    told = [message for message in browser.messages[1:] if message.get("topics")]
    assert [message["topics"] for message in told] == [["series"]]


def test_a_server_that_goes_says_so_and_lets_go_at_once(site: Site, listening: Any) -> None:
    with listening(site.sign_in("ada", Role.ADMIN)) as browser:
        began = time.monotonic()
        site.hub.closing = True
        assert browser.over.wait(5)

        assert time.monotonic() - began < 1
        assert browser.events == ["closing"]


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_database_that_is_away_is_said_and_so_is_its_return(
    site: Site, store_url: str, recorder: Recorder, times: Times, listening: Any
) -> None:
    recorder.append([a_scrape(times.next(), 1.0)])
    series = series_of(site.store)

    with listening(site.sign_in("ada", Role.ADMIN), series) as browser:
        with away(site.store, store_url):
            gone = wait_for(lambda: [m for m in browser.messages if "storeDown" in m], what="the word that it is away")
            said = len(browser.messages)
        back = wait_for(lambda: browser.messages[said:], what="the word that it is back")
        recorder.append([a_scrape(times.next(), 2.0)])
        wait_for(lambda: browser.points(series), what="a point")

    assert len(gone) == 1
    assert abs(gone[0]["storeDown"] - wall_clock()) < 20_000
    assert back[0]["topics"] == [] and "storeDown" not in back[0]
    assert [value for _, value in browser.points(series)] == [2.0]


def test_who_goes_away_is_forgotten(
    site: Site, recorder: Recorder, times: Times, listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "BEAT_SECONDS", 0.2)
    with listening(site.sign_in("ada", Role.ADMIN)):
        assert len(site.hub.everybody()) == 1

    wait_for(lambda: not site.hub.everybody(), what="the end of the listener")
    assert site.hub.audiences == {}


def test_a_quiet_stream_gives_signs_of_life(site: Site, listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "BEAT_SECONDS", 0.2)
    with listening(site.sign_in("ada", Role.ADMIN)) as browser:
        wait_for(lambda: len(browser.messages) >= 3, what="signs of life")

    assert set(browser.messages[-1]) == {"now"}


def test_a_stranger_hears_nothing(site: Site) -> None:
    answer = httpx.get(f"{site.url}/api/stream?series=1", trust_env=False)

    assert answer.status_code == 401
    assert site.hub.everybody() == []


@pytest.mark.parametrize("series", ["", "x", "1,,2", "-1", "99999999999999999999", "1;2", "%F0%9F%8C%9E"])
def test_odd_ids_are_left_out(site: Site, series: str, listening: Any) -> None:
    token = site.sign_in("ada", Role.ADMIN)
    with (
        httpx.Client(trust_env=False, headers=site.headers(token)) as http,
        http.stream("GET", f"{site.url}/api/stream?series={series}") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"].startswith("no-store")
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        assert json.loads(next(lines).removeprefix("data: "))["points"] == {}
