"""The Bridge's WebSocket (contract §3)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract import shapes

Ask = Callable[..., httpx.Response]
Open = Callable[[str], Any]
Control = Callable[..., httpx.Response]


@pytest.fixture(params=["/ws", "/ws/projects/{}"])
def subscribed(request: pytest.FixtureRequest, open_socket: Open, project: str) -> Any:
    """A stream of either path on which a project was subscribed to and nothing read yet."""
    stream = open_socket(request.param.format(project))
    stream.send({"type": "subscribe", "projectId": project})
    return stream


def test_a_subscription_is_acknowledged_and_followed_by_the_full_status(
    subscribed: Any, project: str, bridge: Ask
) -> None:
    ack, full = subscribed.next(), subscribed.next()

    assert ack["type"] == "subscribed"
    assert ack["projectId"] == project
    shapes.instant(ack["timestamp"])
    assert full["type"] == "agent_status_full"
    assert full["projectId"] == project
    shapes.instant(full["timestamp"])
    agents = full["data"]["agents"]
    assert agents.keys() == {a["id"] for a in bridge(f"/api/projects/{project}/agents").json()["agents"]}
    for status in agents.values():
        shapes.process(status)


def test_metrics_come_by_themselves_in_the_canonical_envelope(subscribed: Any, project: str) -> None:
    first, second = subscribed.until("metrics", timeout=8), subscribed.until("metrics", timeout=8)

    for frame in (first, second):
        assert frame["projectId"] == project
        data = frame["data"]
        shapes.number(data["cpu"], 0, 100)
        shapes.number(data["memory"])
        shapes.number(data["disk"], 0, 100)
        shapes.number(data["network"]["rx"])
        shapes.number(data["network"]["tx"])
        shapes.number(data["processes"])
        shapes.number(data["uptime"])
    apart = shapes.instant(second["timestamp"]) - shapes.instant(first["timestamp"])
    assert 4 <= apart.total_seconds() <= 7


def test_ping_is_answered_with_pong(open_socket: Open) -> None:
    stream = open_socket("/ws")

    stream.send({"type": "ping"})

    assert stream.until("pong")


def test_no_data_flows_before_a_subscription(open_socket: Open, project: str) -> None:
    stream = open_socket(f"/ws/projects/{project}")

    stream.send({"type": "ping"})

    assert stream.next()["type"] == "pong"


def test_a_subscription_can_be_ended(subscribed: Any, project: str, control: Control) -> None:
    subscribed.until("metrics")

    subscribed.send({"type": "unsubscribe", "projectId": project})
    subscribed.send({"type": "ping"})
    subscribed.until("pong")

    assert control("push", projectId=project, type="log", data={}).json()["receivers"] == 0


@pytest.mark.parametrize("sent", ["{not json", "[]", '"text"', "{}", '{"type":"dance"}', '{"type":["ping"]}'])
def test_what_is_not_a_message_is_told_so(open_socket: Open, sent: str) -> None:
    stream = open_socket("/ws")

    stream.send(sent)

    error = stream.until("error")
    assert error["data"]["code"] == "INVALID_MESSAGE"
    shapes.text(error["data"]["message"])
    shapes.instant(error["timestamp"])
    stream.send({"type": "ping"})
    assert stream.until("pong"), "the connection goes on"


def test_an_unknown_project_is_told_so(open_socket: Open) -> None:
    stream = open_socket("/ws")

    stream.send({"type": "subscribe", "projectId": "no-such-project"})

    assert stream.until("error")["data"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/ws/projects/no-such-project", "/ws/nothing"])
def test_a_channel_that_does_not_exist_is_404_before_the_upgrade(open_socket: Open, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket(path)

    assert refused.value.response.status_code == 404


def test_a_frame_over_a_megabyte_closes_with_1009(open_socket: Open) -> None:
    stream = open_socket("/ws")

    stream.send('{"type":"ping","data":"' + "x" * 1_100_000 + '"}')

    with pytest.raises(ConnectionClosed) as closed:
        stream.until("pong")

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_the_handshake_of_a_simulator_says_so(open_socket: Open, control: Control) -> None:
    stream = open_socket("/ws")

    assert stream.socket.response.headers["X-Simulated"] == "1"
    assert "Date" in stream.socket.response.headers


def test_a_change_of_an_agent_is_told_at_once(subscribed: Any, project: str, bridge: Ask, control: Control) -> None:
    subscribed.until("agent_status_full")
    agent = bridge(f"/api/projects/{project}/agents").json()["agents"][0]["id"]

    control("set", path=f"agents.{project}.{agent}.status", value="failed")

    update = subscribed.until("agent_status_update", timeout=2)
    while update["data"]["agentId"] != agent:
        update = subscribed.until("agent_status_update", timeout=2)
    assert update["data"]["status"]["status"] == "error"
    assert update["data"]["status"]["healthStatus"] == "unhealthy"
    shapes.process(update["data"]["status"])


def test_a_pushed_frame_arrives_with_the_time_it_was_sent_at(subscribed: Any, project: str, control: Control) -> None:
    subscribed.until("agent_status_full")

    sent = control("push", projectId=project, type="log", data={"level": "warn", "message": "Slow shard"}).json()

    frame = subscribed.until("log")
    assert sent["receivers"] == 1
    assert shapes.instant(frame["timestamp"]).timestamp() * 1000 == pytest.approx(sent["sentAt"], abs=1)
    assert frame["data"]["message"] == "Slow shard"
