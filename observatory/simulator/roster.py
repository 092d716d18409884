"""Who lives in the simulated world: projects, their agents, how the agents spend a day, and the daemon's tools."""

from dataclasses import dataclass
from typing import Any

from observatory.simulator.noise import MINUTE

TASKS = {
    "mcp-tool": ("Refresh tool index", "Serve completion batch", "Resolve symbol graph", "Warm resource cache"),
    "test-guardian": ("Watch flaky suite", "Rerun failed shard", "Check coverage delta", "Quarantine slow test"),
    "orchestrator": ("Plan release train", "Split work package", "Merge agent results", "Schedule nightly build"),
    "analyzer": ("Index sources", "Scan dependencies", "Profile hot path", "Review open change", "Map call sites"),
}


@dataclass(frozen=True, slots=True)
class Habit:
    """How an agent spends a day. Every day has the same number of tasks, so a count of them needs no history."""

    tasks: int  # started a day
    failures: int = 1  # of those, how many fail
    pauses: int = 0  # of those, how many are held up half way
    busy: float = 0.8  # share of the day spent on tasks
    repair: int = 3 * MINUTE  # how long it stays failed, about
    pause: int = 30 * MINUTE  # how long a pause lasts, about


STEADY = Habit(tasks=260, failures=3)
CAREFUL = Habit(tasks=140, failures=1, busy=0.7)
FLAKY = Habit(tasks=190, failures=14, busy=0.72, repair=9 * MINUTE)
HELD_UP = Habit(tasks=150, failures=2, pauses=9, busy=0.6, pause=34 * MINUTE)
SLEEPY = Habit(tasks=3, failures=0, busy=0.02)


@dataclass(frozen=True, slots=True)
class AgentPlan:
    id: str
    name: str
    type: str
    habit: Habit

    @property
    def pausable(self) -> bool:
        return self.type != "mcp-tool"


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """`config` is what the project's file in the Bridge says (contract §5.3), without id and name."""

    id: str
    name: str
    config: dict[str, Any]
    agents: tuple[AgentPlan, ...]
    tests_per_hour: float
    memory: tuple[int, int]  # megabytes, between which it moves
    memory_limit: int


def dashboards(id: str, name: str, *widgets: str) -> dict[str, Any]:
    return {"main": {"id": f"{id}-main", "name": name, "widgets": list(widgets)}}


PROJECTS = (
    ProjectPlan(
        "loom", "Loom",
        {
            "path": "~/Development/loom", "description": "Pattern compiler", "icon": "🧵", "color": "#0EA5E9",
            "dashboards": dashboards("loom", "Loom", "agent-status", "build-metrics"),
            "telemetryMap": {"cpu": "system.cpu.usage", "builds": "devkit.builds.total"},
            "hasSubmoduleMCP": True, "mcpServerUrl": "http://localhost:8123",
        },
        (
            AgentPlan("weaver-07", "Weaver", "orchestrator", STEADY),
            AgentPlan("shears-02", "Shears", "test-guardian", FLAKY),
            AgentPlan("thread-11", "Thread", "mcp-tool", STEADY),
            AgentPlan("selvedge-01", "Selvedge", "analyzer", CAREFUL),
        ),
        tests_per_hour=11, memory=(820, 1180), memory_limit=2048,
    ),
    ProjectPlan(
        "kiln", "Kiln",
        {
            "path": "~/Development/kiln", "description": "Firing scheduler", "icon": "🏺", "color": "#FB923C",
            "dashboards": dashboards("kiln", "Kiln", "agent-status", "test-runs"),
            "telemetryMap": {"cpu": "system.cpu.usage", "tests": "devkit.tests.total"},
            "hasSubmoduleMCP": False,
        },
        (
            AgentPlan("stoker-03", "Stoker", "orchestrator", STEADY),
            AgentPlan("glaze-05", "Glaze", "analyzer", HELD_UP),
            AgentPlan("cone-09", "Cone", "test-guardian", CAREFUL),
        ),
        tests_per_hour=7, memory=(380, 640), memory_limit=1024,
    ),
    ProjectPlan(
        "atlas", "Atlas",
        {
            "path": "~/Projects/atlas", "description": "Map tiles and routing", "icon": "🗺️", "color": "#8B5CF6",
            "dashboards": dashboards("atlas", "Atlas", "agent-status", "basic-metrics"),
            "telemetryMap": {"cpu": "system.cpu.usage", "memory": "system.memory.usage"},
            "hasSubmoduleMCP": False,
        },
        (
            AgentPlan("meridian-01", "Meridian", "orchestrator", STEADY),
            AgentPlan("contour-04", "Contour", "analyzer", STEADY),
            AgentPlan("gazetteer-02", "Gazetteer", "mcp-tool", SLEEPY),
            AgentPlan("plumb-08", "Plumb", "test-guardian", CAREFUL),
        ),
        tests_per_hour=5, memory=(1400, 2300), memory_limit=4096,
    ),
    ProjectPlan(
        "scopecam", "ScopeCam",
        {
            "path": "~/Development/scopecam", "description": "Camera control and test bench", "icon": "🎯",
            "color": "#10B981",
            "dashboards": dashboards("scopecam", "ScopeCam", "test-coverage", "flaky-tests", "guardian-status"),
            "telemetryMap": {"tests": "scopecam.tests.total", "coverage": "scopecam.coverage.percentage"},
            "hasSubmoduleMCP": True, "mcpServerUrl": "http://localhost:5173",
        },
        (
            AgentPlan("guardian-001", "Test Guardian", "test-guardian", STEADY),
            AgentPlan("orchestrator-001", "Suite Orchestrator", "orchestrator", HELD_UP),
            AgentPlan("analyzer-001", "Failure Analyzer", "analyzer", CAREFUL),
            AgentPlan("lens-06", "Lens", "mcp-tool", STEADY),
            AgentPlan("shutter-12", "Shutter", "analyzer", FLAKY),
        ),
        tests_per_hour=26, memory=(560, 980), memory_limit=2048,
    ),
)  # fmt: skip

TOOLS: tuple[dict[str, Any], ...] = (
    {"tool": "pattern_lint", "description": "Checks a pattern file", "parameters": {"path": "string"}},
    {"tool": "symbol_lookup", "description": "Finds where a name is defined", "parameters": {"name": "string"}},
    {"tool": "test_select", "description": "Names the tests a change touches", "parameters": {"paths": "string[]"}},
    {"tool": "doc_search", "description": "Searches the handbook", "parameters": {"query": "string"}},
    {"tool": "build_status", "description": "Tells how the last build went", "parameters": {}},
)
