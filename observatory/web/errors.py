"""What a caller sees when something goes wrong: the contract's JSON, or a calm page. The one place that maps errors."""

from urllib.parse import quote

from flask import Flask, Response, make_response, redirect, render_template, request
from prometheus_client import Counter
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from observatory import log
from observatory.api.problem import problem
from observatory.errors import Forbidden, NotFound, StoreError, Unauthenticated

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
    server.register_error_handler(StoreError, on_store_error)
    server.register_error_handler(HTTPException, on_http_exception)
    server.register_error_handler(Exception, on_fault)


def on_unauthenticated(error: Unauthenticated) -> AnyResponse:
    if is_page(request.path) and request.method in {"GET", "HEAD"}:
        here = request.full_path.rstrip("?")
        return redirect("/login" if here == "/" else f"/login?next={quote(here, safe='/')}", 303)
    return problem(401, str(error))


def on_forbidden(error: Forbidden) -> AnyResponse:
    return told(403, str(error) or "Insufficient permissions")


def on_not_found(error: NotFound) -> AnyResponse:
    return told(404, str(error) or "Not found")


def on_store_error(error: StoreError) -> AnyResponse:
    logger.error("store_failed", path=request.path, detail=str(error))
    failures.labels("store").inc()
    return told(503, "The database does not answer. Nothing was changed; try again in a moment.")


def on_http_exception(error: HTTPException) -> AnyResponse:
    if error.code is None or error.code < 400:
        return make_response(error.get_response())
    return told(error.code, error.name)


def on_fault(error: Exception) -> AnyResponse:
    logger.error("request_failed", path=request.path, method=request.method, exc_info=error)
    failures.labels("fault").inc()
    return told(500, "Internal server error")


def told(status: int, error: str) -> AnyResponse:
    """The error as the caller can read it."""
    if not is_page(request.path):
        return problem(status, error)
    words = PLAIN_WORDS.get(status, error if status == 503 else "Something went wrong on our side. It has been noted.")
    return page(words, title=error if status < 500 else "Out of order", status=status)


def page(text: str, *, title: str, status: int = 200) -> Response:
    return make_response(render_template("message.html", title=title, text=text), status)
