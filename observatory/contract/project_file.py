"""A project's file in the Bridge's configuration (§5.3): what it may say, before the Bridge refuses to start."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError, field_validator

from observatory.contract.bridge_projects import server_url
from observatory.contract.names import COLOR, path_fault, project_id_fault
from observatory.contract.normalise import Order

URLS = ("mcpServerUrl", "bridgeUrl", "wsUrl")


class Dashboard(Order):
    id: str
    name: str
    widgets: tuple[str, ...]


class ProjectFile(Order):
    """`config/projects/<id>.json`. A key that is not here stops the Bridge, and so does one without `id` and `name`."""

    id: str
    name: str = Field(min_length=1)
    path: str | None = None
    description: str | None = Field(default=None, max_length=500)
    icon: str | None = Field(default=None, max_length=50)
    color: str | None = None
    dashboards: dict[str, Dashboard] | None = None
    telemetry_map: dict[str, str] | None = None
    has_submodule_mcp: bool | None = Field(default=None, alias="hasSubmoduleMCP")
    mcp_server_url: str | None = None
    bridge_url: str | None = None
    ws_url: str | None = None

    @field_validator("id")
    @classmethod
    def good_id(cls, value: str) -> str:
        return good(value, project_id_fault)

    @field_validator("path")
    @classmethod
    def good_path(cls, value: str | None) -> str | None:
        return None if value is None else good(value, path_fault)

    @field_validator("color")
    @classmethod
    def good_color(cls, value: str | None) -> str | None:
        if value is not None and not COLOR.fullmatch(value):
            raise ValueError("A colour is #RRGGBB or a Tailwind token.")
        return value

    @field_validator("mcp_server_url", "bridge_url", "ws_url")
    @classmethod
    def good_url(cls, value: str | None) -> str | None:
        if value is not None and not server_url(value):
            raise ValueError("This is no address of a server.")
        return value


def good(value: str, fault: Callable[[str], str]) -> str:
    said = fault(value)
    if said:
        raise ValueError(said)
    return value


def faults(content: object, url_fault: Callable[[str], str] = lambda _url: "") -> list[dict[str, str]]:
    """Everything that is wrong with a file, as `path` (dotted, "" for the whole) and `message`; empty when it is good.

    `url_fault` is the rule for addresses that a project names, which stands with the clients.
    """
    try:
        ProjectFile.model_validate(content)
    except ValidationError as error:
        return [fault(one["loc"], one["msg"]) for one in error.errors(include_url=False, include_input=False)]
    found = ((key, url_fault(url)) for key, url in urls(content))
    return [fault((key,), said) for key, said in found if said]


def urls(content: object) -> Iterator[tuple[str, str]]:
    for key in URLS:
        value = content.get(key) if isinstance(content, Mapping) else None
        if isinstance(value, str):
            yield key, value


def fault(place: tuple[Any, ...], message: str) -> dict[str, str]:
    return {"path": ".".join(map(str, place)), "message": message.removeprefix("Value error, ")}
