"""What the API tells of itself: OpenAPI 3.1, made of the routes, of what their views state and by which they are
checked, and of the marks that the guard reads."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import orjson
from flask import Flask, Response
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from observatory import limits
from observatory.api.edge import Operation, operation, stated_of
from observatory.api.problem import MIMETYPE, Problem
from observatory.api.sessions import COOKIE, SECURE_COOKIE
from observatory.auth.roles import required_confirmation, required_role
from observatory.model import Role

Json: TypeAlias = dict[str, Any]

PREFIX = "/api/"
VERSION = "1"  # of the API; it tells nothing of the release
VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
JSON = "application/json"
TYPES = {JSON: "object", "text/csv": "string", "application/jsonl": "string"}  # of what no model describes
ABOUT = """The observatory's own API: what its pages know, for programs.

Sign in at `/api/auth/login`, or have an administrator make an API token, and send it as `Authorization: Bearer …`.
Names in paths are percent-encoded, `/` as `%2F`. Whatever goes wrong is told as `application/problem+json`."""
PROBLEMS = {
    400: "What was sent cannot be used; `details` names every fault.",
    401: "Nobody is signed in, or the session or token is over.",
    403: "The caller may not do this, or the request came from another site's page.",
    404: "There is nothing of that name, or the caller may not know of it.",
    413: "The body is too large.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database does not answer. Nothing was changed.",
}
ERRORS = {  # where the contract or we fix the words
    400: "Invalid request",
    401: "Authentication required",
    403: "Insufficient permissions",
    413: "Request Entity Too Large",
    429: "Too many requests",
}
MEMBERS = {"details": 400, "code": 403, "retryAfter": 429}  # that stand in the example of one status alone
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a session, or an API token."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of a browser, by http."},
    "secureCookie": {"type": "apiKey", "in": "cookie", "name": SECURE_COOKIE, "description": "Of a browser, by https."},
}
HEADERS: dict[str, Json] = {
    "X-RateLimit-Limit": {
        "description": "Requests in a window.", "required": True, "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Remaining": {
        "description": "Those left.", "required": True, "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Reset": {
        "description": "When the window ends.", "required": True, "schema": {"type": "string", "format": "date-time"},
    },
}  # fmt: skip
RETRY = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}}}


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str  # as OpenAPI writes it
    endpoint: str
    view: Callable[..., object]
    stated: Operation
    public: bool


def register(server: Flask, is_public: Callable[[str, str], bool]) -> None:
    """Serve the description. Routes that come later are in it too: it is made when somebody first asks."""

    @cache
    def made() -> bytes:
        return orjson.dumps(document(routes(server, is_public)))

    @operation("This description", (JSON,))
    def openapi() -> Response:
        return Response(made(), mimetype=JSON)

    server.add_url_rule("/api/openapi.json", "openapi", openapi)


def routes(server: Flask, is_public: Callable[[str, str], bool]) -> list[Route]:
    """Every route below /api/ whose view states what it takes, by path."""
    return sorted(
        (
            Route(method, VARIABLE.sub(r"{\1}", rule.rule), rule.endpoint, view, stated, is_public(method, rule.rule))
            for rule in server.url_map.iter_rules()
            if rule.rule.startswith(PREFIX) and (stated := stated_of(view := server.view_functions[rule.endpoint]))
            for method in methods(rule)
        ),
        key=lambda route: (route.path, route.method),
    )


def methods(rule: Rule) -> list[str]:
    """What the route itself takes: HEAD and OPTIONS come by themselves."""
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def document(found: list[Route]) -> Json:
    schemas = Schemas(found)
    paths: dict[str, Json] = {}
    for route in found:
        paths.setdefault(route.path, {})[route.method.lower()] = described(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Happy Observatory", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({tag(route) for route in found})],
        "security": [{name: []} for name in SCHEMES],
        "paths": paths,
        "components": {
            "schemas": schemas.kept,
            "securitySchemes": SCHEMES,
            "headers": HEADERS | RETRY,
            "responses": {str(status): wrong(status, words, schemas) for status, words in PROBLEMS.items()},
        },
    }


class Schemas:
    """The schemas of all models of the routes, as pydantic makes them."""

    def __init__(self, found: list[Route]) -> None:
        made, rest = models_json_schema(
            sorted(set(models(found)), key=lambda pair: (pair[0].__qualname__, pair[1])),
            by_alias=True,
            ref_template="#/components/schemas/{model}",
        )
        self.refs = {key: str(value["$ref"]) for key, value in made.items()}
        self.known: dict[str, Json] = {name: plain(schema) for name, schema in rest["$defs"].items()}
        spread = {self.name((model, mode)) for route in found for model, mode in spread_out(route.stated)}
        self.kept = {name: schema for name, schema in self.known.items() if name not in spread}

    def name(self, key: tuple[type[BaseModel], JsonSchemaMode]) -> str:
        return self.refs[key].rsplit("/", 1)[1]

    def content(self, model: type[BaseModel], mode: JsonSchemaMode, media: str = JSON) -> Json:
        ref = {"$ref": self.refs[model, mode]}
        return {media: {"schema": ref, "example": self.example(ref)}}

    def fields(self, model: type[BaseModel]) -> Iterator[tuple[str, Json, bool]]:
        schema = self.known[self.name((model, "validation"))]
        for name, field in schema["properties"].items():
            yield name, field, name in schema.get("required", ())

    def example(self, schema: Json) -> Any:
        """The examples that the fields state, put together; where a field states none, what its type allows."""
        if "$ref" in schema:
            schema = self.known[schema["$ref"].rsplit("/", 1)[1]] | schema
        for stated in ("examples", "enum"):
            if stated in schema:
                return schema[stated][0]
        if schema.get("default") is not None:
            return schema["default"]
        if "anyOf" in schema:
            return self.example(schema["anyOf"][0])
        if "properties" in schema:
            return {name: self.example(field) for name, field in schema["properties"].items()}
        if "items" in schema:
            return [self.example(schema["items"])]
        return {"boolean": False, "integer": schema.get("minimum", 0), "string": ""}.get(schema.get("type", ""))


def models(found: list[Route]) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield Problem, "validation"  # what it may lack, it lacks
    for stated in (route.stated for route in found):
        yield from spread_out(stated)
        if stated.body is not None:
            yield stated.body, "validation"
        for model in (stated.answer, *stated.also.values()):
            if isinstance(model, type):
                yield model, "serialization"


def spread_out(stated: Operation) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    """The models that stand in the description as parameters, a field each."""
    for model in (stated.path, stated.query):
        if model is not None:
            yield model, "validation"


def plain(schema: Json) -> Json:
    """Without the titles that pydantic makes of the names of fields."""
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
    return schema


def tag(route: Route) -> str:
    return route.endpoint.partition(".")[0]


def described(route: Route, schemas: Schemas) -> Json:
    stated = route.stated
    found: Json = {
        "operationId": route.endpoint.replace(".", "_"),
        "tags": [tag(route)],
        "summary": stated.summary,
        "description": about(route),
        "parameters": [*parameters("path", stated.path, schemas), *parameters("query", stated.query, schemas)],
        "responses": answers(route, schemas),
    }
    if stated.body is not None:
        found["requestBody"] = {"required": True, "content": schemas.content(stated.body, "validation")}
    elif stated.takes:
        found["requestBody"] = {"content": {media: {"schema": {}, "example": {}} for media in stated.takes}}
    if route.public:
        found["security"] = [{}, *({name: []} for name in SCHEMES)]
    else:
        found["x-required-role"] = (required_role(route.view) or Role.VIEWER).value
        found["x-required-confirmation"] = required_confirmation(route.view)
    return found


def about(route: Route) -> str:
    role = required_role(route.view)
    needs = "Open to everybody." if route.public else "Takes somebody who is signed in."
    if role is not None:
        needs = f"Takes the role {role}."
    if required_confirmation(route.view):
        needs += " Takes a person who gave the password within the last ten minutes; no API token will do."
    return f"{inspect.getdoc(route.view) or ''}\n\n{needs}".strip()


def parameters(place: str, model: type[BaseModel] | None, schemas: Schemas) -> Iterator[Json]:
    for name, field, required in schemas.fields(model) if model is not None else ():
        schema = without_null(field)
        told = {"description": text} if (text := schema.pop("description", "")) else {}
        shown = {"example": schemas.example(schema)} if "examples" in schema or place == "path" else {}
        yield {"name": name, "in": place, "required": required or place == "path", "schema": schema, **told, **shown}


def without_null(field: Json) -> Json:
    """A query cannot say null: what is not given is left out."""
    rest = {key: value for key, value in field.items() if key != "anyOf" and value is not None}
    for choice in field.get("anyOf", ()):
        if choice != {"type": "null"}:
            rest |= choice
    return rest


def answers(route: Route, schemas: Schemas) -> Json:
    found: Json = {str(status): {"$ref": f"#/components/responses/{status}"} for status in common(route)}
    for status, told in route.stated.also.items():
        if isinstance(told, str):
            found[str(status)] = wrong(status, told, schemas)
        else:
            content = schemas.content(told, "serialization")
            found[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return {str(route.stated.status): success(route, schemas), **dict(sorted(found.items()))}


def wrong(status: int, words: str, schemas: Schemas) -> Json:
    """An answer that is a problem. Its example has only the members that this status comes with."""
    content = schemas.content(Problem, "validation", MIMETYPE)
    title = HTTPStatus(status).phrase
    error = ERRORS.get(status, words)
    own = {"title": title, "status": status, "detail": error, "error": error}
    whole = content[MIMETYPE]["example"] | own
    content[MIMETYPE]["example"] = {k: v for k, v in whole.items() if MEMBERS.get(k, status) == status}
    headers = [*HEADERS, *RETRY] if status == 429 else ()
    return {"description": words, "content": content, "headers": refs(headers)}


def success(route: Route, schemas: Schemas) -> Json:
    answer = route.stated.answer
    if isinstance(answer, tuple):
        kinds: Json = {media: {"schema": {"type": TYPES[media]}} if media in TYPES else {} for media in answer}
    else:
        kinds = schemas.content(answer, "serialization")
    headers = () if is_unlimited(route) else HEADERS
    return {"description": HTTPStatus(route.stated.status).phrase, "content": kinds, "headers": refs(headers)}


def common(route: Route) -> list[int]:
    """The statuses with which things go wrong here as with other routes of its kind."""
    stated = route.stated
    sends = bool(stated.body or stated.takes)
    meets = {
        400: sends or stated.query or stated.path,
        401: not route.public,
        403: route.method != "GET" or required_role(route.view),
        404: stated.path,
        413: sends,
        429: not is_unlimited(route),
        503: True,
    }
    return [status for status, met in meets.items() if met]


def is_unlimited(route: Route) -> bool:
    return bool(limits.EXEMPT.fullmatch(route.path))


def refs(headers: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
