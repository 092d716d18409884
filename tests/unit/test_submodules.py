"""Whether a project brings an MCP server along as a submodule, and where that listens."""

import json
import os
from pathlib import Path

import pytest

from observatory.submodules import CONFIGURATIONS, USUAL, mcp_server_url


def mention(folder: Path, what: str = "tools/mcp") -> None:
    (folder / ".gitmodules").write_text(f'[submodule "{what}"]\n\tpath = {what}\n')


def configure(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize("what", ["tools/mcp", "Happy-DevKit", "vendor/agent-server"])
def test_a_submodule_without_a_configuration_listens_where_most_do(tmp_path: Path, what: str) -> None:
    mention(tmp_path, what)
    assert mcp_server_url(str(tmp_path)) == USUAL


def test_other_submodules_and_none_are_no_server(tmp_path: Path) -> None:
    assert mcp_server_url(str(tmp_path)) == ""
    mention(tmp_path, "vendor/zlib")
    configure(tmp_path, CONFIGURATIONS[0], {"serverUrl": "http://localhost:1"})
    assert mcp_server_url(str(tmp_path)) == ""


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize(
    "content", [{"serverUrl": "http://localhost:7", "server": {"url": "x"}}, {"server": {"url": "http://localhost:7"}}]
)
def test_the_configuration_says_where(tmp_path: Path, name: str, content: object) -> None:
    mention(tmp_path)
    configure(tmp_path, name, content)
    assert mcp_server_url(str(tmp_path)) == "http://localhost:7"


def test_the_first_configuration_that_names_a_place_counts(tmp_path: Path) -> None:
    mention(tmp_path)
    for number, content in enumerate([{"serverUrl": 7}, {"server": {"url": "http://localhost:2"}}, {"serverUrl": "x"}]):
        configure(tmp_path, CONFIGURATIONS[number], content)
    assert mcp_server_url(str(tmp_path)) == "http://localhost:2"


@pytest.mark.parametrize("content", ["{", "[]", '"http://localhost:7"', "null", '{"server": []}', "[" * 50_000])
def test_a_configuration_that_says_nothing_is_passed_over(tmp_path: Path, content: str) -> None:
    mention(tmp_path)
    configure(tmp_path, CONFIGURATIONS[0], content)
    assert mcp_server_url(str(tmp_path)) == USUAL


@pytest.mark.parametrize("path", ["", "loom", "/loom/../etc", "/no/such/folder", "/dev/null", "/" + "x" * 600, "/a\0b"])
def test_a_path_that_leads_nowhere_is_no_server(path: str) -> None:
    assert mcp_server_url(path) == ""


def test_a_pipe_and_a_link_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("mcp")
    (tmp_path / ".gitmodules").symlink_to(tmp_path / "real")
    assert mcp_server_url(str(tmp_path)) == ""
    (tmp_path / ".gitmodules").unlink()
    os.mkfifo(tmp_path / ".gitmodules")
    assert mcp_server_url(str(tmp_path)) == ""


def test_the_home_folder_may_be_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "loom").mkdir()
    mention(tmp_path / "loom")
    assert mcp_server_url("~/loom/") == USUAL
