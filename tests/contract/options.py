"""The command line options of the contract suite: where the services are. None given: the simulator is started."""

import pytest

SERVICES = {
    "bridge": "Bridge server, e.g. http://localhost:52521",
    "bridge-ws": "Bridge server, WebSocket base; follows --bridge-url",
    "mcp": "MCP daemon",
    "devkit": "Happy DevKit API",
    "console": "Nexus Console",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "services that the contract suite speaks to instead of the simulator")
    for name, help in SERVICES.items():
        group.addoption(f"--{name}-url", default=None, help=help)
