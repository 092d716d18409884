"""What the audit log is told: names of events, and nothing that must not be in a log.

The contract's names are for signing in and for what was refused; every change has a name of ours, `<thing>.<past>`.
"""

import re
from collections.abc import Mapping
from typing import Any

from observatory import log
from observatory.errors import StoreError
from observatory.model import AuditRecord, Instant, Level, Subject
from observatory.store import audit as rows
from observatory.store.engine import Store

LEVELS = {
    "auth.login.success": Level.INFO,
    "auth.logout": Level.INFO,
    "auth.login.failed": Level.WARNING,
    "auth.token.invalid": Level.WARNING,
    "auth.token.expired": Level.WARNING,
    "access.denied.permission": Level.WARNING,
    "access.denied.project": Level.WARNING,
    "rate_limit.exceeded": Level.WARNING,
    "validation.failed": Level.WARNING,
    "security.error": Level.ERROR,
}
# What somebody outside can cause as often as he likes: one counted row a minute for an event and address.
REPEATED = {
    "auth.login.failed",
    "auth.token.invalid",
    "auth.token.expired",
    "access.denied.permission",
    "access.denied.project",
    "rate_limit.exceeded",
    "validation.failed",
    "security.error",
}

REDACTED = "[REDACTED]"
SECRET_NAMES = (
    "password", "passwordhash", "token", "jwt", "secret", "apikey", "authorization", "cookie", "session",
    "creditcard", "ssn",
)  # fmt: skip
PHONE_DIGITS = re.compile(r"\d(?=\d{4})")

logger = log.get(__name__)


def entry(
    event: str,
    subject: Subject,
    *,
    at: Instant,
    action: str = "",
    resource: str = "",
    project: str = "",
    reason: str = "",
    method: str = "",
    path: str = "",
    details: Mapping[str, Any] | None = None,
    times: int = 1,
) -> AuditRecord:
    """A record of `event` at its level, its details redacted. The event is also written to the log of the process."""
    level = LEVELS.get(event, Level.INFO)
    told = redacted(dict(details or {}))
    write = {Level.INFO: logger.info, Level.WARNING: logger.warning, Level.ERROR: logger.error}[level]
    write(event, user=subject.name or None, address=subject.address, resource=resource or None, reason=reason or None)
    return AuditRecord(
        at, event, level, subject, action, resource, project, reason, method, path, told, event in REPEATED, times
    )


def note(store: Store, record: AuditRecord) -> None:
    """Add a record of something that was refused. The refusal stands also when the log cannot be written."""
    try:
        rows.add(store, record)
    except StoreError as error:
        logger.error("audit_not_written", event_name=record.event, error=str(error))


def redacted(value: Any) -> Any:
    """A copy of `value` in which no field shows a secret: the contract's rules, by substrings of the fields' names."""
    if isinstance(value, Mapping):
        return {key: hidden(str(key).lower(), content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def hidden(name: str, content: Any) -> Any:
    if content is None:
        return None
    if any(secret in name for secret in SECRET_NAMES):
        return REDACTED
    if "email" in name:
        return masked_address(content)
    if "phone" in name:
        return PHONE_DIGITS.sub("*", str(content))
    return redacted(content)


def masked_address(content: Any) -> str:
    local, at, domain = str(content).partition("@")
    return f"{local[:2]}***@{domain}" if at and local and domain and "@" not in domain else REDACTED
