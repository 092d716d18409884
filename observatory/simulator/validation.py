"""What a request must be like (contract §2, §5.1, §5.4). Everything here raises Failure 400."""

import json
import re
from typing import Any

from observatory.simulator.failure import Failure, invalid
from observatory.simulator.wire import Request

NAME = re.compile(r"[A-Za-z0-9 _-]{1,100}")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
SOURCES = ("cli", "dashboard", "api")


def document(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as an object; {} for none where it is optional."""
    if optional and not request.body.strip():
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Failure(400, "Invalid request", details="the body is not JSON") from None
    if not isinstance(body, dict):
        raise Failure(400, "Invalid request", details="the body is not an object")
    return body


def text(body: dict[str, Any], name: str, longest: int, *, optional: bool = False) -> str:
    """A text of 1 to `longest` characters; "" for none where it is optional."""
    value = body.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise invalid(**{name: f"must be a text of 1 to {longest} characters"})
    return value


def tree(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object; null and nothing are an empty one."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(**{name: "must be an object"})
    return value


def source(body: dict[str, Any]) -> str:
    value = body.get("source", "api")
    if value not in SOURCES:
        raise invalid(source=f"must be one of {', '.join(SOURCES)}")
    return str(value)


def path(value: object, name: str = "path") -> str:
    """An absolute or `~` path without `.` and `..`, cleaned of doubled and trailing slashes."""
    if not isinstance(value, str) or not 1 <= len(value) <= 500:
        raise invalid(**{name: "must be a text of 1 to 500 characters"})
    parts = value.split("/")
    if parts[0] not in {"", "~"} or "\0" in value or {".", ".."} & set(parts):
        raise invalid(**{name: "must start with / or ~ and have no . or .. in it"})
    return "/".join([parts[0], *filter(None, parts[1:])]) or "/"


def project_fields(body: dict[str, Any]) -> dict[str, str]:
    """The fields of a new project that were given (§2.1, B6)."""
    name = text(body, "name", 100)
    if not NAME.fullmatch(name):
        raise invalid(name="may have letters, digits, spaces, - and _")
    fields = {"name": name, "path": path(body.get("path"))}
    for key, longest in (("description", 500), ("icon", 50)):
        if body.get(key) is not None:
            fields[key] = text(body, key, longest)
    color = body.get("color")
    if color is not None:
        if not isinstance(color, str) or not COLOR.fullmatch(color):
            raise invalid(color="must be #RRGGBB")
        fields["color"] = color
    return fields


def console_command(body: dict[str, Any]) -> str:
    """The command of B14, its companions checked. `details` is a list of issues on this route."""
    command = body.get("command")
    if command is None or command == "":
        raise Failure(400, "Command is required")
    paths = ("cwd", "workingDirectory", "projectPath")
    issues = [issue(name, "must be a text") for name in paths if not isinstance(body.get(name) or "", str)]
    if not isinstance(command, str) or len(command) > 1000:
        issues.append(issue("command", "must be a text of 1 to 1000 characters"))
    env = body.get("env") or {}
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        issues.append(issue("env", "must map names to texts"))
    timeout = body.get("timeout", 30_000)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 <= timeout <= 300_000:
        issues.append(issue("timeout", "must be a number from 0 to 300000"))
    if issues:
        raise Failure(400, "Invalid request", details=issues)
    return str(command)


def issue(field: str, message: str) -> dict[str, Any]:
    return {"path": [field], "message": message}
