"""Signing in and out: the original's three routes, the password, and what the pages share with them."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, g, jsonify, request
from pydantic import Field

from observatory import limits
from observatory.api.edge import Lenient, Message, operation
from observatory.api.fields import Line
from observatory.api.problem import problem
from observatory.auth import passwords, tokens
from observatory.auth.roles import permissions
from observatory.context import actor, actor_or_none, note, record, services, subject
from observatory.errors import Forbidden, Invalid
from observatory.model import Actor, Instant
from observatory.store import accounts
from observatory.store import sessions as store

routes = Blueprint("sessions", __name__, url_prefix="/api/auth")

COOKIE, SECURE_COOKIE = "auth-token", "__Host-auth-token"
LONGEST_NAME, LONGEST_PASSWORD = 50, passwords.LONGEST
WRONG = "The password is wrong."


class Login(Lenient):
    username: Line = Field(min_length=1, max_length=LONGEST_NAME, examples=["mira"])
    password: str = Field(min_length=1, max_length=LONGEST_PASSWORD, examples=["Correct.Horse.7"])


class LoginUser(Message):
    id: str = Field(examples=["mira"])
    permissions: tuple[str, ...] = Field(examples=[["read", "write"]])
    project_ids: tuple[str, ...] = Field(examples=[["kiln", "loom"]])


class LoggedIn(Message):
    token: str = Field(examples=["eyJhbGciOi…"], description="Send it as `Authorization: Bearer …`.")
    user: LoginUser


class Claims(Message):
    user_id: str = Field(examples=["mira"])
    permissions: tuple[str, ...] = Field(examples=[["read", "write"]])
    project_ids: tuple[str, ...] = Field(examples=[["kiln", "loom"]])
    iat: int | None = Field(None, examples=[1_767_268_800], description="Seconds since 1970; null for an API token.")
    exp: int | None = Field(None, examples=[1_767_355_200])


class Authenticated(Message):
    authenticated: bool
    user: Claims


class Done(Message):
    success: bool = True
    message: str = Field(examples=["Logged out successfully"])


class Password(Message):
    password: str = Field(min_length=1, max_length=LONGEST_PASSWORD, examples=["Correct.Horse.7"])


class NewPassword(Message):
    current: str = Field(min_length=1, max_length=LONGEST_PASSWORD, examples=["Correct.Horse.7"])
    new: str = Field(min_length=1, max_length=LONGEST_PASSWORD, examples=["Right.Stable.88"])


class SignedIn(NamedTuple):
    token: str
    claims: tokens.Claims


@routes.post("/login")
@operation("Sign in", LoggedIn, body=Login, also={401: "Name or password is wrong."})
def login(body: Login) -> Response:
    signed_in = sign_in(body.username, body.password)
    if signed_in is None:
        return problem(401, "Invalid credentials")
    claims = signed_in.claims
    user = LoginUser(id=claims.user, permissions=claims.permissions, project_ids=claims.projects)
    answer = LoggedIn(token=signed_in.token, user=user)
    response = jsonify(answer.model_dump(by_alias=True))
    set_cookie(response, signed_in.token)
    return response


@routes.post("/logout")
@operation("Sign out: the session ends everywhere", Done)
def logout() -> Response:
    sign_out()
    response = jsonify({"success": True, "message": "Logged out successfully"})
    clear_cookie(response)
    return response


@routes.get("/check")
@operation("Who is signed in", Authenticated, also={401: "Nobody is."})
def check() -> Authenticated | Response:
    who = actor_or_none()
    if who is None:
        return problem(401, "Invalid token" if presented_token() else "Not authenticated", authenticated=False)
    claims: tokens.Claims | None = g.claims
    user = Claims(
        user_id=who.name,
        permissions=permissions(who.role),
        project_ids=who.projects,
        iat=claims.issued // 1000 if claims else None,
        exp=claims.expires // 1000 if claims else None,
    )
    return Authenticated(authenticated=True, user=user)


@routes.post("/confirm")
@operation("Give the password again, before something dangerous", Done, body=Password, also={401: WRONG})
def confirm(body: Password) -> Done | Response:
    if not confirm_password(body.password):
        return problem(401, WRONG)
    return Done(message="Confirmed for ten minutes")


@routes.post("/password")
@operation("Choose another password: every session ends but this one", Done, body=NewPassword, also={401: WRONG})
def password(body: NewPassword) -> Response:
    signed_in = change_password(body.current, body.new)
    if signed_in is None:
        return problem(401, WRONG)
    response = jsonify({"success": True, "message": "The password is changed"})
    set_cookie(response, signed_in.token)
    return response


# ── what the pages share ─────────────────────────────────────────────────────────────────────────────────────────────


def sign_in(name: str, password: str) -> SignedIn | None:
    """Open a session; None when the name or the password is wrong, or the user disabled. Raises Throttled,
    Unavailable, StoreError."""
    attempt = limits.count_attempt(name)
    account = accounts.find_user(services().store, name)
    right = passwords.verify(account.password_hash if account and not account.disabled else None, password)
    if account is None or not right:
        note("auth.login.failed", name=name, reason=why(account))
        return None
    limits.give_back(attempt)
    if passwords.needs_rehash(account.password_hash):
        accounts.set_password_hash(services().store, account.id, passwords.hash_password(password))
    return begin_session(account)


def why(account: accounts.Account | None) -> str:
    """Why nobody was let in, for the audit log alone: the caller is told the same each time."""
    if account is None:
        return "unknown user"
    return "disabled" if account.disabled else "wrong password" if account.password_hash else "no password chosen yet"


def begin_session(account: accounts.Account) -> SignedIn:
    here = services()
    claims = tokens.claims_for(
        account.name, account.role, account.projects, now=here.clock(), lifetime=here.session_length
    )
    who = subject()
    by = type(who)(account.id, account.name, who.address, who.user_agent)
    store.open_session(
        here.store,
        account.id,
        claims.jti,
        issued=claims.issued,
        expires=claims.expires,
        address=who.address,
        user_agent=who.user_agent,
        told=record("auth.login.success", by=by),
    )
    return SignedIn(tokens.sign(claims, here.secrets), claims)


def renew_session(claims: tokens.Claims, now: Instant) -> None:
    """Leave a new token for `set_renewed` to send, unless another request of this session was quicker."""
    here, who = services(), actor()
    fresh = tokens.claims_for(who.name, who.role, who.projects, now=now, lifetime=here.session_length)
    if store.renew(here.store, claims.jti, fresh.jti, issued=fresh.issued, expires=fresh.expires):
        g.renewed = tokens.sign(fresh, here.secrets)


def set_renewed(response: Response) -> Response:
    """Send what `renew_session` left, whatever the answer is, unless the view itself has set another token."""
    if g.get("renewed") and "Set-Cookie" not in response.headers:
        set_cookie(response, g.renewed)
    return response


def sign_out() -> None:
    """End the caller's session. Its tokens are worth nothing from now on, wherever they are kept."""
    here, who = services(), person()
    store.end(here.store, who.session, now=here.clock(), told=record("auth.logout"))


def person() -> Actor:
    """Who is signed in with a session. Raises Forbidden for an API token: it has none."""
    who = actor()
    if who.token is not None:
        raise Forbidden("An API token has no session: this takes a person who is signed in.")
    return who


def confirm_password(password: str) -> bool:
    """Whether it is the caller's own, given again. Raises Forbidden for an API token, Throttled, Unavailable."""
    who, here = person(), services()
    if not is_own_password(who, password):
        return False
    store.confirm(here.store, who.session, here.clock(), record("auth.confirmed"))
    return True


def change_password(current: str, new: str) -> SignedIn | None:
    """Give the caller another password: every session ends, and this browser gets a new one. None when the current
    password is wrong. Raises Invalid when the new one breaks a rule, Forbidden, Throttled, Unavailable."""
    who, here = person(), services()
    require_good(new, "new")
    if not is_own_password(who, current):
        return None
    told = record("user.password_changed", resource=who.name)
    accounts.set_password(here.store, who.user, passwords.hash_password(new), now=here.clock(), told=told)
    account = accounts.find_user(here.store, who.name)
    return begin_session(account) if account else None


def is_own_password(who: Actor, password: str) -> bool:
    attempt = limits.count_attempt(who.name)
    account = accounts.find_user(services().store, who.name)
    if not passwords.verify(account.password_hash if account else None, password):
        note("auth.login.failed", reason="wrong password given again")
        return False
    limits.give_back(attempt)
    return True


def require_good(password: str, path: str) -> None:
    """Raise Invalid with every rule that a new password breaks."""
    faults = passwords.violations(password, production=services().production)
    if faults:
        raise Invalid([{"path": path, "message": fault} for fault in faults])


def bearer_token() -> str:
    """What `Authorization: Bearer …` carries, "" without one."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def presented_token() -> str:
    """The caller's token: bearer before cookie, "" when there is none."""
    return bearer_token() or request.cookies.get(cookie_name(), "")


def cookie_name() -> str:
    """On https the name itself makes browsers insist on Secure, the path / and this very host."""
    return SECURE_COOKIE if request.is_secure else COOKIE


def set_cookie(response: Any, token: str) -> None:
    keep(response, token, max_age=int(services().session_length))


def clear_cookie(response: Any) -> None:
    keep(response, "", max_age=0, expires=0)


def keep(response: Any, token: str, **ages: int) -> None:
    response.set_cookie(cookie_name(), token, path="/", secure=request.is_secure, httponly=True, samesite="Lax", **ages)
