"""A Bridge's stream on its page: heard, and down while polling carries on."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.e2e.test_login import submit
from tests.support.product import PASSWORD, Product
from tests.support.simulator import Simulator


def test_the_page_of_a_bridge_says_by_shape_and_word_how_its_stream_is(
    product: Callable[..., Product], devkit: Simulator, context: BrowserContext
) -> None:
    running = product(**devkit.environment, OBSERVATORY_INTERVAL="2s")
    page = context.new_page()
    page.goto(f"{running.url}/services/bridge-server")
    submit(page, PASSWORD)

    mark = page.locator(".facts .state-mark:has(time)")
    expect(mark).to_contain_text("heard", timeout=20_000)
    expect(mark).to_have_attribute("data-state", "live")

    devkit.control("faults", service="bridge", mode="down", path="/ws")

    expect(mark).to_contain_text("polling", timeout=20_000)
    expect(mark).to_have_attribute("data-state", "down")
    expect(page.locator("h1")).to_contain_text("is up")
