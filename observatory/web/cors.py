"""Which other sites' scripts may call the API: those that the settings name, and only with a bearer token.

We never allow credentials, so a browser shows such a script nothing that a cookie opened, and lets it change nothing
that would need one: a change with a cookie from another site stays refused.
"""

from flask import Response, request

from observatory.api.sessions import bearer_token
from observatory.context import services

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ASKED = "Authorization, Content-Type, Idempotency-Key"
SHOWN = "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"  # besides what always is
REMEMBERED = 600  # seconds for which a browser need not ask again


def preflight() -> Response | None:
    """The answer to "may I?" of a site that may. It carries no token, so it is given before the guard asks for one.

    Every other question is left to the guard.
    """
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    origin = named_origin()
    if not origin:
        return None
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": ASKED,
        "Access-Control-Max-Age": str(REMEMBERED),
    }
    return Response(status=204, headers=headers)


def allow(response: Response) -> Response:
    """Let the script of a named site read what its token got, errors too."""
    if not services().allowed_origins or not request.path.startswith("/api/"):
        return response
    response.vary.add("Origin")
    origin = named_origin()
    if origin and bearer_token():
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = SHOWN
    return response


def named_origin() -> str:
    """The origin of a call of the API when it is one of the named; "" otherwise."""
    origin = request.headers.get("Origin", "")
    return origin if request.path.startswith("/api/") and origin in services().allowed_origins else ""
