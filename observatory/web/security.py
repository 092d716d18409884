"""The headers every answer carries, and whom we believe about where a request came from."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request
from flask_talisman import Talisman
from werkzeug.middleware.proxy_fix import ProxyFix

from observatory.context import services

YEAR = 31_536_000  # seconds
REPORTS = "/api/csp-reports"
NO_STORE = "no-store, max-age=0"
NOTHING = f"default-src 'none'; frame-ancestors 'none'; report-uri {REPORTS}"  # for answers that are no document
FORWARDED = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CF_CONNECTING_IP", "HTTP_X_CLIENT_IP")

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def policy(console_origin: str) -> dict[str, str]:
    """The content policy of a document, from nothing upwards. Talisman adds the nonce to scripts and styles."""
    return {
        "default-src": "'none'",
        "script-src": "'strict-dynamic'",  # a script with our nonce may load others: Dash's async chunks
        "script-src-attr": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",  # plotly draws its export into a blob
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-src": f"'self' {console_origin}".strip(),
        "worker-src": "'none'",
        "manifest-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "default",  # made in assets/csp/boot.js
        "report-uri": REPORTS,
        "report-to": "csp",
    }


def secure(server: Flask, *, console_origin: str, trusted_proxies: int) -> None:
    """Add the headers and the proxy rule. Comes after everything that registers routes, before the first request."""
    server.after_request(finish)  # runs after Talisman's, which is registered below
    Talisman(
        server,
        force_https=False,  # https is the platform's business; cookies and HSTS follow the trusted scheme
        frame_options="DENY",
        content_security_policy=policy(console_origin),
        content_security_policy_nonce_in=["script-src", "style-src"],
        referrer_policy="strict-origin-when-cross-origin",
        strict_transport_security_max_age=YEAR,
        permissions_policy={"camera": "()", "microphone": "()", "geolocation": "()"},
        session_cookie_secure=False,  # Flask's session is not used
    )
    behind: WSGI = without_forwarded(server.wsgi_app)
    if trusted_proxies:
        # Not x_host: a proxy that does not set X-Forwarded-Host passes on the one a stranger sent.
        behind = ProxyFix(behind, x_for=trusted_proxies, x_proto=trusted_proxies, x_host=0)
    server.wsgi_app = behind  # type: ignore[method-assign, assignment]


def without_forwarded(app: WSGI) -> WSGI:
    """Hide forwarding headers from everything behind: what a trusted proxy said is in the request already."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for name in [name for name in environ if name.startswith(FORWARDED)]:
            del environ[name]
        return app(environ, start_response)

    return wrapped


def finish(response: Response) -> Response:
    headers = response.headers
    headers["X-XSS-Protection"] = "0"  # the filter it would switch on was itself a hole
    if response.mimetype == "text/html":
        headers["Reporting-Endpoints"] = f'csp="{REPORTS}"'
    else:
        headers["Content-Security-Policy"] = NOTHING
    if request.path == "/_dash-update-component":
        headers["X-Now"] = str(services().clock())  # by which the browser counts ages, whatever its own clock says
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = NO_STORE
    return response
