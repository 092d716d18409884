"""Health, readiness, our own metrics, and the browsers' reports of what the content policy refused."""

import json
import platform
from typing import Any, Literal

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import ConfigDict, Field
from werkzeug.exceptions import RequestEntityTooLarge

from observatory.api import stream_metrics
from observatory.api.edge import Message, operation
from observatory.api.fields import Iso
from observatory.context import Check, actor_or_none, services
from observatory.errors import StoreError
from observatory.model import iso
from observatory.store import accounts

routes = Blueprint("ops", __name__)

LARGEST_REPORT, MOST_REPORTS = 16 * 1024, 20  # bytes of a body, reports in it
# The report names its directive; anybody may send one, so only these names become label values.
DIRECTIVES = {
    "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr", "img-src",
    "font-src", "connect-src", "frame-src", "worker-src", "manifest-src", "object-src", "base-uri", "form-action",
    "frame-ancestors", "default-src", "require-trusted-types-for", "trusted-types",
}  # fmt: skip

REPORTS = ("application/reports+json", "application/csp-report", "application/json")

csp_reports = Counter("observatory_csp_reports_total", "Content policy violations browsers reported", ["directive"])


class CheckDetails(Message):
    check_name: str = Field(examples=["database"])
    environment: str = Field(examples=["server"])


class CheckLine(Message):
    passed: bool = Field(examples=[True])
    message: str = Field(examples=["The database answers"])
    details: CheckDetails


class Environment(Message):
    python_version: str = Field(examples=["3.11.9"])
    platform: str = Field(examples=["linux"])
    env: Literal["production", "development"]


class Healthy(Message):
    """The contract's health. Without a session only what passed is told, and nothing of the machine."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    status: Literal["healthy", "unhealthy"]
    timestamp: Iso
    checks: tuple[CheckLine, ...]
    environment: Environment | None = Field(None, description="Only told to who is signed in.")


@routes.get("/api/health")
@operation("Whether the product is well; 503 when it is not", Healthy, also={503: Healthy})
def health() -> Response:
    checks = all_checks()
    healthy = all(check.passed for check in checks)
    signed_in = actor_or_none() is not None
    answer = Healthy(
        status="healthy" if healthy else "unhealthy",
        timestamp=iso(services().clock()),
        checks=tuple(line(check) for check in checks if check.passed or signed_in),
        environment=environment() if signed_in else None,
    )
    body = answer.model_dump_json(by_alias=True, exclude_none=True)
    return Response(body, status=200 if healthy else 503, mimetype="application/json")


def environment() -> Environment:
    return Environment(
        python_version=platform.python_version(),
        platform=platform.system().lower(),
        env="production" if services().production else "development",
    )


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
    return Response(generate_latest() + stream_metrics.exposed(), content_type=CONTENT_TYPE_LATEST)


@routes.post("/api/csp-reports")
@operation("Tell what the content policy refused, as browsers do", (), status=204, takes=REPORTS)
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
    """The violated directive of each report in `document`, "other" where it is not one we know.

    A browser sends at most a handful at once, so more than 20 are no browser's.
    """
    if isinstance(document, list):
        reports = [item for item in document[:MOST_REPORTS] if isinstance(item, dict)]
        bodies = [report.get("body") for report in reports if report.get("type") == "csp-violation"]
    else:
        bodies = [document.get("csp-report")] if isinstance(document, dict) else []
    return [directive(body) for body in bodies if isinstance(body, dict)]


def directive(body: dict[str, Any]) -> str:
    named = body.get("effectiveDirective") or body.get("effective-directive") or body.get("violated-directive")
    word = named.split(" ")[0] if isinstance(named, str) else ""
    return word if word in DIRECTIVES else "other"


def all_checks() -> list[Check]:
    here = Check("server", True, "Server is running")
    return [here, check_database(), *(check() for check in services().checks)]


def check_database() -> Check:
    try:
        accounts.has_admin(services().store)
    except StoreError:
        return Check("database", False, "The database does not answer")
    return Check("database", True, "The database answers")


def line(check: Check) -> CheckLine:
    details = CheckDetails(check_name=check.name, environment="server")
    return CheckLine(passed=check.passed, message=check.message, details=details)
