"""What browsers report of the content policy: counted, whoever sends it, and never more than a little of it."""

import json
import re

import pytest

from tests.support.website import Website

REPORTS = "/api/csp-reports"
LIMIT = 16 * 1024


def old(directive: object) -> dict[str, object]:
    return {"csp-report": {"document-uri": "https://watch.example/", "effective-directive": directive}}


def new(directive: object, kind: str = "csp-violation") -> dict[str, object]:
    return {"type": kind, "age": 1, "url": "https://watch.example/", "body": {"effectiveDirective": directive}}


def counts(website: Website) -> dict[str, float]:
    text = website.signed_in("ada").get("/metrics").text
    found = re.findall(r'^observatory_csp_reports_total\{directive="([^"]*)"\} (\S+)', text, re.MULTILINE)
    return {directive: float(value) for directive, value in found}


def counted(website: Website, body: bytes, content_type: str = "application/reports+json") -> dict[str, float]:
    """What a report adds to the counts. It is accepted without a session, and nothing is answered."""
    before = counts(website)
    answer = website.anonymous().post(REPORTS, data=body, content_type=content_type)
    assert (answer.status_code, answer.data) == (204, b"")
    return {name: value - before.get(name, 0) for name, value in counts(website).items() if value != before.get(name)}


@pytest.mark.parametrize(
    ("report", "added"),
    [
        (old("img-src"), {"img-src": 1}),
        ({"csp-report": {"violated-directive": "style-src 'self'"}}, {"style-src": 1}),
        ({"csp-report": {}}, {"other": 1}),
        ([new("script-src-elem")], {"script-src-elem": 1}),
        ([new("script-src-elem"), new("script-src-elem"), new("font-src")], {"script-src-elem": 2, "font-src": 1}),
        (old("made up by a stranger"), {"other": 1}),
        ([new("made up by a stranger")], {"other": 1}),
        ([new("img-src", kind="deprecation"), new("img-src", kind="coop")], {}),
        ([old("img-src")], {}),
        (new("img-src"), {}),
    ],
)
def test_violations_are_counted_by_directive(website: Website, report: object, added: dict[str, float]):
    assert counted(website, json.dumps(report).encode()) == added


@pytest.mark.parametrize("content_type", ["application/csp-report", "application/reports+json", "text/plain", "x"])
def test_the_content_type_makes_no_difference(website: Website, content_type: str):
    assert counted(website, json.dumps(old("img-src")).encode(), content_type) == {"img-src": 1}


def test_more_than_twenty_at_once_are_no_browsers(website: Website):
    assert counted(website, json.dumps([new("img-src")] * 100).encode()) == {"img-src": 20}


@pytest.mark.parametrize("wrong", [1, None, [], {}, True, "", " ", " img-src", "IMG-SRC", "x" * 2000, "img-src\n"])
def test_a_directive_that_is_none_becomes_no_label(website: Website, wrong: object):
    assert counted(website, json.dumps(old(wrong)).encode()) == {"other": 1}
    assert counted(website, json.dumps([new(wrong)]).encode()) == {"other": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nonsense", b"null", b"1", b'"csp-report"', b"{}", b"[]", b"[1, null, [], {}]", b'{"csp-report": 1}',
        b'{"csp-report": [{}]}', b'[{"type": "csp-violation", "body": "x"}]', b'[{"type": ["csp-violation"]}]',
        b"[" * 5000, b'{"a":' * 2500, b"9" * 5000, b"NaN", b"\xff\xfe\x00", b"\x00" * 100,
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_report_that_is_none_is_swallowed(website: Website, body: bytes):
    assert counted(website, body) == {}


@pytest.mark.parametrize("padded", [old("img-src") | {"x": "x" * LIMIT}, [new("img-src"), "x" * LIMIT]])
def test_a_report_larger_than_the_limit_is_refused_and_not_counted(website: Website, padded: object):
    before = counts(website)

    answer = website.anonymous().post(REPORTS, data=json.dumps(padded), content_type="application/reports+json")

    assert (answer.status_code, answer.get_json()["error"]) == (413, "Request Entity Too Large")
    assert counts(website) == before


@pytest.mark.parametrize("make", [lambda fill: old("img-src") | {"x": fill}, lambda fill: [new("img-src"), fill]])
def test_a_report_just_as_large_as_the_limit_is_counted(website: Website, make):
    fill = LIMIT - len(json.dumps(make("")))
    body = json.dumps(make("x" * fill)).encode()

    assert len(body) == LIMIT
    assert counted(website, body) == {"img-src": 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_reports_are_taken_and_never_given(website: Website, method: str):
    assert website.anonymous().open(REPORTS, method=method).status_code == 401


def test_a_report_needs_neither_session_nor_database_nor_our_own_site(website: Website):
    with website.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME TO sessions_away")

    answer = website.anonymous().post(REPORTS, json=old("img-src"), headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 204


def test_every_policy_names_the_address_of_reports(website: Website):
    document, file = (website.anonymous().get(path) for path in ("/login", "/assets/public/base.css"))

    assert f"report-uri {REPORTS}" in document.headers["Content-Security-Policy"]
    assert "report-to csp" in document.headers["Content-Security-Policy"]
    assert document.headers["Reporting-Endpoints"] == f'csp="{REPORTS}"'
    assert f"report-uri {REPORTS}" in file.headers["Content-Security-Policy"]
