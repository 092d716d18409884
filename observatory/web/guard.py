"""The one guard: every request passes it first, and what it does not know is closed.

Pages, Dash's endpoints, the API and files alike. It finds out who asks, has the request counted, refuses what comes
from another site, and compares the role of the caller with the mark that `requires` left on the view or the callback.
"""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request

from observatory import limits
from observatory.api.sessions import bearer_token, cookie_name, presented_token, renew_session
from observatory.auth import tokens
from observatory.auth.roles import CONFIRMED_FOR, required_confirmation, required_role
from observatory.context import actor, services
from observatory.errors import Forbidden, InvalidProject, NotFound, StoreError, Unauthenticated, Unconfirmed
from observatory.model import MINUTE, Actor, Instant, Role
from observatory.people import project_faults
from observatory.store import api_tokens, sessions

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
    ("GET", "/setup/*"),
    ("POST", "/setup/*"),
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
PROJECTS, LONGEST_SHOWN = "/api/projects/", 100
FILES = ("/assets/", "/_dash-component-suites/")  # kept by browsers: no cookie is sent with them

REMEMBERED_FOR, MOST_REMEMBERED = 10 * MINUTE, 1000


class Guard:
    """Asked before every request, in two steps: who asks, and whether he may. Between the two the request is counted.

    Holds which sessions this process saw lately, for when the database is away.
    """

    def __init__(self, callbacks: Mapping[str, Mapping[str, Any]]) -> None:
        self.callbacks = callbacks
        self.seen: OrderedDict[str, tuple[Actor, Instant]] = OrderedDict()

    def identify(self) -> None:
        """Set `g.actor`, `g.claims`, and in `g.fault` why nobody is known. Refuses nobody yet."""
        g.actor = g.claims = g.fault = None
        g.public = is_public(request.method, request.path)
        if not (g.public and is_impersonal(request.path)):
            try:
                g.actor = self.who(presented_token())
            except (Unauthenticated, StoreError) as fault:
                g.fault = fault
        limits.prepare(command=self.is_command())

    def authorize(self) -> None:
        """Let the request pass, or raise Invalid, Unauthenticated, Forbidden, NotFound, Unavailable or StoreError."""
        if (g.public and is_impersonal(request.path)) or (request.path == METRICS and is_our_collector()):
            return
        refuse_malformed_project()
        if not g.public and g.fault is not None:
            raise g.fault
        refuse_other_sites()
        if not g.public:
            self.refuse_role()
        limits.require_counted()
        if g.claims is not None and not request.path.startswith(FILES):
            self.renew()

    def who(self, token: str) -> Actor:
        """Who presents `token`. Raises Unauthenticated, Expired, StoreError."""
        if not token:
            raise Unauthenticated("Authentication required")
        now = services().clock()
        if token.startswith(tokens.API_PREFIX):
            found = api_tokens.actor(services().store, tokens.api_token_hash(token), now=now)
        else:
            g.claims = tokens.verify(token, services().secrets, now=now)
            found = self.session(g.claims.jti, now)
        if found is None:
            g.claims = None
            raise Unauthenticated(tokens.INVALID)
        return found

    def session(self, jti: str, now: Instant) -> Actor | None:
        """Who holds the session, asked of the database each time. While it does not answer, a session that this
        process verified within ten minutes may go on reading. Raises StoreError for every other."""
        if request.path in SIGN_OUT:
            self.seen.pop(jti, None)
        try:
            found = sessions.actor(services().store, jti, now=now)
        except StoreError:
            remembered = self.seen.get(jti)
            if remembered is None or now - remembered[1] > REMEMBERED_FOR or self.changes_something():
                raise
            return remembered[0]
        if found is None:
            self.seen.pop(jti, None)
            return None
        self.seen[jti] = (found.actor, now)
        self.seen.move_to_end(jti)
        if len(self.seen) > MOST_REMEMBERED:
            self.seen.popitem(last=False)
        g.renewable = found.newest
        return found.actor

    def renew(self) -> None:
        """Give a browser a new token once half the life of the one it has is over. Of several tabs one does it; for the
        others the old one is good for another minute."""
        claims: tokens.Claims = g.claims
        now = services().clock()
        if bearer_token() or not g.get("renewable") or request.path in SIGN_OUT:
            return
        if 2 * now >= claims.issued + claims.expires:
            renew_session(claims, now)

    def changes_something(self) -> bool:
        """Whether the request may change something. A callback without a mark only draws."""
        if request.method in READS:
            return False
        return request.path != CALLBACKS or required_role(self.asked_for()) is not None

    def is_command(self) -> bool:
        """Whether a page's callback is asked for that takes an operator: it asks something of a service."""
        if request.path != CALLBACKS or g.actor is None:
            return False
        try:
            return required_role(self.asked_for()) is Role.OPERATOR
        except NotFound:
            return False

    def refuse_role(self) -> None:
        wanted, who = self.asked_for(), actor()
        role = required_role(wanted)
        if role is not None and not who.may(role):
            raise Forbidden("Insufficient permissions")
        if required_confirmation(wanted):
            if who.token is not None:
                raise Forbidden("This takes a person who is signed in: an API token may not do it.")
            if who.confirmed is None or services().clock() - who.confirmed > CONFIRMED_FOR:
                raise Unconfirmed("Give your password again: this takes one given within the last ten minutes.")

    def asked_for(self) -> object:
        """The view of the request, or the function of the callback that it names: it carries the mark."""
        if request.path == CALLBACKS and request.method == "POST":
            return self.callback()
        return current_app.view_functions.get(request.endpoint or "")

    def callback(self) -> object:
        """The function behind the callback that the body names. Raises NotFound: Dash itself would answer 500."""
        body = request.get_json(silent=True)
        output = body.get("output") if isinstance(body, dict) else None
        found = self.callbacks.get(output) if isinstance(output, str) else None
        if found is None or "callback" not in found:
            raise NotFound("There is no such callback.")
        return found["callback"]


def install(server: Flask, callbacks: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the guard before everything else that looks at a request, and the limits between its steps."""
    guard, others = Guard(callbacks), server.before_request_funcs.pop(None, [])
    server.before_request(guard.identify)
    limits.install(server)
    server.before_request(guard.authorize)
    server.before_request_funcs[None] += others


@lru_cache(256)
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
    return hmac.compare_digest(bearer_token().encode(), tokens.metrics_token(services().session_secret).encode())


def refuse_malformed_project() -> None:
    """Raise InvalidProject. The contract looks at the form of the id before it asks who wants to know."""
    project = (request.view_args or {}).get("project")
    if request.path.startswith(PROJECTS) and isinstance(project, str) and project_faults([project]):
        shown = project[:LONGEST_SHOWN]
        raise InvalidProject(shown, [{**fault, "path": "project"} for fault in project_faults([project])])


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
