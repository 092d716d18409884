"""What the Happy DevKit API sends: H1 to H4 in the Bridge's shapes, H6; H5 is Prometheus text."""

from typing import Annotated, Any

from pydantic import model_validator

from observatory.contract.bridge import Action, AgentList, CommandResult, Found, ProjectList, ServiceHealth
from observatory.contract.normalise import PRESENT, Message, Point, Text, wrapped

__all__ = ["Action", "AgentList", "CommandResult", "Found", "MetricHistory", "ProjectList", "ServiceHealth"]


class MetricHistory(Message):
    """H6, wrapped or as a bare array of points."""

    points: Annotated[tuple[Point, ...], PRESENT]
    metric: Text = ""

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "points")
