"""Projects as the Bridge lists, makes and finds them: B5 to B8."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from observatory.contract.normalise import PRESENT, Flag, Id, Message, Object, Order, Text, Time, wrapped
from observatory.model import Project

ID_LIMIT = 100  # longer ids are not asked about (Q26)
URL_LIMIT = 2000
SUPERSEDED_PORT = 8001  # of an example that was never corrected (Q22)


def server_url(value: object) -> str:
    """A project's own MCP server, "" when what stands there cannot be one (Q22). Where it may lead is not told here."""
    if not isinstance(value, str) or len(value) > URL_LIMIT:
        return ""
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname)
        return value if good and parts.port != SUPERSEDED_PORT else ""
    except ValueError:
        return ""


ServerUrl = Annotated[str, BeforeValidator(server_url)]


class ListedProject(Message):
    id: Id
    name: Text = ""
    path: Text = ""
    description: Text = ""
    icon: Text = ""
    color: Text = ""
    dashboards: Object = Field(default_factory=dict)
    telemetry_map: Object = Field(default_factory=dict)
    has_submodule_mcp: Flag = Field(default=None, validation_alias=AliasChoices("hasSubmoduleMCP", "has_submodule_mcp"))
    mcp_server_url: ServerUrl = ""
    bridge_url: ServerUrl = ""
    ws_url: ServerUrl = ""

    def project(self) -> Project:
        """The noun; without a name it goes by its id."""
        return Project(
            id=self.id,
            name=self.name or self.id,
            path=self.path,
            description=self.description,
            icon=self.icon,
            color=self.color,
            ws_url=self.ws_url,
            bridge_url=self.bridge_url,
            mcp_url=self.mcp_server_url,
            has_mcp=self.has_submodule_mcp,
            dashboards=self.dashboards,
            telemetry_map=self.telemetry_map,
        )


class ProjectList(Message):
    """B5, wrapped or as a bare array."""

    listed: tuple[ListedProject, ...] = Field(validation_alias="projects")
    timestamp: Time = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "projects")

    def projects(self) -> tuple[Project, ...]:
        """In the order sent, each once (ids are compared without case), without those we would refuse to ask about."""
        kept: dict[str, Project] = {}
        for item in self.listed:
            if len(item.id) <= ID_LIMIT and item.id not in {".", ".."}:
                kept.setdefault(item.id.lower(), item.project())
        return tuple(kept.values())


class OneProject(Message):
    """B6 and B7: `{project}`, or the project itself (Q12)."""

    project: ListedProject

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return {"project": value} if isinstance(value, dict) and "project" not in value else value


class NewProject(Order):
    """What B6 takes."""

    name: str = Field(min_length=1, max_length=100)
    path: str = Field(min_length=1, max_length=500)
    description: str | None = Field(default=None, max_length=500)
    icon: str | None = Field(default=None, max_length=50)
    color: str | None = Field(default=None, pattern=r"^#[0-9A-Fa-f]{6}$")


class FoundProject(Message):
    """One that a scan found. `type` is `npm`, `python`, `git`, `monorepo` or `unknown`."""

    name: Text
    path: Text
    type: Text = "unknown"
    has_git: Flag = None
    has_package_json: Flag = None
    has_mcp: Flag = Field(default=None, validation_alias=AliasChoices("hasMCP", "has_mcp"))
    description: Text = ""


class Found(Message):
    """B8, wrapped or as a bare array. `is_real_data` False: what was found is made up."""

    projects: Annotated[tuple[FoundProject, ...], PRESENT]
    scanned_path: Text = ""
    is_real_data: Flag = None

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "projects")
