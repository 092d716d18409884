"""What goes in through the front door comes out again: once, whole, in order; on both databases."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from observatory.errors import SchemaOutdated, StoreError
from observatory.model import DAY, HOUR, AgentStatus, Cause, Instant, Origin, Project, Sample, Scrape, Window
from observatory.store import agents, chunks, events, leases, runs, samples, scrapes, targets, topics
from observatory.store.engine import Store, migrate, open_store, require_schema
from observatory.store.schema import metadata
from observatory.store.schema import scrapes as scrapes_table
from observatory.store.scrapes import Recorder
from tests.support.scraped import NOON, a_failure, a_scrape, a_target, an_agent

ALL = Window(NOON - DAY, NOON + DAY)


@pytest.fixture
def recorder(store: Store) -> Recorder:
    targets.replace(store, [a_target()], NOON)
    return Recorder(store)


def values(store: Store, window: Window = ALL, name: str = "load") -> list[tuple[Instant, float]]:
    found = samples.catalogue(store, "a", [name])
    column = samples.read(store, [found[0].id], window)[found[0].id]
    return list(zip(column.at.tolist(), column.value.tolist(), strict=True))


def compact_all(store: Store, now: Instant) -> int:
    bites = 0
    while chunks.compact(store, now):
        bites += 1
    return bites


def outcome(store: Store) -> list[tuple[Instant, Instant, str]]:
    return [(row.since_ms - NOON, row.until_ms - NOON, row.cause) for row in runs.within(store, ["a"], ALL)]


# ── the schema ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_migrations_make_the_tables_the_code_describes(store: Store) -> None:
    with store.writer.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []


def test_a_database_that_was_never_migrated_is_refused_with_the_command_to_run(store_url: str) -> None:
    fresh = open_store(store_url)

    with pytest.raises(SchemaOutdated, match="observatory migrate"):
        require_schema(fresh)

    fresh.close()


def test_migrating_twice_changes_nothing(store: Store) -> None:
    before = topics.position(store)

    migrate(store)
    require_schema(store)

    assert topics.position(store) == before


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError), store.read() as connection:
        connection.execute(text("DELETE FROM revision"))

    assert topics.position(store).epoch


def test_a_database_that_is_not_there_is_a_store_error() -> None:
    absent = open_store("postgresql+psycopg://nobody@127.0.0.1:9/nothing")

    with pytest.raises(StoreError):
        topics.position(absent)


# ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_samples_come_back_in_time_order_however_they_were_appended(recorder: Recorder, store: Store) -> None:
    late_first = [a_scrape(NOON + at * 1000, at) for at in (30, 10, 20, 0)]
    for scrape in late_first:
        recorder.append([scrape])

    assert values(store) == [(NOON + at * 1000, at) for at in (0, 10, 20, 30)]


def test_the_same_scrape_twice_is_written_once(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0)])
    Recorder(store).append([a_scrape(NOON, 1.0), a_scrape(NOON + 10_000, 2.0)])

    with store.read() as connection:
        rows = connection.execute(select(scrapes_table.c.started_ms)).scalars().all()
    assert sorted(rows) == [NOON, NOON + 10_000]


def test_of_two_values_for_one_millisecond_the_later_received_wins(recorder: Recorder, store: Store) -> None:
    reported = [Sample("load", 1.0, at=NOON)], [Sample("load", 2.0, at=NOON)]
    recorder.append([a_scrape(NOON + 60_000, samples=tuple(reported[0]))])
    recorder.append([a_scrape(NOON + 70_000, samples=tuple(reported[1]))])

    before = values(store)
    compact_all(store, NOON + 3 * HOUR)

    assert before == [(NOON, 2.0)]
    assert values(store) == [(NOON, 2.0)]


def test_compaction_changes_no_number_and_empties_the_rows(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON + at * 10_000, math.sin(at)) for at in range(3 * 360)])
    before = values(store)

    bites = compact_all(store, NOON + 4 * HOUR + HOUR)

    with store.read() as connection:
        left = connection.execute(select(scrapes_table.c.id)).all()
    assert bites == 3
    assert left == []
    assert values(store) == before
    assert len(before) == 1080


def test_what_comes_late_into_a_packed_hour_is_read_at_once_and_packed_with_it(
    recorder: Recorder, store: Store
) -> None:
    recorder.append([a_scrape(NOON, 1.0), a_scrape(NOON + 20_000, 3.0)])
    compact_all(store, NOON + 2 * HOUR)
    recorder.append([a_scrape(NOON + 10_000, 2.0)])

    merged = values(store)
    compact_all(store, NOON + 2 * HOUR)

    assert merged == [(NOON, 1.0), (NOON + 10_000, 2.0), (NOON + 20_000, 3.0)]
    assert values(store) == merged


def test_the_hour_that_is_not_over_is_left_alone(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0)])

    assert not chunks.compact(store, NOON + HOUR)


def test_a_failed_scrape_keeps_what_the_service_said_after_its_hour_is_packed(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0), a_failure(NOON + 10_000, Cause.MALFORMED, detail="<html>")])
    compact_all(store, NOON + 2 * HOUR)

    kept = scrapes.log(store, "a", 10)

    assert [(row.started_ms, row.cause, row.detail) for row in kept] == [(NOON + 10_000, "malformed", "<html>")]


def test_retention_forgets_what_is_older_and_nothing_else(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON - 2 * DAY, 1.0), a_scrape(NOON, 2.0)])
    compact_all(store, NOON + 2 * HOUR)

    while chunks.forget(store, NOON + 2 * HOUR, chunks.Keep(DAY, DAY, DAY)):
        pass

    assert values(store, Window(NOON - 3 * DAY, NOON + DAY)) == [(NOON, 2.0)]


def test_a_target_that_was_removed_meanwhile_takes_nothing_with_it(recorder: Recorder, store: Store) -> None:
    stranger = Scrape("b", NOON, NOON + 5, 10.0, samples=(Sample("load", 9.0),))

    recorder.append([stranger, a_scrape(NOON, 1.0)])

    assert values(store) == [(NOON, 1.0)]


def test_a_failed_transaction_leaves_no_id_behind_in_the_recorder(recorder: Recorder, store: Store) -> None:
    class Odd(float):
        """A value that no array takes: the transaction is under way when it fails."""

        def __float__(self) -> float:
            raise SQLAlchemyError("the connection was lost")

    with pytest.raises(StoreError):
        recorder.append([a_scrape(NOON, 1.0, name="fresh"), a_scrape(NOON + 1, samples=(Sample("other", Odd()),))])
    recorder.append([a_scrape(NOON, 1.0, name="fresh")])

    assert values(store, name="fresh") == [(NOON, 1.0)]


def test_the_newest_value_of_each_series_survives_a_failure_and_a_partial_push(
    recorder: Recorder, store: Store
) -> None:
    recorder.append([a_scrape(NOON, samples=(Sample("x", 1.0), Sample("y", 2.0)))])
    recorder.append([a_failure(NOON + 10_000)])
    recorder.append([a_scrape(NOON + 12_000, 5.0, name="y", pushed=True)])

    latest = samples.latest(store, "a")
    named = {row.id: row.name for row in samples.catalogue(store, "a")}

    assert {named[key]: point for key, point in latest.points.items()} == {
        "x": (NOON, 1.0),
        "y": (NOON + 12_000, 5.0),
    }
    assert latest.readings[""].cause == "timeout"  # a push says nothing of whether the target answers
    assert latest.readings[""].measured_ms == NOON


def test_a_service_whose_clock_is_ahead_cannot_hold_up_what_comes_after(recorder: Recorder, store: Store) -> None:
    ahead = Sample("x", 1.0, at=NOON + 5 * DAY)
    recorder.append([a_scrape(NOON, samples=(ahead, Sample("y", 1.0)))])
    recorder.append([a_scrape(NOON + 10_000, samples=(Sample("x", 2.0), Sample("y", 2.0)))])

    latest = samples.latest(store, "a")

    assert sorted(latest.points.values()) == [(NOON + 10_000, 2.0)] * 2


def test_a_clock_set_back_does_not_keep_an_old_picture(store: Store) -> None:
    targets.replace(store, [a_target()], NOON)
    now = NOON
    recorder = Recorder(store, lambda: now)
    recorder.append([a_scrape(NOON, 1.0)])
    now = NOON - HOUR
    recorder.append([a_failure(now)])

    row = targets.current(store)[0]

    assert (row.cause, row.started_ms) == ("timeout", NOON - HOUR)


def test_what_no_text_may_hold_is_replaced_and_the_rest_is_kept(recorder: Recorder, store: Store) -> None:
    recorder.append([a_failure(NOON, Cause.MALFORMED, detail="GIF89a\0\1")])

    assert scrapes.log(store, "a", 1)[0].detail == "GIF89a\N{REPLACEMENT CHARACTER}\1"


# ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_outcomes_are_kept_as_runs_with_their_cause(recorder: Recorder, store: Store) -> None:
    good = [a_scrape(NOON + at) for at in (0, 10_000, 20_000)]
    bad = [a_failure(NOON + at) for at in (30_000, 40_000)]

    recorder.append([*good, *bad, a_scrape(NOON + 50_000)])

    assert outcome(store) == [(0, 30_000, ""), (30_000, 50_000, "timeout"), (50_000, 60_000, "")]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_runs_cover_the_same_time_in_whatever_order_scrapes_arrive(
    recorder: Recorder, store: Store, order: Sequence[int]
) -> None:
    scrapes = [a_scrape(NOON), a_scrape(NOON + 10_000), a_failure(NOON + 20_000), a_scrape(NOON + 30_000)]

    for place in order:
        recorder.append([scrapes[place]])

    down = [(since, until) for since, until, cause in outcome(store) if cause]
    up = sum(until - since for since, until, cause in outcome(store) if not cause)
    assert down == [(20_000, 30_000)]
    assert up == 30_000


def test_time_in_which_nobody_looked_is_in_no_run(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON), a_scrape(NOON + HOUR)])

    assert outcome(store) == [(0, 10_000, ""), (HOUR, HOUR + 10_000, "")]


def test_a_failure_holds_until_a_backed_off_target_is_asked_again(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON), a_failure(NOON + 10_000, holds=60.0), a_scrape(NOON + 70_000)])

    assert outcome(store) == [(0, 10_000, ""), (10_000, 70_000, "timeout"), (70_000, 80_000, "")]


def test_a_change_of_outcome_is_an_event_and_a_repeated_one_is_not(recorder: Recorder, store: Store) -> None:
    for at, cause in enumerate([None, Cause.TIMEOUT, Cause.TIMEOUT, None]):
        recorder.append([a_scrape(NOON + at * 10_000, cause=cause)])

    told = events.recent(store, 10)

    assert [(row.kind, row.at_ms - NOON) for row in told] == [("target.up", 30_000), ("target.down", 10_000)]
    assert "timeout" in told[1].text


def test_a_dead_bridge_is_one_event_and_not_one_for_each_project(recorder: Recorder, store: Store) -> None:
    for at, cause in ((0, None), (10_000, Cause.UNREACHABLE), (20_000, None)):
        own = a_scrape(NOON + at, cause=cause)
        recorder.append([own, *(a_scrape(NOON + at + 1, cause=cause, project=name) for name in ("loom", "kiln"))])

    assert [row.kind for row in events.recent(store, 10)] == ["target.up", "target.down"]


def test_a_project_that_fails_alone_is_an_event(recorder: Recorder, store: Store) -> None:
    for at, cause in ((0, None), (10_000, Cause.HTTP_ERROR), (20_000, None)):
        recorder.append([a_scrape(NOON + at), a_scrape(NOON + at + 1, cause=cause, project="loom")])

    assert [row.kind for row in events.recent(store, 10)] == ["project.up", "project.down"]


def test_a_failure_told_late_takes_nothing_from_what_was_seen_after_it(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON + at * 10_000) for at in range(10)])
    recorder.append([a_failure(NOON + 15_000)])

    assert outcome(store) == [(0, 15_000, ""), (15_000, 25_000, "timeout"), (25_000, 100_000, "")]
    assert events.recent(store, 5) == []  # it is over already: nobody need be told


# ── revisions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_append_raises_the_revision_and_is_told_to_readers_once(recorder: Recorder, store: Store) -> None:
    start = topics.position(store).revision
    first = recorder.append([a_scrape(NOON, 1.0)])
    second = recorder.append([a_scrape(NOON + 10_000, 2.0)])

    told = scrapes.since(store, first)

    assert start < first < second == topics.position(store).revision
    assert [(item.revision, item.points["value"].tolist()) for item in told] == [(second, [2.0])]


def test_topics_tell_what_changed(recorder: Recorder, store: Store) -> None:
    recorder.append([a_scrape(NOON, 1.0)])
    quiet = recorder.append([a_scrape(NOON + 10_000, 2.0)])

    recorder.append([a_failure(NOON + 20_000)])

    assert topics.touched_since(store, quiet) == {"targets", "events"}


# ── targets, agents, projects ───────────────────────────────────────────────────────────────────────────────────────


def test_a_target_that_is_no_longer_wanted_is_gone_and_comes_back_as_itself(store: Store) -> None:
    first = targets.replace(store, [a_target("a"), a_target("b")], NOON)
    targets.replace(store, [a_target("b")], NOON + 1000)
    gone = {row.name: row.gone_ms for row in targets.current(store)}

    again = targets.replace(store, [a_target("a"), a_target("b", origin=Origin.ADMIN)], NOON + 2000)

    assert gone == {"a": NOON + 1000, "b": None}
    assert first == again
    assert {row.name: (row.gone_ms, row.origin) for row in targets.current(store)} == {
        "a": (None, "file"),
        "b": (None, "admin"),
    }


def with_agents(started: Instant, *reported: object, **changes: object) -> Scrape:
    return a_scrape(started, project="loom", agents=tuple(reported), agents_complete=True, **changes)


def test_an_agent_keeps_the_time_its_status_began(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON, an_agent())])
    recorder.append([with_agents(NOON + 10_000, an_agent(task="Index sources"))])
    recorder.append([with_agents(NOON + 20_000, an_agent(status=AgentStatus.FAILED, error="Timed out"))])

    agent = agents.current(store)[0]

    assert (agent.status, agent.since_ms, agent.measured_ms) == ("failed", NOON + 20_000, NOON + 20_000)
    assert [(row.kind, row.text) for row in events.recent(store, 5)] == [
        ("agent.failed", "Weaver is failed: Timed out")
    ]


def test_an_agent_from_the_future_is_believed_for_now_only(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON, an_agent(measured_at=NOON + DAY))])
    recorder.append([with_agents(NOON + 10_000, an_agent(status=AgentStatus.FAILED))])

    assert agents.current(store)[0].status == "failed"


def test_a_reading_that_changes_nothing_of_an_agent_is_no_news(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON, an_agent(task="Index sources", task_progress=10.0))])
    before = topics.position(store).revision
    recorder.append([with_agents(NOON + 10_000, an_agent(task="Index sources", task_progress=11.0))])

    assert "agents" not in topics.touched_since(store, before)


def test_an_older_word_about_an_agent_never_replaces_a_newer_one(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON + 10_000, an_agent(status=AgentStatus.PAUSED))])
    recorder.append([with_agents(NOON, an_agent(status=AgentStatus.RUNNING))])

    assert agents.current(store)[0].status == "paused"


def test_a_pushed_status_keeps_what_it_does_not_speak_of(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON, an_agent(tasks_completed=7.0, type="orchestrator"))])
    pushed = replace(an_agent(status=AgentStatus.FAILED), name="")
    recorder.append([a_scrape(NOON + 5000, project="loom", agents=(pushed,), pushed=True)])

    agent = agents.current(store)[0]

    assert (agent.name, agent.type, agent.status, agent.tasks_completed) == ("Weaver", "orchestrator", "failed", 7.0)


@pytest.mark.parametrize("status", [AgentStatus.IDLE, AgentStatus.PAUSED, AgentStatus.COMPLETED])
def test_the_streams_coarse_word_does_not_contradict_a_finer_one(
    recorder: Recorder, store: Store, status: AgentStatus
) -> None:
    recorder.append([with_agents(NOON, an_agent(status=status))])
    coarse = an_agent(status=AgentStatus.IDLE, reported_status="stopped")
    recorder.append([a_scrape(NOON + 5000, project="loom", agents=(coarse,), pushed=True)])

    assert agents.current(store)[0].status == status
    assert events.recent(store, 5) == []


def test_an_agent_that_a_full_list_leaves_out_is_gone(recorder: Recorder, store: Store) -> None:
    recorder.append([with_agents(NOON, an_agent("weaver"), an_agent("shears"))])
    recorder.append([with_agents(NOON + 10_000, an_agent("shears"))])

    assert [row.id for row in agents.current(store)] == ["shears"]


def test_a_change_of_the_project_list_is_told_and_a_repeated_list_is_not(recorder: Recorder, store: Store) -> None:
    loom, kiln = Project("loom", "Loom"), Project("kiln", "Kiln")
    recorder.append([a_scrape(NOON, projects=(loom, kiln))])
    same = recorder.append([a_scrape(NOON + 10_000, projects=(loom, kiln))])
    after_same = topics.touched_since(store, same - 1)

    recorder.append([a_scrape(NOON + 20_000, projects=(loom,))])

    assert "projects" not in after_same
    assert "projects" in topics.touched_since(store, same)


# ── leases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_has_one_holder_until_it_runs_out(store: Store) -> None:
    first = leases.take(store, "collector", "one", NOON, 10)
    refused = leases.take(store, "collector", "two", NOON + 9_999, 10)
    taken = leases.take(store, "collector", "two", NOON + 10_000, 10)

    assert first is not None
    assert refused is None
    assert taken is not None
    assert taken.epoch == first.epoch + 1


def test_renewing_keeps_the_epoch_and_letting_go_frees_the_lease(store: Store) -> None:
    first = leases.take(store, "collector", "one", NOON, 10)
    renewed = leases.take(store, "collector", "one", NOON + 5_000, 10)
    leases.release(store, "collector", "one", NOON + 6_000)

    assert first is not None
    assert renewed is not None
    assert renewed.epoch == first.epoch
    assert leases.take(store, "collector", "two", NOON + 6_000, 10) is not None
