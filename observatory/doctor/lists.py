"""What can be claimed of the projects and agents that a service lists."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from observatory.doctor.asking import MISSING, Reply
from observatory.doctor.claims import agents, items, moments, number, shown, sound
from observatory.doctor.findings import HELD, Claim, Finding, Verdict, broken, first, untold

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
PROJECT_ID = re.compile(rf"{UUID}|[a-zA-Z0-9-]{{3,64}}")
STATUSES = ("idle", "running", "paused", "completed", "failed")
SNAKE = {"last_activity", "current_task", "tasks_completed", "tasks_failed", "success_rate", "cpu_usage"}
OLD_MCP_PORT = ":8001"
EPOCH = 1e11  # milliseconds: a larger one is a time, no duration


# ── projects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def projects(body: Any) -> list[dict[str, Any]]:
    return items(body, "projects")


def of_each(
    what: str, found: Callable[[Any], list[dict[str, Any]]], check: Callable[[dict[str, Any]], Finding]
) -> Claim:
    """`check` of each of the things; none of them leaves it untold."""

    def claim(reply: Reply) -> Finding:
        all_ = found(reply.body)
        if not all_:
            return untold(f"There is no {what} in the answer.")
        return first(named(one, check(one)) for one in all_)

    return claim


def named(one: Mapping[str, Any], finding: Finding) -> Finding:
    if finding.verdict is not Verdict.BROKEN:
        return finding
    return broken(f"{shown(one.get('id', MISSING))}: {finding.why}", finding.quirk)


def each_project(check: Callable[[dict[str, Any]], Finding]) -> Claim:
    return of_each("project", projects, check)


def project_id(project: dict[str, Any]) -> Finding:
    id = project.get("id")
    good = isinstance(id, str) and PROJECT_ID.fullmatch(id)
    return HELD if good else broken(f"`id` is {shown(id)}, neither a UUID nor a slug.")


def unique_ids(reply: Reply) -> Finding:
    ids = [str(one.get("id")).lower() for one in projects(reply.body)]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    return HELD if twice is None else broken(f"{twice!r} is listed twice.")


def project_name(project: dict[str, Any]) -> Finding:
    name = project.get("name")
    return HELD if isinstance(name, str) and 0 < len(name) <= 100 else broken(f"`name` is {shown(name)}.")


def project_path(project: dict[str, Any]) -> Finding:
    path = project.get("path")
    return HELD if isinstance(path, str) and path.startswith(("/", "~")) else broken(f"`path` is {shown(path)}.")


def mcp_server_url(project: dict[str, Any]) -> Finding:
    url = project.get("mcpServerUrl", "")
    if not isinstance(url, str):
        return broken(f"`mcpServerUrl` is {shown(url)}.", "Q22")
    return broken("`mcpServerUrl` still names port 8001.", "Q22") if OLD_MCP_PORT in url else HELD


def same_project(reply: Reply) -> Finding:
    """The one that was asked for, in whatever case it was."""
    inner = reply.body.get("project", reply.body) if isinstance(reply.body, dict) else {}
    id = inner.get("id") if isinstance(inner, dict) else None
    asked = reply.url.rsplit("/", 1)[-1]
    return HELD if isinstance(id, str) and id.lower() == asked.lower() else broken(f"The project is {shown(id)}.")


# ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def each_agent(check: Callable[[dict[str, Any]], Finding]) -> Claim:
    return of_each("agent", agents, check)


def agent_id(agent: dict[str, Any]) -> Finding:
    id = agent.get("id")
    return HELD if isinstance(id, str) and 0 < len(id) <= 100 else broken(f"`id` is {shown(id)}.")


def agent_status(agent: dict[str, Any]) -> Finding:
    status = agent.get("status")
    if isinstance(status, dict):
        return broken("`status` is an object.", "Q8")
    return HELD if status in STATUSES else broken(f"`status` is {shown(status)}, none of {', '.join(STATUSES)}.")


def word_of(agent: dict[str, Any]) -> Any:
    status = agent.get("status")
    return status.get("status") if isinstance(status, dict) else status


def camel_names(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    found = sorted(SNAKE & (agent.keys() | (metrics.keys() if isinstance(metrics, dict) else set())))
    return HELD if not found else broken(f"`{found[0]}` is written in snake_case.", "Q1")


def task_of(agent: dict[str, Any]) -> Any:
    return agent.get("currentTask", agent.get("current_task"))


def task_object(agent: dict[str, Any]) -> Finding:
    task = task_of(agent)
    if isinstance(task, str):
        return broken("The current task is plain text.", "Q1")
    if task is None or (isinstance(task, dict) and isinstance(task.get("name"), str)):
        return HELD
    return broken("The current task has no name.")


def task_progress(agent: dict[str, Any]) -> Finding:
    task = task_of(agent)
    progress = task.get("progress", 0) if isinstance(task, dict) else 0
    good = number(progress) and 0 <= progress <= 100
    return HELD if good else broken(f"`progress` is {shown(progress)}.", "Q28" if number(progress) else "")


def flags_fit(agent: dict[str, Any]) -> Finding:
    """What may be done follows from the status; where a flag is not sent there is nothing to contradict."""
    status = word_of(agent)
    wrong = [
        name
        for name, needed, allowed in (
            ("canStart", {"idle", "completed", "failed"}, {"idle", "completed", "failed"}),
            ("canStop", {"running", "paused"}, {"running", "paused", "failed"}),
            ("canPause", frozenset[str](), {"running"}),
        )
        if (agent.get(name) is True and status not in allowed) or (agent.get(name) is False and status in needed)
    ]
    return HELD if not wrong else broken(f"`{wrong[0]}` is {agent[wrong[0]]} while it is {status}.", "Q21")


def agent_times(agent: dict[str, Any]) -> Finding:
    command, task = agent.get("lastCommand"), task_of(agent)
    found = {
        "lastActivity": agent.get("lastActivity", agent.get("last_activity")),
        "lastCommand.timestamp": command.get("timestamp") if isinstance(command, dict) else None,
        "currentTask.startTime": task.get("startTime") if isinstance(task, dict) else None,
    }
    return moments({name: value for name, value in found.items() if value is not None})


def counters(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    if not isinstance(metrics, dict):
        return HELD  # they are optional
    return first(sound(f"metrics.{name}", value) for name, value in metrics.items() if number(value))


def uptime(agent: dict[str, Any]) -> Finding:
    metrics = agent.get("metrics")
    value = metrics.get("uptime") if isinstance(metrics, dict) else None
    large = number(value) and math.isfinite(value) and value > EPOCH
    return broken("`metrics.uptime` is the time of the start.", "Q6") if large else HELD


def in_project(agent: dict[str, Any]) -> Finding:
    return HELD if isinstance(agent.get("projectId"), str) else broken("It does not say its `projectId`.")


def one_agent(reply: Reply) -> Finding:
    """The agent itself, unwrapped."""
    if isinstance(reply.body, dict) and "agents" not in reply.body and "id" in reply.body:
        return HELD
    found = agents(reply.body)
    return broken("It came in a list.", "Q12") if found else broken("No agent came.", "Q20")
