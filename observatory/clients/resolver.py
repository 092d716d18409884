"""From a host's name to its addresses, in bounded time."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias

Resolve: TypeAlias = Callable[[str, float | None], Sequence[str]]  # a name and the seconds there are; its addresses


def spelled(host: str) -> Sequence[str]:
    """The address that `host` spells, in whatever notation the system knows (0x7f.1 too); nothing for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return ()
    return addresses_of(found)


def system(host: str) -> Sequence[str]:
    """The addresses of a name by the system's resolver, which may take its time. Raises OSError, UnicodeError."""
    return addresses_of(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))


def addresses_of(found: Sequence[tuple[Any, ...]]) -> Sequence[str]:
    """The addresses in what `getaddrinfo` answers, each once, with the interface where it depends on one."""
    return tuple(dict.fromkeys(f"{a[0]}%{a[3]}" if len(a) == 4 and a[3] else a[0] for *_, a in found))


class Resolver:
    """Looks names up in threads of its own: the system's resolver knows no deadline, so one that hangs is left behind.

    A name is looked up once, however many ask for it meanwhile. A thread waits for the next name, since starting one
    costs several times as much; one more is started only when none waits, and `most` in all.
    """

    def __init__(self, look_up: Callable[[str], Sequence[str]], *, most: int = 256) -> None:
        self.look_up, self.most = look_up, most
        self.threads = self.waiting = 0
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.under_way: dict[str, Future[Sequence[str]]] = {}
        self.lock = threading.Lock()  # of the numbers and of `under_way`

    def __call__(self, host: str, seconds: float | None) -> Sequence[str]:
        """The addresses of a name. Raises TimeoutError when they are not there in time, and what `look_up` raises."""
        with self.lock:
            answer = self.under_way.get(host) or self.begin(host)
        return answer.result(seconds)

    def begin(self, host: str) -> Future[Sequence[str]]:
        if self.waiting:
            self.waiting -= 1
        elif self.threads < self.most:
            threading.Thread(target=self.work, name="look-up", daemon=True).start()
            self.threads += 1
        else:  # as many hang, so one more would
            raise TimeoutError
        answer = self.under_way[host] = Future()
        self.asked.put(host)
        return answer

    def work(self) -> None:
        while True:
            host = self.asked.get()
            found, fault = self.attempt(host)
            with self.lock:  # before the answer: whoever has it and asks again is told anew
                answer = self.under_way.pop(host)
                self.waiting += 1
            if fault is None:
                answer.set_result(found)
            else:
                answer.set_exception(fault)

    def attempt(self, host: str) -> tuple[Sequence[str], Exception | None]:
        try:
            return self.look_up(host), None
        except Exception as fault:  # it is for those who wait for the answer
            return (), fault


SYSTEM = Resolver(system)
