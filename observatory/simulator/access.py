"""Who may do what in `jwt` mode: the demo users, their tokens, and the contract's auth column (contract §2.0, §6)."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple

from observatory.simulator.failure import Failure
from observatory.simulator.noise import DAY
from observatory.simulator.wire import Request

Claims = dict[str, Any]
PERMISSIONS = {"R": "read", "W": "write", "A": "admin"}
API_TOKEN, API_KEY = "simulated-api-token", "simulated-bridge-key"
COOKIE = "auth-token"


class User(NamedTuple):
    password: str
    permissions: tuple[str, ...]
    projects: tuple[str, ...]


USERS = {
    "admin": User("admin123", ("admin", "read", "write"), ()),
    "developer": User("dev123", ("read", "write"), ("devkit", "scopecam")),
    "viewer": User("view123", ("read",), ("devkit",)),
}


@dataclass
class Access:
    """`api_token` is a bearer token that may everything; `api_key` is what the console sends as `X-API-Key`."""

    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    api_token: str = API_TOKEN
    api_key: str = API_KEY
    revoked: set[str] = field(default_factory=set)

    def login(self, name: object, password: object) -> User:
        """Raises Failure 401."""
        user = USERS.get(name) if isinstance(name, str) else None
        if user is None or user.password != password:
            raise Failure(401, "Invalid credentials")
        return user

    def issue(self, name: str, t: int, *, lifetime: int = DAY, **claims: Any) -> str:
        """A token for a demo user; `claims` replace or add to what it says."""
        user = USERS.get(name, User("", (), ()))
        whole = {
            "userId": name, "projectIds": list(user.projects), "permissions": list(user.permissions),
            "iat": t // 1000, "exp": (t + lifetime) // 1000, "jti": secrets.token_hex(8), **claims,
        }  # fmt: skip
        return sign(whole, self.secret)

    def claims(self, token: str, t: int) -> Claims:
        """What a token says. Raises Failure 401 for a bad, expired or revoked one."""
        if same(token, self.api_token):
            return {"userId": "api", "permissions": ["admin", "read", "write"], "projectIds": []}
        claims = verified(token, self.secret)
        if claims is None or not isinstance(claims.get("userId"), str) or not isinstance(claims.get("exp"), int):
            raise Failure(401, "Invalid authentication token")
        if claims["exp"] * 1000 <= t or claims.get("jti") in self.revoked:
            raise Failure(401, "Invalid authentication token")
        return claims

    def of(self, request: Request, t: int) -> Claims:
        """Of the request's token or key. Raises Failure 401."""
        key = request.headers.get("x-api-key")
        if key is not None:
            if not same(key, self.api_key):
                raise Failure(401, "Invalid authentication token")
            project = request.headers.get("x-project-id")
            return {"userId": "console", "permissions": ["read", "write"], "projectIds": [project] if project else []}
        token = token_of(request)
        if not token:
            raise Failure(401, "Authentication required")
        return self.claims(token, t)

    def permit(self, claims: Mapping[str, Any], needs: str, project: str = "") -> None:
        """Whether the claims meet an entry of the auth column, such as `W+P`. Raises Failure 403."""
        permission = PERMISSIONS.get(needs[:1])
        listed = claims.get("permissions")
        held = listed if isinstance(listed, list) else []
        if permission and permission not in held:
            raise Failure(403, "Insufficient permissions")
        if needs.endswith("+P") and "admin" not in held:
            ids = claims.get("projectIds")
            if project.lower() not in {str(id).lower() for id in (ids if isinstance(ids, list) else ())}:
                raise Failure(403, "Access denied to project", projectId=project)


def token_of(request: Request) -> str:
    """From the Authorization header, else the cookie; "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def sign(claims: Claims, secret: str) -> str:
    """A JWT, HS256."""
    parts = (encoded({"alg": "HS256", "typ": "JWT"}), encoded(claims))
    return ".".join([*parts, signature(".".join(parts), secret)])


def verified(token: str, secret: str) -> Claims | None:
    """The claims of a JWT that was signed with `secret`, else None."""
    signed, _, given = token.rpartition(".")
    if not same(signature(signed, secret), given):
        return None
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in signed.split("."))
    except ValueError:
        return None
    ours = isinstance(header, dict) and header.get("alg") == "HS256" and isinstance(claims, dict)
    return claims if ours else None


def encoded(part: Claims) -> str:
    return unpadded(json.dumps(part, separators=(",", ":")).encode())


def signature(signed: str, secret: str) -> str:
    return unpadded(hmac.new(secret.encode(), signed.encode(errors="replace"), hashlib.sha256).digest())


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def same(one: str, other: str) -> bool:
    """Whether two secrets are one, in a time that tells nothing."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
