"""The broadcast file: read as a stranger's, told once, and never the end of anything."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from observatory.collector import loop
from observatory.collector.broadcast import Broadcasts, latest
from observatory.collector.loop import Collector
from observatory.context import wall_clock
from observatory.errors import StoreError
from observatory.frames import events
from observatory.model import DAY, Actor, Role
from observatory.small_files import LARGEST
from observatory.store import broadcasts, topics
from observatory.store.engine import Store, open_store
from tests.support import simulator as simulators
from tests.support.clock import NOON, Clock
from tests.support.scraped import KEEP
from tests.support.waiting import wait_for

OTTO = Actor(4, "otto", Role.VIEWER, (), "s")
BREAKING = {"type": "BREAKING_CHANGE_DETECTED", "timestamp": "2026-01-01T06:00:00Z", "message": "Envelope renamed"}


def write(folder: Path, content: object) -> Path:
    path = folder / "broadcast.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def told(store: Store) -> list[tuple[str, str]]:
    df = events.recent(store, OTTO)
    return list(zip(df["level"], df["text"], strict=True))


def looking(store: Store, folder: Path, clock: Clock) -> Broadcasts:
    return Broadcasts(store, folder, clock)


def test_a_broadcast_becomes_an_event_once_over_restarts(store: Store, tmp_path: Path, clock: Clock) -> None:
    write(tmp_path, BREAKING)
    for _ in range(3):  # a restart each
        broadcasts_ = looking(store, tmp_path, clock)
        broadcasts_.look()
        broadcasts_.look()

    assert told(store) == [("error", "Breaking change: Envelope renamed")]


def test_another_type_or_time_is_another_broadcast(store: Store, tmp_path: Path, clock: Clock) -> None:
    look = looking(store, tmp_path, clock).look
    first, at_noon = "2026-01-01T06:00:00Z", "2026-01-01T07:00:00+01:00"  # the same moment
    for type, timestamp in (("INFO", first), ("WARNING", first), ("INFO", at_noon), ("INFO", NOON), ("WARNING", first)):
        write(tmp_path, {"type": type, "timestamp": timestamp})
        look()

    assert sorted(told(store)) == [("info", "Information"), ("info", "Information"), ("warning", "Warning")]


def test_two_collectors_tell_it_once(store: Store, store_url: str, tmp_path: Path, clock: Clock) -> None:
    write(tmp_path, BREAKING)
    other = open_store(store_url)
    ready = threading.Barrier(8)

    def look(own: Store) -> None:
        ready.wait(10)
        looking(own, tmp_path, clock).look()

    threads = [threading.Thread(target=look, args=(own,)) for own in (store, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    other.close()

    assert told(store) == [("error", "Breaking change: Envelope renamed")]


def test_what_was_told_is_no_news(store: Store, tmp_path: Path, clock: Clock) -> None:
    write(tmp_path, BREAKING)
    looking(store, tmp_path, clock).look()
    before = topics.position(store)

    looking(store, tmp_path, clock).look()

    assert topics.position(store) == before


def test_a_thousand_are_remembered_and_the_rest_forgotten(
    store: Store, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasts, "REMEMBERED", 3)
    look = looking(store, tmp_path, clock).look
    for number in range(6):
        write(tmp_path, {"type": "INFO", "timestamp": NOON + number * DAY})
        clock.advance(30)
        look()

    write(tmp_path, {"type": "INFO", "timestamp": NOON + 3 * DAY})
    looking(store, tmp_path, clock).look()
    assert len(told(store)) == 6

    write(tmp_path, {"type": "INFO", "timestamp": NOON})
    looking(store, tmp_path, clock).look()
    assert len(told(store)) == 7


def test_a_database_that_is_away_is_told_later(tmp_path: Path, clock: Clock, store: Store) -> None:
    write(tmp_path, BREAKING)
    away = open_store("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    seen = looking(away, tmp_path, clock)
    with pytest.raises(StoreError):
        seen.look()
    away.close()

    seen.store = store
    seen.look()

    assert len(told(store)) == 1


# ── files of every kind ──────────────────────────────────────────────────────────────────────────────────────────────


def nothing(_folder: Path) -> None:
    pass


def a_folder(folder: Path) -> None:
    (folder / "broadcast.json").mkdir()


def a_link(folder: Path) -> None:
    elsewhere = folder / "elsewhere.json"
    elsewhere.write_text(json.dumps(BREAKING))
    (folder / "broadcast.json").symlink_to(elsewhere)


def a_link_to_nothing(folder: Path) -> None:
    (folder / "broadcast.json").symlink_to(folder / "nothing")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "broadcast.json")


def a_device(folder: Path) -> None:
    (folder / "broadcast.json").symlink_to("/dev/zero")


def too_large(folder: Path) -> None:
    write(folder, json.dumps(BREAKING).encode() + b" " * LARGEST)


def half(folder: Path) -> None:
    write(folder, json.dumps(BREAKING).encode()[:-5])


def no_text(folder: Path) -> None:
    write(folder, b"\xff\xfe\x00")


def a_list(folder: Path) -> None:
    write(folder, [BREAKING])


def empty(folder: Path) -> None:
    write(folder, b"")


def unreadable(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write(folder, BREAKING).chmod(0)


@pytest.mark.parametrize(
    "make",
    [nothing, a_folder, a_link, a_link_to_nothing, a_pipe, a_device, too_large, half, no_text, a_list, empty,
     unreadable],
)  # fmt: skip
def test_what_is_no_broadcast_is_ignored(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    before = set(Path("/proc/self/fd").iterdir())

    assert latest(tmp_path) is None
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_folder_that_is_not_there_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, BREAKING)

    assert latest(tmp_path / "nowhere") is None
    assert latest(tmp_path / "broadcast.json") is None
    assert latest(tmp_path) is not None


# ── the collector ────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def collecting(store: Store, folder: Path | None) -> Iterator[Collector]:
    collector = Collector(store, list, clock=wall_clock, holder="one", keep=KEEP, shared_state=folder)
    thread = threading.Thread(target=collector.run, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.stop()
        thread.join(15)
        assert not thread.is_alive()


def broadcast_texts(store: Store) -> list[str]:
    df = events.recent(store, OTTO)
    return [str(text) for text in df[df["kind"].str.startswith("broadcast.")]["text"]]


def test_the_collector_looks_at_its_start_and_then_again_and_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "BROADCAST_SECONDS", 0.05)
    folder = tmp_path / "shared"
    with simulators.running(tmp_path / "log", "--broadcast-file", str(folder / "broadcast.json")) as devkit:
        devkit.control("broadcast", **BREAKING)
        with collecting(store, folder):
            wait_for(lambda: len(broadcast_texts(store)) == 1, what="the first")
            devkit.control("broadcast", raw="{ half")
            devkit.control("broadcast", type="UPDATE_AVAILABLE", version="3.2.0", timestamp="2026-01-01T07:00:00Z")
            wait_for(lambda: len(broadcast_texts(store)) == 2, what="the second")

    assert broadcast_texts(store) == ["Update available (3.2.0)", "Breaking change: Envelope renamed"]
