"""A person's own affairs with plain forms: choose a password by a link, change it, give it again."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from observatory.api.sessions import LONGEST_PASSWORD, change_password, confirm_password, require_good, set_cookie
from observatory.auth import passwords, tokens
from observatory.context import actor, record, services, subject
from observatory.errors import Invalid, Throttled
from observatory.store import accounts, links
from observatory.web.login import safe_next, too_many

routes = Blueprint("account", __name__)

Page = str | tuple[str, int] | AnyResponse


@routes.get("/setup/<secret>")
def invited(secret: str) -> Page:
    """The form behind a link: choose a password, once."""
    here = services()
    owner = links.owner(here.store, tokens.link_hash(here.session_secret, secret), now=here.clock())
    return spent() if owner is None else setup_form(owner.name)


@routes.post("/setup/<secret>")
def choose(secret: str) -> Page:
    here = services()
    link = tokens.link_hash(here.session_secret, secret)
    owner = links.owner(here.store, link, now=here.clock())
    if owner is None:
        return spent()
    try:
        new = chosen_password()
    except Invalid as error:
        return setup_form(owner.name, error), 400
    who = subject()
    told = record("user.password_set", by=type(who)(owner.id, owner.name, who.address, who.user_agent))
    taken = accounts.set_password_by_link(here.store, link, passwords.hash_password(new), now=here.clock(), told=told)
    return spent() if taken is None else redirect("/login?set=1", 303)


def setup_form(name: str, error: Invalid | None = None) -> str:
    return render_template("setup.html", name=name, faults=faults(error), rules=rules())


def spent() -> tuple[str, int]:
    text = "A link can be used once, within a day. Ask an administrator for another one."
    return render_template("message.html", title="This link is not good any more", text=text), 410


@routes.get("/password")
def password_form() -> Page:
    return render_template("password.html", name=actor().name, faults=(), rules=rules())


@routes.post("/password")
def change() -> Page:
    try:
        new = chosen_password()
        signed_in = change_password(request.form.get("current", "")[:LONGEST_PASSWORD], new)
        shown: tuple[str, ...] = () if signed_in else ("The current password is wrong.",)
        status = 401
    except Invalid as error:
        signed_in, shown, status = None, faults(error), 400
    except Throttled as error:
        signed_in, shown, status = None, (too_many(error),), 429
    if signed_in is None:
        return render_template("password.html", name=actor().name, faults=shown, rules=rules()), status
    response = redirect("/", 303)
    set_cookie(response, signed_in.token)
    return response


@routes.get("/confirm")
def confirm_form() -> Page:
    after = safe_next(request.args.get("next", ""))
    return render_template("confirm.html", name=actor().name, next=after, error="")


@routes.post("/confirm")
def confirm() -> Page:
    after = safe_next(request.form.get("next", ""))
    try:
        good = confirm_password(request.form.get("password", "")[:LONGEST_PASSWORD])
        error, status = "The password is wrong.", 401
    except Throttled as throttled:
        good, error, status = False, too_many(throttled), 429
    if good:
        return redirect(after, 303)
    return render_template("confirm.html", name=actor().name, next=after, error=error), status


def chosen_password() -> str:
    """The new password of the form, given twice alike and good enough. Raises Invalid."""
    new = request.form.get("new", "")
    if len(new) > LONGEST_PASSWORD:
        raise Invalid([{"path": "new", "message": f"Password must have at most {LONGEST_PASSWORD} characters."}])
    require_good(new, "new")
    if new != request.form.get("again", ""):
        raise Invalid([{"path": "again", "message": "The two passwords are not the same."}])
    return new


def faults(error: Invalid | None) -> tuple[str, ...]:
    return tuple(fault["message"] for fault in error.faults) if error else ()


def rules() -> tuple[str, ...]:
    """Every rule a password must meet, as sentences."""
    return passwords.violations("", production=services().production)
