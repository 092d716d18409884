"""The JSON API under /api, and the operators' routes beside it. Who may call what is the guard's business."""

from flask import Flask, Response

from observatory.api import ops, sessions
from observatory.api.problem import problem

BLUEPRINTS = (sessions.routes, ops.routes)
ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def register(server: Flask) -> None:
    for blueprint in BLUEPRINTS:
        server.register_blueprint(blueprint)
    server.add_url_rule("/api/<path:rest>", "unknown_api", unknown, methods=ANY_METHOD)


def unknown(rest: str) -> Response:
    """Without this, a mistyped API path would be answered by the dashboard's page."""
    return problem(404, "Not found", code="unknown_path")
