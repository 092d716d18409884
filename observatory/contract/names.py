"""What ids, names and paths of projects and agents may look like (§5.1, §5.4).

Each `…_fault` answers with a sentence that says what is wrong, "" when nothing is.
"""

import re
from pathlib import PurePosixPath

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
SLUG = re.compile(r"[a-z0-9-]{3,64}", re.IGNORECASE | re.ASCII)
NAME = re.compile(r"[A-Za-z0-9 _-]{1,100}")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}|[a-z]+(-[0-9]{2,3})?")  # a Tailwind token, too
NAME_LIMIT, PATH_LIMIT, AGENT_LIMIT = 100, 500, 100
DAEMON = "mcp-daemon"  # a project that no file may define


def is_project_id(text: str) -> bool:
    """A UUID of any version, or 3 to 64 letters, digits and hyphens. Upper case is allowed, and means the same."""
    return bool(UUID.fullmatch(text) or SLUG.fullmatch(text))


def project_id_fault(text: str) -> str:
    if not is_project_id(text):
        return "The id is neither a UUID nor 3 to 64 letters, digits and hyphens."
    return f"The id {DAEMON} is the daemon's." if text.lower() == DAEMON else ""


def agent_id_fault(text: str) -> str:
    """An agent's id is anything of 1 to 100 characters (Q26)."""
    return "" if 1 <= len(text) <= AGENT_LIMIT else f"An agent's id has 1 to {AGENT_LIMIT} characters."


def name_fault(text: str) -> str:
    return "" if NAME.fullmatch(text) else "A name has 1 to 100 letters, digits, spaces, hyphens and underscores."


def path_fault(text: str) -> str:
    if not text.startswith(("/", "~")):
        return "A path starts with / or ~."
    if len(text) > PATH_LIMIT or "\0" in text:
        return f"A path has at most {PATH_LIMIT} characters, and none of them is null."
    if {".", ".."} & set(re.split(r"[/\\]", text)):
        return "A path leads straight down: it has no . or .. in it."
    return ""


def clean_name(text: str) -> str:
    """Without the characters a name may not have, trimmed and cut."""
    return re.sub(r"[^A-Za-z0-9 _-]", "", text).strip()[:NAME_LIMIT]


def clean_path(text: str, home: str) -> str:
    """With `home` for ~, single slashes and none at the end. The path is one without a fault."""
    if text == "~" or text.startswith("~/"):
        text = home + text[1:]
    return str(PurePosixPath(re.sub(r"/+", "/", text)))
