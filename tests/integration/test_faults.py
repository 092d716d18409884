"""What a service may do to us, whichever call it meets: a cause, in bounded time and memory, and no scar."""

import gzip
import socket
import ssl
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trustme

from observatory.clients.base import BODY_LIMIT, EXCERPT, READ_TIMEOUT, Session
from observatory.errors import TargetError, TargetRefused
from observatory.model import Cause
from tests.support.answering import Answering, answer, reset, saying
from tests.support.calls import CALLS, READS, SENDS, SILENT, Call, a_session
from tests.support.waiting import wait_for

SHORT = 0.6  # seconds a request gets where the service never ends
HTML = "<!doctype html><title>Welcome</title>"
STRICT = {name for name, call in CALLS.items() if not call.lenient and isinstance(call.good, list | dict)}
DAY = 86_400


def hang_after_headers(connection: socket.socket, _path: str) -> None:
    connection.sendall(answer(length=50))
    connection.recv(1)  # until the client goes


def hang_before_headers(connection: socket.socket, _path: str) -> None:
    connection.recv(1)


def drip(connection: socket.socket, _path: str) -> None:
    """A body, one byte at a time, each well within any timeout of a single read."""
    connection.sendall(answer(length=10_000))
    drip_for_ever(connection)


def drip_headers(connection: socket.socket, _path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip_for_ever(connection)


def drip_for_ever(connection: socket.socket) -> None:
    connection.settimeout(0.02)
    while True:
        connection.sendall(b"x")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            pass


def reset_mid_body(connection: socket.socket, _path: str) -> None:
    connection.sendall(answer(length=5000, body=b'{"a":'))
    reset(connection)


def flood(connection: socket.socket, _path: str) -> None:
    """50 MB, whether or not there is a length."""
    connection.sendall(answer(length=50_000_000, body=b"["))
    for _ in range(500):
        connection.sendall(b"1," * 50_000)


def bomb() -> bytes:
    return answer(body=gzip.compress(b" " * (10 * BODY_LIMIT)), headers={"Content-Encoding": "gzip"})


NEVER_ENDING = {
    "hang before headers": hang_before_headers,
    "hang after headers": hang_after_headers,
    "slow drip": drip,
    "slow drip of headers": drip_headers,
}
FAULTS = {
    "reset mid-body": (reset_mid_body, Cause.UNREACHABLE),
    "closed without an answer": (saying(b""), Cause.UNREACHABLE),
    "500": (saying(answer(500, "broken " * 100)), Cause.HTTP_ERROR),
    "503 page": (saying(answer(503, HTML)), Cause.HTTP_ERROR),
    "cut body": (saying(answer(length=900, body=b'{"a":')), Cause.MALFORMED),
    "no HTTP": (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Cause.MALFORMED),
    "50 MB": (flood, Cause.MALFORMED),
    "gzip bomb": (saying(bomb()), Cause.MALFORMED),
    "redirect": (saying(answer(302, headers={"Location": "http://127.0.0.1:9/elsewhere"})), Cause.HTTP_ERROR),
    "redirect to itself": (saying(answer(307, headers={"Location": "/"})), Cause.HTTP_ERROR),
    "404": (saying(answer(404, {"error": "Not found"})), Cause.HTTP_ERROR),
    "409": (saying(answer(409, {"error": "No", "code": "NOT_RUNNING"})), Cause.HTTP_ERROR),
    "401": (saying(answer(401, {"error": "Authentication required"})), Cause.REJECTED),
    "403": (saying(answer(403, {"error": "Insufficient permissions"})), Cause.REJECTED),
    "429": (saying(answer(429, {"error": "Too many requests"})), Cause.THROTTLED),
}
BODIES = {
    "page": HTML,
    "cut": '{"metrics": {"sys',
    "error with 200": '{"error": "Bridge is asleep"}',
    "a word": '"fine"',
    "a number": "7",
    "nothing": "",
    "null": "null",
    "wrong types": '{"timestamp": 1, "projects": 4, "agents": "x", "metrics": [], "entries": {}, "endpoints": 7}',
}


def failure(call: Call, session: Session, url: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        call.ask(session, url)
    return caught.value


def heals(call: Call, session: Session, server: Answering) -> bool:
    """Whether the same session brings the next good answer."""
    server.script = saying(answer(200, call.good))
    call.ask(session, server.url)
    return True


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_cause_and_leaves_nothing_behind(fault: str, name: str) -> None:
    call = CALLS[name]
    script, cause = FAULTS[fault]
    with Answering(script) as server:
        session = a_session(server.url)
        found = failure(call, session, server.url)
        asked = [method for method, _ in server.sent]

        assert heals(call, session, server)
        session.close()

    assert found.cause is cause
    assert found.permanent is (cause is Cause.REJECTED)
    assert 0 < len(found.detail) <= EXCERPT
    assert (found.retry_after == 60) is (cause is Cause.THROTTLED)
    assert asked == ["POST" if name in SENDS else "GET"] or name in {"H1", "N1"}  # these have a second path


@pytest.mark.parametrize("fault", NEVER_ENDING)
def test_what_never_ends_is_ended_at_the_deadline(fault: str) -> None:
    def causes(name: str) -> tuple[str, Cause, bool]:
        with Answering(NEVER_ENDING[fault]) as server:
            session = a_session(server.url, limit=SHORT)
            found = failure(CALLS[name], session, server.url)
            wait_for(lambda: server.sent, what="the request")  # a busy machine may read it after its deadline
            assert len(server.sent) == 1
            session.limit = READ_TIMEOUT
            return name, found.cause, heals(CALLS[name], session, server)

    with ThreadPoolExecutor(16) as pool:  # side by side: each of them waits for its whole deadline
        found = list(pool.map(causes, CALLS))

    assert found == [(name, Cause.TIMEOUT, True) for name in CALLS]


@pytest.mark.parametrize("name", CALLS)
def test_where_nothing_listens_it_is_unreachable(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    found = failure(CALLS[name], a_session(url), url)
    assert (found.cause, found.permanent) == (Cause.UNREACHABLE, False)


@pytest.mark.parametrize("name", sorted(STRICT))
@pytest.mark.parametrize("body", BODIES)
def test_a_success_that_is_not_the_contracts_is_malformed_and_shows_its_beginning(body: str, name: str) -> None:
    if name == "resource" and body == "wrong types":
        pytest.skip("the contract names no shape for a resource")
    with Answering(saying(answer(200, BODIES[body] + " " * 500))) as server:
        found = failure(CALLS[name], a_session(server.url), server.url)

    assert found.cause is Cause.MALFORMED
    assert BODIES[body][:20] in found.detail
    assert len(found.detail) <= EXCERPT


@pytest.mark.parametrize("script", [flood, saying(bomb())], ids=["50 MB", "gzip bomb"])
def test_a_body_without_end_costs_little_more_than_the_cap(script: Callable[[socket.socket, str], None]) -> None:
    peaks = {}
    for name in ("B5", "B10", "H5", "N1", "resource"):  # one of each way to read a body
        with Answering(script) as server:
            session = a_session(server.url)
            failure(CALLS["B5"], session, server.url)  # what is made once is made
            tracemalloc.start()
            try:
                failure(CALLS[name], session, server.url)
                peaks[name] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert max(peaks.values()) < 3 * BODY_LIMIT, peaks


@pytest.mark.parametrize("status", [500, 404])
def test_an_error_without_end_is_read_to_its_beginning_only(status: int) -> None:
    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(f"HTTP/1.1 {status} Said\r\nConnection: close\r\n\r\n".encode())
        flood(connection, path)

    with Answering(script) as server:
        for name in ("B5", "B10"):
            assert failure(CALLS[name], a_session(server.url), server.url).cause is Cause.HTTP_ERROR


class Unvouched(Answering):
    """Speaks TLS with a certificate of an authority that nobody knows."""

    context: ssl.SSLContext

    def serve(self, connection: socket.socket) -> None:
        try:
            super().serve(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()


@pytest.fixture(scope="module")
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("name", CALLS)
def test_a_certificate_that_nobody_vouches_for_is_unreachable(name: str, certificate: ssl.SSLContext) -> None:
    with Unvouched(saying(answer(200, CALLS[name].good))) as server:
        server.context = certificate
        url = server.url.replace("http:", "https:")
        found = failure(CALLS[name], a_session(url), url)

    assert found.cause is Cause.UNREACHABLE
    assert "certificate" in found.detail.lower()
    assert server.requests == []


def dated(days: int, **headers: str) -> dict[str, str]:
    return {"Date": format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True), **headers}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_a_day_off_harms_no_answer_and_is_told(days: int, name: str) -> None:
    call = CALLS[name]
    with Answering(saying(answer(200, call.good, headers=dated(days)))) as server:
        session = a_session(server.url)
        call.ask(session, server.url)

    assert session.skew is not None
    assert round(session.skew / DAY) == days


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("days", [-1, 1])
def test_a_pause_until_a_moment_is_meant_by_their_clock(days: int, name: str) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(days=days, minutes=5), usegmt=True)
    with Answering(saying(answer(429, {}, headers=dated(days, **{"Retry-After": until})))) as server:
        found = failure(CALLS[name], a_session(server.url), server.url)

    assert found.retry_after == pytest.approx(300, abs=60)


@pytest.mark.parametrize("name", SENDS)
@pytest.mark.parametrize("status", [400, 404, 409, 413])
def test_who_refuses_a_command_is_heard(status: int, name: str) -> None:
    said = {"error": "Agent is not running", "code": "NOT_RUNNING", "details": [{"path": ["agentId"], "message": "no"}]}
    with Answering(saying(answer(status, said))) as server:
        found = failure(CALLS[name], a_session(server.url), server.url)

    assert isinstance(found, TargetRefused)
    assert (found.status, found.code) == (status, "NOT_RUNNING")
    assert found.message == "Agent is not running (agentId: no)"


def test_a_post_over_a_connection_that_was_just_closed_is_not_repeated() -> None:
    """The one place where clients repeat in silence: a kept connection that ends as the request is sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    heard: list[bytes] = []

    def whole_request(connection: socket.socket) -> bytes:
        """Head and body may come one after the other. Every body here ends with the brace that closes it."""
        text = b""
        while not text.endswith(b"}") and (more := connection.recv(65_536)):
            text += more
        return text

    def serve(kept: socket.socket) -> None:
        with kept:
            heard.append(whole_request(kept))
            kept.sendall(answer(200, SENDS["B10"].good, headers={"Connection": "keep-alive"}))
            heard.append(whole_request(kept))

    def accept() -> None:
        serve(listener.accept()[0])
        with listener.accept()[0] as again:  # a repetition would come here
            heard.append(whole_request(again))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(accept)
        session = a_session(url)
        SENDS["B10"].ask(session, url)
        found = failure(SENDS["B10"], session, url)
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])).close()
    listener.close()

    assert found.cause is Cause.UNREACHABLE
    assert [text[:5] for text in heard] == [b"POST ", b"POST ", b""]


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_nobodys_failure_raises_nothing_and_is_sent_once(fault: str, name: str) -> None:
    with Answering(FAULTS[fault][0]) as server:
        found: Any = SILENT[name].ask(a_session(server.url), server.url)

    assert [method for method, _ in server.sent] == ["POST"]
    assert found is False or [terminal.id for terminal in found] == ["local-default"]


def test_a_scrape_gives_no_request_more_than_its_own_time() -> None:
    def ended(name: str) -> tuple[str, Cause]:
        with Answering(hang_before_headers) as server:
            return name, failure(READS[name], a_session(server.url, limit=None, timeout=SHORT), server.url).cause

    with ThreadPoolExecutor(len(READS)) as pool:
        assert list(pool.map(ended, READS)) == [(name, Cause.TIMEOUT) for name in READS]
