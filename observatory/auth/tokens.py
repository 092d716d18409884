"""Tokens. A session's is a JWT, HS256, with the claims of the DevKit's contract; an API token and the secret of a link
are random, and kept as hashes only. Whether one of them ended, the database knows."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jwt

from observatory.auth.roles import permissions
from observatory.errors import Expired, Unauthenticated
from observatory.model import Instant, Role

ALGORITHM = "HS256"
REQUIRED = ("userId", "jti", "iat", "exp")
INVALID = "Invalid authentication token"
API_PREFIX = "obs_"  # by which a leaked one is recognised, by us and by scanners of secrets
REMEMBERED = 1000  # tokens whose signature was looked at


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Rights are never taken from here: they are read from the database at each request."""

    user: str
    permissions: tuple[str, ...]
    projects: tuple[str, ...]
    jti: str
    issued: Instant
    expires: Instant


def claims_for(user: str, role: Role, projects: Sequence[str], *, now: Instant, lifetime: float) -> Claims:
    """The claims of a new session of `lifetime` seconds. JWT counts whole seconds, and so do these."""
    issued = now // 1000 * 1000
    expires = issued + max(1, int(lifetime)) * 1000
    return Claims(user, permissions(role), tuple(projects), secrets.token_urlsafe(18), issued, expires)


def sign(claims: Claims, keys: Sequence[str]) -> str:
    """The token, signed with the first of `keys`."""
    body = {
        "userId": claims.user,
        "permissions": list(claims.permissions),
        "projectIds": list(claims.projects),
        "jti": claims.jti,
        "iat": claims.issued // 1000,
        "exp": claims.expires // 1000,
    }
    return jwt.encode(body, keys[0], algorithm=ALGORITHM)


def verify(token: str, keys: Sequence[str], *, now: Instant) -> Claims:
    """The claims of a token that any of `keys` signed and that has not expired. Raises Unauthenticated, Expired."""
    return read(signed(token, tuple(keys)), now)


@lru_cache(REMEMBERED)
def signed(token: str, keys: tuple[str, ...]) -> Mapping[str, object]:
    """The body of a token that any of `keys` signed. Raises Unauthenticated.

    A browser brings the same token with every request, and its signature says the same each time; whether it has
    expired or was revoked is asked anew. What is refused is not remembered.
    """
    for key in keys:
        try:
            body: dict[str, object] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                # The clock is an argument: expiry is compared in `read`, with `now`.
                options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(INVALID) from error
        return body
    raise Unauthenticated(INVALID)


def read(body: Mapping[str, object], now: Instant) -> Claims:
    """Claims from a verified body. Raises Unauthenticated when one is missing or of another type, Expired."""
    user, jti, issued, expires = (body.get(name) for name in REQUIRED)
    granted, projects = body.get("permissions") or [], body.get("projectIds") or []
    if not (isinstance(user, str) and user and isinstance(jti, str) and jti):
        raise Unauthenticated(INVALID)
    if not (isinstance(issued, int) and isinstance(expires, int)):
        raise Unauthenticated(INVALID)
    if expires * 1000 <= now:
        raise Expired(INVALID)
    if not (isinstance(granted, list) and isinstance(projects, list)):
        raise Unauthenticated(INVALID)
    return Claims(user, tuple(map(str, granted)), tuple(map(str, projects)), jti, issued * 1000, expires * 1000)


def new_api_token() -> str:
    return API_PREFIX + secrets.token_urlsafe(32)


def api_token_hash(token: str) -> str:
    """What is kept of an API token. It holds 256 random bits, so that a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_link_secret() -> str:
    return secrets.token_urlsafe(24)


def link_hash(secret: str, link: str) -> str:
    """What is kept of a link's secret: keyed, so that who reads the database cannot make one."""
    return derive(secret, f"link:{link}")


def metrics_token(secret: str) -> str:
    """The bearer token our own /metrics is read with; who knows the secret can derive it, nobody can go back."""
    return derive(secret, "metrics")


def derive(secret: str, purpose: str) -> str:
    """A key for one purpose, so that one leaked key opens one door."""
    return hmac.new(secret.encode(), b"observatory:" + purpose.encode(), hashlib.sha256).hexdigest()
