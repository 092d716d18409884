"""What there is to tell of a project on the stream, before it is wrapped (contract §3.3)."""

from typing import Any

from observatory.simulator.roster import ProjectPlan
from observatory.simulator.universe import Universe
from observatory.simulator.words import daemon_body, process_body
from observatory.simulator.world import World

AgentStates = dict[str, tuple[str, int]]  # agent id → status, when it came into it
DAEMON = "mcp-daemon"
DAEMON_METRICS = ("cpu_usage", "memory_usage", "requests_total", "active_connections", "uptime")


def states(world: World, plan: ProjectPlan, t: int) -> AgentStates:
    return {agent.id: world.state(plan.id, agent.id, t) for agent in plan.agents}


def everybody(universe: Universe, plan: ProjectPlan, t: int) -> dict[str, Any]:
    """The data of a full status."""
    agents, dialect = universe.world.agents(plan, t), universe.dialect
    if plan.id == DAEMON:
        return {"agents": {agent.id: daemon_body(agent, dialect) for agent in agents}}
    return {"agents": {agent.id: process_body(agent, t, dialect) for agent in agents}}


def activity(universe: Universe, project: str = "") -> dict[str, int]:
    """What the agents of a project do, or those of all."""
    world, t = universe.world, universe.clock.now()
    plan = world.project(project) if project else None
    plans = [plan] if plan else list(world.projects.values())
    agents = [agent for plan in plans for agent in world.agents(plan, t)]
    completed = sum(agent.tasks_completed for agent in agents)
    return {
        "activeAgents": sum(agent.status == "running" for agent in agents),
        "totalTasks": completed + sum(agent.tasks_failed for agent in agents),
        "completedTasks": completed,
    }


def metrics(universe: Universe, plan: ProjectPlan, t: int) -> dict[str, Any]:
    """The data of a metrics frame. Memory is megabytes, or percent as switched."""
    world, here = universe.world, f"projects.{plan.id}"
    if plan.id == DAEMON:
        return {name: world.value(f"daemon.{name}", t) for name in DAEMON_METRICS}
    memory = world.value(f"{here}.memory", t)
    if universe.dialect.memory == "swapped":
        memory = round(100 * memory / plan.memory_limit, 1)
    return {
        "cpu": world.value(f"{here}.cpu", t),
        "memory": memory,
        "disk": world.value(f"{here}.disk", t),
        "network": {"rx": world.value(f"{here}.network.rx", t), "tx": world.value(f"{here}.network.tx", t)},
        "processes": world.value(f"{here}.processes", t),
        "uptime": world.value("system.uptime", t),
    }
