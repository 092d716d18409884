"""What the Bridge's telemetry store and ScopeCam extension send (§2.6); all of it may be missing."""

from typing import Any

from pydantic import Field, RootModel

from observatory.contract.bridge_commands import Outcome
from observatory.contract.normalise import Message, Milliseconds, Order, Text, Time, number

RESOURCES = ("test_results", "coverage_reports", "performance_metrics", "flakiness_data", "test_inventory")


class ScopecamMetrics(Message):
    """`metrics` by their dotted names, such as `scopecam.tests.total`."""

    metrics: dict[str, Any]
    project_id: Text = ""
    timestamp: Time = None

    def numbers(self) -> dict[str, float]:
        """Those that are numbers of 0 or more. Raises ValueError for one that is none at all."""
        found = {name: number(value) for name, value in self.metrics.items()}
        return {name: value for name, value in found.items() if value is not None}


class Resource(RootModel[dict[str, Any] | list[Any]]):
    """The content of a resource, for which the contract names no shape."""


class ToolOrder(Order):
    tool: str = Field(min_length=1, max_length=100)
    parameters: dict[str, Any] = Field(default_factory=dict)
    project_id: str


class ToolResult(Outcome):
    """What a tool told; the whole of it stands in `result`. `duration` in seconds."""

    result: Any = None
    duration: Milliseconds = None
