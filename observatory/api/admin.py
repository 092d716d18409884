"""Users, sessions, API tokens, the audit log and limits: what an administrator sees and changes."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Literal

from flask import Blueprint, Response
from pydantic import Field

from observatory.api.edge import Message, operation
from observatory.api.fields import Line, ProjectId, SessionId, Time, UserName
from observatory.auth.roles import permissions, requires
from observatory.context import administration, record, services
from observatory.model import DAY, Role, iso
from observatory.store import accounts, api_tokens, audit, limits, sessions
from observatory.store.sql import AnyRow

routes = Blueprint("admin", __name__, url_prefix="/api/admin")

NOT_FOUND = {404: "There is nobody of that name."}
TAKEN = {409: "The name is taken."}
COLUMNS = (
    "at", "until", "times", "event", "level", "user", "userId", "address", "userAgent", "action", "resource", "project",
    "reason", "method", "path", "details",
)  # fmt: skip


class User(Message):
    name: str = Field(examples=["mira"])
    role: Role
    permissions: tuple[str, ...] = Field(examples=[["read", "write"]])
    project_ids: tuple[str, ...] = Field(examples=[["kiln", "loom"]])
    disabled: bool
    invited: bool = Field(description="Has not chosen a password yet.")
    created_at: Time


class Users(Message):
    users: tuple[User, ...]


class UserPath(Message):
    name: UserName


class NewUser(Message):
    name: UserName
    role: Role = Role.VIEWER
    project_ids: tuple[ProjectId, ...] = Field((), examples=[["loom"]], max_length=1000)


class Invited(Message):
    name: str = Field(examples=["mira"])
    link: str = Field(
        examples=["https://observatory.example/setup/pX8…"],
        description="Where a password is chosen, once. Shown now and never again.",
    )
    expires_at: Time


class UserChange(Message):
    role: Role | None = None
    project_ids: tuple[ProjectId, ...] | None = Field(None, examples=[["kiln", "loom"]], max_length=1000)
    disabled: bool | None = None


class SessionQuery(Message):
    user: Line = Field("", max_length=50)


class SessionPath(Message):
    session: SessionId


class Session(Message):
    id: SessionId
    user: str = Field(examples=["mira"])
    since: Time
    expires_at: Time
    confirmed_at: Time | None
    address: str = Field(examples=["203.0.113.9"])
    user_agent: str = Field(examples=["Mozilla/5.0"])


class Sessions(Message):
    sessions: tuple[Session, ...]


class Ended(Message):
    ended: bool = True


class Token(Message):
    id: int = Field(examples=[7])
    owner: str = Field(examples=["mira"])
    name: str = Field(examples=["nightly export"])
    role: Role
    project_ids: tuple[str, ...] | None = Field(examples=[["loom"]], description="null: all that the owner may see.")
    created_at: Time
    expires_at: Time
    used_at: Time | None


class Tokens(Message):
    tokens: tuple[Token, ...]


class NewToken(Message):
    owner: UserName
    name: Line = Field(min_length=1, max_length=50, examples=["nightly export"])
    role: Role = Role.VIEWER
    project_ids: tuple[ProjectId, ...] | None = Field(None, examples=[["loom"]], max_length=1000)
    days: int = Field(90, ge=1, le=365)


class MadeToken(Message):
    id: int = Field(examples=[7])
    token: str = Field(examples=["obs_3q2…"], description="Shown now and never again.")
    expires_at: Time


class TokenPath(Message):
    token: int = Field(ge=0, le=2**53, examples=[7])


class AuditQuery(Message):
    event: Line = Field("", max_length=100, description="The beginning of the event's name.")
    user: Line = Field("", max_length=100)
    text: Line = Field("", max_length=100, description="Found in resource, project, reason, path or address.")
    since: int | None = Field(None, ge=0, le=4_102_444_800_000)
    until: int | None = Field(None, ge=0, le=4_102_444_800_000)
    before: int | None = Field(None, ge=0, le=2**53, description="The id of the last line seen: what comes after it.")
    limit: int = Field(100, ge=1, le=10_000)


class AuditExport(AuditQuery):
    format: Literal["csv", "jsonl"] = "csv"
    limit: int = Field(10_000, ge=1, le=10_000)


class AuditLine(Message):
    id: int = Field(examples=[4711])
    at: Time
    until: Time
    times: int = Field(examples=[1], description="How often, between `at` and `until`: denials are counted together.")
    event: str = Field(examples=["user.created"])
    level: str = Field(examples=["info"])
    user: str = Field(examples=["ada"])
    user_id: int | None = Field(examples=[1])
    address: str = Field(examples=["203.0.113.9"])
    user_agent: str = Field(examples=["Mozilla/5.0"])
    action: str
    resource: str = Field(examples=["mira"])
    project: str
    reason: str
    method: str = Field(examples=["POST"])
    path: str = Field(examples=["/api/admin/users"])
    details: dict[str, Any] = Field(examples=[{"role": "operator"}])


class AuditLines(Message):
    lines: tuple[AuditLine, ...]


class Mark(Message):
    group: str = Field(examples=["global"])
    who: str = Field(examples=["mira"])
    hour: Time
    near: int = Field(examples=[1], description="Windows of which four fifths were used.")
    met: int = Field(examples=[0], description="Requests that were turned away.")
    allowed: int = Field(examples=[1000])
    last_at: Time


class Marks(Message):
    marks: tuple[Mark, ...]


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.get("/users")
@requires(Role.ADMIN)
@operation("Everybody, the disabled last", Users)
def users() -> Users:
    return Users(users=tuple(map(described, accounts.all_users(services().store))))


@routes.post("/users")
@requires(Role.ADMIN, confirmed=True)
@operation("Add a user, who chooses a password by the link", Invited, status=201, body=NewUser, also=TAKEN)
def create_user(body: NewUser) -> Invited:
    link = administration().invite(body.name, body.role, body.project_ids)
    return Invited(name=body.name, link=link.url, expires_at=link.expires)


@routes.patch("/users/<name>")
@requires(Role.ADMIN, confirmed=True)
@operation(
    "Set role, projects, or whether the user is disabled",
    User,
    path=UserPath,
    body=UserChange,
    also={**NOT_FOUND, 409: "The last administrator cannot be taken away."},
)
def change_user(name: str, body: UserChange) -> User:
    desk = administration()
    desk.change(name, role=body.role, projects=body.project_ids, disabled=body.disabled)
    return described(desk.known(name))


@routes.post("/users/<name>/reset")
@requires(Role.ADMIN, confirmed=True)
@operation("Take the password away; by the link the user chooses another", Invited, path=UserPath, also=NOT_FOUND)
def reset_password(name: str) -> Invited:
    link = administration().reset(name)
    return Invited(name=name, link=link.url, expires_at=link.expires)


@routes.delete("/users/<name>")
@requires(Role.ADMIN, confirmed=True)
@operation(
    "Forget a person, in the audit log too",
    Ended,
    path=UserPath,
    also={**NOT_FOUND, 409: "The last administrator cannot be taken away."},
)
def erase_user(name: str) -> Ended:
    administration().erase(name)
    return Ended()


def described(account: accounts.Account) -> User:
    return User(
        name=account.name,
        role=account.role,
        permissions=permissions(account.role),
        project_ids=account.projects,
        disabled=account.disabled,
        invited=not account.password_hash,
        created_at=account.created,
    )


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.get("/sessions")
@requires(Role.ADMIN)
@operation("Open sessions, the newest first", Sessions, query=SessionQuery)
def open_sessions(query: SessionQuery) -> Sessions:
    rows = sessions.current(services().store, now=services().clock(), user=query.user)
    return Sessions(
        sessions=tuple(
            Session(
                id=row.session,
                user=row.user,
                since=row.since_ms,
                expires_at=row.expires_ms,
                confirmed_at=row.confirmed_ms,
                address=row.address,
                user_agent=row.user_agent,
            )
            for row in rows
        )
    )


@routes.delete("/sessions/<session>")
@requires(Role.ADMIN)
@operation("End a session everywhere", Ended, path=SessionPath, also={404: "It is over already."})
def end_session(session: str) -> Ended:
    administration().end_session(session)
    return Ended()


@routes.delete("/users/<name>/sessions")
@requires(Role.ADMIN)
@operation("End every session of a user", Ended, path=UserPath, also=NOT_FOUND)
def end_sessions(name: str) -> Ended:
    administration().end_sessions(name)
    return Ended()


# ── API tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.get("/tokens")
@requires(Role.ADMIN)
@operation("API tokens that were not revoked, the newest first", Tokens)
def tokens() -> Tokens:
    return Tokens(
        tokens=tuple(
            Token(
                id=row.id,
                owner=row.user,
                name=row.name,
                role=Role(row.role),
                project_ids=None if row.projects is None else tuple(json.loads(row.projects)),
                created_at=row.created_ms,
                expires_at=row.expires_ms,
                used_at=row.used_ms,
            )
            for row in api_tokens.current(services().store)
        )
    )


@routes.post("/tokens")
@requires(Role.ADMIN, confirmed=True)
@operation(
    "Make an API token",
    MadeToken,
    status=201,
    body=NewToken,
    also={**NOT_FOUND, 409: "The owner has one of that name."},
)
def make_token(body: NewToken) -> MadeToken:
    made = administration().make_token(body.owner, body.name, body.role, days=body.days, projects=body.project_ids)
    return MadeToken(id=made.id, token=made.secret, expires_at=made.expires)


@routes.delete("/tokens/<int:token>")
@requires(Role.ADMIN)
@operation("Revoke an API token for good", Ended, path=TokenPath, also={404: "It was revoked already."})
def revoke_token(token: int) -> Ended:
    administration().revoke(token)
    return Ended()


# ── the audit log, and limits ────────────────────────────────────────────────────────────────────────────────────────


@routes.get("/audit")
@requires(Role.ADMIN)
@operation("The audit log, the newest first", AuditLines, query=AuditQuery)
def audit_log(query: AuditQuery) -> AuditLines:
    return AuditLines(lines=tuple(map(line, audit.found(services().store, wanted(query), query.limit))))


@routes.get("/audit/export")
@requires(Role.ADMIN)
@operation("The audit log as a file", ("text/csv", "application/jsonl"), query=AuditExport)
def audit_export(query: AuditExport) -> Response:
    rows = audit.found(services().store, wanted(query), query.limit)
    audit.add(services().store, record("audit.exported", details={"lines": len(rows), "format": query.format}))
    lines = [line(row) for row in rows]
    if query.format == "jsonl":
        body, kind = "".join(f"{one.model_dump_json(by_alias=True)}\n" for one in lines), "application/jsonl"
    else:
        body, kind = as_csv(lines), "text/csv"
    name = f"audit-{iso(services().clock())[:10]}.{query.format}"
    return Response(body, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@routes.get("/limits")
@requires(Role.ADMIN)
@operation("Who met a limit within the last day, or came near one", Marks)
def limit_marks() -> Marks:
    here = services()
    return Marks(
        marks=tuple(
            Mark(
                group=row.group,
                who=row.who,
                hour=row.hour_ms,
                near=row.near,
                met=row.met,
                allowed=row.allowed,
                last_at=row.last_ms,
            )
            for row in limits.marks(here.store, here.clock() - DAY)
        )
    )


def wanted(query: AuditQuery) -> audit.Wanted:
    return audit.Wanted(query.event, query.user, query.text, query.since, query.until, query.before)


def line(row: AnyRow) -> AuditLine:
    return AuditLine(
        id=row.id,
        at=row.at_ms,
        until=row.until_ms,
        times=row.times,
        event=row.event,
        level=row.level,
        user=row.name,
        user_id=row.user_id,
        address=row.address,
        user_agent=row.user_agent,
        action=row.action,
        resource=row.resource,
        project=row.project,
        reason=row.reason,
        method=row.method,
        path=row.path,
        details=json.loads(row.details),
    )


def as_csv(lines: Sequence[AuditLine]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for one in lines:
        content = one.model_dump(by_alias=True)
        content |= {"at": iso(one.at), "until": iso(one.until), "details": json.dumps(one.details, ensure_ascii=False)}
        writer.writerow([harmless(content[name]) for name in COLUMNS])
    return file.getvalue()


def harmless(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe: strangers choose what stands here."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
