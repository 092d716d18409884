"""What one person types and chooses is nobody else's business."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.product import Product, sign_in


def test_what_one_chooses_does_not_show_in_the_other(
    page: Page, visitor: Callable[..., BrowserContext], demo: Product
) -> None:
    other = visitor().new_page()
    sign_in(other, demo)
    for one in (page, other):
        one.goto(f"{demo.url}/services/bridge-server")
        expect(one.locator("#service-series tbody tr").first).to_be_visible()

    page.locator("#range").select_option("1h")
    page.locator("#theme-button").click()
    page.locator("#service-search").fill("devkit_cpu_ratio")
    expect(page.locator("#service-series tbody tr")).to_have_count(1)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")

    other.reload()
    expect(other.locator("#service-series tbody tr").nth(1)).to_be_visible()
    expect(other.locator("#range")).to_have_value("24h")
    expect(other.locator("#service-search")).to_have_value("")
    expect(other.locator("html")).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(page.locator("#range")).to_have_value("1h")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_end_of_one_session_is_not_the_end_of_the_other(
    page: Page, visitor: Callable[..., BrowserContext], demo: Product
) -> None:
    other = visitor().new_page()
    sign_in(other, demo)
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(f"{demo.url}/login")

    page.reload()

    expect(page).to_have_url(f"{demo.url}/")
    expect(page.locator(".card.metric").first).to_be_visible()
