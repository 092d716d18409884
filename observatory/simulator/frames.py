"""The seven envelopes in which a stream may tell the same (contract §3.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]
ENVELOPES = ("E1", "E2", "E3", "E4", "E5", "E6", "E7")
AGENT_TYPES = {"agent_status_update", "agent_status_full"}
METRIC_NAMES = {
    "cpu": "system.cpu.usage", "cpu_usage": "system.cpu.usage", "memory": "system.memory.usage",
    "memory_usage": "system.memory.usage", "disk": "system.disk.usage",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell. `project` is "" for what belongs to none; `activity` sums up for an envelope that does."""

    type: str
    project: str
    data: dict[str, Any]
    stamp: str | int | float
    activity: Callable[[], dict[str, int]] = dict


def wrap(envelope: str, news: News) -> list[Frame]:
    """The frames that tell it, none where the envelope has no word for it."""
    return WRAPPERS[envelope](news)


def canonical(news: News) -> list[Frame]:
    if news.type == "console_output":
        return []
    frame: Frame = {"type": news.type, "timestamp": news.stamp}
    if news.project:
        frame["projectId"] = news.project
    return [{**frame, "data": news.data}]


def onboarding(news: News) -> list[Frame]:
    """E2: a number a frame, agents' statuses as text, all agents as a sum."""
    whole = {"projectId": news.project, "timestamp": news.stamp}
    if news.type == "metrics":
        numbers = [{"metric": metric, "value": value} for metric, value in measured(news.data)]
        return [{"type": "telemetry", **whole, "data": data} for data in numbers]
    if news.type == "agent_status_update":
        return [{"type": "agent_status", **whole, "data": one(news.data)}]
    if news.type == "agent_status_full":
        return [{"type": "agent_status", **whole, "data": {"agentActivity": news.activity()}}]
    return [{**frame, "projectId": news.project} for frame in canonical(news)]


def flat(news: News) -> list[Frame]:
    """E3: no project, no time, one thing under its own name."""
    match news.type:
        case "metrics":
            return [{"type": "metrics", "metrics": news.data}]
        case "agent_status_full":
            return [{"type": "agent_status", "agents": listed(agents_of(news))}]
        case "agent_status_update":
            return [
                {"type": "agent_status", "agents": listed({str(news.data.get("agentId")): news.data.get("status")})}
            ]
        case "console_output":
            return [{"type": "command_output", "output": news.data.get("output")}]
        case "log":
            return []
    return canonical(news)


def channel(news: News) -> list[Frame]:
    """E4: the MCP channel's."""
    if news.type in AGENT_TYPES:
        return [{"type": "agent-activity", "data": news.activity()}]
    return [{"type": news.type, "data": news.data}] if news.type != "console_output" else []


def telemetry(news: News) -> list[Frame]:
    """E5: a metric or an event a frame."""
    labels = {"projectId": news.project}
    match news.type:
        case "metrics":
            return [payload("metric", metric, value, news, labels) for metric, value in measured(news.data)]
        case "agent_status_update":
            told = one(news.data)
            return [payload("event", "agent.status", told["status"], news, {**labels, "agentId": told["agentId"]})]
        case "agent_status_full":
            agents = agents_of(news).items()
            return [
                payload("event", "agent.status", word(status), news, {**labels, "agentId": id}) for id, status in agents
            ]
        case "log":
            level = {"level": news.data.get("level", "info")}
            return [payload("event", "log", news.data.get("message"), news, {**labels, **level})]
    return []


def payload(type: str, name: str, value: Any, news: News, labels: dict[str, Any]) -> Frame:
    return {"type": type, "payload": {"name": name, "value": value, "timestamp": news.stamp, "labels": labels}}


def readme(news: News) -> list[Frame]:
    """E6: neither project nor time, and types of its own."""
    match news.type:
        case "agent_status_update":
            return [{"type": "agent_status_update", "data": one(news.data)}]
        case "agent_status_full":
            agents = agents_of(news).items()
            return [{"type": "agent_update", "data": {"agentId": id, "status": word(status)}} for id, status in agents]
        case "log":
            return [{"type": "console_output", "data": {"output": news.data.get("message", "")}}]
    return [{"type": news.type, "data": news.data}]


def cloud_event(news: News) -> list[Frame]:
    """E7: as CloudEvents 1.0 have it."""
    if news.type == "console_output":
        return []
    return [
        {
            "specversion": "1.0",
            "id": f"{news.project}-{news.type}-{news.stamp}",
            "source": f"/projects/{news.project}",
            "type": f"org.happypatterns.{news.type}",
            "time": news.stamp,
            "datacontenttype": "application/json",
            "data": news.data,
        }
    ]


WRAPPERS: dict[str, Callable[[News], list[Frame]]] = dict(
    zip(ENVELOPES, (canonical, onboarding, flat, channel, telemetry, readme, cloud_event), strict=True)
)


def measured(data: dict[str, Any]) -> list[tuple[str, float]]:
    """The numbers of a metrics frame that have a metric's name."""
    return [(METRIC_NAMES[key], value) for key, value in data.items() if key in METRIC_NAMES]


def one(data: dict[str, Any]) -> dict[str, Any]:
    """One agent's status as text."""
    return {"agentId": data.get("agentId"), "status": word(data.get("status"))}


def word(status: Any) -> Any:
    return status.get("status", "unknown") if isinstance(status, dict) else status


def agents_of(news: News) -> dict[str, Any]:
    agents = news.data.get("agents")
    return agents if isinstance(agents, dict) else {}


def listed(agents: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": id, **(status if isinstance(status, dict) else {"status": status})} for id, status in agents.items()]
