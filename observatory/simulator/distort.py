"""Answers bent out of shape: other names, odd numbers, nulls, and types that no reader expects (contract §9)."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

TWINS = {
    "lastActivity": "last_activity", "currentTask": "current_task", "tasksCompleted": "tasks_completed",
    "tasksFailed": "tasks_failed", "successRate": "success_rate", "cpuUsage": "cpu_usage",
}  # fmt: skip
RATES = {"success_rate", "successRate", "completionRate", "completion_rate"}
MEASURED = {
    "cpu", "memory", "disk", "uptime", "throughput", "avg_response_time", "queue_length", "tasks_completed",
    "tasksCompleted", "cpu_usage", "memory_usage", "requests_total", "current", "avg", "progress", "avgDuration",
    "taskQueue", "processes", "rx", "tx", "value",
}  # fmt: skip
MAY_BE_NULL = {
    "parameters", "projectPath", "config", "currentTask", "lastCommand", "metadata", "dashboards", "telemetryMap",
    "resources",
}  # fmt: skip
ODD = ("negative", "infinite", "missing")


@dataclass(frozen=True, slots=True)
class Form:
    case: str = "camel"
    percent: bool = False
    numbers: str = "finite"
    nulls: bool = False


def translate(node: Any, form: Form) -> Any:
    """The same tree in another form."""
    if isinstance(node, list):
        return [translate(item, form) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if form.percent and key in RATES and is_number(value):
            value = round(value * 100, 2)
        if form.nulls and key in MAY_BE_NULL and not isinstance(value, list):
            value = None
        if form.numbers != "finite" and key in MEASURED and is_number(value):
            value = odd(key, value, form.numbers)
            if value is None:
                continue
        other = form.case == "snake" or (form.case == "mixed" and len(key) % 2 == 0)
        out[TWINS.get(key, key) if other else key] = translate(value, form)
    return out


def odd(key: str, value: float, numbers: str) -> float | None:
    """A measured number as the switch `numbers` has it; None: it is missing. A mix goes by the key."""
    kind = ODD[crc32(key.encode()) % len(ODD)] if numbers == "mixed" else numbers
    if kind == "negative":
        return -1 - abs(value)
    return float("inf") if kind == "infinite" else None if kind == "missing" else value


def retype(node: Any) -> Any:
    """The same tree with every leaf of another type: texts become numbers, numbers texts, lists of things a text."""
    if isinstance(node, dict):
        return {key: retype(value) for key, value in node.items()}
    if isinstance(node, list):
        return "a list was here"
    if isinstance(node, str):
        return [len(node)]
    return "many" if is_number(node) else {"truth": node}


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
