"""What all services of one simulator share, and the failure they all answer in one form (contract §2.0)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from observatory.simulator.access import Access
from observatory.simulator.clock import Clock
from observatory.simulator.dialect import Dialect
from observatory.simulator.failure import Failure
from observatory.simulator.faults import Faults
from observatory.simulator.limits import Limits
from observatory.simulator.outputs import Outputs
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.words import is_project_id
from observatory.simulator.world import World

Tell = Callable[[str, str, dict[str, Any]], None]  # project, type of frame, data


def nobody(_project: str, _type: str, _data: dict[str, Any]) -> None:
    """There is no stream yet."""


@dataclass(slots=True)
class Universe:
    """`tell` brings a frame to all who subscribed to the project; `wake` makes the stream look for changes."""

    world: World
    clock: Clock
    faults: Faults
    dialect: Dialect
    access: Access
    limits: Limits = field(default_factory=Limits)
    outputs: Outputs = field(default_factory=Outputs)
    tell: Tell = nobody
    wake: Callable[[], None] = lambda: None

    def switch(self, positions: dict[str, Any], *, reset: bool = False) -> None:
        """Set switches, first putting all back if wished; the world follows. Raises UnknownSwitch."""
        before = self.dialect.positions()
        if reset:
            self.dialect.reset()
        try:
            self.dialect.switch(positions)
        except ValueError:
            self.dialect.switch(before)
            raise
        self.world.list_devkit(listed=self.dialect.devkit == "listed")
        self.world.rename(exotic=self.dialect.ids == "exotic")
        if self.dialect.counters != before["counters"]:
            self.world.restart(self.clock.now() if self.dialect.counters == "restarted" else None)
        self.wake()

    def forget(self) -> None:
        """Undo what clients have done."""
        self.world.forget()
        self.limits.counts.clear()
        self.outputs.lines.clear()
        self.access.revoked.clear()
        self.wake()

    def plan(self, id: str) -> ProjectPlan:
        """Raises Failure 400 for a malformed id, 404 for an unknown one."""
        if not is_project_id(id):
            raise Failure(400, "Invalid project ID format", projectId=id)
        plan = self.world.project(id)
        if plan is None or (plan.id == "mcp-daemon" and not self.daemon_answers()):
            raise Failure(404, "Project not found", projectId=id)
        return plan

    def daemon_answers(self) -> bool:
        """The daemon's own project is there only while the daemon is (contract §5.1)."""
        fault = self.faults.of("mcp-daemon", "/", self.clock.now(), frozen=self.clock.frozen)
        return fault is None or fault.mode not in {"down", "refused", "hang"}
