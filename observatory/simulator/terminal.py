"""The console's terminal over a WebSocket (contract §7.3): enough of it for a client; no process stands behind it."""

import base64
import itertools
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from observatory.simulator import shell
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.universe import Universe
from observatory.simulator.websocket import WebSocket, parsed

VERSION, PROTOCOL = "1.0.0", "nexus-console-v1"
CAPABILITIES = ["pty", "commands"]
SHELL = "/bin/bash"
MOST_SESSIONS = 10
WRITINGS = ("text", "bytes", "base64", "binary")
COLS, ROWS = (10, 80, 500), (2, 24, 200)  # least, usual, most


@dataclass(slots=True)
class Pty:
    """One terminal. `line` is what was typed since the last Enter."""

    id: str
    cols: int
    rows: int
    cwd: str
    line: str = ""


@dataclass(slots=True)
class Terminals:
    """All terminals that are open, of all connections."""

    open: dict[str, Pty] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class TerminalSession(WebSocket):
    def __init__(self, universe: Universe, terminals: Terminals, sock: socket.socket) -> None:
        super().__init__(sock)
        self.universe, self.dialect, self.terminals = universe, universe.dialect, terminals
        self.ptys: dict[str, Pty] = {}

    def hello(self) -> None:
        self.say({"type": "connected", "version": VERSION, "capabilities": CAPABILITIES})

    def end(self) -> None:
        for id in list(self.ptys):
            self.terminals.open.pop(id, None)

    def understand(self, text: str) -> None:
        message = parsed(text)
        meaning = MEANINGS.get(str(message.get("type")))
        if meaning is None:
            self.complain("Unknown message", "INVALID_MESSAGE", message)
        else:
            meaning(self, message)

    def understand_bytes(self, data: bytes) -> None:
        """Bytes typed into the terminal that was opened last."""
        if self.ptys:
            self.typed(list(self.ptys.values())[-1], data.decode(errors="replace"))
        else:
            self.complain("No terminal is open", "SESSION_NOT_FOUND")

    def say(self, frame: dict[str, Any]) -> None:
        self.send(self.dialect.text({**frame, "timestamp": self.universe.clock.now()}))

    def complain(self, text: str, code: str, message: dict[str, Any] | None = None) -> None:
        """An error as all three clients of §7.3 read it."""
        reply = echoed(message or {})
        self.say({"type": "error", "code": code, "message": text, "error": text, "data": {"message": text}, **reply})

    # what a message means

    def ping(self, message: dict[str, Any]) -> None:
        sent, now = message.get("timestamp"), self.universe.clock.now()
        latency = now - sent if isinstance(sent, int) and 0 <= sent <= now else 0
        self.say({"type": "pong", "latency": latency})

    def create(self, message: dict[str, Any]) -> None:
        """In either dialect: `session_create` with `data`, `create_pty` with `config`."""
        data = message.get("data") if message["type"] == "session_create" else message.get("config")
        data = data if isinstance(data, dict) else {}
        if len(self.ptys) >= MOST_SESSIONS:
            self.complain("Too many sessions", "SESSION_LIMIT", message)
            return
        cwd = data.get("cwd") if isinstance(data.get("cwd"), str) else ""
        cols, rows = sized(data.get("cols"), COLS), sized(data.get("rows"), ROWS)
        pty = Pty(f"s-{next(self.terminals.numbers)}", cols, rows, cwd or "~")
        self.ptys[pty.id] = self.terminals.open[pty.id] = pty
        reply = {"id": message["id"]} if "id" in message else {}
        opened = {"pid": 4200 + len(self.terminals.open), "shell": SHELL, "initialDirectory": pty.cwd}
        self.say({"type": "session_created", "sessionId": pty.id, "success": True, **opened, "data": opened, **reply})
        self.print(pty, self.prompt(pty))

    def typing(self, message: dict[str, Any]) -> None:
        """Input as text, or as a list of bytes."""
        pty, data = self.pty(message), message.get("data")
        if pty is None:
            return
        if isinstance(data, str):
            self.typed(pty, data)
        elif isinstance(data, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in data):
            self.typed(pty, bytes(data).decode(errors="replace"))
        else:
            self.complain("data must be text or bytes", "INVALID_MESSAGE", message)

    def resize(self, message: dict[str, Any]) -> None:
        pty, data = self.pty(message), message.get("data")
        size = data if isinstance(data, dict) else message
        if pty is not None:
            pty.cols, pty.rows = sized(size.get("cols"), COLS), sized(size.get("rows"), ROWS)

    def shut(self, message: dict[str, Any]) -> None:
        pty = self.pty(message)
        if pty is not None:
            self.ptys.pop(pty.id)
            self.terminals.open.pop(pty.id, None)
            self.say({"type": "session_closed", "sessionId": pty.id, "exitCode": 0, "signal": None})

    def command(self, message: dict[str, Any]) -> None:
        """A command whose result is wanted as one: `command`, or `command_execute` with `data`."""
        data = message.get("data")
        wanted = data.get("command") if isinstance(data, dict) else message.get("command", data)
        if not isinstance(wanted, str) or not wanted.strip() or len(wanted) > 4096 or "\0" in wanted:
            self.complain("command must be a text", "INVALID_MESSAGE", message)
        elif shell.is_blocked(wanted):
            self.complain("This command is not allowed", "COMMAND_NOT_ALLOWED", message)
        else:
            began, said = time.monotonic(), self.run_line(wanted, "~")
            result = {
                "success": said.exit_code == 0, "exitCode": said.exit_code, "output": said.output,
                "error": said.output if said.exit_code else None,
                "duration": round(1000 * (time.monotonic() - began), 1),
            }  # fmt: skip
            self.say({"type": "command_result", **result, "data": result, **echoed(message)})

    def files(self, message: dict[str, Any]) -> None:
        self.complain("There are no files here", "PATH_NOT_ALLOWED", message)

    # the terminal

    def pty(self, message: dict[str, Any]) -> Pty | None:
        """The terminal of a message, the only one when it names none; None when that was complained of."""
        id = message.get("sessionId")
        if id is None and len(self.ptys) == 1:
            return next(iter(self.ptys.values()))
        pty = self.ptys.get(str(id))
        if pty is None:
            self.complain("No such session", "SESSION_NOT_FOUND", message)
        return pty

    def typed(self, pty: Pty, text: str) -> None:
        """Echo it; each Enter ends a line and gets its answer."""
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            whole, pty.line = pty.line + line, ""
            answer = self.refusal(whole) or self.run_line(whole, pty.cwd).output if whole.strip() else ""
            self.print(pty, f"{line}\n{answer}{self.prompt(pty)}")
        pty.line = (pty.line + rest)[:8192]
        if rest:
            self.print(pty, rest)

    def refusal(self, line: str) -> str:
        return f"{line.split(maxsplit=1)[0]}: not allowed\n" if shell.is_blocked(line) else ""

    def run_line(self, line: str, cwd: str) -> shell.Said:
        return shell.run(line, self.universe.world, self.plan(), self.universe.clock.now(), cwd=cwd)

    def plan(self) -> ProjectPlan:
        """Whose agents the shell knows of."""
        return self.universe.plan("devkit")

    def prompt(self, pty: Pty) -> str:
        return f"{pty.cwd} $ "

    def print(self, pty: Pty, text: str) -> None:
        """Output in the writing that is switched."""
        raw = text.replace("\n", "\r\n").encode(errors="replace")
        writing = self.dialect.output
        if writing == "mixed":
            writing = WRITINGS[next(self.dialect.turns) % len(WRITINGS)]
        frame = {"type": "pty_output", "sessionId": pty.id}
        if writing == "binary":
            self.send(raw)
        elif writing == "bytes":
            self.say({**frame, "data": list(raw)})
        elif writing == "base64":
            self.say({**frame, "data": base64.b64encode(raw).decode(), "encoding": "base64"})
        else:
            self.say({**frame, "data": raw.decode()})


MEANINGS = {
    "ping": TerminalSession.ping,
    "session_create": TerminalSession.create,
    "create_pty": TerminalSession.create,
    "pty_input": TerminalSession.typing,
    "pty_resize": TerminalSession.resize,
    "resize_pty": TerminalSession.resize,
    "session_resize": TerminalSession.resize,
    "session_close": TerminalSession.shut,
    "close_pty": TerminalSession.shut,
    "command": TerminalSession.command,
    "command_execute": TerminalSession.command,
    **dict.fromkeys(
        ("file_read", "file_write", "fs_request_access", "fs_read", "fs_write", "fs_list", "fs_watch", "fs_unwatch"),
        TerminalSession.files,
    ),
}


def echoed(message: dict[str, Any]) -> dict[str, Any]:
    """What a reply says of the message that it answers."""
    return {key: message[key] for key in ("id", "sessionId") if key in message}


def sized(value: object, sizes: tuple[int, int, int]) -> int:
    """A number of columns or rows within its bounds; the usual one for anything that is no whole number."""
    least, usual, most = sizes
    if isinstance(value, bool) or not isinstance(value, int):
        return usual
    return min(max(value, least), most)
