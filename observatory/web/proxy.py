"""Whom we believe about where a request came from, and that a stranger's browser is kept on https.

The settings count the proxies that stand in front. Nothing but they, and a TLS connection that ends here, says https.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.urls import iri_to_uri

from observatory.api.problem import problem

FORWARDED = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CF_CONNECTING_IP", "HTTP_X_CLIENT_IP")
TOLD = "observatory.told_scheme"  # http or https, where a trusted proxy said it
PROBES = {"/healthz", "/readyz"}  # a platform asks these as it likes, and follows no redirect
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = re.compile(rf"(?P<name>{LABEL}(?:\.{LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?")

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def believe(app: WSGI, proxies: int) -> WSGI:
    """`app` with the address and the scheme that the outermost of `proxies` trusted proxies saw.

    All forwarding headers are hidden from it: what may be believed is in the request already.
    """
    behind = without_forwarded(app)
    if not proxies:
        return behind
    # Not x_host: a proxy that does not set X-Forwarded-Host passes on the one a stranger sent.
    return with_scheme(ProxyFix(behind, x_for=proxies, x_proto=0, x_host=0), proxies)


def with_scheme(app: WSGI, proxies: int) -> WSGI:
    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        told = outermost(environ.get("HTTP_X_FORWARDED_PROTO", ""), proxies)
        if told in {"http", "https"}:
            environ["wsgi.url_scheme"] = environ[TOLD] = told
        return app(environ, start_response)

    return wrapped


def outermost(header: str, proxies: int) -> str:
    """What the outermost trusted proxy wrote into a header to which each of them appends.

    With this one, many proxies replace or keep what is there instead of appending. Where there are fewer values than
    proxies the first counts: a stranger who got it there deceives nobody but himself.
    """
    values = [value.strip().lower() for value in header.split(",")]
    return values[-min(proxies, len(values))]


def without_forwarded(app: WSGI) -> WSGI:
    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for name in [name for name in environ if name.startswith(FORWARDED)]:
            del environ[name]
        return app(environ, start_response)

    return wrapped


def require_https() -> Response | None:
    """Send a visitor whom a trusted proxy received by http to https. Without its word, as for a loopback or a
    probe, nothing is asked."""
    if request.environ.get(TOLD) != "http" or request.path in PROBES:
        return None
    if request.method not in {"GET", "HEAD"}:
        return problem(403, "Only https is served here. Nothing was changed; send it again by https.", code="https")
    host = host_name(request.environ.get("HTTP_HOST", ""))
    if not host:
        return problem(400, "The Host header is not the name of a host.", code="host")
    return Response(status=308, headers={"Location": f"https://{host}{address()}"}, mimetype="text/plain")


def host_name(header: str) -> str:
    """The name in a Host header, without the port, which was that of http. "" for anything that is no name."""
    match = HOST.fullmatch(header)
    return match["name"] if match and len(header) <= 255 else ""


def address() -> str:
    """Path and query as they were asked for."""
    raw = str(request.environ.get("RAW_URI", ""))
    return raw if raw.startswith("/") else iri_to_uri(request.full_path.rstrip("?"))
