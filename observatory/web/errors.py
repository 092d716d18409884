"""What a caller sees when something goes wrong: the contract's JSON, or a calm page. The one place that maps errors."""

from urllib.parse import quote

from flask import Flask, Response, g, make_response, redirect, render_template, request
from flask_limiter import RateLimitExceeded
from prometheus_client import Counter
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from observatory import log
from observatory.api.problem import problem
from observatory.api.sessions import presented_token
from observatory.context import note
from observatory.errors import (
    Conflict,
    Expired,
    Forbidden,
    Hidden,
    Invalid,
    InvalidProject,
    NotFound,
    OutOfProject,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unconfirmed,
)

logger = log.get(__name__)
failures = Counter("observatory_request_errors_total", "Requests that failed by a fault of ours", ["error"])

NOT_PAGES = ("/api/", "/_", "/assets/", "/metrics")
PLAIN_WORDS = {
    400: "The request was not understood.",
    403: "You may not see this.",
    404: "There is nothing here.",
    405: "This address does not take that kind of request.",
    413: "The request is too large.",
}


def is_page(path: str) -> bool:
    """Whether a person asked for `path` with a browser's address bar, rather than a program."""
    return not path.startswith(NOT_PAGES)


def register(server: Flask) -> None:
    server.register_error_handler(Unauthenticated, on_unauthenticated)
    server.register_error_handler(Forbidden, on_forbidden)
    server.register_error_handler(NotFound, on_not_found)
    server.register_error_handler(Invalid, on_invalid)
    server.register_error_handler(Conflict, lambda error: told(409, str(error)))
    server.register_error_handler(Throttled, on_throttled)
    server.register_error_handler(RateLimitExceeded, lambda _: on_throttled(g.throttled))
    server.register_error_handler(Unavailable, lambda error: told(503, str(error)))
    server.register_error_handler(StoreError, on_store_error)
    server.register_error_handler(HTTPException, on_http_exception)
    server.register_error_handler(Exception, on_fault)


def on_unauthenticated(error: Unauthenticated) -> AnyResponse:
    if presented_token():
        note("auth.token.expired" if isinstance(error, Expired) else "auth.token.invalid")
    if is_page(request.path) and request.method in {"GET", "HEAD"}:
        here = request.full_path.rstrip("?")
        return redirect("/login" if here == "/" else f"/login?next={quote(here, safe='/')}", 303)
    if is_page(request.path):  # a form, on a page that was open when the session ended
        return page("The session was over already, so nothing was done.", title="You are signed out", status=401)
    return problem(401, str(error))


def on_forbidden(error: Forbidden) -> AnyResponse:
    if isinstance(error, OutOfProject):
        note("access.denied.project", project=error.project, reason=str(error))
        return told(403, str(error), projectId=error.project)
    note("access.denied.permission", reason=str(error))
    if isinstance(error, Unconfirmed):
        return problem(403, str(error), code="confirmation_required")
    return told(403, str(error) or "Insufficient permissions")


def on_not_found(error: NotFound) -> AnyResponse:
    if isinstance(error, Hidden):
        note("access.denied.project", reason=str(error))
    return told(404, str(error) or "Not found", **error.named)


def on_invalid(error: Invalid) -> AnyResponse:
    faults = list(error.faults)
    note("validation.failed", reason="; ".join(f"{fault['path']}: {fault['message']}" for fault in faults))
    if isinstance(error, InvalidProject):
        return problem(400, "Invalid project ID format", details=faults, projectId=error.project)
    return problem(400, "Invalid request", details=faults)


def on_throttled(error: Throttled) -> AnyResponse:
    if is_page(request.path):
        answer: AnyResponse = page(
            f"Too many requests came from here. Try again in {error.retry_after} s.", title="Slow down", status=429
        )
    else:
        answer = problem(429, "Too many requests", retryAfter=error.retry_after)
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def on_store_error(error: StoreError) -> AnyResponse:
    logger.error("store_failed", path=request.path, detail=str(error))
    failures.labels("store").inc()
    return told(503, "The database does not answer. Nothing was changed; try again in a moment.")


def on_http_exception(error: HTTPException) -> AnyResponse:
    if error.code is None or error.code < 400:
        return make_response(error.get_response())
    answer = told(error.code, error.name)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def on_fault(error: Exception) -> AnyResponse:
    logger.error("request_failed", path=request.path, method=request.method, exc_info=error)
    failures.labels("fault").inc()
    note("security.error", reason=type(error).__name__)
    return told(500, "Internal server error")


def told(status: int, error: str, **named: str) -> AnyResponse:
    """The error as the caller can read it."""
    if not is_page(request.path):
        return problem(status, error, **named)
    words = PLAIN_WORDS.get(status, error if status == 503 else "Something went wrong on our side. It has been noted.")
    return page(words, title=error if status < 500 else "Out of order", status=status)


def page(text: str, *, title: str, status: int = 200) -> Response:
    return make_response(render_template("message.html", title=title, text=text), status)
