"""Which WebSocket paths the services have, and what each carries (contract §3.1)."""

from dataclasses import dataclass

AGENT_FRAMES = frozenset({"agent_status_update", "agent_status_full"})
METRIC_FRAMES = frozenset({"metrics"})


@dataclass(frozen=True, slots=True)
class Channel:
    """`kinds`: the only types of frames it carries, all when empty. `envelope`: its own, whatever is switched.

    `everything`: data of all projects flows from the start, without a subscription.
    """

    path: str
    kinds: frozenset[str] = frozenset()
    envelope: str = ""
    everything: bool = False

    def carries(self, type: str) -> bool:
        return not self.kinds or type in self.kinds


ROOT = Channel("/ws")
CHANNELS: dict[str, tuple[Channel, ...]] = {
    "bridge": (
        ROOT,
        Channel("/ws/metrics", METRIC_FRAMES),
        Channel("/telemetry/ws", envelope="E5", everything=True),
        Channel("/scopecam/subscribe"),
        Channel("/ws/projects/mcp-daemon", envelope="E3"),
        Channel("/ws/projects/*"),
    ),
    "mcp-daemon": (Channel("/ws/projects/mcp-daemon", envelope="E3"),),
    "devkit-api": (
        ROOT,
        Channel("/ws/agents", AGENT_FRAMES, everything=True),
        Channel("/ws/telemetry", METRIC_FRAMES, everything=True),
    ),
}
