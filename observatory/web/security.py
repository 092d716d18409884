"""The headers every answer carries."""

import secrets
from collections.abc import Callable
from functools import cache
from typing import cast

from flask import Flask, Response, request
from flask_talisman import Talisman

from observatory.context import services
from observatory.web import cors, proxy

YEAR = 31_536_000  # seconds
REPORTS = "/api/csp-reports"
NO_STORE = "no-store, max-age=0"
NOTHING = f"default-src 'none'; frame-ancestors 'none'; report-uri {REPORTS}"  # for answers that are no document
# What no page of ours asks for, nor the console in its frame: that one is given the clipboard, and a wall wants the
# whole screen and keeps it awake.
DENIED = (
    "accelerometer", "browsing-topics", "camera", "display-capture", "encrypted-media", "gamepad",
    "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi",
    "payment", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
NOT_STANDING = {"Content-Type", "Content-Length", "Content-Security-Policy"}  # each answer's own


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
    # Before the guard: what it refuses carries a whole policy too, and what it would refuse may be answered here.
    server.before_request_funcs.setdefault(None, [])[:0] = [make_nonce, proxy.require_https, cors.preflight]
    server.after_request(finish)  # runs after Talisman's, which is registered below
    server.after_request_funcs[None].insert(0, cors.allow)  # runs last: it adds to what others say may be read
    talisman = Talisman(
        server,
        force_https=False,  # see proxy.py; cookies and HSTS follow the trusted scheme
        frame_options="DENY",
        content_security_policy=policy(console_origin),
        content_security_policy_nonce_in=["script-src", "style-src"],
        referrer_policy="strict-origin-when-cross-origin",
        strict_transport_security_max_age=YEAR,
        permissions_policy=dict.fromkeys(DENIED, "()"),
        session_cookie_secure=False,  # Flask's session is not used
    )
    before, after = server.before_request_funcs[None], server.after_request_funcs[None]
    before.remove(talisman._force_https)  # see proxy.py
    before.remove(talisman._make_nonce)  # see make_nonce
    after[after.index(talisman._set_response_headers)] = dress(talisman)
    server.wsgi_app = proxy.believe(server.wsgi_app, trusted_proxies)  # type: ignore[method-assign, assignment]


def dress(talisman: Talisman) -> Callable[[Response], Response]:
    """Talisman's headers. Only a document has a policy with a nonce of its own; on anything else they are the same each
    time, so they are made once."""

    @cache
    def standing(secure: bool) -> tuple[tuple[str, str], ...]:
        with talisman.app.test_request_context(base_url="https://host" if secure else "http://host"):
            return tuple(talisman._set_response_headers(Response(headers={"Content-Type": ""})).headers)

    def add(response: Response) -> Response:
        if response.mimetype == "text/html":
            return cast(Response, talisman._set_response_headers(response))
        for name, value in standing(request.is_secure):
            if name not in NOT_STANDING:
                response.headers[name] = value
        return response

    return add


def make_nonce() -> None:
    request.csp_nonce = secrets.token_urlsafe(24)  # type: ignore[attr-defined]  # where Talisman looks for it


def finish(response: Response) -> Response:
    headers = response.headers
    headers["X-XSS-Protection"] = "0"  # the filter it would switch on was itself a hole
    headers["Cross-Origin-Opener-Policy"] = "same-origin"  # a window of another site holds no handle on ours
    headers["Cross-Origin-Resource-Policy"] = "same-origin"  # and none of its pages embeds what is ours
    if response.mimetype == "text/html":
        headers["Reporting-Endpoints"] = f'csp="{REPORTS}"'
    else:
        headers["Content-Security-Policy"] = NOTHING
    if request.path == "/_dash-update-component":
        headers["X-Now"] = str(services().clock())  # by which the browser counts ages, whatever its own clock says
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = NO_STORE
    return response
