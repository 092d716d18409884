"""`observatory user …` and `observatory token …`: people and API tokens from the command line.

What a script wants (a list, a link, a secret) goes to standard output alone; words for a person go beside it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from getpass import getpass
from typing import Any, NamedTuple, TypeAlias

from observatory import config, log, processes
from observatory.auth.roles import permissions
from observatory.config import Settings
from observatory.errors import Invalid
from observatory.model import Instant, Role, iso
from observatory.people import LONGEST_TOKEN_DAYS, Administration, Link
from observatory.store import accounts, api_tokens, sessions
from observatory.store.accounts import Account

LONGEST_CELL = 60
DAYS = 90
ONCE = "A link is good once, within a day."


class Asked(NamedTuple):
    """One call of a command: at which desk, with which arguments."""

    desk: Administration
    given: argparse.Namespace
    settings: Settings


Act: TypeAlias = Callable[[Asked], None]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def users(argv: Sequence[str]) -> int:
    return run(user_parser(), argv)


def tokens(argv: Sequence[str]) -> int:
    return run(token_parser(), argv)


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Do what is asked, in the database of the settings. Raises ObservatoryError."""
    if not argv:
        parser.print_help()
        return 0
    given = parser.parse_args(argv)
    settings = config.load()
    log.configure("warning", process="command line")
    store = processes.ready_store(settings)
    try:
        given.act(Asked(processes.administration(store, settings), given, settings))
    finally:
        store.close()
    return 0


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────────


def user_parser() -> argparse.ArgumentParser:
    parser, commands = group("user", "People: who may sign in, as what, and which projects they see.")
    listing(command(commands, "list", list_users, "everybody, the disabled last"))
    create = named(command(commands, "create", create_user, "add a user, who chooses a password by a link", ONCE))
    role_of(create, "--role", default=Role.VIEWER.value)
    projects_of(create, default=[], help_="a project the user may see; administrators see all")
    create.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input instead of making a link"
    )
    named(command(commands, "disable", disable, "let a user in no more: sessions, tokens and links end"))
    named(command(commands, "enable", enable, "let a disabled user in again"))
    role = named(command(commands, "role", set_role, "give a user another role: every session of the user ends"))
    role_of(role, "role")
    projects = named(command(commands, "projects", set_projects, "which projects a user may see: print or set them"))
    projects.add_argument("projects", metavar="ID", nargs="*", help="exactly these; without any they are printed")
    projects.add_argument("--none", action="store_true", help="take every project away")
    named(command(commands, "reset", reset, "take the password away; by a link the user chooses another", ONCE))
    named(command(commands, "erase", erase, "forget a person for good, in the audit log too"))
    listing(named(command(commands, "sessions", list_sessions, "open sessions, of a user or of all"), nargs="?"))
    named(command(commands, "end-sessions", end_sessions, "sign a user out everywhere"))
    return parser


def token_parser() -> argparse.ArgumentParser:
    parser, commands = group("token", "API tokens: a program's key to what its owner may do, or less.")
    listing(
        named(command(commands, "list", list_tokens, "tokens that were not revoked, of a user or of all"), nargs="?")
    )
    alone = "It is printed once, alone on standard output."
    create = named(command(commands, "create", create_token, "make a token and print its secret", alone), "OWNER")
    create.add_argument("token", metavar="NAME", help="what it is for")
    role_of(create, "--role", default=Role.VIEWER.value)
    create.add_argument(
        "--days",
        type=int,
        default=DAYS,
        metavar="N",
        help=f"how long it is good: 1 to {LONGEST_TOKEN_DAYS} (%(default)s)",
    )
    projects_of(create, default=None, help_="a project it is cut to; without any it sees what its owner sees")
    revoke = command(commands, "revoke", revoke_token, "end a token for good")
    revoke.add_argument("id", metavar="ID", type=int, help="as `observatory token list` prints it")
    return parser


def group(name: str, about: str) -> tuple[argparse.ArgumentParser, Commands]:
    parser = argparse.ArgumentParser(f"observatory {name}", description=about)
    return parser, parser.add_subparsers(metavar="command", required=True)


def command(commands: Commands, name: str, act: Act, help_: str, more: str = "") -> argparse.ArgumentParser:
    about = f"{help_[0].upper()}{help_[1:]}. {more}".strip()
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=about)
    parser.set_defaults(act=act)
    return parser


def named(parser: argparse.ArgumentParser, metavar: str = "NAME", **options: Any) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar=metavar, help="the user's name", **options)
    return parser


def role_of(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    default = " (%(default)s)" if options else ""
    roles = [role.value for role in Role]
    parser.add_argument(name, choices=roles, help=f"what the user or token may do{default}", **options)


def projects_of(parser: argparse.ArgumentParser, *, default: list[str] | None, help_: str) -> None:
    parser.add_argument("--project", metavar="ID", nargs="+", action="extend", default=default, help=help_)


def listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON, in the shape of the API")


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_users(asked: Asked) -> None:
    found = accounts.all_users(asked.desk.store)
    if asked.given.json:
        write_json(users=[described(one) for one in found])
    else:
        rows = [(one.name, one.role, seen_by(one), standing(one), when(one.created)) for one in found]
        write_table(("NAME", "ROLE", "PROJECTS", "STATE", "CREATED (UTC)"), rows)


def described(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "role": account.role,
        "permissions": permissions(account.role),
        "projectIds": account.projects,
        "disabled": account.disabled,
        "invited": not account.password_hash,
        "createdAt": account.created,
    }


def seen_by(account: Account) -> str:
    return "all" if account.role is Role.ADMIN else " ".join(account.projects) or "none"


def standing(account: Account) -> str:
    return "disabled" if account.disabled else "active" if account.password_hash else "invited"


def create_user(asked: Asked) -> None:
    name, role, projects = asked.given.name, Role(asked.given.role), asked.given.project
    if asked.given.password_stdin:
        asked.desk.add(name, typed_password(), role, projects, production=asked.settings.production)
        say(f"{name} is {role} and can sign in.")
    else:
        tell_link(asked, asked.desk.invite(name, role, projects))


def typed_password() -> str:
    """The first line of standard input; at a terminal it is asked for and not shown. Raises Invalid."""
    if sys.stdin.isatty():
        return getpass()
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Invalid([{"path": "password", "message": "The password must be UTF-8."}]) from None


def disable(asked: Asked) -> None:
    asked.desk.change(asked.given.name, disabled=True)
    say(f"{asked.given.name} is disabled. Every session and token ended.")


def enable(asked: Asked) -> None:
    asked.desk.change(asked.given.name, disabled=False)
    say(f"{asked.given.name} may sign in again. Tokens that ended stay so.")


def set_role(asked: Asked) -> None:
    role = Role(asked.given.role)
    asked.desk.change(asked.given.name, role=role)
    say(f"{asked.given.name} is {role}.")


def set_projects(asked: Asked) -> None:
    name, projects = asked.given.name, asked.given.projects
    if not projects and not asked.given.none:
        for project in asked.desk.known(name).projects:
            print(project)
        return
    if projects and asked.given.none:
        raise Invalid([{"path": "projects", "message": "Either projects or --none."}])
    asked.desk.change(name, projects=projects)
    say(f"{name} sees {' '.join(projects) or 'no project'}.")


def reset(asked: Asked) -> None:
    tell_link(asked, asked.desk.reset(asked.given.name))


def tell_link(asked: Asked, link: Link) -> None:
    say(f"{asked.given.name} chooses a password at this address, once, before {when(link.expires)} UTC:")
    print(link.url, flush=True)
    elsewhere = processes.elsewhere(asked.settings)
    if elsewhere:
        say(elsewhere)


def erase(asked: Asked) -> None:
    asked.desk.erase(asked.given.name)
    say(f"{asked.given.name} is forgotten. What was done stays in the audit log, without the name.")


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_sessions(asked: Asked) -> None:
    found = sessions.current(asked.desk.store, now=asked.desk.clock(), user=known_name(asked))
    if asked.given.json:
        write_json(
            sessions=[
                {
                    "id": row.session,
                    "user": row.user,
                    "since": row.since_ms,
                    "expiresAt": row.expires_ms,
                    "confirmedAt": row.confirmed_ms,
                    "address": row.address,
                    "userAgent": row.user_agent,
                }
                for row in found
            ]
        )
    else:
        rows = [(row.user, when(row.since_ms), when(row.expires_ms), row.address, row.user_agent) for row in found]
        write_table(("USER", "SINCE (UTC)", "UNTIL (UTC)", "ADDRESS", "BROWSER"), rows)


def known_name(asked: Asked) -> str:
    """The name that a list is narrowed to, "" for everybody. Raises NotFound for one that nobody has."""
    return asked.desk.known(asked.given.name).name if asked.given.name else ""


def end_sessions(asked: Asked) -> None:
    ended = asked.desk.end_sessions(asked.given.name)
    say(f"{asked.given.name} is signed out everywhere." if ended else f"{asked.given.name} was not signed in.")


# ── API tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


def list_tokens(asked: Asked) -> None:
    found = api_tokens.current(asked.desk.store, user=known_name(asked))
    cuts = {row.id: None if row.projects is None else json.loads(row.projects) for row in found}
    if asked.given.json:
        write_json(
            tokens=[
                {
                    "id": row.id,
                    "owner": row.user,
                    "name": row.name,
                    "role": row.role,
                    "projectIds": cuts[row.id],
                    "createdAt": row.created_ms,
                    "expiresAt": row.expires_ms,
                    "usedAt": row.used_ms,
                }
                for row in found
            ]
        )
    else:
        rows = [
            (row.id, row.user, row.name, row.role, cut_to(cuts[row.id]), when(row.expires_ms), when(row.used_ms))
            for row in found
        ]
        write_table(("ID", "OWNER", "NAME", "ROLE", "PROJECTS", "UNTIL (UTC)", "USED (UTC)"), rows)


def cut_to(projects: list[str] | None) -> str:
    return "as owner" if projects is None else " ".join(projects) or "none"


def create_token(asked: Asked) -> None:
    given = asked.given
    made = asked.desk.make_token(given.name, given.token, Role(given.role), days=given.days, projects=given.project)
    say(f"Token {made.id} of {given.name}, good until {when(made.expires)} UTC. It is shown now and never again:")
    print(made.secret, flush=True)


def revoke_token(asked: Asked) -> None:
    asked.desk.revoke(asked.given.id)
    say(f"Token {asked.given.id} is revoked.")


# ── how it looks ─────────────────────────────────────────────────────────────────────────────────────────────────────


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def write_json(**content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def write_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns below their heads, two spaces apart."""
    lines = [list(head), *([cell(one) for one in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(content: object) -> str:
    """What stands in a table: on one line, and nothing that a terminal would obey; strangers choose some of it."""
    text = "".join(char if char.isprintable() else "?" for char in str(content))
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def when(at: Instant | None) -> str:
    return "never" if at is None else iso(at)[:16].replace("T", " ")
