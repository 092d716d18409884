"""The product as it stands on the internet: TLS ends at a proxy before it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.processes import free_port
from tests.support.product import Product, sign_in
from tests.support.terminator import Terminator, terminating


@pytest.fixture
def behind(product: Callable[..., Product], tmp_path: Path) -> Iterator[tuple[Terminator, Product]]:
    """A product with a proxy before it, under the address that the proxy gives it."""
    port = free_port()
    running = product(port=port, MOCK_MODE="true", OBSERVATORY_INTERVAL="2s", TRUSTED_PROXIES="1")
    with terminating(port, tmp_path) as front:
        yield front, replace(running, url=front.https)


def test_behind_tls_a_person_signs_in_and_sees_numbers_move(
    behind: tuple[Terminator, Product], visitor: Callable[..., BrowserContext]
) -> None:
    _, product = behind
    context = visitor(ignore_https_errors=True)  # no browser knows the authority of this test
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    sign_in(page, product)

    expect(page).to_have_url(f"{product.url}/")
    expect(page.locator("#shell-connection")).to_have_text("live", timeout=30_000)
    expect(page.locator(".js-plotly-plot path.js-line").first).to_be_attached()
    [cookie] = [found for found in context.cookies() if "auth-token" in found["name"]]
    assert cookie["name"] == "__Host-auth-token"
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert not [text for text in said if "policy" in text.lower()], "the browser understands all our headers"


def test_the_address_without_tls_leads_to_the_one_with_it(behind: tuple[Terminator, Product]) -> None:
    front, _ = behind
    with httpx.Client(trust_env=False) as client:
        asked = client.get(f"{front.http}/services/bridge-server?range=1h")
        sent = client.post(f"{front.http}/login", data={"username": "admin", "password": "x"})
        probed = client.get(f"{front.http}/healthz")

    assert (asked.status_code, asked.headers["Location"]) == (308, "https://127.0.0.1/services/bridge-server?range=1h")
    assert (sent.status_code, sent.json()["code"]) == (403, "https")
    assert probed.status_code == 200
