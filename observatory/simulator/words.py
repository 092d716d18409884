"""Projects and agents in the contract's words (§4, §5), which more than one service and the stream use."""

import re
from typing import Any

from observatory.simulator.dialect import Dialect
from observatory.simulator.noise import draw
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.world import Agent

PROJECT_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z0-9-]{3,64}", re.IGNORECASE | re.ASCII
)
# The stream speaks of processes (§3.3), REST of what an agent is at (§4.1), others in words of their own (§4.2).
PROCESS_WORDS = {
    "running": "running", "failed": "error", "idle": "stopped", "completed": "stopped", "paused": "stopped",
}  # fmt: skip
OTHER_WORDS = {"running": "busy", "failed": "error", "idle": "offline", "completed": "completed", "paused": "dozing"}
DAEMON_WORDS = {"running": "running", "failed": "error"}
OLD_PORT = "http://localhost:8001"


def is_project_id(id: str) -> bool:
    return PROJECT_ID.fullmatch(id) is not None


def project_body(plan: ProjectPlan, dialect: Dialect) -> dict[str, Any]:
    body = {"id": plan.id, "name": plan.name, **plan.config}
    if dialect.mcp_url != "text":
        body["mcpServerUrl"] = 8001 if dialect.mcp_url == "number" else OLD_PORT
    return body


def agent_body(agent: Agent, project: str, dialect: Dialect) -> dict[str, Any]:
    """An agent as REST has it (§4.1), with the canonical flags of §4.3."""
    stamp = dialect.stamp
    command = agent.command
    word = OTHER_WORDS[agent.status] if dialect.agent_words == "others" else agent.status
    body = {
        "id": agent.id,
        "name": agent.plan.name,
        "type": agent.plan.type,
        "projectId": project,
        "status": {"status": word, "lastUpdate": stamp(agent.changed)} if dialect.status == "object" else word,
        **flags(agent, dialect),
        "lastActivity": stamp(agent.last_activity),
        "lastCommand": {
            "type": command.type, "timestamp": stamp(command.at), "source": command.source, "result": command.result,
        },
        "metrics": {
            "tasksCompleted": agent.tasks_completed,
            "tasksFailed": agent.tasks_failed,
            "avgDuration": agent.average_duration,
            "uptime": agent.up_since if dialect.uptime == "epoch" else agent.uptime,
        },
    }  # fmt: skip
    if agent.task and dialect.task == "text":
        body["currentTask"] = agent.task.name
    elif agent.task:
        body["currentTask"] = {
            "name": agent.task.name,
            "progress": agent.progress,
            "startTime": stamp(agent.task.started),
            "estimatedCompletion": stamp(agent.task.due),
        }
    return body


def flags(agent: Agent, dialect: Dialect) -> dict[str, bool]:
    derived = {
        "canStart": agent.status in {"idle", "completed", "failed"},
        "canStop": agent.status in {"running", "paused"},
        "canPause": agent.status == "running" and agent.plan.pausable,
    }
    return derived if dialect.flags == "derived" else {name: not flag for name, flag in derived.items()}


def process_body(agent: Agent, t: int, dialect: Dialect) -> Any:
    """An agent as the stream has it (§3.3). `resources.memory` is megabytes."""
    stamp = dialect.stamp
    words = {"process": PROCESS_WORDS, "others": OTHER_WORDS}.get(dialect.agent_words, {})
    word = words.get(agent.status, agent.status)
    if dialect.status == "text":
        return word
    body: dict[str, Any] = {
        "status": word,
        "startTime": stamp(agent.up_since),
        "lastUpdate": stamp(t),
        "resources": {"cpu": agent.cpu, "memory": agent.memory},
        "healthStatus": "unhealthy" if agent.status == "failed" else "healthy",
    }
    if agent.status == "failed":
        body["error"] = "Timed out"
    if word in {"running", "starting"}:
        body["pid"] = 2000 + draw(agent.up_since, agent.plan.id).randrange(30_000)
    else:
        body["stopTime"] = stamp(agent.changed)
    return body


def daemon_body(agent: Agent, dialect: Dialect) -> dict[str, Any]:
    """One of the daemon's own agents (§2.2)."""
    body = {
        "id": agent.id,
        "name": agent.plan.name,
        "status": DAEMON_WORDS.get(agent.status, "idle"),
        "last_activity": dialect.stamp(agent.last_activity),
    }
    return {**body, "current_task": agent.task.name} if agent.task else body
