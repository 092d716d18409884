import gzip
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from observatory.clients.base import skew_of
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.http import HttpCheck
from observatory.clients.nexus import Nexus
from observatory.clients.prometheus import Exporter
from observatory.errors import TargetError
from observatory.model import Cause, Expect, Health
from tests.support.answering import Answering, answer, saying, serving
from tests.support.calls import READS, a_session

HTML = "<!doctype html><title>Welcome</title>"


@pytest.mark.parametrize("read", ["B1", "M3", "H1"])
def test_a_page_or_an_error_is_no_health(read: str) -> None:
    for body in (HTML, '{"error": "asleep"}'):
        with Answering(saying(answer(200, body))) as server, pytest.raises(TargetError) as caught:
            READS[read].ask(a_session(server.url), server.url)
        assert caught.value.cause is Cause.MALFORMED


def test_a_page_is_no_exposition_and_the_line_is_shown() -> None:
    with Answering(saying(answer(200, HTML))) as server, pytest.raises(TargetError) as caught:
        Exporter(a_session(server.url), server.url).metrics()
    assert caught.value.cause is Cause.MALFORMED
    assert "<!doctype html>" in caught.value.detail


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
