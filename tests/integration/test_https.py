"""https is kept to where a trusted proxy tells of it, and nowhere else."""

from collections.abc import Callable

import pytest

from tests.support.website import PASSWORD, Website

Make = Callable[..., Website]
HTTP, HTTPS = {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https"}
YEAR = "max-age=31536000; includeSubDomains"


@pytest.fixture
def behind(make_website: Make) -> Website:
    """A dashboard behind one proxy of ours."""
    return make_website(trusted_proxies=1)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "address", ["/", "/login?next=/services/x", "/api/health", "/assets/public/base.css", "/nothing%20here", "/metrics"]
)
def test_who_came_by_http_is_sent_to_https(behind: Website, method: str, address: str):
    answer = behind.anonymous().open(address, method=method, headers={**HTTP, "Host": "watch.example"})

    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://watch.example{address}")
    assert answer.headers["Cache-Control"] == "no-store, max-age=0"
    assert "Strict-Transport-Security" not in answer.headers, "a browser would not believe it on http"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_is_answered_by_whatever_scheme(behind: Website, path: str):
    assert behind.anonymous().get(path, headers=HTTP).status_code == 200


def test_a_change_sent_by_http_is_refused_and_says_why(behind: Website):
    credentials = {"username": "victor", "password": PASSWORD}

    answer = behind.anonymous().post("/api/auth/login", json=credentials, headers=HTTP)

    assert (answer.status_code, answer.get_json()["code"]) == (403, "https")
    assert "https" in answer.get_json()["error"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/login", "/api/nothing", "/_dash-update-component"])
def test_no_other_method_gets_through_by_http(behind: Website, method: str, path: str):
    assert behind.anonymous().open(path, method=method, headers=HTTP).status_code == 403


def test_a_loopback_caller_needs_no_https(behind: Website):
    answer = behind.anonymous().get("/login")

    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", ["/login", "/api/health", "/assets/public/base.css", "/nothing", "/api/nothing"])
def test_by_https_every_answer_says_to_stay_there(behind: Website, path: str):
    assert behind.anonymous().get(path, headers=HTTPS).headers["Strict-Transport-Security"] == YEAR


def test_without_a_trusted_proxy_the_header_changes_nothing(website: Website):
    by_http, by_https = (website.anonymous().get("/login", headers=headers) for headers in (HTTP, HTTPS))

    assert by_http.status_code == by_https.status_code == 200
    assert "Strict-Transport-Security" not in by_https.headers


@pytest.mark.parametrize("production", [True, False])
def test_the_name_of_the_environment_forces_nothing(make_website: Make, production: bool):
    answer = make_website(production=production).anonymous().get("/login")

    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    ("proxies", "told", "scheme"),
    [
        (1, "https", "https"),
        (1, "HTTPS", "https"),
        (1, "https, http", "http"),  # only the last was written by a proxy of ours
        (1, "http, https", "https"),
        (2, "https, http", "https"),
        (2, "http, https", "http"),
        (2, "http, https, http", "https"),
        (2, "https", "https"),  # one of the two replaced what was there, as most do
        (2, "http", "http"),
        (1, "", "none"),
        (1, "gopher", "none"),
        (1, ",", "none"),
    ],
)
def test_of_several_proxies_the_outermost_of_ours_is_believed(make_website: Make, proxies: int, told: str, scheme: str):
    answer = make_website(trusted_proxies=proxies).anonymous().get("/login", headers={"X-Forwarded-Proto": told})

    assert answer.status_code == (308 if scheme == "http" else 200)
    assert ("Strict-Transport-Security" in answer.headers) is (scheme == "https")


@pytest.mark.parametrize(
    ("host", "goes_to"),
    [
        ("watch.example", "watch.example"),
        ("watch.example.", "watch.example."),
        ("watch.example:8080", "watch.example"),  # the port was that of http
        ("my_host", "my_host"),
        ("127.0.0.1:8050", "127.0.0.1"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
    ],
)
def test_the_host_stays_the_same(behind: Website, host: str, goes_to: str):
    answer = behind.anonymous().get("/", headers={**HTTP, "Host": host})

    assert answer.headers["Location"] == f"https://{goes_to}/"


@pytest.mark.parametrize(
    "host",
    [
        "", " ", "a b", "evil.example/", "evil.example/?", "evil.example#", "good@evil.example", "evil.example\\.good",
        "a:b", "a:", ":80", "a:123456", "-a", "a..b", ".a", "a,b", "[::1", "[]", "<script>", "ä", "a" * 64,
        ".".join(["a" * 60] * 5),
    ],
)  # fmt: skip
def test_a_host_that_is_no_name_leads_nowhere(behind: Website, host: str):
    answer = behind.anonymous().get("/login", headers={**HTTP, "Host": host})

    assert (answer.status_code, answer.get_json()["code"]) == (400, "host")
    assert "Location" not in answer.headers


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "/@evil.example", "/.evil.example"])
def test_a_path_cannot_become_a_host(behind: Website, path: str):
    answer = behind.anonymous().get(path, headers={**HTTP, "Host": "watch.example"})

    assert answer.headers["Location"].startswith("https://watch.example/")
