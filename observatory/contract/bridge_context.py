"""What the Bridge says of itself and of MCP servers: B2 to B4."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from observatory import model
from observatory.contract.bridge_projects import ServerUrl
from observatory.contract.normalise import PRESENT, Flag, Message, Number, Object, Text, Time, Words, wrapped


class BridgeStatus(Message):
    """B2. Only `healthy` is required. `uptime` in seconds."""

    healthy: bool = Field(strict=True)
    version: Text = ""
    uptime: Number = None
    features: Object = Field(default_factory=dict)
    projects: Number = None
    connections: Number = None
    timestamp: Time = None


class McpServer(Message):
    """`status` is `active`, `inactive` or `error`. `url` is a project's word, to be asked by their rule."""

    id: Text = ""
    name: Text = ""
    project_path: Text = ""
    url: ServerUrl = ""
    status: Text = ""
    capabilities: Words = ()

    def server(self, id: str) -> model.McpServer:
        return model.McpServer(id, self.name or id, self.project_path, self.url, self.status, self.capabilities)


class McpContext(Message):
    """B3, and `data` of a `context` frame. Without `isAvailable` there is something where a server is listed."""

    servers: Annotated[tuple[McpServer, ...], PRESENT]
    is_available: Flag = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        if isinstance(value, dict) and "servers" not in value and ("isAvailable" in value or "is_available" in value):
            return {**value, "servers": ()}
        return wrapped(value, "servers")

    @property
    def available(self) -> bool:
        return bool(self.servers) if self.is_available is None else self.is_available

    def context(self) -> model.McpContext:
        """The noun. A server without an id goes by its name or address; one that has none of them is left out."""
        named = ((server.id or server.name or server.url, server) for server in self.servers)
        kept = {id: server.server(id) for id, server in named if id}
        return model.McpContext(self.available, tuple(kept.values()))


class McpSummary(Message):
    """B4."""

    available: bool = Field(strict=True)
    active: Number = None
    total: Number = None
    timestamp: Time = None
