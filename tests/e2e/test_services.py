"""An administrator's day with the registry: add a service, see it live, pause it, remove it, and it is gone."""

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support import accessibility
from tests.support.answering import Answering, answer, saying
from tests.support.product import Product, sign_in

FINE = saying(answer(200, {"status": "ok"}))
PRIVATE = {"OBSERVATORY_PRIVATE_TARGETS": "true", "OBSERVATORY_INTERVAL": "1s"}


def fill(page: Page, **typed: str) -> None:
    labels = {"name": re.compile("^Name"), "address": "Address", "every": re.compile("^Asked every")}
    for field, text in typed.items():
        page.get_by_role("dialog").get_by_label(labels[field]).fill(text)


def submit(page: Page, word: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=word, exact=True).click()


def finish(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Done").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def row(page: Page, name: str) -> Locator:
    return page.locator("#services-table tr", has=page.get_by_role("link", name=name))


def test_a_service_is_added_seen_live_paused_and_removed(
    product: Callable[..., Product], context: BrowserContext
) -> None:
    with Answering(FINE) as server:
        running = product(**PRIVATE)
        page = context.new_page()
        sign_in(page, running)
        page.goto(f"{running.url}/services")
        page.get_by_role("link", name="Add a service").click()
        fill(page, name="Shop front", address=f"{server.url}/health")
        submit(page, "Add service")
        expect(page.get_by_role("dialog")).to_contain_text("Shop front is watched from now on.")
        finish(page)
        expect(row(page, "Shop front").locator(".state-mark").first).to_have_attribute("data-state", "live")
        expect(row(page, "Shop front")).to_contain_text("added here")

        row(page, "Shop front").get_by_role("link").click()
        expect(page.locator("#service-head h1")).to_contain_text("Shop front is up")
        page.get_by_role("link", name="Pause").click()
        submit(page, "Pause")
        expect(page.get_by_role("dialog")).to_contain_text("Shop front is paused.")
        finish(page)
        expect(page.locator("#service-head h1")).to_contain_text("Shop front is paused")
        page.get_by_role("link", name="Resume").click()
        submit(page, "Resume")
        finish(page)
        expect(page.locator("#service-head h1")).to_contain_text("Shop front is up")

        page.get_by_role("link", name="Remove").click()
        expect(page.get_by_role("dialog")).to_contain_text("Its history stays")
        submit(page, "Remove")
        finish(page)
        expect(page.locator("#service-head h1")).to_contain_text("Shop front is no longer watched.")
        expect(page.locator("#service-head").get_by_role("link", name="Pause")).to_have_count(0)

        page.goto(f"{running.url}/services")
        expect(row(page, "Observatory")).to_be_visible()
        expect(row(page, "Shop front")).to_have_count(0)
        page.get_by_text("1 service is no longer watched").click()
        expect(page.locator("#services-gone").get_by_role("link", name="Shop front")).to_be_visible()
        page.goto(running.url)
        expect(page.locator("#overview-standing")).not_to_be_empty()
        expect(page.locator("#overview-strip")).not_to_contain_text("Shop front")


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    product: Callable[..., Product], context: BrowserContext
) -> None:
    running = product()
    accessibility.equip(context)
    page = context.new_page()
    sign_in(page, running)
    page.goto(f"{running.url}/services#add")

    fill(page, name="observatory", address="http://169.254.169.254/latest", every="often")
    submit(page, "Add service")

    expect(page.get_by_text("The name must not be 'observatory', which is the observatory itself.")).to_be_visible()
    expect(page.get_by_text("169.254.169.254 is a metadata address, where nothing is read.")).to_be_visible()
    expect(page.get_by_text("The interval must be 1 to 86400 seconds.")).to_be_visible()
    expect(page.get_by_label("Address")).to_have_value("http://169.254.169.254/latest")
    assert accessibility.findings(page) == []

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("link", name="Add a service").click()
    expect(page.get_by_label("Address")).to_have_value("http://169.254.169.254/latest")


def test_what_is_expected_is_asked_of_http_endpoints_alone(page: Page, demo: Product) -> None:
    page.goto(f"{demo.url}/services#add")
    expected = page.get_by_role("dialog").get_by_label("Status")
    expect(expected).to_be_visible()

    page.get_by_label("Kind").select_option("prometheus")

    expect(expected).to_be_hidden()


def test_labels_headers_and_a_time_limit_are_set_and_shown_again(
    product: Callable[..., Product], context: BrowserContext
) -> None:
    with Answering(FINE) as server:
        running = product(**PRIVATE, TARGET_SHOP_KEY="sesame")
        page = context.new_page()
        sign_in(page, running)
        page.goto(f"{running.url}/services#add")
        fill(page, name="Shop front", address=f"{server.url}/health")
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("More", exact=True).click()
        dialog.get_by_label(re.compile("^Must answer within")).fill("0.5")
        dialog.get_by_label(re.compile("^Labels")).fill("team blue")
        dialog.get_by_label(re.compile("^Headers")).fill("X-Key=TARGET_SHOP_KEY\n")
        submit(page, "Add service")
        expect(dialog.get_by_text("“team blue” has no = in it.")).to_be_visible()
        dialog.get_by_label(re.compile("^Labels")).fill("team=blue\nsite = north\n\n")
        submit(page, "Add service")
        expect(dialog).to_contain_text("Shop front is watched from now on.")
        finish(page)
        expect(row(page, "Shop front").locator(".state-mark").first).to_have_attribute("data-state", "live")
        assert server.requests[-1][1]["x-key"] == "sesame"

        row(page, "Shop front").get_by_role("link").click()
        page.get_by_role("link", name="Edit").click()
        expect(dialog.get_by_label(re.compile("^Labels"))).to_have_value("team=blue\nsite=north")
        expect(dialog.get_by_label(re.compile("^Headers"))).to_have_value("X-Key=TARGET_SHOP_KEY")
        expect(dialog.get_by_label(re.compile("^Must answer within"))).to_have_value("0.5")
