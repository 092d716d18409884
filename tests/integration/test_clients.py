import gzip
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from observatory.clients.base import BODY_LIMIT, EXCERPT, Session, skew_of
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.http import HttpCheck
from observatory.clients.mcp_daemon import McpDaemon
from observatory.clients.nexus import Nexus
from observatory.clients.prometheus import Exporter
from observatory.errors import TargetError
from observatory.model import Cause, Expect, Health, Kind, Origin, Target
from tests.support.answering import Answering, answer, reset, saying, serving

TIMEOUT = 0.3
BOUND = 1.5  # seconds within which every read has to be over, on a busy machine too
HTML = "<!doctype html><title>Welcome</title>"


def now() -> int:
    return time.time_ns() // 1_000_000


def a_session(url: str, *, timeout: float = 5.0, token: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Session:
    return Session(Target("t", Kind.HTTP, url, Origin.FILE, timeout=timeout, token=token, headers=headers), clock=now)


READS: dict[str, Callable[[Session, str], object]] = {
    "B1": lambda s, url: Bridge(s, url).health(),
    "B5": lambda s, url: Bridge(s, url).projects(),
    "B9": lambda s, url: Bridge(s, url).agents("loom"),
    "B12": lambda s, url: Bridge(s, url).project_telemetry("loom"),
    "B13": lambda s, url: Bridge(s, url).telemetry(),
    "M1": lambda s, url: McpDaemon(s, url).status(),
    "M2": lambda s, url: McpDaemon(s, url).capabilities(),
    "M3": lambda s, url: McpDaemon(s, url).health(),
    "M4": lambda s, url: McpDaemon(s, url).metrics(),
    "H1": lambda s, url: DevKit(s, url).health(),
    "H5": lambda s, url: DevKit(s, url).metrics(),
    "N1": lambda s, url: Nexus(s, url).health(),
}
JSON_READS = sorted(set(READS) - {"H5", "N1", "B1", "M3", "H1"})


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


FAULTS = {
    "reset mid-body": (reset_mid_body, Cause.UNREACHABLE),
    "closed without an answer": (saying(b""), Cause.UNREACHABLE),
    "hang before headers": (hang_before_headers, Cause.TIMEOUT),
    "hang after headers": (hang_after_headers, Cause.TIMEOUT),
    "slow drip": (drip, Cause.TIMEOUT),
    "slow drip of headers": (drip_headers, Cause.TIMEOUT),
    "500": (saying(answer(500, "broken " * 100)), Cause.HTTP_ERROR),
    "503 page": (saying(answer(503, HTML)), Cause.HTTP_ERROR),
    "cut body": (saying(answer(length=900, body=b'{"a":')), Cause.MALFORMED),
    "no HTTP": (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Cause.MALFORMED),
    "over 5 MB": (saying(answer(body=b"[" + b"1," * (BODY_LIMIT // 2 + 10))), Cause.MALFORMED),
    "gzip bomb": (
        saying(answer(body=gzip.compress(b" " * (40 * BODY_LIMIT)), headers={"Content-Encoding": "gzip"})),
        Cause.MALFORMED,
    ),
    "redirect": (saying(answer(302, headers={"Location": "http://127.0.0.1:9/elsewhere"})), Cause.HTTP_ERROR),
    "404": (saying(answer(404, {"error": "Not found"})), Cause.HTTP_ERROR),
    "401": (saying(answer(401, {"error": "Authentication required"})), Cause.REJECTED),
    "403": (saying(answer(403, {"error": "Insufficient permissions"})), Cause.REJECTED),
    "429": (saying(answer(429, {"error": "Too many requests"})), Cause.THROTTLED),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_cause_in_bounded_time(fault: str, read: str) -> None:
    script, cause = FAULTS[fault]
    slow = cause is Cause.TIMEOUT
    with Answering(script) as server:
        session = a_session(server.url, timeout=TIMEOUT if slow else 5.0)
        began = time.monotonic()
        with pytest.raises(TargetError) as caught:
            READS[read](session, server.url)
        seconds = time.monotonic() - began
        session.close()

    assert caught.value.cause is cause
    assert caught.value.permanent is (cause is Cause.REJECTED)
    assert 0 < len(caught.value.detail) <= EXCERPT
    assert not slow or TIMEOUT * 0.9 <= seconds < BOUND
    assert (caught.value.retry_after == 60) is (cause is Cause.THROTTLED)


@pytest.mark.parametrize("read", READS)
def test_where_nothing_listens_it_is_unreachable(read: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TargetError) as caught:
        READS[read](a_session(url), url)
    assert (caught.value.cause, caught.value.permanent) == (Cause.UNREACHABLE, False)


@pytest.mark.parametrize("read", JSON_READS)
@pytest.mark.parametrize(
    "body", [HTML, '{"metrics": {"sys', '{"error": "Bridge is asleep"}', '"fine"', "7", "", '{"timestamp": 1}']
)
def test_a_success_that_is_not_the_contracts_is_malformed_and_shows_its_beginning(read: str, body: str) -> None:
    with Answering(saying(answer(200, body + " " * 500))) as server, pytest.raises(TargetError) as caught:
        READS[read](a_session(server.url), server.url)

    assert caught.value.cause is Cause.MALFORMED
    assert body[:20] in caught.value.detail
    assert len(caught.value.detail) <= EXCERPT


@pytest.mark.parametrize("read", ["B1", "M3", "H1"])
def test_a_page_or_an_error_is_no_health(read: str) -> None:
    for body in (HTML, '{"error": "asleep"}'):
        with Answering(saying(answer(200, body))) as server, pytest.raises(TargetError) as caught:
            READS[read](a_session(server.url), server.url)
        assert caught.value.cause is Cause.MALFORMED


def test_a_page_is_no_exposition_and_the_line_is_shown() -> None:
    with Answering(saying(answer(200, HTML))) as server, pytest.raises(TargetError) as caught:
        Exporter(a_session(server.url), server.url).metrics()
    assert caught.value.cause is Cause.MALFORMED
    assert "<!doctype html>" in caught.value.detail


def test_a_certificate_that_nobody_vouches_for_is_unreachable() -> None:
    with Answering(saying(b"")) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(TargetError) as caught:
            Bridge(a_session(url, timeout=TIMEOUT), url).health()
    assert caught.value.cause in {Cause.UNREACHABLE, Cause.TIMEOUT}  # no TLS is spoken there


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    url = f"http://{'a' * 64}.invalid"  # longer than a label of a name may be, so no resolver is asked
    with pytest.raises(TargetError) as caught:
        Bridge(a_session(url), url).health()
    assert caught.value.cause is Cause.UNREACHABLE


def in_90_s() -> datetime:
    return datetime.fromtimestamp(time.time() + 90, UTC)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "42"}, {}, 42),
        (lambda: {"Retry-After": format_datetime(in_90_s(), usegmt=True)}, {}, 90),
        ({}, {"error": "Too Many Requests", "retryAfter": 17}, 17),
        (lambda: {"X-RateLimit-Reset": in_90_s().isoformat()}, {}, 90),
        (lambda: {"X-RateLimit-Reset": str(in_90_s().timestamp())}, {}, 90),
        ({"Retry-After": "soon"}, {}, 60),
        ({}, {}, 60),
        ({"Retry-After": "86400"}, {}, 900),
        ({"Retry-After": "0"}, {}, 0),
    ],
)
def test_throttling_is_understood_in_every_form(
    headers: dict[str, str] | Callable[[], dict[str, str]], body: object, seconds: float
) -> None:
    sent = headers() if callable(headers) else headers
    with Answering(saying(answer(429, body, headers=sent))) as server, pytest.raises(TargetError) as caught:
        Bridge(a_session(server.url), server.url).telemetry()
    assert caught.value.cause is Cause.THROTTLED
    assert caught.value.retry_after == pytest.approx(seconds, abs=60 if seconds == 90 else 0.01)


@pytest.mark.parametrize(
    ("body", "health"),
    [({"status": "healthy", "version": "3"}, Health.HEALTHY), ({"status": "degraded"}, Health.DEGRADED),
     ("OK", Health.HEALTHY),
     ("all good here", None), ({"checks": []}, None), ("", None), ({"error": None, "status": "ok"}, Health.HEALTHY)],
)  # fmt: skip
def test_health_is_there_by_its_status_code(body: object, health: Health | None) -> None:
    with Answering(saying(answer(200, body))) as server:
        assert Bridge(a_session(server.url), server.url).health().status is health


def test_devkit_and_console_are_asked_at_their_second_path() -> None:
    with Answering(serving({"/health": {"status": "ok"}})) as server:
        assert DevKit(a_session(server.url), server.url).health().status is Health.HEALTHY
    with Answering(serving({"/": answer(200, HTML, headers={"Content-Type": "text/html"})})) as server:
        assert Nexus(a_session(server.url), server.url).health().status is None


def test_ids_are_encoded_and_credentials_sent() -> None:
    with Answering(serving({})) as server:
        bridge = Bridge(a_session(server.url, token="t0ken", headers=(("X-API-Key", "k"),)), server.url)
        with pytest.raises(TargetError):
            bridge.agents("a/b #c?")
    [(path, headers)] = server.requests
    assert path == "/api/projects/a%2Fb%20%23c%3F/agents/status"
    assert (headers["authorization"], headers["x-api-key"]) == ("Bearer t0ken", "k")


def test_a_packed_answer_is_unpacked_and_a_broken_one_is_malformed() -> None:
    packed = gzip.compress(b'{"projects": []}')
    for sent, good in ((packed, True), (packed[:-12], False), (b"no gzip", False)):
        with Answering(saying(answer(200, sent, headers={"Content-Encoding": "gzip"}))) as server:
            if good:
                assert Bridge(a_session(server.url), server.url).projects().projects() == ()
                continue
            with pytest.raises(TargetError) as caught:
                Bridge(a_session(server.url), server.url).projects()
            assert caught.value.cause is Cause.MALFORMED


def test_numbers_that_json_does_not_have_are_left_out() -> None:
    body = '{"metrics": {"system": {"cpu": NaN, "memory": Infinity, "disk": 50}}}'
    with Answering(saying(answer(200, body))) as server:
        [sample] = Bridge(a_session(server.url), server.url).telemetry().samples()
    assert (sample.name, sample.value) == ("devkit_disk_ratio", 0.5)


def test_the_mark_of_simulation_is_that_of_the_last_answer() -> None:
    with Answering(
        serving({"/api/health": answer(200, {}, headers={"X-Simulated": "1"}), "/api/projects": []})
    ) as server:
        session = a_session(server.url)
        assert session.simulated is None
        Bridge(session, server.url).health()
        assert session.simulated is True
        Bridge(session, server.url).projects()
        assert session.simulated is False


@pytest.mark.parametrize(("ahead", "skew"), [(0, 0.0), (-1.0, 0.0), (1, 0.0), (120, 120.5), (-90, -89.5), (None, None)])
def test_skew_is_told_by_the_date_only_beyond_what_it_can_tell(ahead: float | None, skew: float | None) -> None:
    at = 1_756_797_300_000
    date = None if ahead is None else format_datetime(datetime.fromtimestamp(at / 1000 + ahead, UTC), usegmt=True)
    assert skew_of(date, at, at, None) == skew


def test_an_estimate_stays_while_it_can_be_true() -> None:
    at = 1_756_797_300_000
    date = format_datetime(datetime.fromtimestamp(at / 1000 + 120, UTC), usegmt=True)
    assert skew_of(date, at, at + 40, 120.2) == 120.2
    assert skew_of(date, at, at + 40, 125.0) == pytest.approx(120.48)


def test_http_compares_status_and_json() -> None:
    body = {"status": "ok", "parts": [{"up": True}], "n": 1}
    with Answering(saying(answer(200, body))) as server:
        for expect, fault in (
            (None, None),
            (Expect(200, {"$.status": "ok", "$.parts.0.up": True, "$.n": 1}), None),
            (Expect(204), "status 200 instead of 204"),
            (Expect(200, {"$.status": "fine"}), '$.status is "ok" instead of "fine"'),
            (Expect(200, {"$.n": True}), "$.n is 1 instead of true"),
            (Expect(200, {"$.gone.deep": 1}), "$.gone.deep is nothing instead of 1"),
        ):
            checked = HttpCheck(a_session(server.url), server.url, expect).check()
            assert [s.name for s in checked.samples()] == ["http_response_status", "http_response_seconds"]
            assert (checked.fault.detail if checked.fault else None) == fault
            assert checked.fault is None or checked.fault.cause is Cause.HTTP_ERROR


@pytest.mark.parametrize(("status", "cause"), [(500, Cause.HTTP_ERROR), (401, Cause.REJECTED), (302, Cause.HTTP_ERROR)])
def test_http_says_why_a_wrong_status_is_wrong_unless_it_is_the_wanted_one(status: int, cause: Cause) -> None:
    with Answering(saying(answer(status, HTML))) as server:
        for expect, wanted in ((None, cause), (Expect(200), cause), (Expect(status), None)):
            fault = HttpCheck(a_session(server.url), server.url, expect).check().fault
            assert (fault.cause if fault else None) is wanted
