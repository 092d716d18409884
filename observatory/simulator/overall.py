"""What all projects together measure: the body of B13 (contract §2.1)."""

from typing import Any

from observatory.simulator.noise import MINUTE
from observatory.simulator.universe import Universe
from observatory.simulator.world import World

TIMELINE_POINTS, TIMELINE_STEP = 12, 5 * MINUTE
MACHINE_MEMORY = 16_384  # megabytes


def overall_body(universe: Universe, minutes: float, t: int) -> dict[str, Any]:
    value, dialect = universe.world.value, universe.dialect
    completed, failed, rate = tasks(universe.world, t, minutes)
    system = {key: value(f"system.{key}", t) for key in ("cpu", "memory", "disk", "uptime")}
    if dialect.memory == "swapped":
        system["memory"] = round(system["memory"] * MACHINE_MEMORY / 100)
    return {
        "metrics": {
            "system": system,
            "agents": {
                "active": value("agents.active", t),
                "total": value("agents.total", t),
                "tasks_completed": completed,
                "tasks_failed": failed,
                "success_rate": rate,
            },
            "performance": {
                key: value(f"performance.{key}", t) for key in ("avg_response_time", "throughput", "queue_length")
            },
            "timeline": timeline(universe, t),
        },
        "isRealData": True,  # by the contract; that it is not is said by X-Simulated
        "source": "bridge",
        "timestamp": dialect.stamp(t),
    }


def tasks(world: World, t: int, minutes: float) -> tuple[float, float, float]:
    """Completed, failed and their ratio in the last `minutes`; what is pinned is as pinned."""
    span = int(minutes * MINUTE)
    completed, failed = world.finished(t, span)
    rate = world.success_rate(t, span)
    found: dict[str, float] = {"tasks_completed": completed, "tasks_failed": failed, "success_rate": rate}
    for name in found:
        if f"agents.{name}" in world.pins:
            found[name] = world.value(f"agents.{name}", t)
    return found["tasks_completed"], found["tasks_failed"], found["success_rate"]


def timeline(universe: Universe, t: int) -> list[dict[str, Any]]:
    """The last 12 whole five minutes, oldest first."""
    past, last = universe.world.past, t // TIMELINE_STEP * TIMELINE_STEP
    return [
        {
            "timestamp": universe.dialect.stamp(at),
            "cpu": past("system.cpu", at),
            "memory": past("system.memory", at),
            "active_agents": past("agents.active", at),
            "tasks_per_minute": past("agents.tasks_per_minute", at),
        }
        for at in range(last - (TIMELINE_POINTS - 1) * TIMELINE_STEP, last + 1, TIMELINE_STEP)
    ]
