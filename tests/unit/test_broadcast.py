"""What is made of a broadcast, whatever stands in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.contract.broadcast import LONGEST, TYPES, broadcast
from observatory.model import DAY, Event, Level
from tests.support.clock import NOON

WHEN = "2026-01-01T11:00:00Z"
AN_HOUR_AGO = NOON - 3_600_000
RENAMED = {"file": "console-types.ts", "breaking": True, "description": "data is now required"}


def event_of(**fields: Any) -> Event | None:
    found = broadcast(json.dumps({"type": "INFO", "timestamp": WHEN, **fields}).encode())
    return None if found is None else found.event(NOON)


@pytest.mark.parametrize(
    ("type", "level", "kind"),
    [
        ("BREAKING_CHANGE_DETECTED", Level.ERROR, "broadcast.breaking_change_detected"),
        ("MIGRATION_REQUIRED", Level.WARNING, "broadcast.migration_required"),
        ("UPDATE_AVAILABLE", Level.INFO, "broadcast.update_available"),
        ("SHARED_CONFIG_UPDATED", Level.INFO, "broadcast.shared_config_updated"),
        ("WARNING", Level.WARNING, "broadcast.warning"),
        ("INFO", Level.INFO, "broadcast.info"),
    ],
)
def test_each_type_has_its_level(type: str, level: Level, kind: str) -> None:
    event = event_of(type=type)

    assert event is not None
    assert (event.at, event.level, event.kind) == (AN_HOUR_AGO, level, kind)
    assert (event.target, event.project, event.agent, event.simulated) == ("", "", "", False)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "BREAKING_CHANGE_DETECTED", "severity": "high", "message": "Envelope renamed", "changes": [RENAMED]},
         "Breaking change (severity high): Envelope renamed: console-types.ts: data is now required"),
        ({"type": "MIGRATION_REQUIRED", "changes": [RENAMED, {"file": "b.ts"}, {"description": "c"}, {}]},
         "Migration required: console-types.ts: data is now required; b.ts; c"),
        ({"type": "UPDATE_AVAILABLE", "version": "3.2.0"}, "Update available (3.2.0)"),
        ({"type": "UPDATE_AVAILABLE", "version": "3.2.0", "severity": "LOW"}, "Update available (3.2.0, severity low)"),
        ({"type": "SHARED_CONFIG_UPDATED"}, "Shared configuration updated"),
        ({"type": "WARNING", "message": "Slow\ndisk\t \x00now\x1b[31m"}, "Warning: Slow disk now [31m"),
        ({"message": "turned \u202e round \u2028 here"}, "Information: turned round here"),
        ({"message": "<script>alert(1)</script>"}, "Information: <script>alert(1)</script>"),
        ({"severity": "<b>", "message": 5, "version": ["x"]}, "Information: 5"),
        ({"message": {"a": 1}, "changes": "none", "severity": None, "more": 1}, "Information"),
        ({"changes": [1, None, "x", [], {"file": ["x"], "breaking": "yes", "description": "d"}]}, "Information: d"),
    ],
)  # fmt: skip
def test_it_is_told_in_one_line(fields: dict[str, Any], text: str) -> None:
    event = event_of(**fields)

    assert event is not None
    assert event.text == text


def test_a_long_one_is_cut() -> None:
    changes = [{"file": "x" * 400, "description": "y" * 400}] * 1000

    event = event_of(message="m" * 100_000, changes=changes)

    assert event is not None
    assert (len(event.text), event.text[-1]) == (LONGEST, "…")


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [(WHEN, AN_HOUR_AGO), ("2026-01-01T12:00:00+01:00", AN_HOUR_AGO), ("2026-01-01T11:00:00", AN_HOUR_AGO),
     (AN_HOUR_AGO, AN_HOUR_AGO), (NOON + DAY, NOON), ("9999-12-31T23:59:59Z", NOON)],
)  # fmt: skip
def test_it_happened_when_it_says_but_never_later_than_now(timestamp: object, at: int) -> None:
    event = event_of(timestamp=timestamp)

    assert event is not None
    assert event.at == at


@pytest.mark.parametrize(
    "fields",
    [{"type": "FUN"}, {"type": "info"}, {"type": ""}, {"type": 5}, {"type": None}, {"type": ["INFO"]},
     {"type": "INFO" * 100}, {"timestamp": None}, {"timestamp": "soon"}, {"timestamp": -5}, {"timestamp": []},
     {"timestamp": True}, {"timestamp": 1e300}],
)  # fmt: skip
def test_what_cannot_be_told_once_is_not_told(fields: dict[str, Any]) -> None:
    assert event_of(**fields) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"INFO"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b'{"type": "\\ud800"}',
        b"NaN",
    ],
)
def test_what_is_no_broadcast_is_none(content: bytes) -> None:
    assert broadcast(content) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = ("message", "changes", "severity", "version", "timestamp")


@given(st.fixed_dictionaries({"type": st.sampled_from(sorted(TYPES))}, optional=dict.fromkeys(FIELDS, JSON)))
def test_no_content_does_harm(fields: dict[str, Any]) -> None:
    found = broadcast(json.dumps(fields).encode())
    event = None if found is None else found.event(NOON)

    assert event is None or (event.at <= NOON and len(event.text) <= LONGEST and event.text.isprintable())
