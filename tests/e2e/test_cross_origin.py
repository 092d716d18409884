"""A script of another site in a real browser: what it may read when the settings name its site, and what never."""

import http.server
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.expectations import PageExpectations
from tests.support.product import PASSWORD, Product, sign_in

BLOCKED = r"^console Access to fetch|^failed (GET|OPTIONS) .*net::ERR_FAILED|^401 (GET|OPTIONS) .*/api/auth/check"
CALL = """([address, options]) =>
  fetch(address, options).then(async (answer) => [answer.status, await answer.text()], (error) => [0, String(error)])"""


@pytest.fixture
def site() -> Iterator[str]:
    """The origin of another site: another host name on this machine, with one page."""

    class Tool(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>Tool</title><link rel=icon href=data:,>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tool) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


def token(product: Product) -> str:
    with httpx.Client(trust_env=False, base_url=product.url) as client:
        answer = client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
        return str(answer.json()["token"])


def call(page: Page, address: str, **options: object) -> tuple[int, str]:
    """Status and text as the page's script gets them; 0 and the error when the browser keeps them from it."""
    status, text = page.evaluate(CALL, [address, options])
    return status, text


@pytest.fixture
def opened(context: BrowserContext, site: str) -> Page:
    page = context.new_page()
    page.goto(site)
    return page


def test_a_named_site_reads_with_a_token_and_never_with_the_cookie(
    product: Callable[..., Product], context: BrowserContext, site: str, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(BLOCKED)
    running = product(ALLOWED_ORIGINS=site)
    sign_in(context.new_page(), running)  # the browser has a session; another site shall have nothing of it
    page = context.new_page()
    page.goto(site)
    check = f"{running.url}/api/auth/check"
    bearer = {"Authorization": f"Bearer {token(running)}"}

    status, text = call(page, check, headers=bearer)
    assert status == 200 and '"authenticated":true' in text.replace(" ", "").replace("\n", "")
    assert call(page, check, headers={"Authorization": "Bearer wrong"})[0] == 401
    assert call(page, check)[0] == 0
    assert call(page, check, credentials="include")[0] == 0
    assert call(page, check, headers=bearer, credentials="include")[0] == 0
    assert call(page, f"{running.url}/login")[0] == 0


def test_a_site_that_is_not_named_reads_nothing(
    product: Callable[..., Product], opened: Page, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(BLOCKED)
    running = product()
    bearer = {"Authorization": f"Bearer {token(running)}"}

    assert call(opened, f"{running.url}/api/auth/check", headers=bearer)[0] == 0
    assert call(opened, f"{running.url}/api/health")[0] == 0
