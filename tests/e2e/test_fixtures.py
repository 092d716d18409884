"""The fixtures of the browser tests: a product starts, lets a person in, and is found again after a restart."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.product import Product, sign_in


def test_a_person_signs_in_and_stands_at_the_overview(page: Page, demo: Product) -> None:
    expect(page).to_have_url(f"{demo.url}/")
    expect(page.locator(".page")).to_be_visible()


def test_a_product_keeps_what_it_knew_over_a_restart(product: Callable[..., Product], context: BrowserContext) -> None:
    first = product()
    port = int(first.url.rsplit(":", 1)[1])
    first.process.end()

    second = product(port=port, OBSERVATORY_ADMIN_PASSWORD="")  # the administrator is in the database by now
    page = context.new_page()
    sign_in(page, second)

    expect(page).to_have_url(f"{second.url}/")
