"""Health, readiness, our own metrics, and the browsers' reports of what the content policy refused."""

import json
import platform
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from werkzeug.exceptions import RequestEntityTooLarge

from observatory.api.problem import iso
from observatory.context import Check, actor_or_none, services
from observatory.errors import StoreError
from observatory.store import accounts

routes = Blueprint("ops", __name__)

LARGEST_REPORT = 16 * 1024
# The report names its directive; anybody may send one, so only these names become label values.
DIRECTIVES = {
    "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr", "img-src",
    "font-src", "connect-src", "frame-src", "worker-src", "manifest-src", "object-src", "base-uri", "form-action",
    "frame-ancestors", "default-src", "require-trusted-types-for", "trusted-types",
}  # fmt: skip

csp_reports = Counter("observatory_csp_reports_total", "Content policy violations browsers reported", ["directive"])


@routes.get("/api/health")
def health() -> Response:
    """The contract's health. Without a session only what passed is told, and nothing of the machine."""
    checks = all_checks()
    healthy = all(check.passed for check in checks)
    signed_in = actor_or_none() is not None
    body: dict[str, Any] = {
        "status": "healthy" if healthy else "unhealthy",
        "timestamp": iso(services().clock()),
        "checks": [line(check) for check in checks if check.passed or signed_in],
    }
    if signed_in:
        body["environment"] = {
            "pythonVersion": platform.python_version(),
            "platform": platform.system().lower(),
            "env": "production" if services().production else "development",
        }
    response = jsonify(body)
    response.status_code = 200 if healthy else 503
    return response


@routes.get("/healthz")
def alive() -> Response:
    """The process answers. Says nothing of what it depends on: a restart would not mend that."""
    return Response("ok\n", mimetype="text/plain")


@routes.get("/readyz")
def ready() -> Response:
    """The process can do its work: the database answers."""
    passed = check_database().passed
    return Response("ready\n" if passed else "not ready\n", status=200 if passed else 503, mimetype="text/plain")


@routes.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@routes.post("/api/csp-reports")
def count_reports() -> Response:
    """Count what a browser reports, in the old shape (`csp-report`) or the new (a list of reports)."""
    request.max_content_length = LARGEST_REPORT
    try:
        document = json.loads(request.get_data())
    except RequestEntityTooLarge:
        raise
    except (ValueError, RecursionError):
        document = None
    for directive in reported_directives(document):
        csp_reports.labels(directive).inc()
    return Response(status=204)


def reported_directives(document: object) -> list[str]:
    """The violated directive of each report in `document`, "other" where it is not one we know."""
    reports = document if isinstance(document, list) else [document]
    found = []
    for report in reports[:20]:
        body = (report.get("body") or report.get("csp-report")) if isinstance(report, dict) else None
        if not isinstance(body, dict):
            continue
        named = body.get("effectiveDirective") or body.get("effective-directive") or body.get("violated-directive")
        word = named.split(" ")[0] if isinstance(named, str) and named else "other"
        found.append(word if word in DIRECTIVES else "other")
    return found


def all_checks() -> list[Check]:
    here = Check("server", True, "Server is running")
    return [here, check_database(), *(check() for check in services().checks)]


def check_database() -> Check:
    try:
        accounts.has_admin(services().store)
    except StoreError:
        return Check("database", False, "The database does not answer")
    return Check("database", True, "The database answers")


def line(check: Check) -> dict[str, Any]:
    details = {"checkName": check.name, "environment": "server"}
    return {"passed": check.passed, "message": check.message, "details": details}
