"""Signing in and out: the API's three routes, and what the login page shares with them."""

from typing import NamedTuple

from flask import Blueprint, Response, g, jsonify, request

from observatory import log
from observatory.api.problem import problem
from observatory.auth import passwords, tokens
from observatory.auth.roles import permissions
from observatory.context import actor, actor_or_none, services
from observatory.store import accounts

routes = Blueprint("sessions", __name__, url_prefix="/api/auth")
logger = log.get(__name__)

COOKIE, SECURE_COOKIE = "auth-token", "__Host-auth-token"
LONGEST_NAME, LONGEST_PASSWORD = 50, 200


class SignedIn(NamedTuple):
    token: str
    claims: tokens.Claims


@routes.post("/login")
def login() -> Response:
    name, password, faults = read_credentials(request.get_json(silent=True))
    if faults:
        return problem(400, "Invalid request", details=faults)
    signed_in = sign_in(name, password)
    if signed_in is None:
        return problem(401, "Invalid credentials")
    claims = signed_in.claims
    user = {"id": claims.user, "permissions": list(claims.permissions), "projectIds": list(claims.projects)}
    response = jsonify({"token": signed_in.token, "user": user})
    set_cookie(response, signed_in.token)
    return response


@routes.post("/logout")
def logout() -> Response:
    sign_out()
    response = jsonify({"success": True, "message": "Logged out successfully"})
    clear_cookie(response)
    return response


@routes.get("/check")
def check() -> Response:
    who = actor_or_none()
    if who is None:
        return problem(401, "Invalid token" if presented_token() else "Not authenticated", authenticated=False)
    claims: tokens.Claims = g.claims
    user = {
        "userId": who.name,
        "permissions": list(permissions(who.role)),
        "projectIds": list(who.projects),
        "iat": claims.issued // 1000,
        "exp": claims.expires // 1000,
    }
    return jsonify({"authenticated": True, "user": user})


def read_credentials(body: object) -> tuple[str, str, list[dict[str, str]]]:
    """Name, password and every fault of a login body; the first two are "" where they are faulty."""
    if not isinstance(body, dict):
        return "", "", [{"path": "", "message": "A JSON object with username and password is expected."}]
    faults = []
    for key, longest in (("username", LONGEST_NAME), ("password", LONGEST_PASSWORD)):
        value = body.get(key)
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            faults.append({"path": key, "message": f"{key} must be a text of 1 to {longest} characters."})
    return ("", "", faults) if faults else (body["username"], body["password"], [])


def sign_in(name: str, password: str) -> SignedIn | None:
    """Open a session; None when the name or the password is wrong, or the user disabled. Raises StoreError."""
    here = services()
    account = accounts.find_user(here.store, name)
    if account is not None and account.disabled:
        account = None  # below, a disabled user takes the same time as an unknown one
    if not passwords.verify(account.password_hash if account else None, password) or account is None:
        logger.warning("auth.login.failed", user=name, address=request.remote_addr)
        return None
    if passwords.needs_rehash(account.password_hash):
        accounts.set_password_hash(here.store, account.id, passwords.hash_password(password))
    claims = tokens.claims_for(
        account.name, account.role, account.projects, now=here.clock(), lifetime=here.session_length
    )
    accounts.open_session(
        here.store,
        account.id,
        claims.jti,
        issued=claims.issued,
        expires=claims.expires,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
    )
    logger.info("auth.login.success", user=name, address=request.remote_addr)
    return SignedIn(tokens.sign(claims, here.secrets), claims)


def sign_out() -> None:
    """End the caller's session. Its token is worth nothing from now on, wherever it is kept."""
    here, who = services(), actor()
    accounts.end_session(here.store, who.session, now=here.clock())
    logger.info("auth.logout", user=who.name, address=request.remote_addr)


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


def set_cookie(response: Response, token: str) -> None:
    response.set_cookie(
        cookie_name(),
        token,
        max_age=int(services().session_length),
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response) -> None:
    response.set_cookie(
        cookie_name(), "", max_age=0, expires=0, path="/", secure=request.is_secure, httponly=True, samesite="Lax"
    )
