from pathlib import Path

import pytest

from observatory import discovery
from observatory.config import load
from observatory.errors import ConfigurationError
from observatory.model import Expect, Kind, Origin, Target
from tests.support.answering import Answering, answer, saying, serving


def a_target(name: str, origin: Origin) -> Target:
    return Target(name, Kind.HTTP, f"http://{origin}.example", origin)


def clock() -> int:
    return 1_756_797_300_000


def written(folder: Path, text: str) -> Path:
    path = folder / "observatory.toml"
    path.write_text(text)
    return path


def faults_of(folder: Path, text: str) -> list[str]:
    path = written(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        discovery.from_file(path, {})
    assert all(fault.startswith(str(path)) for fault in caught.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in caught.value.faults]


def test_the_environment_names_targets_with_their_own_credentials(tmp_path: Path) -> None:
    settings = load({
        "OBSERVATORY_DATA": str(tmp_path), "NEXT_PUBLIC_BRIDGE_WS_URL": "ws://bridge.example:1/ws",
        "HAPPY_DEVKIT_API": "http://devkit.example/", "API_TOKEN": "t", "BRIDGE_API_KEY": "k",
        "OBSERVATORY_INTERVAL": "5s",
    })  # fmt: skip

    bridge, devkit = discovery.from_settings(settings)

    assert (bridge.name, bridge.kind, bridge.url) == ("bridge-server", Kind.BRIDGE, "http://bridge.example:1")
    assert (bridge.ws_url, bridge.headers, bridge.token) == ("ws://bridge.example:1", (("X-API-Key", "k"),), "")
    assert (devkit.name, devkit.url, devkit.token, devkit.headers) == ("devkit-api", "http://devkit.example", "t", ())
    assert {bridge.origin, devkit.origin} == {Origin.ENVIRONMENT}
    assert {bridge.interval, devkit.interval} == {5.0}


def test_unset_services_are_candidates_on_the_default_ports(tmp_path: Path) -> None:
    settings = load({"OBSERVATORY_DATA": str(tmp_path)})

    found = discovery.candidates(settings, taken=["mcp-daemon"])

    assert discovery.from_settings(settings) == []
    assert {(t.name, t.url) for t in found} == {
        ("bridge-server", "http://localhost:52521"), ("devkit-api", "http://localhost:8000"),
        ("nexus-console", "http://localhost:3001"),
    }  # fmt: skip
    assert {t.origin for t in found} == {Origin.DISCOVERED}


def test_a_name_belongs_to_who_comes_first() -> None:
    shuffled = [Origin.ADMIN, Origin.DISCOVERED, Origin.ENVIRONMENT, Origin.FILE]
    everyone = [a_target("x", origin) for origin in shuffled]

    for count, winner in ((4, Origin.ENVIRONMENT), (2, Origin.DISCOVERED), (1, Origin.ADMIN)):
        [kept] = discovery.merge(everyone[:count])
        assert kept.origin is winner
    both = discovery.merge([a_target("x", Origin.ADMIN)], [a_target("x", Origin.FILE), a_target("y", Origin.ADMIN)])
    assert [(t.name, t.origin) for t in both] == [("x", Origin.FILE), ("y", Origin.ADMIN)]


def at(url: str, name: str, origin: Origin, kind: Kind = Kind.HTTP) -> Target:
    return Target(name, kind, url, origin)


def test_what_two_sources_name_at_one_place_is_one_target() -> None:
    merged = discovery.merge(
        [at("http://localhost:8000/", "theirs", Origin.ADMIN)],
        [at("http://127.0.0.1:8000", "shop", Origin.FILE)],
        [at("http://[::1]:8000", "found", Origin.DISCOVERED)],
    )

    [kept] = merged
    assert (kept.name, kept.origin) == ("shop", Origin.FILE)
    assert kept.also == ((Origin.DISCOVERED, "found"), (Origin.ADMIN, "theirs"))


def test_one_source_may_ask_a_place_in_two_ways_and_two_kinds_are_two_things() -> None:
    twice = [at("http://a.example/health", "plain", Origin.FILE), at("http://a.example/health", "deep", Origin.FILE)]
    kinds = [
        at("http://b.example", "x", Origin.FILE),
        Target("y", Kind.PROMETHEUS, "http://b.example", Origin.ADMIN),
    ]

    assert [target.name for target in discovery.merge(twice)] == ["plain", "deep"]
    assert [target.name for target in discovery.merge(kinds)] == ["x", "y"]


def test_a_name_that_went_into_another_target_is_not_given_again() -> None:
    """The file calls the Bridge of the environment `b2`; what an administrator added as `b2` is then the same."""
    bridge = at("http://bridge.example", "bridge-server", Origin.ENVIRONMENT, Kind.BRIDGE)
    other = at("http://bridge.example:80/", "b2", Origin.FILE, Kind.BRIDGE)
    added = at("http://elsewhere.example", "b2", Origin.ADMIN, Kind.BRIDGE)

    [kept] = discovery.merge([added], [other], [bridge])

    assert kept.name == "bridge-server"
    assert kept.also == ((Origin.FILE, "b2"), (Origin.ADMIN, "b2"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("http://A.example", "http://a.example:80/", True), ("https://a.example/x/", "https://a.example:443/x", True),
     ("http://127.0.0.1:1", "http://localhost:1", True), ("http://[::1]:1", "http://localhost:1/", True),
     ("http://a.example", "https://a.example", False), ("http://a.example/x", "http://a.example/X", False),
     ("http://a.example?a=1", "http://a.example?a=2", False), ("http://a.example:81", "http://a.example", False)],
)  # fmt: skip
def test_a_place_has_one_spelling(one: str, other: str, same: bool) -> None:
    assert (discovery.place(one) == discovery.place(other)) is same


@pytest.mark.parametrize(
    ("url", "asked"),
    [("http://localhost:8123", "http://localhost:8123/mcp/health"), ("ws://10.0.0.4:1/", "http://10.0.0.4:1/mcp/health"),
     ("wss://localhost:1/x", "https://localhost:1/x/mcp/health")],
)  # fmt: skip
def test_an_mcp_server_is_asked_whether_it_is_there(url: str, asked: str) -> None:
    target = discovery.mcp_server("loom", url, "loom", 10.0)

    assert (target.name, target.url, target.kind, target.origin) == ("mcp-loom", asked, Kind.HTTP, Origin.PROJECT)
    assert target.project == "loom"


def test_an_entry_of_the_file_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path, """
        [settings]
        interval = "20s"

        [[target]]
        name = "shop"
        kind = "http"
        url = "https://shop.example/health/"
        interval = "30s"
        timeout = 2.5
        labels = { team = "blue", area = "web" }
        project = "loom"
        paused = true
        token_env = "SHOP_TOKEN"
        headers_env = { "X-Key" = "SHOP_KEY" }
        expect = { status = 204, json = { "$.status" = "ok" } }

        [[target]]
        name = "node"
        kind = "prometheus"
        url = "http://node.example:9100/metrics"
    """)  # fmt: skip

    shop, node = discovery.from_file(path, {"SHOP_TOKEN": "t\n", "SHOP_KEY": "k"}, interval=20.0)

    assert shop == Target(
        "shop", Kind.HTTP, "https://shop.example/health", Origin.FILE, interval=30.0, timeout=2.5,
        labels=(("area", "web"), ("team", "blue")), project="loom", paused=True, token="t",
        headers=(("X-Key", "k"),), expect=Expect(204, {"$.status": "ok"}),
    )  # fmt: skip
    assert node == Target("node", Kind.PROMETHEUS, "http://node.example:9100/metrics", Origin.FILE, interval=20.0)


def test_every_fault_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, """
        [targets]
        [[target]]
        name = "a"
        kind = "gopher"
        url = "ftp://a.example"
        intervall = 5
        token_env = "NOT_THERE"
        [[target]]
        kind = "prometheus"
        url = "http://b.example"
        interval = -1
        paused = "yes"
        labels = { simulated = "false" }
        headers_env = { "X-Key" = "NEITHER" }
        expect = { status = 200 }
        [[target]]
        name = "a"
        kind = "http"
        url = "http://c.example"
        expect = { status = 2000 }
    """)  # fmt: skip

    assert faults == [
        "unknown table 'targets'.",
        "target 'a': unknown key 'intervall'.",
        "target 'a': kind must be one of bridge, mcp-daemon, devkit-api, nexus-console, prometheus, http, observatory.",
        "target 'a': url must be an address that starts with http:// or https://.",
        "target 'a': token_env names the environment variable NOT_THERE, which is not set.",
        "target 2: name is required.",
        "target 2: interval must be longer than nothing.",
        "target 2: labels has 'simulated', which cannot be a label of a target.",
        "target 2: paused must be true or false.",
        "target 2: headers_env names the environment variable NEITHER, which is not set.",
        "target 2: expect is for targets of kind http.",
        "target 'a': expect has a status that is no HTTP status.",
        "target 'a' stands there more than once.",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [("target = 4", "targets are written as [[target]]."),
     ("[target]\nname = 'a'", "targets are written as [[target]]."),
     ("[[target]]\nname = 'observatory'\nkind = 'http'\nurl = 'http://a'", "must not be 'observatory'"),
     ("[[mcp]]\nname = 'a'", "unknown table 'mcp'.")],
)  # fmt: skip
def test_a_file_of_another_shape_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(tmp_path, text))


def test_a_file_that_is_not_there_or_no_toml_is_a_fault(tmp_path: Path) -> None:
    assert discovery.from_file(None, {}) == []
    for path in (tmp_path / "missing.toml", written(tmp_path, "[[target")):
        with pytest.raises(ConfigurationError):
            discovery.from_file(path, {})


def test_the_simulators_services_are_marked() -> None:
    base = "http://127.0.0.1"
    found = discovery.simulated({
        "bridge": "http://127.0.0.1:1", "bridge_ws": "ws://127.0.0.1:1", "mcp_daemon": "http://127.0.0.1:2",
        "devkit_api": "http://127.0.0.1:3", "nexus_console": "http://127.0.0.1:4", "control": f"{base}:1/control",
    })  # fmt: skip

    assert [t.name for t in found] == ["bridge-server", "mcp-daemon", "devkit-api", "nexus-console"]
    assert all(t.simulated and t.origin is Origin.SIMULATOR for t in found)
    assert found[0].ws_url == "ws://127.0.0.1:1"


def test_the_observatory_watches_itself_under_a_name_nobody_can_take() -> None:
    ours = discovery.itself("http://127.0.0.1:8050/metrics", "secret")
    assert (ours.kind, ours.token) == (Kind.OBSERVATORY, "secret")
    [kept] = discovery.merge([a_target("observatory", Origin.ENVIRONMENT)], [ours])
    assert (kept.origin, kept.url, kept.also) == (Origin.BUILTIN, ours.url, ((Origin.ENVIRONMENT, "observatory"),))


B1 = {"status": "healthy", "version": "3.1.0"}
PROBES: list[tuple[str, dict[str, object], bool]] = [
    ("bridge-server", {"/api/health": B1, "/api/projects": {"projects": []}}, True),
    ("bridge-server", {"/api/health": B1, "/api/projects": answer(401, {"error": "no token"})}, True),
    ("bridge-server", {"/api/health": B1}, False),
    ("bridge-server", {"/api/health": {"status": "ok"}, "/api/projects": {"projects": []}}, False),
    ("mcp-daemon", {"/status": {"daemon_running": True}}, True),
    ("mcp-daemon", {"/status": {"status": "ok"}}, False),
    ("devkit-api", {"/api/health": B1, "/metrics": answer(200, "system_cpu_usage 3\n")}, True),
    ("devkit-api", {"/api/health": B1}, False),
    ("nexus-console", {"/health": B1}, True),
    ("nexus-console", {"/": answer(200, "<!doctype html>", headers={"Content-Type": "text/html"})}, False),
]


@pytest.mark.parametrize(("name", "routes", "there"), PROBES)
def test_only_what_answers_in_the_contracts_shape_is_there(name: str, routes: dict[str, object], there: bool) -> None:
    with Answering(serving(routes)) as server:
        target = Target(name, discovery.KINDS[name], server.url, Origin.DISCOVERED)
        assert discovery.probe(target, clock=clock) is there


@pytest.mark.parametrize("name", discovery.KINDS)
def test_another_program_on_a_default_port_is_not_ours(name: str) -> None:
    with Answering(saying(answer(200, "<!doctype html><title>Somebody else</title>"))) as server:
        assert not discovery.probe(Target(name, discovery.KINDS[name], server.url, Origin.DISCOVERED), clock=clock)
    assert not discovery.probe(Target(name, discovery.KINDS[name], server.url, Origin.DISCOVERED), clock=clock)
