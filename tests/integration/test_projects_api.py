"""The DevKit's own read API, as the observatory answers it: canonical, dated, and cut to whoever asks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observatory.collector.scrape import open_reader
from observatory.components import links
from observatory.model import HOUR, AgentStatus, Cause, McpContext, McpServer, Project, iso
from observatory.store import audit, targets
from observatory.store.scrapes import Recorder
from tests.support import simulator as simulators
from tests.support.clock import NOON
from tests.support.scraped import (
    BRIDGE,
    LOOM_MCP,
    a_bridge,
    a_failure,
    a_full_agent,
    a_scrape,
    an_agent,
    told_by_a_bridge,
)
from tests.support.simulator import Simulator
from tests.support.website import Website

DATED = {
    "source", "measuredAt", "receivedAt", "ageSeconds", "intervalSeconds", "state", "cause", "simulated", "isRealData",
}  # fmt: skip
AGENT = {
    "id", "name", "type", "projectId", "status", "canStart", "canStop", "canPause", "lastActivity", "lastCommand",
    "currentTask", "metrics",
}  # fmt: skip
PROJECT = {
    "id", "name", "path", "description", "icon", "color", "dashboards", "telemetryMap", "hasSubmoduleMCP",
    "mcpServerUrl", "bridgeUrl", "wsUrl",
}  # fmt: skip


@pytest.fixture
def site(make_website: Callable[..., Website]) -> Website:
    """A Bridge with loom and kiln that was read at noon: one whole agent each."""
    website = make_website(limits=dict.fromkeys(("projects", "agents", "global", "anonymous"), "100000 per minute"))
    targets.replace(website.store, [a_bridge()], NOON)
    Recorder(website.store).append(
        told_by_a_bridge(NOON, loom=[a_full_agent(NOON)], kiln=[a_full_agent(NOON, "stoker-03")])
    )
    return website


def answered(client: FlaskClient, path: str, status: int = 200) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    found: dict[str, Any] = answer.get_json()
    return found


def ids(found: dict[str, Any], kind: str) -> list[str]:
    return [one["id"] for one in found[kind]]


# ── the canonical form ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_project_is_told_in_the_contracts_form_with_its_age(site: Website) -> None:
    site.clock.advance(4)

    found = answered(site.signed_in("ada"), "/api/projects")

    kiln, loom = found["projects"]
    assert set(found) == {"projects", "sources", "timestamp"}
    assert found["timestamp"] == iso(NOON + 4000)
    assert set(loom) == set(kiln) == PROJECT | DATED
    assert {key: loom[key] for key in PROJECT} == {
        "id": "loom", "name": "Loom", "path": "~/Development/loom", "description": "Pattern compiler", "icon": "🧵",
        "color": "#0EA5E9", "telemetryMap": {"cpu": "system.cpu.usage"}, "hasSubmoduleMCP": True,
        "dashboards": {"main": {"id": "loom-main", "name": "Loom", "widgets": ["agent-status"]}},
        "mcpServerUrl": "http://localhost:8123", "bridgeUrl": None, "wsUrl": None,
    }  # fmt: skip
    assert {key: loom[key] for key in DATED} == {
        "source": BRIDGE, "measuredAt": NOON, "receivedAt": NOON + 20, "ageSeconds": 4.0, "intervalSeconds": 10.0,
        "state": "live", "cause": None, "simulated": False, "isRealData": True,
    }  # fmt: skip
    assert found["sources"] == [{"projectId": None, **{key: loom[key] for key in DATED}}]


def test_what_a_project_does_not_tell_is_null(site: Website) -> None:
    kiln = answered(site.signed_in("ada"), "/api/projects/kiln")["project"]

    assert {key: kiln[key] for key in PROJECT} == {
        **dict.fromkeys(PROJECT), "id": "kiln", "name": "Kiln", "dashboards": {}, "telemetryMap": {}
    }  # fmt: skip


def test_an_agent_is_told_in_the_contracts_form_and_its_units(site: Website) -> None:
    client = site.signed_in("ada")

    found = answered(client, "/api/projects/loom/agents/status")
    [agent] = found["agents"]

    assert (found["projectId"], found["timestamp"]) == ("loom", iso(NOON))
    assert set(agent) == AGENT | DATED | {"reportedStatus", "statusSince", "error"}
    assert {key: agent[key] for key in AGENT} == {
        "id": "weaver-07", "name": "Weaver-07", "type": "orchestrator", "projectId": "loom", "status": "running",
        "canStart": False, "canStop": True, "canPause": True, "lastActivity": iso(NOON - 1000),
        "lastCommand": {"type": "start", "timestamp": iso(NOON - 90_000), "source": "cli", "result": "success"},
        "currentTask": {
            "name": "Index sources", "progress": 62.0, "startTime": iso(NOON - 60_000),
            "estimatedCompletion": iso(NOON + 60_000),
        },
        "metrics": {"tasksCompleted": 118, "tasksFailed": 4, "avgDuration": 5400, "uptime": 1_500_000},
    }  # fmt: skip
    assert answered(client, "/api/projects/loom/agents") == found
    assert answered(client, "/api/projects/loom/agents/status?agentId=weaver-07") == agent


def test_what_an_agent_does_not_tell_is_null_and_never_made_up(site: Website) -> None:
    Recorder(site.store).append(told_by_a_bridge(NOON + 10_000, loom=[an_agent("bare")], kiln=[]))

    [agent] = answered(site.signed_in("ada"), "/api/projects/loom/agents")["agents"]

    untold = {key: agent[key] for key in AGENT if agent[key] is None}
    assert set(untold) == {"type", "lastActivity", "lastCommand", "currentTask", "canPause"}
    assert agent["metrics"] == {"tasksCompleted": None, "tasksFailed": None, "avgDuration": None, "uptime": None}


FLAGS = (  # of an agent with this status that tells them all so; canStart, canStop, canPause
    (AgentStatus.IDLE, None, (True, False, False)),
    (AgentStatus.COMPLETED, None, (True, False, False)),
    (AgentStatus.FAILED, None, (True, False, False)),
    (AgentStatus.RUNNING, None, (False, True, None)),
    (AgentStatus.PAUSED, None, (False, True, False)),
    (AgentStatus.IDLE, False, (False, False, False)),
    (AgentStatus.RUNNING, True, (True, True, True)),
)


def test_flags_are_as_told_else_as_the_status_allows(site: Website) -> None:
    agents = [
        an_agent(f"{place}", status, can_start=told, can_stop=told, can_pause=told)
        for place, (status, told, _) in enumerate(FLAGS)
    ]
    Recorder(site.store).append(told_by_a_bridge(NOON + 10_000, loom=agents, kiln=[]))

    found = answered(site.signed_in("ada"), "/api/projects/loom/agents")["agents"]

    assert [(one["canStart"], one["canStop"], one["canPause"]) for one in found] == [flags for *_, flags in FLAGS]


def test_an_mcp_server_is_told_in_the_contracts_form(site: Website) -> None:
    client = site.signed_in("ada")

    found = answered(client, "/api/mcp/context")
    [server] = found["servers"]

    assert found["isAvailable"] is True
    assert {key: value for key, value in server.items() if key not in DATED} == {
        "id": "loom", "name": "Loom MCP", "projectPath": "~/Development/loom", "url": "http://localhost:8123",
        "status": "active", "capabilities": ["tools", "resources"], "projectId": "loom",
    }  # fmt: skip
    assert (server["source"], server["intervalSeconds"], server["measuredAt"]) == (BRIDGE, 30.0, NOON + 1)
    assert answered(client, "/api/mcp/contexts") == found


def test_the_state_of_an_mcp_server_is_in_the_contracts_words(site: Website) -> None:
    words = {"active": "active", "ONLINE": "active", "stopped": "inactive", "failed": "error", "odd": "odd", "": None}
    servers = [McpServer(f"id of {word}", status=word) for word in words]
    Recorder(site.store).append(told_by_a_bridge(NOON + 10_000, servers=servers, loom=[]))

    found = answered(site.signed_in("ada"), "/api/mcp/context")["servers"]

    assert [one["status"] for one in found] == list(words.values())


def test_strange_dashboards_do_no_harm(site: Website) -> None:
    strange = Project(
        "loom", "Loom", dashboards={"main": "text", "next": {"id": 5, "widgets": "x"}, "last": {"widgets": [1, "w"]}},
        telemetry_map={"cpu": 7, "disk": "system.disk"},
    )  # fmt: skip
    large = Project("kiln", "Kiln", dashboards={"main": {"id": "x" * 30_000}})
    Recorder(site.store).append([a_scrape(NOON + 10_000, target=BRIDGE, projects=(strange, large))])

    kiln, loom = answered(site.signed_in("ada"), "/api/projects")["projects"]

    assert kiln["dashboards"] == {}
    assert loom["telemetryMap"] == {"disk": "system.disk"}
    assert loom["dashboards"] == {
        "next": {"id": None, "name": None, "widgets": []}, "last": {"id": None, "name": None, "widgets": ["w"]},
    }  # fmt: skip


DIALECTS: tuple[dict[str, str], ...] = (
    {"case": "snake"},
    {"case": "mixed", "rates": "percent"},
    {"wrapping": "bare"},
    {"agents": "map"},
    {"time": "naive"},
    {"time": "epoch"},
    {"time": "epoch-seconds"},
    {"case": "snake", "wrapping": "bare", "agents": "map", "time": "epoch"},
)


def test_the_answer_is_the_same_whatever_dialect_the_bridge_speaks(
    make_website: Callable[..., Website], tmp_path: Path
) -> None:
    site = make_website(limits=dict.fromkeys(("projects", "agents", "global"), "100000 per minute"))
    client = site.signed_in("ada")
    with simulators.running(tmp_path / "log", "--clock", str(NOON)) as devkit:
        targets.replace(site.store, [a_bridge(url=devkit["bridge"])], NOON)
        canonical = told_in(site, client, devkit)
        for dialect in DIALECTS:
            devkit.control("switch", reset=True, **dialect)
            site.clock.advance(0.001)  # another reading, of the same moment to the second

            assert told_in(site, client, devkit) == canonical, dialect

    projects, agents, servers = canonical
    assert len(projects) >= 4
    assert len(agents) >= 10
    assert servers
    assert any(agent["currentTask"] for agent in agents)
    assert all(agent["lastCommand"] and agent["metrics"]["uptime"] is not None for agent in agents)


def told_in(site: Website, client: FlaskClient, devkit: Simulator) -> list[list[dict[str, Any]]]:
    """Projects, agents and MCP servers after one reading, without what dates them."""
    reader = open_reader(a_bridge(url=devkit["bridge"]), clock=site.clock)
    try:
        read, context = reader.read(), reader.read_context()
    finally:
        reader.close()
    assert [(scrape.cause, scrape.detail) for scrape in read] == [(None, "")] * len(read)
    assert context is not None
    Recorder(site.store).append([*read, context])
    found = [("projects", "projects"), ("agents/status", "agents"), ("mcp/context", "servers")]
    lists = [answered(client, f"/api/{path}")[kind] for path, kind in found]
    return [[{k: v for k, v in one.items() if k not in DATED} for one in listed] for listed in lists]


# ── age, and a Bridge that is away ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/projects", "projects"), ("/api/projects/loom/agents", "agents"), ("/api/agents/status", "agents"),
     ("/api/mcp/context", "servers")],
)  # fmt: skip
def test_while_the_bridge_is_down_its_last_words_stay_with_their_age_and_the_reason(
    site: Website, path: str, kind: str
) -> None:
    client = site.signed_in("ada")
    before = answered(client, path)
    down = NOON + 10_000
    silent = {"target": BRIDGE, "cause": Cause.UNREACHABLE}
    Recorder(site.store).append(
        [a_failure(down, **silent), *(a_failure(down, project=name, **silent) for name in ("loom", "kiln"))]
    )
    site.clock.advance(600)

    after = answered(client, path)

    ages = ("ageSeconds", "state", "cause")
    for old, new in zip(before[kind], after[kind], strict=True):
        assert (new["state"], new["cause"], old["cause"]) == ("stale", "unreachable", None)
        assert new["ageSeconds"] == pytest.approx(600, abs=0.01)
        assert {k: v for k, v in new.items() if k not in ages} == {k: v for k, v in old.items() if k not in ages}
    assert {source["cause"] for source in after["sources"]} == {"unreachable"}


def test_a_bridge_that_never_answered_has_told_nothing(make_website: Callable[..., Website]) -> None:
    site = make_website()
    targets.replace(site.store, [a_bridge()], NOON)
    client = site.signed_in("ada")
    never = {
        "projectId": None, "source": BRIDGE, "measuredAt": None, "receivedAt": None, "ageSeconds": None,
        "intervalSeconds": 10.0, "state": "unknown", "cause": None, "simulated": False, "isRealData": True,
    }  # fmt: skip

    projects, agents = answered(client, "/api/projects"), answered(client, "/api/agents/status")
    context = answered(client, "/api/mcp/context")

    assert (projects["projects"], agents["agents"], context["servers"]) == ([], [], [])
    assert projects["sources"] == agents["sources"] == context["sources"] == [never]
    assert context["isAvailable"] is None

    Recorder(site.store).append([a_failure(NOON, target=BRIDGE)])

    for path in ("/api/projects", "/api/agents/status", "/api/mcp/context"):
        assert answered(client, path)["sources"] == [{**never, "cause": "timeout"}], path


def test_mcp_that_cannot_be_read_is_no_failure_of_the_bridge(site: Website) -> None:
    failed = a_scrape(
        NOON + 30_000, target=BRIDGE, pushed=True, interval=30.0, context=McpContext(cause=Cause.HTTP_ERROR)
    )
    Recorder(site.store).append([*told_by_a_bridge(NOON + 30_000, loom=[], kiln=[])[:1], failed])
    site.clock.advance(35)
    client = site.signed_in("ada")

    context = answered(client, "/api/mcp/context")

    assert [(one["id"], one["cause"]) for one in context["servers"]] == [("loom", "http_error")]
    assert context["servers"][0]["ageSeconds"] == pytest.approx(35, abs=0.01)
    assert answered(client, "/api/projects")["sources"][0]["cause"] is None


def test_an_agent_that_was_heard_of_is_not_blamed_for_what_else_failed(site: Website) -> None:
    """A project's telemetry failed, its agents were told in the same reading."""
    agent = replace(a_full_agent(NOON + 10_000), project="loom")
    Recorder(site.store).append(
        [a_failure(NOON + 10_000, Cause.HTTP_ERROR, target=BRIDGE, project="loom", agents=(agent,))]
    )

    found = answered(site.signed_in("ada"), "/api/projects/loom/agents")

    assert [one["cause"] for one in found["agents"]] == [None]
    assert [one["cause"] for one in found["sources"]] == ["http_error"]


def test_a_paused_bridge_says_so(site: Website) -> None:
    targets.replace(site.store, [a_bridge(paused=True)], NOON + 1000)
    client = site.signed_in("ada")

    for path, kind in (("projects", "projects"), ("agents/status", "agents"), ("mcp/context", "servers")):
        assert {one["cause"] for one in answered(client, f"/api/{path}")[kind]} == {"paused"}, path


def test_what_is_simulated_says_so(site: Website) -> None:
    client = site.signed_in("ada")
    real = answered(client, "/api/agents/status")
    targets.replace(site.store, [a_bridge(simulated=True)], NOON)

    found = answered(client, "/api/agents/status")

    assert (real["isRealData"], real["source"]) == (True, "bridge")
    assert (found["isRealData"], found["source"]) == (False, "mock")
    marks = [(one["simulated"], one["isRealData"]) for one in found["agents"] + found["sources"]]
    assert set(marks) == {(True, False)}


def test_what_a_bridge_lists_no_more_is_gone(site: Website) -> None:
    Recorder(site.store).append(told_by_a_bridge(NOON + 10_000, loom=[an_agent("new")]))
    client = site.signed_in("ada")

    assert ids(answered(client, "/api/projects"), "projects") == ["loom"]
    assert ids(answered(client, "/api/agents/status"), "agents") == ["new"]
    assert answered(client, "/api/projects/kiln", 404)["error"] == "Project not found"

    targets.replace(site.store, [], NOON + HOUR)

    assert answered(client, "/api/projects")["projects"] == []


# ── who may ask ──────────────────────────────────────────────────────────────────────────────────────────────────────

OF_A_PROJECT = ("/api/projects/{}", "/api/projects/{}/agents", "/api/projects/{}/agents/status")


MALFORMED = ("x", "a_b", "lo om", "löm", "..", "x" * 65, "a.b", "loom%00")
SLASHES = ("a%2Fb", "..%2F..%2Fetc", "a/b")


def test_the_form_of_an_id_is_looked_at_before_who_asks(site: Website) -> None:
    asked = [path.format(bad) for path in OF_A_PROJECT for bad in MALFORMED]
    asked += [path.format(bad) for path in OF_A_PROJECT[1:] for bad in SLASHES]
    for client in (site.anonymous(), site.signed_in("otto"), site.signed_in("ada")):
        for path in asked:
            found = answered(client, path, 400)

            assert (found["error"], bool(found["projectId"])) == ("Invalid project ID format", True), path


def test_a_stranger_learns_nothing(site: Website) -> None:
    paths = [path.format(id) for path in OF_A_PROJECT for id in ("loom", "nobody")]
    for path in (*paths, "/api/projects", "/api/agents/status", "/api/mcp/context"):
        assert answered(site.anonymous(), path, 401)["error"] == "Authentication required"


@pytest.mark.parametrize("path", OF_A_PROJECT)
def test_a_project_of_others_is_denied_and_noted_and_an_unknown_one_not_found(site: Website, path: str) -> None:
    otto = site.signed_in("otto")

    denied = answered(otto, path.format("Loom"), 403)
    unknown = answered(otto, path.format("atlas"), 404)

    assert (denied["error"], denied["projectId"]) == ("Access denied to project", "Loom")
    assert (unknown["error"], unknown["projectId"]) == ("Project not found", "atlas")
    rows = audit.found(site.store, audit.Wanted(event="access.denied.project"), 10)
    assert [(row.project, row.path) for row in rows] == [("Loom", path.format("Loom"))]


def test_an_unknown_agent_is_not_found(site: Website) -> None:
    ada = site.signed_in("ada")

    one = answered(ada, "/api/projects/loom/agents?agentId=nobody", 404)

    assert (one["error"], one["agentId"], one["projectId"]) == ("Agent not found", "nobody", "loom")
    assert answered(ada, "/api/projects/kiln/agents?agentId=weaver-07", 404)["error"] == "Agent not found"
    assert answered(ada, "/api/agents/status?agentId=nobody", 404)["error"] == "Agent not found"
    assert answered(site.signed_in("victor"), "/api/agents/status?agentId=stoker-03", 404)["error"] == "Agent not found"


@pytest.mark.parametrize(
    ("who", "projects", "agents"),
    [
        ("victor", ["loom"], ["weaver-07"]),
        ("olga", ["kiln", "loom"], ["stoker-03", "weaver-07"]),
        ("ada", ["kiln", "loom"], ["stoker-03", "weaver-07"]),
        ("otto", [], []),
    ],
)
def test_every_list_is_cut_to_the_callers_projects(
    site: Website, who: str, projects: list[str], agents: list[str]
) -> None:
    client = site.signed_in(who)

    assert ids(answered(client, "/api/projects"), "projects") == projects
    found = answered(client, "/api/agents/status")
    assert ids(found, "agents") == agents
    assert [source["projectId"] for source in found["sources"]] == (projects or [None])


OTHERS = McpServer("kiln-mcp", "Kiln MCP", "~/Development/kiln/", "", "active")
BY_URL = McpServer("by-url", "By address", "", "http://localhost:8123", "active")
NOBODYS = McpServer("shared", "Shared", "/srv/shared", "http://localhost:9000", "active")


@pytest.mark.parametrize(
    ("who", "shown"),
    [("ada", ["loom", "kiln-mcp", "by-url", "shared"]), ("victor", ["loom", "by-url", "shared"]), ("otto", ["shared"])],
)
def test_an_mcp_server_is_for_those_who_see_its_project(site: Website, who: str, shown: list[str]) -> None:
    told = told_by_a_bridge(NOON + 10_000, servers=[LOOM_MCP, OTHERS, BY_URL, NOBODYS], loom=[], kiln=[])
    kiln = Project("kiln", "Kiln", "~/Development/kiln")
    told[0] = replace(told[0], projects=(*(told[0].projects or ())[:1], kiln))
    Recorder(site.store).append(told)

    assert ids(answered(site.signed_in(who), "/api/mcp/context"), "servers") == shown

    Recorder(site.store).append([a_scrape(NOON + 20_000, target=BRIDGE, projects=())])  # a project that is gone

    assert ids(answered(site.signed_in(who), "/api/mcp/context"), "servers") == shown


def test_mcp_servers_of_others_are_none_for_me(site: Website) -> None:
    assert answered(site.signed_in("otto"), "/api/mcp/context")["isAvailable"] is False
    assert answered(site.signed_in("victor"), "/api/mcp/context")["isAvailable"] is True


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spelled", ["loom", "LOOM", "LoOm"])
def test_project_ids_compare_without_case(site: Website, spelled: str) -> None:
    victor = site.signed_in("victor")

    assert answered(victor, f"/api/projects/{spelled}")["project"]["id"] == "loom"
    assert ids(answered(victor, f"/api/projects/{spelled}/agents"), "agents") == ["weaver-07"]


def test_a_uuid_is_an_id_in_any_case(site: Website) -> None:
    uuid = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
    Recorder(site.store).append([a_scrape(NOON + 10_000, target=BRIDGE, projects=(Project(uuid, "Sample"),))])

    assert answered(site.signed_in("ada"), f"/api/projects/{uuid.lower()}")["project"]["id"] == uuid


def test_an_agents_id_is_exact_first_and_then_without_case(site: Website) -> None:
    two = [an_agent("Twin"), an_agent("tWIN"), an_agent("single")]
    Recorder(site.store).append(told_by_a_bridge(NOON + 10_000, loom=two, kiln=[]))
    ada = site.signed_in("ada")

    found = {asked: answered(ada, f"/api/agents/status?agentId={asked}")["id"] for asked in ("Twin", "tWIN", "SINGLE")}

    assert found == {"Twin": "Twin", "tWIN": "tWIN", "SINGLE": "single"}


HARD = (
    "/", "a/b", "%", "%2F", "100%", "#", "a#b", "?", "a?b=c&d", "@", "team@host", ".", "..", "...", "~", "~2f", " ",
    "with space", "+", "a+b", "ünïcode ☃", "🧵", "👩‍🚀", "\\", "'", '"', "<script>", "\n", "\t", "\0", "x" * 100,
    "🧵" * 100, "{id}", "a;b", "null", "-", "_", "%00", "a\u202eb",
)  # fmt: skip


def test_an_agents_id_of_any_characters_is_found_again(site: Website) -> None:
    client = site.signed_in("ada")
    for id in HARD:
        check_found_again(site, client, id)


def hard_ids() -> st.SearchStrategy[str]:
    anything = st.characters(exclude_categories=["Cs"])
    return st.text(st.one_of(st.sampled_from("/%#?@.~ +&=;:\\\"'<>🧵"), anything), min_size=1, max_size=100)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=hard_ids())
def test_an_agents_id_survives_everywhere(any_site: tuple[Website, FlaskClient], id: str) -> None:
    check_found_again(*any_site, id)


@pytest.fixture
def any_site(site: Website) -> tuple[Website, FlaskClient]:
    return site, site.signed_in("ada")


def check_found_again(site: Website, client: FlaskClient, id: str) -> None:
    """Told by a Bridge, listed by the API, asked for by its id, and carried by a page's path."""
    at = site.clock.advance(10)
    Recorder(site.store).append(told_by_a_bridge(at, loom=[replace(an_agent(id), name="")], kiln=[]))
    kept = id.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL takes it in no text

    for path in ("/api/projects/loom/agents/status", "/api/agents/status"):
        assert ids(answered(client, path), "agents") == [kept]
        one = answered(client, f"{path}?agentId={quote(kept, safe='')}")
        assert (one["id"], one["ageSeconds"]) == (kept, 0)
    part = links.encoded(kept)
    assert links.decoded(part) == kept
    assert quote(part, safe="@:~") == part
    assert part not in {".", ".."}


def test_an_id_that_cannot_be_one_is_refused(site: Website) -> None:
    ada = site.signed_in("ada")
    for query in ("agentId=" + "x" * 101, "agentId=", "agentId=a&agentId=b"):
        for path in ("/api/agents/status", "/api/projects/loom/agents"):
            found = answered(ada, f"{path}?{query}", 400)

            assert [fault["path"] for fault in found["details"]] == ["agentId"], query


def test_a_parameter_that_we_do_not_know_is_ignored(site: Website) -> None:
    assert answered(site.signed_in("ada"), "/api/agents/status?minutes=60")["agents"]
