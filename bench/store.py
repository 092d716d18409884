"""What a sample costs: to write, to keep, and to read back; beside the plain way, a row a sample in SQLite."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench import stand
from bench.measure import Result, elapsed_each, main, scaled
from observatory.model import DAY, HOUR, MINUTE, Instant, Kind, Origin, Sample, Scrape, Target, Window
from observatory.store import chunks, rollups, samples, targets
from observatory.store.engine import Store, migrate, open_store
from observatory.store.points import POINT
from observatory.store.scrapes import Recorder

TARGETS, SERIES, STEP = 5, 20, 10_000
SINCE: Instant = 1_700_000_400_000 // HOUR * HOUR
TICKS = DAY // STEP
MONTH: Instant = SINCE // DAY * DAY
WHOLE = Window(SINCE, SINCE + DAY)
NAMES = [f"t{n}" for n in range(TARGETS)]
Values = npt.NDArray[np.float64]


def run() -> Sequence[Result]:
    values = day()
    with stand.folder() as at:
        store = open_store(f"sqlite:///{at / 'observatory.sqlite3'}")
        migrate(store)
        targets.replace(
            store, [Target(name, Kind.PROMETHEUS, "http://127.0.0.1:9/", Origin.FILE) for name in NAMES], SINCE
        )
        plain = Plain(at / "plain.sqlite3")
        count = TICKS * TARGETS * SERIES
        ours_cpu, plain_cpu = once(lambda: append(store, values)), once(lambda: plain.append(values))
        loose = used(at / "observatory.sqlite3") / count
        ids = [row.id for name in NAMES for row in samples.catalogue(store, name)]
        fresh = elapsed_each(lambda: samples.read(store, ids[:1], Window(WHOLE.until - HOUR, WHOLE.until)))
        packing = once(lambda: compact(store))
        kept = used(at / "observatory.sqlite3") / count
        answer = samples.read(store, ids, WHOLE)
        assert sum(len(column.at) for column in answer.values()) == count, "samples were lost"
        one, all_ = (
            elapsed_each(lambda: samples.read(store, ids[:1], WHOLE)),
            elapsed_each(lambda: samples.read(store, ids, WHOLE)),
        )
        plain_one, plain_all = elapsed_each(lambda: plain.read([0])), elapsed_each(lambda: plain.read(range(len(ids))))
        store.close()
        row = "SQLite, a row a sample"
        return [
            Result(
                "append", count / ours_cpu / 1000, "thousand samples a CPU second", None, row, count / plain_cpu / 1000
            ),
            Result(
                "append of a tick of 5 scrapes", ours_cpu / TICKS * 1000, "ms CPU", None, row, plain_cpu / TICKS * 1000
            ),
            Result("a sample, not yet compacted", loose, "bytes", None, row, plain.size() / count),
            Result("a sample, compacted", kept, "bytes", None, row, plain.size() / count),
            Result("compaction", count / packing / 1e6, "million samples a CPU second"),
            Result("read the last hour × 1, not compacted", scaled(fresh, 1000), "ms"),
            Result("read 24 h × 1", scaled(one, 1000), "ms", None, row, plain_one.middle * 1000),
            Result(f"read 24 h × {len(ids)}", scaled(all_, 1000), "ms", None, row, plain_all.middle * 1000),
            *month(),
        ]


def month() -> Sequence[Result]:
    """30 days of 10 series, packed into days; their points come in by the hour, as compaction leaves them."""
    whole = Window(MONTH, MONTH + 30 * DAY)
    with stand.folder() as at:
        store = open_store(f"sqlite:///{at / 'observatory.sqlite3'}")
        migrate(store)
        targets.replace(store, [Target(NAMES[0], Kind.PROMETHEUS, "http://127.0.0.1:9/", Origin.FILE)], MONTH)
        Recorder(store).append([scrape(NAMES[0], MONTH - DAY, [0.0] * 10)])
        ids = sorted(row.id for row in samples.catalogue(store, NAMES[0]))  # as points are in a chunk
        hours(store, ids, whole)
        before = used(at / "observatory.sqlite3")
        packing = once(lambda: compact(store, whole.until + 3 * HOUR))
        after, count = used(at / "observatory.sqlite3"), 30 * TICKS * len(ids)
        found = {
            step: elapsed_each(lambda step=step: rollups.read(store, ids, whole, step * MINUTE))  # type: ignore[misc]
            for step in (45, 60)
        }
        told = sum(int(rolled.count.sum()) for rolled in rollups.read(store, ids, whole, HOUR).values())
        assert told == count, "samples were lost"
        store.close()
    return [
        Result("a sample, by the hour, 30 days × 10", before / count, "bytes"),
        Result("a sample, by the day, with both roll-ups, 30 days × 10", after / count, "bytes", 1.5),
        Result("compaction of days", count / packing / 1e6, "million samples a CPU second"),
        Result("read 30 days × 10 to 960 points", scaled(found[45], 1000), "ms", 20),
        Result("read 30 days × 10 to 720 points", scaled(found[60], 1000), "ms", 20),
    ]


def hours(store: Store, ids: Sequence[int], window: Window) -> None:
    values = day()[:, 0, :].T  # counters, walks and steady ones
    chosen = values[np.linspace(0, SERIES - 1, len(ids)).astype(int)]
    for start in range(window.since, window.until, DAY):
        with store.write() as connection:
            for hour in range(24):
                part = slice(hour * HOUR // STEP, (hour + 1) * HOUR // STEP)
                points = np.empty((len(ids), HOUR // STEP), dtype=POINT)
                points["series"] = np.array(ids)[:, None]
                points["at"] = start + np.arange(TICKS)[part] * STEP
                points["value"] = chosen[:, part]
                chunks.store_chunks(connection, start + hour * HOUR, points.ravel())


def once(act: Callable[[], object]) -> float:
    """CPU seconds of one call: for what cannot be done again."""
    began = time.process_time()
    act()
    return time.process_time() - began


def day() -> Values:
    """Shape (ticks, targets, series): counters, gauges that walk, and some that hardly ever change."""
    random = np.random.default_rng(7)
    shape = (TICKS, TARGETS)
    counters = random.poisson(3.0, (*shape, SERIES // 2)).cumsum(axis=0)
    walks = np.round(50 + random.normal(0, 0.5, (*shape, SERIES // 4)).cumsum(axis=0), 2)
    steady = (random.random((*shape, SERIES - SERIES // 2 - SERIES // 4)) < 0.001).cumsum(axis=0)
    return np.concatenate([counters, walks, steady], axis=2).astype("float64")


def append(store: Store, values: Values) -> None:
    """As the collector does when its targets are read at one time: a transaction a tick."""
    recorder = Recorder(store)
    for tick, row in enumerate(values.tolist()):
        at = SINCE + tick * STEP
        recorder.append([scrape(name, at, mine) for name, mine in zip(NAMES, row, strict=True)])


def scrape(name: str, at: Instant, row: Sequence[float]) -> Scrape:
    read = tuple(Sample("value", value, (("shard", str(k)),)) for k, value in enumerate(row))
    return Scrape(name, at, at + 4, STEP / 1000, samples=read)


def compact(store: Store, now: Instant = WHOLE.until + 2 * HOUR) -> None:
    while chunks.compact(store, now):
        pass


def used(path: Path) -> int:
    """Bytes of the file's pages that hold something; free ones are used again by what comes."""
    with sqlite3.connect(path) as connection:
        size, pages, free = (
            connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_size", "page_count", "freelist_count")
        )
    connection.close()
    return int(size * (pages - free))


class Plain:
    """A row a sample: what everybody would write first, with the better of the usual keys."""

    def __init__(self, path: Path) -> None:
        self.path, self.database = path, sqlite3.connect(path)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute(
            "CREATE TABLE sample (series INTEGER, at INTEGER, value REAL, PRIMARY KEY (series, at)) WITHOUT ROWID"
        )

    def append(self, values: Values) -> None:
        for tick, row in enumerate(values.reshape(TICKS, -1).tolist()):
            with self.database:
                self.database.executemany("INSERT INTO sample VALUES (?, ?, ?)", self.rows(tick, row))
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @staticmethod
    def rows(tick: int, row: Sequence[float]) -> Iterator[tuple[int, int, float]]:
        return ((key, SINCE + tick * STEP, value) for key, value in enumerate(row))

    def read(self, keys: Sequence[int]) -> list[npt.NDArray[np.float64]]:
        query = "SELECT at, value FROM sample WHERE series = ? AND at >= ? AND at < ? ORDER BY at"
        return [np.array(self.database.execute(query, (key, WHOLE.since, WHOLE.until)).fetchall()) for key in keys]

    def size(self) -> int:
        return used(self.path)


if __name__ == "__main__":
    main("store", run)
