"""The console's terminal over its WebSocket (contract §7.3)."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.typing import Subprotocol

Open = Callable[..., Any]
Control = Callable[..., httpx.Response]
PATHS = ["/terminal/ws", "/ws", "/ws/console"]


@pytest.fixture
def terminal(open_at: Open) -> Any:
    """A connection that was greeted."""
    stream = open_at("console_ws", "/terminal/ws")
    assert stream.next()["type"] == "connected"
    return stream


@pytest.fixture
def opened(terminal: Any) -> tuple[Any, str]:
    """A connection with one terminal, whose prompt was read, and the terminal's id."""
    terminal.send({"type": "session_create", "data": {"cols": 100, "rows": 30, "cwd": "~/loom"}})
    id = terminal.until("session_created")["sessionId"]
    terminal.until("pty_output")
    return terminal, str(id)


def printed(stream: Any, sent: object) -> str:
    stream.send(sent)
    return str(stream.until("pty_output")["data"])


@pytest.mark.parametrize("path", PATHS)
def test_every_path_greets(open_at: Open, path: str) -> None:
    hello = open_at("console_ws", path).next()

    assert hello["type"] == "connected"
    assert hello["version"]
    assert isinstance(hello["capabilities"], list)
    assert isinstance(hello["timestamp"], int)


def test_the_subprotocol_is_agreed_to(open_at: Open) -> None:
    stream = open_at("console_ws", "/terminal/ws", subprotocols=[Subprotocol("nexus-console-v1")])

    assert stream.socket.subprotocol == "nexus-console-v1"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "session_create", "id": "r-1", "data": {"cols": 100, "rows": 30, "cwd": "~/loom"}},
        {"type": "create_pty", "id": "r-1", "config": {"shell": "/bin/zsh", "cols": 100, "rows": 30, "cwd": "~/loom"}},
    ],
)
def test_a_terminal_opens_in_either_dialect(terminal: Any, message: dict[str, Any]) -> None:
    terminal.send(message)

    reply = terminal.next()
    assert (reply["type"], reply["id"], reply["success"]) == ("session_created", "r-1", True)
    assert reply["data"] == {"pid": reply["pid"], "shell": "/bin/bash", "initialDirectory": "~/loom"}
    assert reply["sessionId"]


def test_open_terminals_are_listed(opened: tuple[Any, str], console: Callable[..., httpx.Response]) -> None:
    listed = console("/api/console/terminals").json()["terminals"]

    mine = next(entry for entry in listed if entry["id"] == opened[1])
    assert (mine["cols"], mine["rows"], mine["cwd"]) == (100, 30, "~/loom")


def test_what_is_typed_is_echoed_and_a_line_is_answered(opened: tuple[Any, str]) -> None:
    stream, id = opened

    echoed = printed(stream, {"type": "pty_input", "sessionId": id, "data": "git bra"})
    answered = printed(stream, {"type": "pty_input", "sessionId": id, "data": "nch\n"})

    assert echoed == "git bra"
    assert answered == "nch\r\n* main\r\n~/loom $ "


@pytest.mark.parametrize(
    "sent", [{"type": "pty_input", "data": list(b"pwd\r")}, {"type": "pty_input", "data": "pwd\r"}]
)
def test_input_may_be_text_or_bytes(opened: tuple[Any, str], sent: dict[str, Any]) -> None:
    assert "~/loom\r\n" in printed(opened[0], sent)


def test_input_may_be_a_binary_frame(opened: tuple[Any, str]) -> None:
    opened[0].socket.send(b"pwd\n")

    assert "~/loom\r\n" in opened[0].until("pty_output")["data"]


def test_nothing_typed_is_ever_executed(opened: tuple[Any, str], tmp_path: Any) -> None:
    victim = tmp_path / "victim"

    answer = printed(opened[0], {"type": "pty_input", "data": f"touch {victim}\n"})

    assert "command not found" in answer
    assert not victim.exists()


@pytest.mark.parametrize("type", ["pty_resize", "resize_pty", "session_resize"])
def test_a_terminal_can_be_resized_within_bounds(
    opened: tuple[Any, str], console: Callable[..., httpx.Response], type: str
) -> None:
    stream, id = opened
    size = {"cols": 1, "rows": 50}

    stream.send({"type": type, "sessionId": id, **({"data": size} if type == "session_resize" else size)})
    stream.send({"type": "ping"})
    stream.until("pong")

    mine = next(entry for entry in console("/api/console/terminals").json()["terminals"] if entry["id"] == id)
    assert (mine["cols"], mine["rows"]) == (10, 50)


@pytest.mark.parametrize("type", ["session_close", "close_pty"])
def test_a_terminal_can_be_closed(opened: tuple[Any, str], type: str) -> None:
    stream, id = opened

    stream.send({"type": type, "sessionId": id})
    closed = stream.until("session_closed")
    stream.send({"type": "pty_input", "sessionId": id, "data": "x"})

    assert (closed["sessionId"], closed["exitCode"]) == (id, 0)
    assert stream.until("error")["code"] == "SESSION_NOT_FOUND"


@pytest.mark.parametrize(
    "message",
    [{"type": "command", "command": "git branch"}, {"type": "command_execute", "data": {"command": "git branch"}}],
)  # fmt: skip
def test_a_command_has_its_result(terminal: Any, message: dict[str, Any]) -> None:
    terminal.send({**message, "id": "c-1"})

    result = terminal.until("command_result")
    assert (result["id"], result["success"], result["exitCode"], result["output"]) == ("c-1", True, 0, "* main\n")
    assert result["duration"] >= 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{not json", "INVALID_MESSAGE"),
        ({"type": "dance"}, "INVALID_MESSAGE"),
        ({"type": "pty_input", "sessionId": "s-0", "data": "x"}, "SESSION_NOT_FOUND"),
        ({"type": "command", "command": ""}, "INVALID_MESSAGE"),
        ({"type": "command", "command": "rm -rf /"}, "COMMAND_NOT_ALLOWED"),
        ({"type": "fs_read", "path": "/etc/passwd"}, "PATH_NOT_ALLOWED"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_its_code(terminal: Any, message: object, code: str) -> None:
    terminal.send(message)

    error = terminal.until("error")
    assert error["code"] == code
    assert error["message"] == error["error"]


def test_an_eleventh_terminal_is_refused(terminal: Any) -> None:
    for _ in range(11):
        terminal.send({"type": "session_create"})

    assert terminal.until("error")["code"] == "SESSION_LIMIT"


def test_ping_is_answered_with_pong(terminal: Any) -> None:
    terminal.send({"type": "ping", "timestamp": 1})

    assert terminal.until("pong")["latency"] > 0


@pytest.mark.parametrize(("writing", "read"), [
    ("text", lambda frame: json.loads(frame)["data"]),
    ("bytes", lambda frame: bytes(json.loads(frame)["data"]).decode()),
    ("base64", lambda frame: base64.b64decode(json.loads(frame)["data"]).decode()),
    ("binary", lambda frame: frame.decode()),
])  # fmt: skip
def test_output_comes_in_the_writing_that_is_switched(
    opened: tuple[Any, str], control: Control, writing: str, read: Callable[[Any], str]
) -> None:
    control("switch", output=writing)

    opened[0].send({"type": "pty_input", "data": "pwd\n"})

    assert read(opened[0].socket.recv(timeout=5)) == "pwd\r\n~/loom\r\n~/loom $ "
