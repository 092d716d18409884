"""Clocks that are wrong: a service's is told and its ages corrected, and the viewer's does not matter."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.product import Product, sign_in
from tests.support.simulator import Simulator
from tests.support.waiting import wait_for

DAY = 86_400_000
# A browser on a machine whose clock is off: what a page learns of the time is off by so much, and goes on.
WRONG_CLOCK = """(() => {
  const Right = Date, off = %d;
  window.Date = class extends Right {
    constructor(...parts) { if (parts.length) { super(...parts); } else { super(Right.now() + off); } }
    static now() { return Right.now() + off; }
  };
})()"""
AGES = ".card.metric .reading[data-source='bridge-server'] .reading-age"
SECONDS = re.compile(r"^\d+ s ago")


def ages(page: Page) -> list[str]:
    return [text for text in page.locator(AGES).all_inner_texts() if text]


def states(page: Page) -> set[str]:
    found = page.locator(".strip-cell .state-mark[data-measured]").evaluate_all("all => all.map(e => e.dataset.state)")
    return set(found)


@pytest.mark.parametrize("days", [-2, 2])
def test_ages_do_not_depend_on_the_viewers_clock(
    visitor: Callable[..., BrowserContext], demo: Product, days: int
) -> None:
    context = visitor()
    context.add_init_script(WRONG_CLOCK % (days * DAY))
    page = context.new_page()
    sign_in(page, demo)
    right = visitor().new_page()
    off = page.evaluate("Date.now()") - right.evaluate("Date.now()")

    expect(page.locator("#shell-connection")).to_have_text("live")
    wait_for(lambda: len(ages(page)) == 8, timeout=30, what="eight ages")

    assert round(off / DAY) == days, "the clock was not wrong"
    assert all(SECONDS.match(age) for age in ages(page)), ages(page)
    wait_for(lambda: states(page) <= {"live", "late"}, timeout=30, what="no service that looks old")


def test_a_service_whose_clock_is_wrong_says_so_in_word_and_shape(
    product: Callable[..., Product], context: BrowserContext, devkit: Simulator
) -> None:
    devkit.control("faults", service="bridge", mode="wrong-clock", seconds=130)
    page = context.new_page()
    running = product(**devkit.environment, OBSERVATORY_INTERVAL="2s")
    sign_in(page, running)
    cell = page.locator(".strip-cell").filter(has_text="Bridge server")

    expect(cell.locator(".clock-off")).to_have_text(re.compile(r"clock 2.min ahead"), timeout=30_000)
    expect(cell.locator(".clock-off")).to_have_attribute("data-state", "warning")
    expect(cell.locator(".clock-off .shape")).to_be_visible()
    expect(page.locator(".strip-cell").filter(has_text="MCP daemon").locator(".clock-off")).to_have_count(0)
    wait_for(lambda: len(ages(page)) == 8 and all(map(SECONDS.match, ages(page))), timeout=30, what="corrected ages")

    page.goto(f"{running.url}/services")
    row = page.locator("#services-table tbody tr").filter(has_text="Bridge server")
    expect(row.locator(".clock-off")).to_have_text(re.compile(r"clock 2.min ahead"))

    page.goto(f"{running.url}/services/bridge-server")
    expect(page.locator(".facts")).to_contain_text(re.compile(r"Its clock is 2.min ahead; ages are corrected"))
