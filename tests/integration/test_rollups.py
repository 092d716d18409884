"""What is stored is read back as the plain list says, in samples and in buckets, whatever was packed since."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, event, select

from observatory.model import DAY, HOUR, MINUTE, Instant, Sample, Window
from observatory.store import chunks, rollups, samples, targets
from observatory.store.engine import Store, migrate, open_store
from observatory.store.schema import chunks as hour_chunks
from observatory.store.schema import day_chunks, readings, runs, scrapes
from observatory.store.schema import events as events_table
from observatory.store.schema import rollups as rolled_up
from observatory.store.schema import series as series_table
from observatory.store.scrapes import Recorder
from tests.support.scraped import KEEP, NOON, a_scrape, a_target

MIDNIGHT = NOON // DAY * DAY
ALL = Window(MIDNIGHT - 20 * DAY, MIDNIGHT + 40 * DAY)
Plain = dict[Instant, float]
STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 7 * HOUR, DAY)


class Crashed(Exception):
    """The process ends here, as far as the transaction can tell."""


@contextmanager
def crashing_at(store: Store, statement: int) -> Iterator[None]:
    """Within it the writer fails before its n-th statement."""
    seen = 0

    def fail(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen > statement:
            raise Crashed

    event.listen(store.writer, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(store.writer, "before_cursor_execute", fail)


def plainly_rolled(plain: Plain, window: Window, step: int) -> list[tuple[float, ...]]:
    """The oracle: buckets by counting."""
    wide = range(window.since // step * step, -(-window.until // step) * step)
    found: dict[int, list[tuple[float, float]]] = {}
    before = math.nan
    for at, value in sorted(plain.items()):
        if at in wide and not math.isnan(value):
            rise = 0.0 if math.isnan(before) else value if value < before else value - before
            found.setdefault(at // step * step, []).append((value, rise))
            before = value
    return [
        (at, len(two), min(two)[0], max(two)[0], sum(v for v, _ in two), two[0][0], two[-1][0], sum(r for _, r in two))
        for at, two in found.items()
    ]


def rolled(store: Store, key: int, window: Window, step: int) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in rollups.read(store, [key], window, step)[key]), strict=True))


def empty(store: Store) -> None:
    with store.write() as connection:
        for table in (hour_chunks, day_chunks, rolled_up, scrapes, readings, runs, events_table, series_table):
            connection.execute(delete(table))


class History(RuleBasedStateMachine):
    """Two series and a plain list each; `old` are the days of which only roll-ups are kept."""

    store: Store
    compared: int

    def __init__(self) -> None:
        super().__init__()
        empty(self.store)
        targets.replace(self.store, [a_target()], NOON)
        self.recorder = Recorder(self.store)
        self.now: Instant = MIDNIGHT + 9 * HOUR
        self.plain: tuple[Plain, Plain] = ({}, {})
        self.old: tuple[Plain, Plain] = ({}, {})
        self.append([(0, 0, 1.0), (1, 0, 1.0)])
        found = {row.labels: row.id for row in samples.catalogue(self.store, "a", ["load"])}
        self.ids = [found[f'[["n", "{n}"]]'] for n in (0, 1)]

    @rule(
        points=st.lists(
            st.tuples(
                st.sampled_from([0, 0, 1]),
                st.one_of(st.integers(0, 12), st.integers(0, 4 * 24 * 12)).map(lambda n: n * 5 * MINUTE),
                st.sampled_from([0.0, 1.0, 2.0, 5.0, 40.0, math.nan]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    def append(self, points: Sequence[tuple[int, int, float]]) -> None:
        """Late, out of order and twice, as a service does that reports its own past."""
        self.now += 1000
        told = [(n, self.now - back - back % 7, value) for n, back, value in points]
        self.recorder.append(
            [a_scrape(self.now, samples=tuple(Sample("load", v, (("n", str(n)),), at=at) for n, at, v in told))]
        )
        for n, at, value in told:
            if not self.forgotten(n, at):
                self.plain[n][at] = value

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(bites=st.integers(1, 12))
    def compact(self, bites: int) -> None:
        for _ in range(bites):
            chunks.compact(self.store, self.now)

    @rule(statement=st.integers(0, 12))
    def crash(self, statement: int) -> None:
        with crashing_at(self.store, statement), suppress(Crashed):
            chunks.compact(self.store, self.now)

    @rule(days=st.integers(1, 4))
    def forget(self, days: int) -> None:
        """As the collector does it: first everything is packed."""
        self.now += 3 * HOUR
        while chunks.compact(self.store, self.now):
            pass
        while chunks.forget(self.store, self.now, KEEP._replace(raw=days * DAY)):
            pass
        for plain, old in zip(self.plain, self.old, strict=True):
            gone = {at: value for at, value in plain.items() if at // DAY * DAY <= self.now - (days + 1) * DAY}
            for at, value in gone.items():
                del plain[at]
                if not math.isnan(value):
                    old[at] = value

    @invariant()
    def samples_are_the_plain_list(self) -> None:
        for n, key in enumerate(self.ids):
            column = samples.read(self.store, [key], ALL)[key]
            found = [
                (at, repr(value))
                for at, value in zip(column.at.tolist(), column.value.tolist(), strict=True)
                if not self.forgotten(n, at)
            ]
            assert found == [(at, repr(value)) for at, value in sorted(self.plain[n].items())]

    @rule(step=st.sampled_from(STEPS), since=st.integers(-5 * 24, 1), length=st.integers(1, 200))
    def look(self, step: int, since: int, length: int) -> None:
        start = self.now + since * HOUR
        self.compare(Window(start, start + length * HOUR), step)

    @invariant()
    def buckets_are_those_of_the_plain_list(self) -> None:
        self.compare(ALL, 5 * MINUTE)
        self.compare(ALL, HOUR)

    def compare(self, window: Window, step: int) -> None:
        type(self).compared += 1
        for n, key in enumerate(self.ids):
            if step % (5 * MINUTE) and self.old[n]:
                continue  # such a step sees no roll-up, but what came late for one until it is dropped
            plain = self.old[n] | self.plain[n]
            assert rolled(self.store, key, window, step) == plainly_rolled(plain, window, step)

    def forgotten(self, n: int, at: Instant) -> bool:
        return at // DAY in {old // DAY for old in self.old[n]}


def play(store: Store, examples: int) -> int:
    """Play histories; answers how often the store was held against the plain list."""
    machine = type("Kept", (History,), {"store": store, "compared": 0})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    return machine.compared


def test_history_is_the_plain_list_on_sqlite(tmp_path: Path, full_size: bool) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'observatory.sqlite3'}")
    migrate(store)
    try:
        assert play(store, 500 if full_size else 40) > 40
    finally:
        store.close()


@pytest.mark.postgres
def test_history_is_the_plain_list_on_postgres(postgres_database: str, full_size: bool) -> None:
    store = open_store(postgres_database)
    migrate(store)
    try:
        assert play(store, 100 if full_size else 3) > 3
    finally:
        store.close()


def a_past(store: Store, days: int) -> int:
    """A counter read every minute for some days before NOON, packed; answers its id."""
    targets.replace(store, [a_target()], NOON)
    ticks = range(NOON - days * DAY, NOON, MINUTE)
    recorder = Recorder(store)
    for start in range(0, len(ticks), 1440):
        recorder.append([a_scrape(at, float(at // MINUTE % 1000)) for at in ticks[start : start + 1440]])
    while chunks.compact(store, NOON + 2 * HOUR):
        pass
    return int(samples.catalogue(store, "a", ["load"])[0].id)


def test_a_closed_day_is_one_row_a_series_and_a_long_range_reads_few_of_them(store: Store) -> None:
    key = a_past(store, 3)

    with store.read() as connection:
        days = connection.execute(select(day_chunks.c.day_ms, day_chunks.c.count)).all()
        rows = connection.execute(select(rolled_up.c.step_ms, rolled_up.c.count).order_by(rolled_up.c.id)).all()
    assert sorted(days) == [(MIDNIGHT - 3 * DAY, 720), (MIDNIGHT - 2 * DAY, 1440), (MIDNIGHT - DAY, 1440)]
    assert sorted(rows) == [(5 * MINUTE, 1440), (5 * MINUTE, 2160), (HOUR, 3600)]
    assert sum(rollups.read(store, [key], ALL, HOUR)[key].count) == 3 * 1440


def test_each_age_forgets_by_itself_and_hours_outlive_the_rest(store: Store) -> None:
    key = a_past(store, 4)

    keep = chunks.Keep(raw=DAY // 4, fine=DAY, coarse=400 * DAY)
    while chunks.forget(store, NOON, keep):
        pass

    of = {step: rollups.read(store, [key], ALL, step)[key] for step in (MINUTE, 5 * MINUTE, HOUR)}
    assert {step: found.at[:1].tolist() for step, found in of.items()} == {
        MINUTE: [MIDNIGHT],  # the day that is not over
        5 * MINUTE: [MIDNIGHT - DAY],  # a week is kept until its last day is past its retention
        HOUR: [NOON - 4 * DAY],
    }


def test_what_comes_for_a_day_whose_samples_are_forgotten_changes_no_roll_up(store: Store) -> None:
    key = a_past(store, 4)
    keep = KEEP._replace(raw=DAY)
    while chunks.forget(store, NOON, keep):
        pass
    before = rolled(store, key, ALL, HOUR)

    late = Sample("load", 1e9, at=NOON - 3 * DAY)
    Recorder(store).append([a_scrape(NOON, samples=(late,))])
    pending = rolled(store, key, ALL, HOUR)
    while chunks.compact(store, NOON + 4 * HOUR):
        pass

    assert pending == before
    assert rolled(store, key, ALL, HOUR) == before


def test_no_age_is_shorter_than_a_finer_one() -> None:
    assert chunks.Keep(raw=10, fine=5, coarse=7).ages == (10, 10, 10)


def test_a_step_rises_from_bucket_to_bucket_and_a_reset_counts_from_zero(store: Store) -> None:
    key = a_past(store, 1)

    hourly = rollups.read(store, [key], ALL, HOUR)[key]

    minutes = [at // MINUTE % 1000 for at in range(NOON - DAY, NOON, MINUTE)]
    rises = sum(b - a if b >= a else b for a, b in pairwise(minutes))
    assert sum(hourly.increase) == rises
    assert len(hourly.at) == 24


def test_who_is_not_known_is_absent_and_who_is_silent_is_empty(store: Store) -> None:
    key = a_past(store, 1)

    found = rollups.read(store, [key, key + 1], Window(NOON + DAY, NOON + 2 * DAY), HOUR)

    assert list(found) == [key]
    assert [len(column) for column in found[key]] == [0] * 8
    assert rollups.read(store, [], ALL, HOUR) == {}
