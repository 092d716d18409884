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
# The stream speaks of processes (§3.3), REST of what an agent is at (§4.1).
PROCESS_WORDS = {
    "running": "running", "failed": "error", "idle": "stopped", "completed": "stopped", "paused": "stopped",
}  # fmt: skip


def is_project_id(id: str) -> bool:
    return PROJECT_ID.fullmatch(id) is not None


def project_body(plan: ProjectPlan) -> dict[str, Any]:
    return {"id": plan.id, "name": plan.name, **plan.config}


def agent_body(agent: Agent, project: str, dialect: Dialect) -> dict[str, Any]:
    """An agent as REST has it (§4.1), with the canonical flags of §4.3."""
    stamp = dialect.stamp
    command, commanded, source = agent.command
    body = {
        "id": agent.plan.id,
        "name": agent.plan.name,
        "type": agent.plan.type,
        "projectId": project,
        "status": agent.status,
        "canStart": agent.status in {"idle", "completed", "failed"},
        "canStop": agent.status in {"running", "paused"},
        "canPause": agent.status == "running" and agent.plan.pausable,
        "lastActivity": stamp(agent.last_activity),
        "lastCommand": {"type": command, "timestamp": stamp(commanded), "source": source, "result": "success"},
        "metrics": {
            "tasksCompleted": agent.tasks_completed,
            "tasksFailed": agent.tasks_failed,
            "avgDuration": agent.average_duration,
            "uptime": agent.uptime,
        },
    }
    if agent.task:
        body["currentTask"] = {
            "name": agent.task.name,
            "progress": agent.progress,
            "startTime": stamp(agent.task.started),
            "estimatedCompletion": stamp(agent.task.due),
        }
    return body


def process_body(agent: Agent, t: int, dialect: Dialect) -> dict[str, Any]:
    """An agent as the stream has it (§3.3). `resources.memory` is megabytes."""
    stamp = dialect.stamp
    word = PROCESS_WORDS[agent.status] if dialect.agent_words == "process" else agent.status
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
