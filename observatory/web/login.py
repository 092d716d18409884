"""Signing in and out with plain forms, and the two plain pages: they work without any script."""

import math

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from observatory.api.sessions import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    clear_cookie,
    set_cookie,
    sign_in,
    sign_out,
)
from observatory.context import actor_or_none
from observatory.errors import StoreError, Throttled, Unavailable

routes = Blueprint("login", __name__)


@routes.get("/login")
def form() -> AnyResponse | str:
    after = safe_next(request.args.get("next", ""))
    if actor_or_none() is not None:
        return redirect(after, 303)
    note = "Your password is set. Sign in with it." if request.args.get("set") else ""
    return render_template("login.html", next=after, name="", error="", note=note)


@routes.post("/login")
def submit() -> AnyResponse | tuple[str, int]:
    after = safe_next(request.form.get("next", ""))
    name, password = request.form.get("username", "").strip(), request.form.get("password", "")
    if not (1 <= len(name) <= LONGEST_NAME and 1 <= len(password) <= LONGEST_PASSWORD):
        return refused("Enter your name and your password.", name, after, 400)
    try:
        signed_in = sign_in(name, password)
    except Throttled as error:
        return refused(too_many(error), name, after, 429)
    except (StoreError, Unavailable):
        return refused("The database does not answer, so nobody can sign in. Try again in a moment.", name, after, 503)
    if signed_in is None:
        return refused("Name or password is wrong.", name, after, 401)
    response = redirect(after, 303)
    set_cookie(response, signed_in.token)
    return response


def too_many(error: Throttled) -> str:
    minutes = math.ceil(error.retry_after / 60)
    return f"Too many wrong passwords. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}."


def refused(error: str, name: str, after: str, status: int) -> tuple[str, int]:
    return render_template("login.html", next=after, name=name[:LONGEST_NAME], error=error), status


@routes.post("/logout")
def logout() -> AnyResponse:
    sign_out()
    response = redirect("/login", 303)
    clear_cookie(response)
    return response


@routes.get("/privacy")
def privacy() -> str:
    return render_template("privacy.html")


@routes.get("/terms")
def terms() -> str:
    return render_template("terms.html")


def safe_next(address: str) -> str:
    """`address` when it is a path on this site, else "/".

    Browsers read `//host`, `/\\host` and paths with stripped control characters as other sites.
    """
    good = address.startswith("/") and not address.startswith("//")
    clean = "\\" not in address and all(" " < c != "\x7f" for c in address)
    return address if good and clean and not address.startswith(("/login", "/logout")) else "/"
