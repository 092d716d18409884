"""The edge of the API: what a route takes and answers is stated once, as pydantic models. Here it is checked, there
(`openapi.py`) it is told.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, get_origin

import orjson
from flask import Response, request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from observatory.errors import Invalid

Told: TypeAlias = "BaseModel | tuple[BaseModel, int] | Response"
View: TypeAlias = Callable[..., Told]


class Message(BaseModel):
    """Something on the wire: camelCase there, snake_case here. What we are sent may hold nothing else."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        json_schema_serialization_defaults_required=True,  # what we send, we send whole
    )


class Lenient(Message):
    """One whose senders we do not know: what else they send is ignored."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    `answer` is a model, or the media types of something else; "" is no content. `takes` are the media types of a body
    that the view reads by itself. `also` are statuses that it answers besides the common ones: in words with a
    problem, or with another model.
    """

    summary: str
    answer: type[BaseModel] | tuple[str, ...]
    status: int = 200
    body: type[BaseModel] | None = None
    takes: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    path: type[BaseModel] | None = None
    also: Mapping[int, str | type[BaseModel]] = field(default_factory=dict)


def operation(
    summary: str,
    answer: type[BaseModel] | tuple[str, ...],
    *,
    status: int = 200,
    body: type[BaseModel] | None = None,
    takes: tuple[str, ...] = (),
    query: type[BaseModel] | None = None,
    path: type[BaseModel] | None = None,
    also: Mapping[int, str | type[BaseModel]] | None = None,
) -> Callable[[View], Callable[..., Response]]:
    """State what a view takes and answers. It is called with `body` and `query` as models and the parts of its path as
    `path` checks them, and answers a model, a model and a status, or a whole response. Raises Invalid with every fault
    before the view is called."""
    stated = Operation(summary, answer, status, body, takes, query, path, also or {})

    def state(view: View) -> Callable[..., Response]:
        @wraps(view)
        def edge(**parts: Any) -> Response:
            if path is not None:
                parts = dict(checked(path, parts))
            if body is not None:
                parts["body"] = sent(body)
            if query is not None:
                parts["query"] = asked(query)
            return told(view(**parts), status)

        edge.operation = stated  # type: ignore[attr-defined]
        return edge

    return state


def stated_of(view: object) -> Operation | None:
    return getattr(view, "operation", None)


def sent(model: type[BaseModel]) -> BaseModel:
    """The body as `model`, no type taken for another. Raises Invalid."""
    text = request.get_data()
    try:
        content = orjson.loads(text or b"null")
    except orjson.JSONDecodeError:
        raise Invalid([{"path": "", "message": "The body is no JSON."}]) from None
    if not isinstance(content, dict):
        raise Invalid([{"path": "", "message": "The body must be a JSON object."}])
    with told_as_invalid():
        return model.model_validate_json(text, strict=True, by_alias=True, by_name=False)


def asked(model: type[BaseModel]) -> BaseModel:
    """The query as `model`. Raises Invalid, also for a name that comes twice where the model has no tuple for it."""
    several = {own.alias for own in model.model_fields.values() if get_origin(own.annotation) is tuple}
    given = dict(request.args.lists())
    twice = [name for name, values in given.items() if len(values) > 1 and name not in several]
    if twice:
        raise Invalid([{"path": name, "message": f"{name} may be given once."} for name in twice])
    return checked(model, {name: values if name in several else values[0] for name, values in given.items()})


def checked(model: type[BaseModel], content: Mapping[str, Any]) -> BaseModel:
    with told_as_invalid():
        return model.model_validate(content, by_alias=True, by_name=False)


@contextmanager
def told_as_invalid() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid(
            [{"path": ".".join(map(str, fault["loc"])), "message": sentence(fault["msg"])} for fault in found]
        ) from None


def sentence(message: str) -> str:
    """pydantic's word on a fault; a validator of ours says `Value error, …` before its own."""
    return message.removeprefix("Value error, ")


def told(answer: Told, status: int) -> Response:
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, tuple):
        answer, status = answer
    return Response(answer.model_dump_json(by_alias=True), status=status, mimetype="application/json")
