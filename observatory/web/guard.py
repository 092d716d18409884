"""The one guard: every request passes it first, and what it does not know is closed.

Pages, Dash's endpoints, the API and files alike. It finds out who asks, refuses what comes from another site, and
compares the role of the caller with the mark that `requires` left on the view or the callback.
"""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request

from observatory.api.sessions import bearer_token, cookie_name, presented_token
from observatory.auth import tokens
from observatory.auth.roles import required_role
from observatory.context import actor_or_none, services
from observatory.errors import Forbidden, NotFound, StoreError, Unauthenticated
from observatory.model import MINUTE, Actor, Instant, Role
from observatory.store import accounts

# Everything that answers without a session. A path that ends in /* stands for all below it.
PUBLIC: tuple[tuple[str, str], ...] = (
    ("GET", "/login"),
    ("POST", "/login"),
    ("POST", "/api/auth/login"),
    ("GET", "/api/auth/check"),
    ("GET", "/api/health"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/favicon.ico"),
    ("GET", "/_favicon.ico"),
    ("GET", "/assets/public/*"),
    ("GET", "/_dash-component-suites/*"),
    ("POST", "/api/csp-reports"),
    ("GET", "/privacy"),
    ("GET", "/terms"),
)
# Who asks makes no difference to these, so nobody is looked up.
IMPERSONAL = {"/healthz", "/readyz", "/favicon.ico", "/_favicon.ico", "/api/csp-reports"}
IMPERSONAL_FOLDERS = ("/assets/public/", "/_dash-component-suites/")

READS = {"GET", "HEAD", "OPTIONS"}
CALLBACKS = "/_dash-update-component"
SIGN_OUT = {"/logout", "/api/auth/logout"}
METRICS = "/metrics"

REMEMBERED_FOR, MOST_REMEMBERED = 10 * MINUTE, 1000


class Guard:
    """Asked before every request. Holds which sessions this process saw lately, for when the database is away."""

    def __init__(self, callbacks: Mapping[str, Mapping[str, Any]]) -> None:
        self.callbacks = callbacks
        self.seen: OrderedDict[str, tuple[Actor, Instant]] = OrderedDict()

    def __call__(self) -> None:
        """Let the request pass, or raise Unauthenticated, Forbidden, NotFound or StoreError."""
        public = is_public(request.method, request.path)
        if public and is_impersonal(request.path):
            return
        fault = self.identify()
        if request.path != METRICS or not is_our_collector():
            if not public and fault is not None:
                raise fault
            refuse_other_sites()
            if not public:
                self.refuse_role()

    def identify(self) -> Unauthenticated | StoreError | None:
        """Set `g.actor` and `g.claims`, or answer why nobody is known."""
        g.actor = None
        token = presented_token()
        if not token:
            return Unauthenticated("Authentication required")
        now = services().clock()
        try:
            claims = tokens.verify(token, services().secrets, now=now)
            found = self.session(claims.jti, now)
        except (Unauthenticated, StoreError) as fault:
            return fault
        if found is None:
            return Unauthenticated(tokens.INVALID)
        g.actor, g.claims = found, claims
        return None

    def session(self, jti: str, now: Instant) -> Actor | None:
        """Who holds the session, asked of the database each time. While it does not answer, a session that this
        process verified within ten minutes may go on reading. Raises StoreError for every other."""
        if request.path in SIGN_OUT:
            self.seen.pop(jti, None)
        try:
            found = accounts.session_actor(services().store, jti, now=now)
        except StoreError:
            remembered = self.seen.get(jti)
            if remembered is None or now - remembered[1] > REMEMBERED_FOR or self.changes_something():
                raise
            return remembered[0]
        if found is None:
            self.seen.pop(jti, None)
        else:
            self.seen[jti] = (found, now)
            self.seen.move_to_end(jti)
            if len(self.seen) > MOST_REMEMBERED:
                self.seen.popitem(last=False)
        return found

    def changes_something(self) -> bool:
        """Whether the request may change something. A callback without a mark only draws."""
        if request.method in READS:
            return False
        return request.path != CALLBACKS or self.wanted_role() is not None

    def refuse_role(self) -> None:
        wanted, who = self.wanted_role(), actor_or_none()
        if wanted is not None and (who is None or not who.may(wanted)):
            raise Forbidden("Insufficient permissions")

    def wanted_role(self) -> Role | None:
        """The role that the view, or the callback named in the body, is marked with."""
        if request.path == CALLBACKS and request.method == "POST":
            return required_role(self.callback())
        return required_role(current_app.view_functions.get(request.endpoint or ""))

    def callback(self) -> object:
        """The function behind the callback that the body names. Raises NotFound: Dash itself would answer 500."""
        body = request.get_json(silent=True)
        output = body.get("output") if isinstance(body, dict) else None
        found = self.callbacks.get(output) if isinstance(output, str) else None
        if found is None or "callback" not in found:
            raise NotFound("There is no such callback.")
        return found["callback"]


def install(server: Flask, callbacks: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the guard before everything else that looks at a request."""
    server.before_request_funcs.setdefault(None, []).insert(0, Guard(callbacks))


def is_public(method: str, path: str) -> bool:
    method = "GET" if method == "HEAD" else method
    return any(
        method == allowed and (path.startswith(pattern[:-1]) if pattern.endswith("/*") else path == pattern)
        for allowed, pattern in PUBLIC
    )


def is_impersonal(path: str) -> bool:
    return path in IMPERSONAL or path.startswith(IMPERSONAL_FOLDERS)


def is_our_collector() -> bool:
    """Whether the caller presents the token that our own /metrics is read with."""
    return hmac.compare_digest(bearer_token().encode(), tokens.metrics_token(services().metrics_secret).encode())


def refuse_other_sites() -> None:
    """Raise Forbidden for a change that another site's page made the browser send.

    A bearer token is exempt: browsers do not attach it by themselves. A program sends neither header; then only a
    cookie could have been borrowed, so without one it passes.
    """
    if request.method in READS or bearer_token():
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        same = site in {"same-origin", "none"}
    elif origin is not None:
        same = is_own_origin(origin)
    else:
        same = cookie_name() not in request.cookies
    if not same:
        raise Forbidden("This request came from another site.")


def is_own_origin(origin: str) -> bool:
    parts = urlsplit(origin)
    return (parts.scheme, parts.netloc.lower()) == (request.scheme, request.host.lower())
