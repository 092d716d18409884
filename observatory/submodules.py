"""Whether a project on this machine brings an MCP server along as a git submodule, and where that listens (§5.4)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from observatory.contract.names import clean_path, path_fault
from observatory.small_files import content

MENTIONED = re.compile(rb"mcp|devkit|agent-server", re.IGNORECASE)
CONFIGURATIONS = (".mcp/config.json", "mcp.config.json", ".happy-devkit/config.json")
USUAL = "http://localhost:5173"


def mcp_server_url(project_path: str) -> str:
    """Where the MCP server of the project in a folder of this machine listens, as its files say; "" when they mention
    none. A folder that is not there, and files that cannot be read, mention none."""
    if path_fault(project_path):
        return ""
    folder = Path(clean_path(project_path, str(Path.home())))
    if not MENTIONED.search(read(folder / ".gitmodules")):
        return ""
    return next((url for name in CONFIGURATIONS for url in urls(read(folder / name))), USUAL)


def read(path: Path) -> bytes:
    try:
        return content(path)
    except (OSError, ValueError):
        return b""


def urls(text: bytes) -> Iterator[str]:
    """What a configuration names: `serverUrl`, else `server.url`."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(told, dict):
        return
    server = told.get("server")
    for url in (told.get("serverUrl"), server.get("url") if isinstance(server, dict) else None):
        if isinstance(url, str) and url:
            yield url
