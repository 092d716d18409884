import pytest

from observatory.clients.addresses import Rule, url_fault
from observatory.contract import names
from observatory.contract.project_file import faults

UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
FILE = {
    "id": "loom", "name": "Loom", "path": "~/.local/state/loom", "color": "#0EA5E9", "description": "Pattern compiler",
    "telemetryMap": {"cpu": "system.cpu.usage"}, "hasSubmoduleMCP": True, "mcpServerUrl": "http://localhost:8123",
    "dashboards": {"main": {"id": "loom-main", "name": "Loom", "widgets": ["agent-status"]}},
}  # fmt: skip


@pytest.mark.parametrize("id", ["loom", "abc", "a" * 64, UUID, UUID.upper(), "LOOM", "a--b", "-ab"])
def test_ids_that_projects_may_have(id: str) -> None:
    assert names.project_id_fault(id) == ""


@pytest.mark.parametrize("id", ["", "ab", "a" * 65, "a b", "a/b", "..", "größe", "ſlug", "loom\n"])
def test_ids_that_they_may_not(id: str) -> None:
    assert names.project_id_fault(id) == "The id is neither a UUID nor 3 to 64 letters, digits and hyphens."


def test_the_daemons_id_is_taken() -> None:
    assert names.project_id_fault("MCP-daemon") == "The id mcp-daemon is the daemon's."


@pytest.mark.parametrize("path", ["/", "~", "~/loom", "/a/b.c/..d/e..", "/a//b/", "~loom"])
def test_paths_that_lead_down(path: str) -> None:
    assert names.path_fault(path) == ""


@pytest.mark.parametrize(
    "path", ["", "loom", "./a", "/a/../b", "~/..", "/a/.", "/a/./b", "~\\..\\b", "/" + "a" * 500, "/a\0b"]
)
def test_paths_that_do_not(path: str) -> None:
    assert names.path_fault(path)


@pytest.mark.parametrize(("name", "good"), [("Loom 2_a-b", True), ("", False), ("a" * 101, False), ("a<b", False)])
def test_names_of_projects(name: str, good: bool) -> None:
    assert (names.name_fault(name) == "") is good


def test_what_was_typed_is_cleaned() -> None:
    assert names.clean_name("  Lo<o>m! " + "x" * 200) == "Loom " + "x" * 95
    assert names.clean_path("~/a//b/", "/home/ada") == "/home/ada/a/b"
    assert names.clean_path("//a///b", "/home/ada") == "/a/b"


def test_an_agent_may_be_called_anything_of_a_hundred_characters() -> None:
    assert names.agent_id_fault("🧵 @#/%?") == ""
    assert names.agent_id_fault("x" * 100) == ""
    assert names.agent_id_fault("") == names.agent_id_fault("x" * 101) == "An agent's id has 1 to 100 characters."


def test_a_file_that_is_as_it_should_be() -> None:
    assert faults(FILE) == []
    assert faults({"id": "loom", "name": "Loom"}) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": None}, "id"), ({"id": "a b"}, "id"), ({"id": "mcp-daemon"}, "id"), ({"name": ""}, "name"),
        ({"title": "Loom"}, "title"), ({"lastAccessed": "2025-09-02"}, "lastAccessed"), ({"path": "a/b"}, "path"),
        ({"path": "/a/../b"}, "path"), ({"color": "blue!"}, "color"), ({"description": "x" * 501}, "description"),
        ({"mcpServerUrl": 4}, "mcpServerUrl"), ({"mcpServerUrl": "file:///etc"}, "mcpServerUrl"),
        ({"telemetryMap": {"cpu": 1}}, "telemetryMap.cpu"), ({"dashboards": {"main": {}}}, "dashboards.main.id"),
        ({"hasSubmoduleMCP": "perhaps"}, "hasSubmoduleMCP"),
    ],
)  # fmt: skip
def test_a_file_that_would_stop_the_bridge_says_where(change: dict[str, object], path: str) -> None:
    found = faults({**FILE, **change})
    assert found[0]["path"] == path
    assert found[0]["message"]


@pytest.mark.parametrize("missing", ["id", "name"])
def test_a_file_needs_two_things(missing: str) -> None:
    assert [fault["path"] for fault in faults({key: v for key, v in FILE.items() if key != missing})] == [missing]


@pytest.mark.parametrize("content", [None, [], "loom", 4])
def test_a_file_is_an_object(content: object) -> None:
    assert [fault["path"] for fault in faults(content)] == [""]


@pytest.mark.parametrize(
    ("url", "good"),
    [("http://localhost:8123", True), ("ws://127.0.0.1:1", True), ("http://10.1.2.3", True),
     ("http://172.16.0.9", True), ("https://192.168.0.2/mcp", True), ("http://172.32.0.1", False),
     ("https://mcp.happypatterns.org", False), ("http://8.8.8.8", False)],
)  # fmt: skip
def test_a_projects_own_server_is_on_this_machine_or_in_its_network(url: str, good: bool) -> None:
    found = faults({**FILE, "mcpServerUrl": url}, lambda given: url_fault(given, Rule.LOCAL))
    assert [fault["path"] for fault in found] == ([] if good else ["mcpServerUrl"])
