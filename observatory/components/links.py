"""Names in page paths. A name that a path cannot carry as it is travels as `~` and its UTF-8 in hex."""

import re

PLAIN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._@:-]+")


def encoded(name: str) -> str:
    return name if PLAIN.fullmatch(name) else "~" + name.encode().hex()


def decoded(part: str) -> str:
    """The name behind a part of a path; "" when the part cannot be one."""
    if not part.startswith("~"):
        return part if PLAIN.fullmatch(part) else ""
    try:
        return bytes.fromhex(part[1:]).decode()
    except ValueError:
        return ""


def service(name: str) -> str:
    """The path of a service's own page."""
    return f"/services/{encoded(name)}"


def service_of(path: str | None) -> str:
    """The service that the path of a page names; "" when it names none."""
    parts = (path or "").strip("/").split("/")
    return decoded(parts[1]) if len(parts) == 2 and parts[0] == "services" else ""
