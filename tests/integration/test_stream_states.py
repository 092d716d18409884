"""How a Bridge's stream is, from the collector's word in the store to what pages, API and metrics say of it."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import event

from observatory.api import stream_metrics
from observatory.api import targets as targets_api
from observatory.components import status, words
from observatory.errors import StoreError
from observatory.frames import agents as agent_frames
from observatory.frames import events, streams
from observatory.model import Actor, AgentStatus, Cause, Event, Kind, Level, Role, Scrape, StreamState, StreamStatus
from observatory.store import targets, topics
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from observatory.store.streams import StreamNotes
from tests.support.clock import NOON
from tests.support.scraped import a_target, an_agent
from tests.support.website import Website

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
HEARD = StreamStatus(StreamState.HEARD, NOON - 60_000, heard=NOON - 2_000, opened=1, counts={"metrics": 7})
SILENT = StreamStatus(StreamState.SILENT, NOON - 40_000, heard=NOON - 40_000, opened=1)
DOWN = StreamStatus(StreamState.DOWN, NOON - 9_000, heard=NOON - 40_000, cause=Cause.TIMEOUT, detail="no answer")


@pytest.fixture
def notes(store: Store) -> StreamNotes:
    targets.replace(store, [a_target("b", kind=Kind.BRIDGE), a_target("c", kind=Kind.BRIDGE)], NOON)
    return StreamNotes(store)


def told(store: Store, now: int = NOON) -> dict[str, dict[str, object]]:
    return {str(row["target"]): row for row in streams.current(store, ADMIN, now).to_dict("records")}


def changes(store: Store, note: Callable[[], None]) -> list[str]:
    """The topics that a writing touched."""
    before = topics.position(store).revision
    note()
    return sorted(topics.touched_since(store, before))


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_is_in_the_store_as_it_was_told(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": DOWN}, NOON)
    assert told(store) == {
        "b": {"target": "b", "state": "down", "since": NOON - 9_000, "heard": NOON - 40_000, "cause": "timeout",
              "partial": False}
    }  # fmt: skip


def test_a_state_that_changes_is_written_at_once_and_told(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": HEARD}, NOON)
    assert changes(store, lambda: notes.note({"b": DOWN}, NOON + 1)) == ["targets"]
    assert told(store)["b"]["state"] == "down"


def test_one_more_frame_is_no_news_to_people(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": HEARD}, NOON)
    later = replace(HEARD, heard=NOON + 2_000)
    assert changes(store, lambda: notes.note({"b": later}, NOON + 2_000)) == []
    assert told(store)["b"]["heard"] == NOON + 2_000


def test_a_stream_that_goes_on_is_written_seldom(store: Store, notes: StreamNotes) -> None:
    written: list[str] = []
    event.listen(store.writer, "begin", lambda _connection: written.append("begin"))
    for second in range(20):
        notes.note({"b": replace(HEARD, heard=NOON + second * 1000)}, NOON + second * 1000)
    busy = len(written)
    written.clear()
    for second in range(20, 40):
        notes.note({"b": SILENT}, NOON + second * 1000)
    assert busy <= 11
    assert len(written) <= 3


def test_a_target_whose_stream_is_no_more_has_none(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": HEARD, "c": HEARD}, NOON)
    notes.note({"c": HEARD}, NOON + 1)
    assert list(told(store)) == ["c"]


def test_what_another_collector_left_behind_is_cleared(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": HEARD}, NOON)
    StreamNotes(store).note({}, NOON + 1)
    assert told(store) == {}


def test_while_no_collector_looks_it_is_not_observed(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": HEARD}, NOON)
    assert told(store, NOON + 30_000)["b"]["state"] == "heard"
    later = told(store, NOON + 31_000)["b"]
    assert (later["state"], later["cause"], later["since"]) == ("down", "observer_off", NOON)


def test_a_stream_of_a_project_is_seen_by_those_who_see_the_project(store: Store, notes: StreamNotes) -> None:
    targets.replace(store, [a_target("b", kind=Kind.BRIDGE, project="loom")], NOON)
    notes.note({"b": HEARD}, NOON)
    stranger = Actor(2, "otto", Role.VIEWER, (), "s")
    assert streams.current(store, stranger, NOON).empty


def pushed(at: int, **changes: object) -> Scrape:
    scrape = Scrape("b", at, at, 10.0, project="loom", pushed=True, measured=at)
    return replace(scrape, **changes)  # type: ignore[arg-type]


def test_all_changes_that_were_gathered_of_an_agent_become_events_and_the_last_one_stays(
    store: Store, notes: StreamNotes
) -> None:
    statuses = [AgentStatus.RUNNING, AgentStatus.FAILED, AgentStatus.RUNNING, AgentStatus.PAUSED]
    told_ = tuple(an_agent(status=status, measured_at=NOON + n) for n, status in enumerate(statuses))
    Recorder(store).append([pushed(NOON + 5, agents=told_)])
    assert agent_frames.current(store, ADMIN)["status"].tolist() == ["paused"]
    assert events.recent(store, ADMIN)["kind"].tolist()[::-1] == ["agent.failed", "agent.running", "agent.paused"]


def test_a_message_of_a_stream_becomes_an_event(store: Store, notes: StreamNotes) -> None:
    said = Event(NOON, "project.log", Level.WARNING, "Slow shard", target="b", project="loom", agent="weaver")
    Recorder(store).append([pushed(NOON, events=(said,))])
    [row] = events.recent(store, ADMIN).to_dict("records")
    assert (row["level"], row["text"], row["agent"], row["project"]) == ("warning", "Slow shard", "weaver", "loom")


def test_a_message_does_not_say_that_its_bridge_has_answered(store: Store, notes: StreamNotes) -> None:
    said = Event(NOON, "target.error", Level.ERROR, "Unknown project", target="b")
    Recorder(store).append([pushed(NOON, project="", events=(said,))])
    [row] = [row for row in targets.current(store) if row.name == "b"]
    assert row.measured_ms is None and row.answered_ms is None


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "now", "sentence"),
    [
        (HEARD, NOON, "heard <ago>"),
        (replace(HEARD, partial=True, cause=Cause.REJECTED), NOON, "heard <ago>, some projects by polling"),
        (SILENT, NOON, "connected, nothing heard for <for>, polling"),
        (DOWN, NOON, "down since <clock> (timeout), polling"),
        (replace(DOWN, cause=Cause.UNREACHABLE), NOON, "down since <clock> (unreachable), polling"),
        (HEARD, NOON + 60_000, "not observed since <clock>"),
    ],
)
def test_a_stream_is_told_in_words(
    store: Store, notes: StreamNotes, how: StreamStatus, now: int, sentence: str
) -> None:
    notes.note({"b": how}, NOON)
    assert words.plain(words.stream(told(store, now)["b"])) == sentence


# ── what people and programs are told ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    website = make_website(blueprints=[targets_api.blueprint])
    targets.replace(website.store, [a_target("b", kind=Kind.BRIDGE), a_target("shop")], NOON)
    return website


def test_the_api_tells_how_a_stream_is(site: Website) -> None:
    StreamNotes(site.store).note({"b": SILENT}, NOON)
    found = {target["name"]: target for target in site.signed_in("ada").get("/api/targets").json["targets"]}
    assert found["b"]["stream"] == {
        "state": "silent", "since": NOON - 40_000, "heardAt": NOON - 40_000, "cause": None,
    }  # fmt: skip
    assert found["shop"]["stream"] is None


def test_our_metrics_count_frames_by_type(site: Website) -> None:
    status = replace(DOWN, counts={"metrics": 7, "unknown": 2, "malformed": 1}, unused={"old": 3}, opened=4)
    StreamNotes(site.store).note({"b": status}, NOON)
    text = site.signed_in("ada").get("/metrics").text
    found = dict(re.findall(r"^observatory_stream_(\w+\{.+\}) (\S+)$", text, re.MULTILINE))
    assert found == {
        'frames_total{target="b",type="metrics"}': "7.0",
        'frames_total{target="b",type="unknown"}': "2.0",
        'frames_total{target="b",type="malformed"}': "1.0",
        'frames_unused_total{reason="old",target="b"}': "3.0",
        'connections_total{target="b"}': "4.0",
        'state{state="heard",target="b"}': "0.0",
        'state{state="silent",target="b"}': "0.0",
        'state{state="down",target="b"}': "1.0",
    }


def test_our_metrics_go_on_while_the_database_is_away(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_store: Store) -> None:
        raise StoreError("away")

    monkeypatch.setattr(stream_metrics.frames.streams, "counts", away)
    answer = site.signed_in("ada").get("/metrics")
    assert answer.status_code == 200 and "observatory_stream" not in answer.text


def test_a_stream_is_shown_by_shape_and_word(store: Store, notes: StreamNotes) -> None:
    notes.note({"b": DOWN}, NOON)
    mark = str(status.stream_mark(told(store)["b"]))
    assert "data-state='down'" in mark and "down since " in mark and "(timeout), polling" in mark
