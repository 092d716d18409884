"""The broadcast file, by which the DevKit tells of breaking changes (contract §2.7)."""

import json
import os
from pathlib import Path
from typing import Any

from observatory.simulator.clock import iso

TYPES = (
    "BREAKING_CHANGE_DETECTED", "MIGRATION_REQUIRED", "UPDATE_AVAILABLE", "SHARED_CONFIG_UPDATED", "WARNING", "INFO",
)  # fmt: skip
SEVERITIES = ("low", "medium", "high", "critical")
OPTIONAL = ("message", "changes", "severity", "version")


def entry(order: dict[str, Any], t: int) -> dict[str, Any]:
    """What to write, from what was asked for. Raises ValueError."""
    if order.get("type") not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    if order.get("severity") not in (None, *SEVERITIES):
        raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}")
    given = {key: order[key] for key in OPTIONAL if order.get(key) is not None}
    return {"type": order["type"], "timestamp": order.get("timestamp") or iso(t), **given}


def write(path: Path, text: str) -> None:
    """Replace the file at once, so that nobody reads half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def write_entry(path: Path, order: dict[str, Any], t: int) -> dict[str, Any]:
    """Raises ValueError and OSError."""
    written = entry(order, t)
    write(path, json.dumps(written, ensure_ascii=False, indent=2) + "\n")
    return written
