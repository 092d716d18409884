"""Ways an answer may arrive other than whole and at once."""

import json
import select
import socket
import time
from collections.abc import Callable

from observatory.simulator.distort import retype
from observatory.simulator.faults import HANG_LIMIT, Fault, Faults
from observatory.simulator.wire import ResetConnection, Response

HUGE = 50_000_000
CHUNK = b"x" * 65_536
DRIP = 0.05  # seconds between two bytes
Deliver = Callable[[socket.socket, Response], None]


def worsen(response: Response, fault: Fault, faults: Faults) -> None:
    """Turn a right answer into what arrives under a fault that damages answers."""
    if fault.mode == "malformed":
        response.body = response.body[: max(1, len(response.body) * 2 // 3)]
    elif fault.mode == "empty":
        response.body = b""
    elif fault.mode == "text":
        response.body, response.type = b"all is well\n", "text/plain; charset=utf-8"
    elif fault.mode == "wrong-types" and response.type == "application/json":
        response.body = json.dumps(retype(json.loads(response.body))).encode()
    else:
        response.deliver = delivery(fault, faults)


def delivery(fault: Fault, faults: Faults) -> Deliver | None:
    """How a fault that damages the transport sends an answer; None for one that does not."""

    def drip(sock: socket.socket, response: Response) -> None:
        sock.sendall(response.head(keep_alive=False))
        pause = DRIP if fault.seconds is None else fault.seconds
        for i in range(len(response.body)):
            if not lasts(fault, faults, sock):
                raise ResetConnection
            sock.sendall(response.body[i : i + 1])
            with faults.waiting:
                faults.waiting.wait(pause)

    def hang(sock: socket.socket, response: Response) -> None:
        sock.sendall(response.head(keep_alive=False))
        wait_out(fault, faults, sock)

    return {"cut": cut, "reset": tear, "huge": overwhelm, "drip": drip, "hang-body": hang}.get(fault.mode)


def cut(sock: socket.socket, response: Response) -> None:
    sock.sendall(response.head(keep_alive=False) + response.body[: len(response.body) // 2])


def tear(sock: socket.socket, response: Response) -> None:
    cut(sock, response)
    time.sleep(0.05)  # a reset overtakes what the client has not read yet
    raise ResetConnection


def overwhelm(sock: socket.socket, response: Response) -> None:
    """A JSON text of 50 MB."""
    sock.sendall(response.head(keep_alive=False, length=HUGE) + b'"')
    left = HUGE - 2
    while left:
        part = CHUNK[: min(left, len(CHUNK))]
        sock.sendall(part)
        left -= len(part)
    sock.sendall(b'"')


def wait_out(fault: Fault, faults: Faults, sock: socket.socket) -> None:
    """Say nothing until the client leaves, the fault ends or the limit is reached. Raises ResetConnection."""
    deadline = time.monotonic() + HANG_LIMIT
    with faults.waiting:
        while time.monotonic() < deadline and lasts(fault, faults, sock):
            faults.waiting.wait(0.25)
    raise ResetConnection


def lasts(fault: Fault, faults: Faults, sock: socket.socket) -> bool:
    return faults.holds(fault) and not has_left(sock)


def has_left(sock: socket.socket) -> bool:
    """Whether the client closed its side."""
    readable, _, _ = select.select([sock], [], [], 0)
    try:
        return bool(readable) and sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
