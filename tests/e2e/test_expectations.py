"""The watchman of every browser test, shown to see what it is there for: each fault is planted, and must be seen."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from tests.support.expectations import PageExpectations
from tests.support.processes import free_port
from tests.support.waiting import wait_for

POLICY = (
    "default-src 'none'; script-src 'nonce-good'; connect-src http://127.0.0.1:*; require-trusted-types-for 'script'"
)
PAGES = {
    "/clean": "<script nonce=good>document.title = 'fine'</script>",
    "/inline": "<script>document.title = 'must not run'</script>",
    "/sink": "<script nonce=good>try { document.body.innerHTML = '<b>x</b>' } catch (refused) {}</script>",
    "/console": "<script nonce=good>console.error('the sky is falling')</script>",
    "/exception": "<script nonce=good>setTimeout(() => { throw new Error('lost the thread') })</script>",
    "/missing": "<script nonce=good>fetch('/nowhere')</script>",
}


class Planted(BaseHTTPRequestHandler):
    """A small site whose pages each do one thing wrong."""

    def do_GET(self) -> None:
        found = self.path in PAGES or self.path == "/favicon.ico"
        body = f"<!doctype html><title>t</title><body>{PAGES.get(self.path, '')}".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news here."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Planted)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[Page, PageExpectations]]:
    """A page under a watchman of its own, whose verdict is looked at instead of being passed."""
    context = browser.new_context()
    expectations = PageExpectations()
    expectations.watch(context)
    yield context.new_page(), expectations
    context.close()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/inline", "csp script-src"),
        ("/sink", "csp require-trusted-types-for"),
        ("/console", "console the sky is falling"),
        ("/exception", "lost the thread"),
        ("/missing", "404 GET "),
    ],
)
def test_a_planted_fault_is_seen_and_fails_the_test(
    watched: tuple[Page, PageExpectations], site: str, path: str, complaint: str
) -> None:
    page, expectations = watched
    page.goto(site + path)
    wait_for(lambda: page.evaluate("1") and complaint in "\n".join(expectations.complaints), what=complaint)

    with pytest.raises(AssertionError, match="The browser complained"):
        expectations.verify()


def test_a_request_that_nobody_answers_is_seen(watched: tuple[Page, PageExpectations], site: str) -> None:
    page, expectations = watched
    page.goto(site + "/clean")
    page.evaluate(f"fetch('http://127.0.0.1:{free_port()}/', {{mode: 'no-cors'}}).catch(() => 0)")

    wait_for(lambda: page.evaluate("1") and expectations.unexpected(), what="the complaint")
    assert expectations.unexpected()[0].startswith("failed GET ")


def test_what_a_test_names_is_allowed_and_nothing_else(watched: tuple[Page, PageExpectations], site: str) -> None:
    page, expectations = watched
    expectations.allow(r"^404 GET .*/nowhere$")
    page.goto(site + "/missing")
    wait_for(lambda: page.evaluate("1") and expectations.complaints, what="the complaint")

    expectations.verify()
    page.goto(site + "/console")
    wait_for(lambda: page.evaluate("1") and len(expectations.complaints) > 1, what="the second complaint")
    assert len(expectations.unexpected()) == 1


def test_a_page_that_does_nothing_wrong_passes(watched: tuple[Page, PageExpectations], site: str) -> None:
    page, expectations = watched
    page.goto(site + "/clean")

    assert page.title() == "fine"
    expectations.verify()
