"""What an API answer says when something is wrong: problem details (RFC 9457) with the contract's members beside."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Response
from pydantic import ConfigDict, Field

from observatory.api.edge import Message
from observatory.api.fields import Iso
from observatory.context import services
from observatory.model import iso

MIMETYPE = "application/problem+json"


class Fault(Message):
    path: str = Field(examples=["projectIds.0"], description="Dotted; empty for the whole.")
    message: str = Field(examples=["A project's id has 3 to 64 letters, digits and hyphens."])


class Problem(Message):
    """What went wrong. One body carries the members of RFC 9457 and those of the DevKit's contract."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Bad Request"], description="The name of the status.")
    status: int = Field(examples=[400])
    detail: str = Field(examples=["Invalid request"])
    error: str = Field(examples=["Invalid request"], description="The same as `detail`.")
    timestamp: Iso
    code: str = Field("", examples=["confirmation_required"], description="Names the situation for a program.")
    details: tuple[Fault, ...] = Field(
        (),
        examples=[[{"path": "projectIds.0", "message": "A project's id has 3 to 64 letters, digits and hyphens."}]],
        description="Every fault of what was sent.",
    )
    retry_after: int = Field(0, examples=[42], description="Seconds until it is worth trying again.")


def problem(status: int, error: str, *, code: str = "", details: Any = None, **more: Any) -> Response:
    """`{"type", "title", "status", "detail", "error", "timestamp", "code"?, "details"?, …}` with the given status.

    `error` is a sentence that the contract fixes for some situations; `title` names the status.
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error,
        "error": error,
        "timestamp": iso(services().clock()),
        **more,
    }
    if code:
        body["code"] = code
    if details is not None:
        body["details"] = details
    return Response(orjson.dumps(body), status=status, mimetype=MIMETYPE)
