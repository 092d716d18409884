"""A world as large as wished: the four projects, cut or continued with as many more as a load test asks for."""

from dataclasses import replace

from observatory.simulator.roster import PROJECTS, TASKS, AgentPlan, Habit, ProjectPlan, dashboards

# Few tasks a day: a thousand agents' days must fit into little memory.
QUIET = Habit(tasks=40, failures=1, busy=0.8)
COLORS = ("#0EA5E9", "#FB923C", "#8B5CF6", "#10B981", "#F43F5E", "#EAB308")
TYPES = tuple(TASKS)


def population(projects: int | None = None, agents: int | None = None) -> tuple[ProjectPlan, ...]:
    """`projects` projects of `agents` agents each; None leaves that as it is."""
    count = len(PROJECTS) if projects is None else projects
    plans = [*PROJECTS[:count], *(another(number, agents or 4) for number in range(len(PROJECTS) + 1, count + 1))]
    return tuple(plans) if agents is None else tuple(with_agents(plan, agents) for plan in plans)


def another(number: int, agents: int) -> ProjectPlan:
    id, name = f"project-{number:03}", f"Project {number}"
    config = {
        "path": f"~/Development/{id}", "description": "One of many", "icon": "📦",
        "color": COLORS[number % len(COLORS)], "dashboards": dashboards(id, name, "agent-status", "basic-metrics"),
        "telemetryMap": {"cpu": "system.cpu.usage"}, "hasSubmoduleMCP": False,
    }  # fmt: skip
    crew = tuple(worker(i) for i in range(agents))
    return ProjectPlan(id, name, config, crew, tests_per_hour=4, memory=(300, 900), memory_limit=2048)


def with_agents(plan: ProjectPlan, agents: int) -> ProjectPlan:
    more = (worker(i) for i in range(len(plan.agents), agents))
    return replace(plan, agents=(*plan.agents[:agents], *more))


def worker(number: int) -> AgentPlan:
    return AgentPlan(f"worker-{number + 1:02}", f"Worker {number + 1}", TYPES[number % len(TYPES)], QUIET)
