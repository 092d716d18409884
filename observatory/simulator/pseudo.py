"""Two projects that answer but are not listed: the default one (contract §2.1, B16) and the daemon's (§2.2, M6)."""

from observatory.simulator.roster import CAREFUL, HELD_UP, STEADY, AgentPlan, ProjectPlan, dashboards

DEVKIT = ProjectPlan(
    "devkit", "DevKit",
    {
        "path": "~/Development/devkit", "description": "Happy DevKit", "icon": "🛠️", "color": "#3B82F6",
        "dashboards": dashboards("devkit", "DevKit", "agent-status", "build-metrics"),
        "telemetryMap": {"cpu": "system.cpu.usage", "builds": "devkit.builds.total"},
        "hasSubmoduleMCP": False,
    },
    (
        AgentPlan("orchestrator-001", "Orchestrator", "orchestrator", HELD_UP),
        AgentPlan("guardian-001", "Test Guardian", "test-guardian", STEADY),
        AgentPlan("analyzer-001", "Analyzer", "analyzer", CAREFUL),
    ),
    tests_per_hour=9, memory=(420, 700), memory_limit=2048,
)  # fmt: skip
DAEMON = ProjectPlan(
    "mcp-daemon", "MCP daemon",
    {
        "path": "~/.local/state/mcp-daemon", "description": "The daemon's own agents", "icon": "🟣",
        "color": "#8B5CF6", "dashboards": {}, "telemetryMap": {}, "hasSubmoduleMCP": False,
    },
    (
        AgentPlan("mcp-daemon", "MCP daemon", "orchestrator", STEADY),
        AgentPlan("tool-indexer", "Tool Indexer", "mcp-tool", STEADY),
        AgentPlan("resource-watcher", "Resource Watcher", "analyzer", CAREFUL),
    ),
    tests_per_hour=1, memory=(118, 196), memory_limit=512,
)  # fmt: skip
HIDDEN = (DEVKIT, DAEMON)
