"""The list of what to watch: a file that is written while we run, sources that come and go, and their collector."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from observatory import config, discovery
from observatory.collector.loop import Collector
from observatory.context import wall_clock
from observatory.errors import ConfigurationError
from observatory.frames import events, services
from observatory.model import (
    Actor,
    Cause,
    Event,
    Kind,
    Level,
    McpContext,
    McpServer,
    Origin,
    Project,
    Role,
    Window,
)
from observatory.registry import Registry
from observatory.store import runs, targets, watchlist
from observatory.store.engine import Store
from observatory.store.scrapes import Recorder
from observatory.store.watchlist import Definition
from tests.support.answering import Answering, answer, saying, serving
from tests.support.clock import NOON, Clock
from tests.support.processes import free_port
from tests.support.scraped import KEEP, a_scrape, a_target
from tests.support.told import a_record
from tests.support.waiting import wait_for

ADMIN = Actor(1, "ada", Role.ADMIN, (), "s")
SHOP = '[[target]]\nname = "shop"\nkind = "http"\nurl = "http://shop.example"\n'
MILL = SHOP.replace("shop", "mill")
FINE = saying(answer(200, {"status": "ok"}))
FAR, NEAR = "http://bridge.example", "http://127.0.0.1:52521"
IDENTITY = {"/mcp/health": {"config": {"name": "Loom MCP", "version": "1"}}}


class Desk:
    """A registry over a real file; what is written there is seen at the next look, however quick it follows."""

    def __init__(self, folder: Path, store: Store, clock: Clock, text: str | None = SHOP, **environ: str) -> None:
        self.path = folder / "observatory.toml"
        self.path.write_text(text or "")
        self.store = store
        self.environ = {"OBSERVATORY_DATA": str(folder / "data"), "OBSERVATORY_CONFIG": str(self.path), **environ}
        self.settings = config.load(self.environ)
        self.registry = Registry(self.settings, store, clock=clock, environ=self.environ)
        self.registry.news()

    def write(self, text: str) -> bool:
        """Whether the registry has news after it."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)  # another inode: also a change within one tick of the file system's clock
        return self.registry.news()

    def names(self) -> set[str]:
        return {target.name for target in self.registry()} - {"observatory"}

    def told(self) -> list[tuple[str, str]]:
        df = events.recent(self.store, ADMIN)
        return list(zip(df["kind"], df["text"], strict=True))[::-1]


@pytest.fixture
def desk(tmp_path: Path, store: Store, clock: Clock) -> Desk:
    return Desk(tmp_path, store, clock)


def port_of(server: Answering) -> int:
    return int(server.url.rpartition(":")[2])


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_written_while_we_run_is_read(desk: Desk) -> None:
    assert desk.names() == {"shop"}
    assert not desk.registry.news()

    assert desk.write(SHOP + MILL)

    assert desk.names() == {"shop", "mill"}
    assert desk.told() == [("targets.file_changed", "observatory.toml was read again. Added: mill.")]


def test_a_broken_file_leaves_the_last_good_list_and_tells_every_fault_once(desk: Desk) -> None:
    broken = SHOP.replace('"http"', '"gopher"') + "intervall = 3\n[settings]\nport = 'high'\n"

    assert not desk.write(broken)
    assert not desk.registry.news()
    desk.registry.explore()  # reads it once more

    assert desk.names() == {"shop"}
    [(kind, text)] = desk.told()
    assert kind == "targets.file_broken"
    for fault in ("kind must be one of", "unknown key 'intervall'", "port in observatory.toml must be a port number"):
        assert fault in text
    assert "What it named before is watched on." in text
    assert str(desk.path.parent) not in text


@pytest.mark.parametrize("broken", ["[[target", "\xff", "target = 4", "[settings]\nnothing = 1", SHOP + SHOP])
def test_each_way_of_being_broken_is_told(desk: Desk, broken: str) -> None:
    desk.path.write_bytes(broken.encode("latin-1"))
    desk.registry.explore()

    assert desk.names() == {"shop"}
    assert [kind for kind, _ in desk.told()] == ["targets.file_broken"]


def test_another_broken_content_is_told_again_and_mending_too(desk: Desk) -> None:
    for text in ("[[target", "[[targe", SHOP + MILL):
        desk.write(text)

    assert [kind for kind, _ in desk.told()] == ["targets.file_broken", "targets.file_broken", "targets.file_mended"]
    assert desk.told()[-1][1] == "observatory.toml can be read again. Added: mill."


def test_a_missing_file_leaves_the_last_good_list_until_it_is_back(desk: Desk) -> None:
    desk.path.unlink()
    assert not desk.registry.news()
    assert not desk.registry.news()
    assert desk.names() == {"shop"}

    desk.write(SHOP)

    assert [kind for kind, _ in desk.told()] == ["targets.file_missing", "targets.file_mended"]


def test_a_change_of_the_settings_says_that_it_waits_for_the_next_start(desk: Desk) -> None:
    desk.write(SHOP + '[settings]\ninterval = "20s"\n')

    assert desk.told()[0][1].endswith("[settings] changed: that takes effect at the next start.")


def test_the_same_content_under_another_date_is_no_news(desk: Desk) -> None:
    os.utime(desk.path, (1, 1))

    assert not desk.registry.news()
    assert desk.told() == []


def test_a_content_that_hides_behind_its_old_date_is_found_by_the_thorough_look(desk: Desk) -> None:
    before = desk.path.stat()
    desk.path.write_text(SHOP.replace("shop", "mill"))
    os.utime(desk.path, ns=(before.st_atime_ns, before.st_mtime_ns))

    desk.registry.explore()

    assert desk.names() == {"mill"}


def test_a_broken_file_at_the_start_is_refused(tmp_path: Path, store: Store, clock: Clock) -> None:
    with pytest.raises(ConfigurationError):
        Desk(tmp_path, store, clock, "[[target]]\nname = 'a'\n")


# ── what an administrator adds ───────────────────────────────────────────────────────────────────────────────────────


def add(store: Store, name: str = "mine", url: str = "http://mine.example", **fields: object) -> None:
    wanted = Definition(name, Kind.HTTP, url, **fields)  # type: ignore[arg-type]
    told = Event(NOON, "target.added", Level.INFO, "Added.", target=name)
    watchlist.add(store, wanted, now=NOON, told=told, audited=a_record("target.added"))


def test_what_is_added_is_news_once(desk: Desk) -> None:
    add(desk.store)

    assert desk.registry.news()
    assert not desk.registry.news()
    assert desk.names() == {"shop", "mine"}


def test_a_secret_comes_from_a_variable_that_is_meant_for_it(tmp_path: Path, store: Store, clock: Clock) -> None:
    desk = Desk(tmp_path, store, clock, TARGET_KEY=" t ", OTHER="s")
    add(store, "good", "http://a.example", token_env="TARGET_KEY", headers_env=(("X-Key", "TARGET_KEY"),))
    add(store, "wanting", "http://b.example", token_env="TARGET_NOT_SET")
    add(store, "curious", "http://c.example", token_env="OTHER")

    for _ in range(2):
        found = {target.name: target for target in desk.registry()}
        desk.registry.news()

    assert (found["good"].token, found["good"].headers) == ("t", (("X-Key", "t"),))
    assert found["wanting"].token == found["curious"].token == ""
    assert [kind for kind, _ in desk.told() if kind == "target.variable_missing"] == ["target.variable_missing"] * 2


def test_a_pause_holds_for_whoever_named_the_target(desk: Desk) -> None:
    targets.replace(desk.store, desk.registry(), NOON)
    told = Event(NOON, "target.paused", Level.INFO, "Paused.")
    watchlist.pause(desk.store, "shop", now=NOON, told=told, audited=a_record())

    assert {target.name: target.paused for target in desk.registry()} == {"shop": True, "observatory": False}


# ── what projects name ───────────────────────────────────────────────────────────────────────────────────────────────


def a_bridge_tells(
    store: Store, *servers: McpServer, projects: tuple[Project, ...] = (), url: str = FAR, **bridge: object
) -> None:
    now = wall_clock()
    known = a_target("bridge", kind=Kind.BRIDGE, url=url, **bridge)
    targets.replace(store, [known], now)
    Recorder(store).append([
        a_scrape(now, target="bridge", projects=projects, simulated=known.simulated),
        a_scrape(now, target="bridge", pushed=True, context=McpContext(True, servers)),
    ])  # fmt: skip


def test_mcp_servers_are_targets_of_their_project_once_they_answer(tmp_path: Path, store: Store) -> None:
    desk = Desk(tmp_path, store, wall_clock)  # type: ignore[arg-type]
    with Answering(serving(IDENTITY)) as loom, Answering(serving(IDENTITY)) as kiln, Answering(FINE) as other:
        servers = [McpServer("loom-mcp", "Loom MCP", "~/loom", loom.url), McpServer("other", url=other.url)]
        projects = (Project("loom", "Loom", "~/loom"), Project("kiln", "Kiln", mcp_url=f"{kiln.url}/"))
        a_bridge_tells(store, *servers, projects=projects)

        desk.registry.explore()

        found = {
            one.name: (one.url, one.project, one.origin) for one in desk.registry() if one.origin is Origin.PROJECT
        }
    assert found == {
        "mcp-loom-mcp": (f"{loom.url}/mcp/health", "loom", Origin.PROJECT),
        "mcp-kiln": (f"{kiln.url}/mcp/health", "kiln", Origin.PROJECT),
    }


@pytest.mark.parametrize(
    "url",
    ["http://shop.example:1", "http://8.8.8.8", "http://169.254.169.254", "ftp://localhost", "http://u:p@localhost"],
)
def test_where_no_project_may_lead_nobody_is_asked(desk: Desk, url: str) -> None:
    a_bridge_tells(desk.store, McpServer("loom", url=url))

    desk.registry.explore()

    assert desk.names() == {"shop"}


@pytest.mark.parametrize("bridge", [{"simulated": True}, {"origin": Origin.ADMIN}])
def test_the_word_of_a_simulated_or_added_bridge_leads_nowhere(desk: Desk, bridge: dict[str, object]) -> None:
    with Answering(serving(IDENTITY)) as loom:
        a_bridge_tells(desk.store, McpServer("loom", url=loom.url), **bridge)

        desk.registry.explore()

        assert loom.requests == []


def test_a_usual_port_is_asked_although_nobody_tells_of_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with Answering(serving(IDENTITY)) as server, Answering(FINE) as other:
        monkeypatch.setattr(discovery, "MCP_PORTS", (port_of(server), port_of(other), free_port()))

        desk.registry.explore()

        found = {one.name: (one.url, one.project, one.origin) for one in desk.registry() if one.kind is Kind.HTTP}
    name = f"mcp-{port_of(server)}"
    url = f"http://localhost:{port_of(server)}/mcp/health"
    assert found == {"shop": ("http://shop.example", "", Origin.FILE), name: (url, "", Origin.DISCOVERED)}


def test_what_two_ways_lead_to_is_one_target(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with Answering(serving(IDENTITY)) as server:
        monkeypatch.setattr(discovery, "MCP_PORTS", (port_of(server),))
        a_bridge_tells(desk.store, McpServer("loom", url=server.url))

        desk.registry.explore()

    assert desk.names() == {"shop", "mcp-loom"}


@pytest.mark.parametrize(("bridge", "there"), [(NEAR, True), (FAR, False)], ids=["near", "far"])
def test_a_project_on_this_machine_may_bring_its_server_as_a_submodule(
    desk: Desk, tmp_path: Path, bridge: str, there: bool
) -> None:
    folder = tmp_path / "loom"
    folder.mkdir()
    (folder / ".gitmodules").write_text('[submodule "happy-devkit"]\n')
    with Answering(serving(IDENTITY)) as server:
        (folder / "mcp.config.json").write_text(json.dumps({"serverUrl": server.url}))
        a_bridge_tells(desk.store, projects=(Project("loom", "Loom", str(folder)),), url=bridge)

        desk.registry.explore()

        found = {one.name: (one.url, one.project) for one in desk.registry() if one.origin is Origin.PROJECT}
        assert bool(server.requests) is there
    assert found == ({"mcp-loom": (f"{server.url}/mcp/health", "loom")} if there else {})


def test_what_was_found_stays_for_a_day_without_an_answer(tmp_path: Path, store: Store, clock: Clock) -> None:
    desk = Desk(tmp_path, store, clock)
    with Answering(serving(IDENTITY)) as loom:
        a_bridge_tells(store, McpServer("loom", url=loom.url))
        desk.registry.explore()
        targets.replace(store, [*desk.registry(), a_target("bridge", kind=Kind.BRIDGE)], clock())
        assert "mcp-loom" in desk.names()

    for hours, there in ((1, True), (22, True), (2, False)):
        clock.advance(hours * 3600)
        desk.registry.explore()
        assert ("mcp-loom" in desk.names()) is there


# ── and the collector follows ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def collecting(desk: Desk) -> Iterator[None]:
    registry = desk.registry
    collector = Collector(
        desk.store, registry, news=registry.news, explore=lambda: None, clock=wall_clock, holder="one",
        keep=KEEP, private_targets=True,
    )  # fmt: skip
    thread = threading.Thread(target=collector.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        collector.stop()
        thread.join(15)
        assert not thread.is_alive()


def state(store: Store, name: str) -> str:
    df = services.current(store, ADMIN, wall_clock()).set_index("name")
    return str(df["state"].get(name, "absent"))


def test_the_collector_follows_the_watchlist(tmp_path: Path, store: Store) -> None:
    desk = Desk(tmp_path, store, wall_clock, "")  # type: ignore[arg-type]
    told, audited = Event(NOON, "x", Level.INFO, "x"), a_record()
    with Answering(FINE) as server, collecting(desk):
        wait_for(lambda: state(store, "observatory") != "absent", timeout=30, what="the first list")
        add(store, "mine", server.url, interval=1.0)
        wait_for(lambda: state(store, "mine") == "live", timeout=30, what="the first reading")

        watchlist.pause(store, "mine", now=wall_clock(), told=told, audited=audited)
        wait_for(lambda: state(store, "mine") == "paused", timeout=30, what="the pause")
        resting = list(runs.within(store, ["mine"], Window(0, 2 * wall_clock())))[-1]
        assert resting.cause == Cause.PAUSED

        asked = len(server.requests)
        watchlist.resume(store, "mine", told=told, audited=audited)
        wait_for(lambda: len(server.requests) > asked, timeout=30, what="a request after the pause")
        wait_for(lambda: state(store, "mine") == "live", timeout=30, what="the state after it")

        watchlist.remove(store, "mine", audited=audited)
        wait_for(lambda: state(store, "mine") == "gone", timeout=30, what="the end")

    assert "target.gone" in events.recent(store, ADMIN)["kind"].tolist()
    assert watchlist.all_added(store) == []
