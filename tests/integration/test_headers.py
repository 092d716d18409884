"""What every answer carries, what is cached, and what a mistyped address gets."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from observatory.context import Check
from observatory.web.document import fits
from tests.support.website import Website, callback_body

Make = Callable[..., Website]


def test_the_content_policy_has_nothing_unsafe_in_it(make_website: Make):
    website = make_website(console_origin="http://localhost:3001")
    answer = website.signed_in("victor").get("/")

    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    nonce = policy["script-src"].split("'nonce-")[1].rstrip("'")
    assert "unsafe-" not in answer.headers["Content-Security-Policy"]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'strict-dynamic' 'nonce-{nonce}'"
    assert policy["frame-src"] == "'self' http://localhost:3001"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert len(scripts) > 10
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert " style=" not in answer.text


def test_a_nonce_is_used_once(website: Website):
    client = website.signed_in("victor")

    first, second = (client.get("/").headers["Content-Security-Policy"] for _ in range(2))

    assert first != second


SOME_OF_EACH = (
    ("GET", "/", 200),
    ("GET", "/nothing", 404),
    ("GET", "/login", 200),
    ("GET", "/broken", 500),
    ("POST", "/logout", 403),
    ("GET", "/healthz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/assets/public/favicon.svg", 200),
    ("GET", "/assets/nothing.css", 404),
    ("GET", "/_dash-layout", 200),
    ("GET", "/api/health", 200),
    ("GET", "/api/nothing", 404),
    ("PUT", "/api/health", 405),
    ("POST", "/api/extra", 403),
    ("POST", "/_dash-update-component", 403),
)


@pytest.mark.parametrize(("method", "path", "status"), SOME_OF_EACH)
def test_every_answer_carries_the_other_headers(website: Website, method: str, path: str, status: int):
    client = website.signed_in("victor")
    if status == 200 and path == "/login":
        client = website.anonymous()
    if status == 403:
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "cross-site"

    answer = client.open(path, method=method)

    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert answer.headers["X-XSS-Protection"] == "0"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe-" not in answer.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not {"X-Nonce", "X-Powered-By"} & {name.title() for name, _ in answer.headers}


def test_no_page_may_use_what_no_page_needs(website: Website):
    denied = website.anonymous().get("/login").headers["Permissions-Policy"].split(", ")

    assert {"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()"} <= set(denied)
    assert all(feature.endswith("=()") for feature in denied)
    assert not any(feature.startswith(("clipboard-", "fullscreen", "screen-wake-lock")) for feature in denied)


def test_a_refused_document_has_the_same_policy_as_a_served_one(website: Website):
    client = website.signed_in("victor")

    served = client.get("/")
    refused = client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})

    def policy(header: str) -> str:
        return re.sub(r"'nonce-[A-Za-z0-9_-]{22,}'", "'nonce'", header)

    assert (served.status_code, refused.status_code) == (200, 403)
    assert "'nonce-" in refused.headers["Content-Security-Policy"]
    assert policy(refused.headers["Content-Security-Policy"]) == policy(served.headers["Content-Security-Policy"])


def test_the_document_tells_no_versions_and_leaves_the_table_script_out(website: Website):
    text = website.signed_in("victor").get("/").text

    assert "python_version" not in text
    assert "dash_version" not in text
    assert "dash_table/" not in text
    assert "polyfill@" in text
    assert f'name="server-now" content="{website.clock()}"' in text


def test_each_of_our_scripts_and_styles_is_linked_once_by_its_fingerprint(website: Website):
    client = website.signed_in("victor")
    ours = re.findall(r'(?:src|href)="(/assets/[^"]+)"', client.get("/").text)

    assert len(ours) == len(set(ours)) > 4
    for address in ours:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_every_script_of_dash_is_compressed_and_kept(website: Website):
    client = website.signed_in("victor")
    scripts = re.findall(r'src="(/_dash-component-suites/[^"]+)"', client.get("/").text)

    assert len(scripts) > 5
    for address in scripts:
        answer = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip", address
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert gzip.decompress(answer.data) == client.get(address).data


def test_an_encoding_is_sent_only_to_who_takes_it(website: Website):
    address = "/assets/public/base.css"
    client = website.anonymous()

    plain, small = client.get(address), client.get(address, headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(small.data) == plain.data
    assert plain.headers["ETag"] != small.headers["ETag"]
    assert "Content-Encoding" not in client.get(address, headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_what_the_browser_has_is_not_sent_again(website: Website):
    client = website.anonymous()
    first = client.get("/assets/public/base.css")

    again = client.get("/assets/public/base.css", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"


def test_an_old_fingerprint_is_not_kept_for_a_year(website: Website):
    answer = website.anonymous().get("/assets/public/base.0123456789abcdef.css")

    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["dash/dash.py", "dash/../flask/app.py", "os/path.py", "dash/dcc/nothing.js"])
def test_a_component_package_serves_only_what_it_registered(website: Website, path: str):
    assert website.anonymous().get(f"/_dash-component-suites/{path}").status_code == 404


def test_a_smaller_plotly_is_used_when_it_lies_in_the_cache(make_website: Make, tmp_path: Path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "plotly-cartesian.min.js").write_text("window.Plotly = {};")
    website = make_website(cache=tmp_path / "static")
    client = website.signed_in("victor")

    address = re.findall(r'data-plotly="([^"]+)"', client.get("/").text)[0]

    assert client.get(address).text == "window.Plotly = {};"


# ── addresses that do not exist, and faults of ours ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_api_address_is_a_json_404(website: Website, method: str):
    answer = website.signed_in("ada").open(
        "/api/nothing/here", method=method, headers={"Sec-Fetch-Site": "same-origin"}
    )

    assert answer.status_code == 404
    assert set(answer.get_json()) >= {"error", "code", "timestamp"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/things/x", 200), ("/things/x/", 200), ("/nothing", 404), ("/things", 404), ("/things/x/y", 404)],
)
def test_a_page_that_does_not_exist_is_a_404_in_the_same_document(website: Website, path: str, status: int):
    answer = website.signed_in("victor").get(path)

    assert answer.status_code == status
    assert "react-entry-point" in answer.text


@pytest.mark.parametrize(
    ("path", "template", "fitting"),
    [("a/b/c", "/a/<x>/<y>", True), ("a/b", "/a/<x>/<y>", False), ("a/b.c", "/a/<x>.c", True), ("axb", "/a.b", False)],
)
def test_a_variable_of_a_template_is_one_segment(path: str, template: str, fitting: bool):
    assert fits(path, template) is fitting


def test_a_fault_of_ours_is_told_calmly_and_without_details(website: Website, capsys: pytest.CaptureFixture[str]):
    client = website.signed_in("ada")

    page = client.get("/broken")
    failing = callback_body("read", "children", "read", "title")
    callback = client.post("/_dash-update-component", json=failing)

    assert (page.status_code, callback.status_code) == (500, 500)
    assert "Something went wrong on our side" in page.text
    assert callback.get_json()["error"] == "Internal server error"
    assert "secret detail" not in page.text + callback.text


def test_a_body_that_is_too_large_is_refused(website: Website):
    answer = website.anonymous().post("/api/auth/login", data=b"x" * (1024 * 1024 + 1), content_type="application/json")

    assert answer.status_code in {400, 413}


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_health_tells_strangers_what_passed_and_no_more(make_website: Make):
    website = make_website(checks=(lambda: Check("collector", False, "The collector is late"),))

    stranger, person = website.anonymous().get("/api/health"), website.signed_in("otto").get("/api/health")

    assert stranger.status_code == person.status_code == 503
    assert set(stranger.get_json()) == {"status", "timestamp", "checks"}
    assert all(check["passed"] for check in stranger.get_json()["checks"])
    assert "collector" not in stranger.text
    assert set(person.get_json()) == {"status", "timestamp", "checks", "environment"}
    assert "The collector is late" in person.text


def test_readiness_follows_the_database_and_life_does_not(website: Website):
    with website.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE users RENAME TO users_away")
    client = website.anonymous()

    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/health").status_code == 503
    answer = client.post("/login", data={"username": "ada", "password": "x"})
    assert answer.status_code == 503
    assert "database does not answer" in answer.text
