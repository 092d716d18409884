"""A line for the audit log, where a test does not care who did it."""

from observatory.model import AuditRecord, Instant, Level, Subject
from tests.support.clock import NOON


def a_record(event: str = "thing.done", *, at: Instant = NOON, name: str = "ada", **fields: object) -> AuditRecord:
    subject = Subject(None, name, str(fields.pop("address", "203.0.113.9")), "a browser")
    return AuditRecord(at, event, Level.INFO, subject, **fields)  # type: ignore[arg-type]
