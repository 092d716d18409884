"""What is asked of agents and consoles, and what came of it: B10, B11, B14 to B16, H3, N5.

Whether a command fits an agent is told here too: the service's own rules, in the order both sides check them.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, model_validator

from observatory.contract.normalise import (
    PRESENT,
    Flag,
    Integer,
    Message,
    Milliseconds,
    Order,
    Text,
    Time,
    Uncut,
    mapping,
    wrapped,
)
from observatory.model import Agent, AgentStatus

COMMAND_LIMIT, AGENT_LIMIT, CONSOLE_LIMIT = 100, 100, 1000  # characters
LONGEST_RUN = 300_000  # milliseconds a console command may take
DONE = {"success", "completed", "ok"}  # words for a command that succeeded (Q13)


class Action(StrEnum):
    """What an agent may be told that has a path of its own (B11, H3)."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"


FROM = {
    Action.START: {AgentStatus.IDLE, AgentStatus.COMPLETED, AgentStatus.FAILED},
    Action.STOP: {AgentStatus.RUNNING, AgentStatus.PAUSED, AgentStatus.FAILED},
    Action.PAUSE: {AgentStatus.RUNNING},
    Action.RESUME: {AgentStatus.PAUSED},
    Action.RESTART: set(AgentStatus),
}
WRONG_STATUS = {
    Action.START: "ALREADY_RUNNING",
    Action.STOP: "NOT_RUNNING",
    Action.PAUSE: "MUST_BE_RUNNING",
    Action.RESUME: "NOT_PAUSED",
}
NOT_ALLOWED = {
    Action.START: "CANNOT_START",
    Action.STOP: "CANNOT_STOP",
    Action.PAUSE: "PAUSE_UNSUPPORTED",
    Action.RESTART: "CANNOT_START",
}


def objection(command: str, agent: Agent) -> str:
    """The contract's code of what speaks against a command, "" when nothing does.

    The status is the truth and is looked at first; a flag is a hint, and one that is absent follows from the status
    (Q21). Commands that are none of the actions leave the status alone and are always allowed.
    """
    if command not in set(Action):
        return ""
    action = Action(command)
    if agent.status not in FROM[action]:
        return WRONG_STATUS[action]
    return "" if may(action, agent) else NOT_ALLOWED[action]


def may(action: Action, agent: Agent) -> bool:
    running, paused = agent.status is AgentStatus.RUNNING, agent.status is AgentStatus.PAUSED
    start = agent.can_start if agent.can_start is not None else not (running or paused)
    stop = agent.can_stop if agent.can_stop is not None else running or paused
    pause = agent.can_pause if agent.can_pause is not None else running
    allowed = {Action.START: start, Action.STOP: stop, Action.PAUSE: pause, Action.RESTART: start or stop}
    return allowed.get(action, True)


class AgentOrder(Order):
    """What B10 takes. Only the daemon's own agent may go without a name."""

    agent_id: str | None = Field(default=None, min_length=1, max_length=AGENT_LIMIT)
    command: str = Field(min_length=1, max_length=COMMAND_LIMIT)
    parameters: dict[str, Any] = Field(default_factory=dict)
    source: Literal["cli", "dashboard", "api"] = "dashboard"
    project_id: str | None = None


class ConsoleOrder(Order):
    """What B14 takes. `timeout` in milliseconds."""

    command: str = Field(min_length=1, max_length=CONSOLE_LIMIT)
    cwd: str | None = None
    env: dict[str, str] | None = None
    timeout: int | None = Field(default=None, ge=0, le=LONGEST_RUN)


def succeeded(value: dict[str, Any]) -> bool | None:
    """Whether a run succeeded, by the first of its three signs that is there (Q13); None when none is."""
    if isinstance(value.get("success"), bool):
        return bool(value["success"])
    if isinstance(value.get("status"), str):
        return value["status"].lower() in DONE
    code = value.get("exitCode", value.get("exit_code"))
    return None if code is None else code == 0


class Outcome(Message):
    """What came of something that was asked for. `success` None: it does not say."""

    tells_errors = True

    success: bool | None
    output: Uncut = ""
    exit_code: Integer = None
    error: Text = ""
    at: Time = Field(default=None, validation_alias=AliasChoices("executedAt", "executed_at", "timestamp"))

    @model_validator(mode="before")
    @classmethod
    def told(cls, value: Any) -> Any:
        """Nested or flat (Q14), with one sign of success (Q13). An answer without any of them is none."""
        if not isinstance(value, dict):
            return value
        result = value.get("result")
        nested = {"output": result} if isinstance(result, str) else mapping(result)
        flat = {**nested, **{key: item for key, item in value.items() if item is not None}}
        if not {"success", "status", "exitCode", "exit_code", "output"} & flat.keys():
            raise ValueError("says neither what came of it nor that nothing did")
        return {**flat, "success": succeeded(flat)}


class CommandResult(Outcome):
    """B10, B11, H3: what an agent was told."""

    agent_id: Text = ""
    command: Text = ""
    project_id: Text = ""


class ConsoleResult(Outcome):
    """B14, N5. A command that ran and failed is an answer like any other. `duration` in seconds."""

    command: Uncut = ""
    duration: Milliseconds = None
    is_real_data: Flag = None


class ConsoleLine(Message):
    timestamp: Time = None
    stream: Text = "stdout"
    text: Uncut = ""


class ConsoleOutput(Message):
    """B15, wrapped or as a bare array."""

    entries: Annotated[tuple[ConsoleLine, ...], PRESENT]
    project_id: Text = ""

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return wrapped(value, "entries")
