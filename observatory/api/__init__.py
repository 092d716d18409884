"""The JSON API under /api, and the operators' routes beside it. Who may call what is the guard's business."""

from collections.abc import Callable

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import PathConverter, RequestRedirect, Rule

from observatory.api import admin, openapi, ops, projects, query, sessions, watchlist
from observatory.api.problem import problem

BLUEPRINTS = (sessions.routes, ops.routes, admin.routes, projects.routes, query.routes, watchlist.routes)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN = "unknown_api"


class Rest(PathConverter):
    """Whatever follows, also nothing, slashes and line breaks as they came."""

    regex = "(?s:.*?)"
    part_isolating = False


class Service(PathConverter):
    """A service's name, which may hold slashes, where the path ends with it: not what is below a service."""

    regex = r"(?!.*/(?:probe|pause|resume)$)[^/].*?"
    part_isolating = False


def register(server: Flask, is_public: Callable[[str, str], bool]) -> None:
    """`is_public` tells by method and path what answers strangers."""
    server.url_map.converters |= {"rest": Rest, "service": Service}
    for blueprint in BLUEPRINTS:
        server.register_blueprint(blueprint)
    openapi.register(server, is_public)
    server.url_map.add(Rule("/api/<rest:rest>", endpoint=UNKNOWN))  # by any method
    server.view_functions[UNKNOWN] = unknown


def unknown(rest: str) -> Response:
    """What no route takes. Without this, a mistyped API path would be answered by the dashboard's page."""
    taken = allowed(request.path)
    if not taken:
        return problem(404, "Not found", code="unknown_path")
    answer = Response(status=204) if request.method == "OPTIONS" else problem(405, "Method not allowed")
    answer.headers["Allow"] = ", ".join([*taken, "OPTIONS"])
    return answer


def allowed(path: str) -> list[str]:
    """The methods that a path is there for; none when it is not."""
    return [method for method in METHODS if is_taken(path, method)]


def is_taken(path: str, method: str) -> bool:
    try:
        rule, _ = current_app.url_map.bind("").match(path, method, return_rule=True)
    except (NotFound, MethodNotAllowed, RequestRedirect):
        return False
    return bool(rule.endpoint != UNKNOWN)
