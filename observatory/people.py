"""Users, sessions and API tokens as an administrator handles them, whether by the page, the API or the command line.

Every change is written together with its line in the audit log.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from observatory.auth import passwords, tokens
from observatory.errors import Invalid, NotFound
from observatory.model import DAY, AuditRecord, Instant, Role, Subject
from observatory.store import accounts, api_tokens, sessions
from observatory.store.accounts import Account
from observatory.store.engine import Store

COMMAND_LINE = Subject(None, "command line", "local", "observatory")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,49}")
PROJECT = re.compile(r"[A-Za-z0-9-]{3,64}")
LINK_LASTS = DAY
LONGEST_TOKEN_DAYS = 365


class Recorder(Protocol):
    """Makes the line of the audit log: who asks, it knows."""

    def __call__(
        self, event: str, *, resource: str = "", reason: str = "", details: Mapping[str, object] | None = None
    ) -> AuditRecord: ...


class Link(NamedTuple):
    """A way to choose a password, once. The address is shown once too; only the hash is kept."""

    url: str
    hash: str
    expires: Instant


class NewToken(NamedTuple):
    """A token just made. The secret is shown once; only its hash is kept."""

    id: int
    secret: str
    expires: Instant


@dataclass(frozen=True, slots=True)
class Administration:
    """`secret` keys the hashes of links, `address` is where people reach us: `https://observatory.example`."""

    store: Store
    secret: str
    address: str
    clock: Callable[[], Instant]
    record: Recorder
    at_the_machine: bool = False  # who can start us on this machine may also reset the last administrator

    def link(self) -> Link:
        secret = tokens.new_link_secret()
        url = f"{self.address.rstrip('/')}/setup/{secret}"
        return Link(url, tokens.link_hash(self.secret, secret), self.clock() + LINK_LASTS)

    def invite(self, name: str, role: Role, projects: Sequence[str] = ()) -> Link:
        """Add a user, who chooses a password by the link. Raises Invalid, Conflict."""
        refuse(name_faults(name) + project_faults(projects))
        link = self.link()
        told = self.record("user.created", resource=name, details={"role": role, "projects": list(projects)})
        accounts.create_user(
            self.store,
            name,
            accounts.NO_PASSWORD,
            role,
            projects=projects,
            now=self.clock(),
            link=(link.hash, link.expires),
            told=told,
        )
        return link

    def add(self, name: str, password: str, role: Role, projects: Sequence[str] = (), *, production: bool) -> None:
        """Add a user with a password. Raises Invalid, Conflict."""
        bad = [
            {"path": "password", "message": fault} for fault in passwords.violations(password, production=production)
        ]
        refuse(name_faults(name) + project_faults(projects) + bad)
        told = self.record("user.created", resource=name, details={"role": role, "projects": list(projects)})
        hashed = passwords.hash_password(password)
        accounts.create_user(self.store, name, hashed, role, projects=projects, now=self.clock(), told=told)

    def change(
        self,
        name: str,
        *,
        role: Role | None = None,
        projects: Sequence[str] | None = None,
        disabled: bool | None = None,
    ) -> None:
        """Set what is given. Raises Invalid, NotFound, and Conflict for the last administrator."""
        refuse(project_faults(projects or ()))
        given = {"role": role, "projects": projects, "disabled": disabled}
        details = {key: value for key, value in given.items() if value is not None}
        event = {True: "user.disabled", False: "user.enabled", None: "user.changed"}[disabled]
        told = self.record(event, resource=name, details=details)
        accounts.change(self.store, name, now=self.clock(), told=told, role=role, projects=projects, disabled=disabled)

    def reset(self, name: str) -> Link:
        """Take the password away; by the link the user chooses another. Raises NotFound, and Conflict for the last
        administrator, who could lock himself out."""
        link = self.link()
        told = self.record("user.password_reset", resource=name)
        accounts.reset(
            self.store, name, link.hash, now=self.clock(), expires=link.expires, told=told, last=self.at_the_machine
        )
        return link

    def erase(self, name: str) -> None:
        """Forget a person, in the audit log too. Raises NotFound, and Conflict for the last administrator."""
        account = self.known(name)
        told = self.record("user.erased", resource=f"user {account.id}")
        accounts.erase(self.store, name, now=self.clock(), told=told)

    def end_sessions(self, name: str) -> int:
        """End every session of a user. Raises NotFound."""
        return accounts.end_sessions(
            self.store, name, now=self.clock(), told=self.record("session.ended", resource=name, reason="all of them")
        )

    def end_session(self, session: str) -> None:
        """End one session. Raises NotFound when it is over already."""
        told = self.record("session.ended", resource=session[:8], reason="by an administrator")
        if not sessions.end(self.store, session, now=self.clock(), told=told):
            raise NotFound("There is no such session, or it is over.")

    def make_token(
        self, owner: str, name: str, role: Role, *, days: int, projects: Sequence[str] | None = None
    ) -> NewToken:
        """A key for a program, to what `owner` may do or less, for `days`. Raises Invalid, NotFound, Conflict."""
        account = self.known(owner)
        refuse([*token_faults(name, role, days, account), *project_faults(projects or ())])
        secret, now = tokens.new_api_token(), self.clock()
        expires = now + days * DAY
        details: dict[str, object] = {"role": role, "days": days, "projects": projects}
        key = api_tokens.create(
            self.store,
            account.id,
            name,
            tokens.api_token_hash(secret),
            role,
            projects=projects,
            now=now,
            expires=expires,
            told=self.record("api_key.created", resource=f"{owner}: {name}", details=details),
        )
        return NewToken(key, secret, expires)

    def revoke(self, token: int) -> None:
        """End a token for good. Raises NotFound when it was ended before."""
        row = next((row for row in api_tokens.current(self.store) if row.id == token), None)
        named = f"{row.user}: {row.name}" if row else ""
        told = self.record("api_key.revoked", resource=named)
        if not api_tokens.revoke(self.store, token, now=self.clock(), told=told):
            raise NotFound("There is no such token, or it was revoked.")

    def known(self, name: str) -> Account:
        account = accounts.find_user(self.store, name)
        if account is None:
            raise NotFound(f"There is no user named {name}.")
        return account


def refuse(faults: Sequence[dict[str, str]]) -> None:
    if faults:
        raise Invalid(faults)


def name_faults(name: str) -> list[dict[str, str]]:
    if NAME.fullmatch(name):
        return []
    message = "A name has 1 to 50 letters, digits and . _ @ -, and begins with a letter or digit."
    return [{"path": "name", "message": message}]


def project_faults(projects: Sequence[str]) -> list[dict[str, str]]:
    bad = [project for project in projects if not PROJECT.fullmatch(project)]
    message = "A project's id has 3 to 64 letters, digits and hyphens; {!r} has not."
    return [{"path": "projects", "message": message.format(project[:64])} for project in bad]


def token_faults(name: str, role: Role, days: int, owner: Account) -> list[dict[str, str]]:
    faults = []
    if not 1 <= len(name.strip()) <= 50 or not name.isprintable():
        faults.append({"path": "name", "message": "A token's name has 1 to 50 printable characters."})
    if not 1 <= days <= LONGEST_TOKEN_DAYS:
        faults.append({"path": "days", "message": f"A token lasts 1 to {LONGEST_TOKEN_DAYS} days."})
    order = list(Role)
    if order.index(role) > order.index(owner.role):
        message = f"{owner.name} is {owner.role}: a token of {owner.name} cannot be {role}."
        faults.append({"path": "role", "message": message})
    if owner.disabled:
        faults.append({"path": "owner", "message": f"{owner.name} is disabled."})
    return faults
