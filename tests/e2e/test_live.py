"""A page that is left alone: it keeps itself current by every way there is, and says so when there is none."""

import os
import re
import signal
import time
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.expectations import PageExpectations
from tests.support.product import Product, sign_in
from tests.support.simulator import Simulator
from tests.support.waiting import wait_for

CALLBACKS = "/_dash-update-component"
POINTS = """() => {
  const plot = document.querySelector('#overview-system .js-plotly-plot');
  const trace = plot && plot._fullData && plot._fullData[0];
  if (!trace || !trace.x) return null;
  const xs = Array.from(trace.x), axis = plot._fullLayout.xaxis;
  return {
    count: xs.length, last: xs[xs.length - 1], shown: xs[xs.length - 1] <= axis.r2l(axis.range[1]),
    ordered: xs.every((x, i) => i === 0 || x >= xs[i - 1])
  };
}"""
CPU = ".card.metric:has(h3:text-is('CPU')) .reading.card-value"
# What a restart or a stop does to the requests of a page that was left open.
AWAY = (
    r"^failed (GET|POST) .*/(api/stream|_dash-update-component)",
    r"^console Error: Callback failed: the server did not respond",
)


def asked(page: Page) -> list[str]:
    """Every question that the page's callbacks ask from now on, by what it is to fill."""
    found: list[str] = []

    def note(url: str, output: str) -> None:
        if CALLBACKS in url:
            found.append(output)

    page.on("request", lambda request: note(request.url, request.post_data or ""))
    return found


def measured(page: Page) -> int:
    """When the CPU that is on the screen was measured."""
    return int(page.locator(CPU).get_attribute("data-painted") or 0)


def wait_for_news(page: Page, times: int = 1, timeout: float = 30) -> None:
    """Wait until the number was painted anew `times`, each time from a later reading."""
    for _ in range(times):
        before = measured(page)
        wait_for(lambda before=before: measured(page) > before, timeout=timeout, what="a later reading")  # type: ignore[misc]


def expect_live(page: Page) -> None:
    expect(page.locator("#shell-connection")).to_have_text("live", timeout=30_000)
    expect(page.locator("html")).to_have_attribute("data-current", "yes")
    expect(page.locator("#shell-stale")).to_be_hidden()


def test_a_chart_grows_by_the_stream_alone(page: Page) -> None:
    expect(page.locator("#overview-system .js-line").first).to_be_attached()
    questions = asked(page)
    start = {"asked": -1, "count": 0}

    def grown() -> bool:
        points = page.evaluate(POINTS)
        assert points["ordered"], "the line runs backwards"
        assert points["shown"], "the line ran out of the window"
        if len(questions) != start["asked"] or points["count"] < start["count"]:
            start.update(asked=len(questions), count=points["count"])
        return bool(points["count"] >= start["count"] + 2)

    # The demo's agents make the page ask every few seconds; between two questions the line must go on.
    wait_for(grown, timeout=90, what="two new points without a question")


def test_a_page_on_which_nothing_happens_asks_once_in_half_a_minute(
    product: Callable[..., Product], context: BrowserContext
) -> None:
    running = product()
    page = context.new_page()
    sign_in(page, running)
    page.goto(f"{running.url}/services/observatory")
    expect_live(page)
    expect(page.locator("#service-series tbody tr").first).to_be_visible()
    questions = asked(page)
    began = page.evaluate("performance.now()")

    wait_for(lambda: page.evaluate("1") and questions, timeout=60, what="the base beat")
    quiet = page.evaluate("performance.now()") - began
    page.wait_for_load_state("networkidle")

    # Three callbacks draw this page. A first question may still come from what happened before the page was quiet.
    rounds = len(questions) / 3
    assert rounds <= 1 + quiet / 25_000, f"{len(questions)} questions in {quiet / 1000:.0f} s"


def test_without_a_stream_the_page_asks_by_itself_and_says_so(
    context: BrowserContext, demo: Product, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^failed GET .*/api/stream")
    context.route("**/api/stream*", lambda route: route.abort())
    page = context.new_page()
    sign_in(page, demo)

    expect(page.locator("#shell-connection")).to_have_text("polling")
    wait_for_news(page, times=3)

    expect(page.locator("#shell-connection")).to_have_text("polling")
    expect(page.locator("html")).to_have_attribute("data-current", "yes")
    expect(page.locator("#shell-stale")).to_be_hidden()


def watched(product: Callable[..., Product], devkit: Simulator, page: Page, **env: str) -> Product:
    """A product that watches `devkit`, and `page` on its overview."""
    running = product(**devkit.environment, **{"OBSERVATORY_INTERVAL": "2s", **env})
    sign_in(page, running)
    expect(page.locator(".card.metric")).to_have_count(8, timeout=30_000)
    expect_live(page)
    return running


def test_a_page_lives_through_a_restart_of_the_server(
    product: Callable[..., Product], context: BrowserContext, devkit: Simulator, page_expectations: PageExpectations
) -> None:
    for wanted in AWAY:
        page_expectations.allow(wanted)
    page = context.new_page()
    running = watched(product, devkit, page)
    page.evaluate("window.loadedOnce = true")

    running.process.end()
    ended = time.monotonic()
    expect(page.locator("html")).to_have_attribute("data-current", "no", timeout=20_000)
    silent = time.monotonic() - ended
    expect(page.locator("#shell-stale")).to_contain_text("Not current: no answer from the server since")
    expect(page.locator("#shell-connection")).to_have_text("not current")
    assert silent < 15, f"it took the page {silent:.0f} s to say so"  # it promises ten; the rest is this machine's

    product(
        port=int(running.url.rsplit(":", 1)[1]), **devkit.environment,
        OBSERVATORY_INTERVAL="2s", OBSERVATORY_ADMIN_PASSWORD="",
    )  # fmt: skip
    expect_live(page)
    wait_for_news(page, times=2)
    assert page.evaluate("window.loadedOnce") is True, "the page was loaded anew"
    expect(page).to_have_url(f"{running.url}/")


def test_a_page_lives_through_a_server_that_hangs(
    product: Callable[..., Product], context: BrowserContext, devkit: Simulator, page_expectations: PageExpectations
) -> None:
    for wanted in AWAY:
        page_expectations.allow(wanted)
    page = context.new_page()
    running = watched(product, devkit, page)
    page.evaluate("window.loadedOnce = true")

    os.killpg(running.process.pid, signal.SIGSTOP)
    try:
        expect(page.locator("html")).to_have_attribute("data-current", "no")
        expect(page.locator("#shell-stale")).to_be_visible()
    finally:
        os.killpg(running.process.pid, signal.SIGCONT)

    expect_live(page)
    wait_for_news(page, times=2)
    assert page.evaluate("window.loadedOnce") is True


def states(readings: Locator) -> set[str]:
    found: list[str] = readings.evaluate_all("all => all.map(element => element.dataset.state || 'unpainted')")
    return set(found)


def test_a_dead_bridge_looks_dead_and_heals_by_itself(
    product: Callable[..., Product], context: BrowserContext, devkit: Simulator
) -> None:
    interval = 3.0
    page = context.new_page()
    watched(product, devkit, page, OBSERVATORY_INTERVAL=f"{interval:g}s")
    readings = page.locator(".card.metric .reading[data-source='bridge-server']")
    cell = page.locator(".strip-cell").filter(has_text="Bridge server")
    wait_for(lambda: states(readings) == {"live"}, timeout=20, what="eight live numbers")

    devkit.control("faults", service="bridge", mode="down")
    ordered = time.monotonic()
    wait_for(lambda: "live" not in states(readings), timeout=20, what="the end of everything live")
    took = time.monotonic() - ordered
    assert took <= 2 * interval + 1, f"it looked live for {took:.1f} s"  # painted once a second
    expect(cell).to_have_attribute("data-state", "down")
    expect(cell.locator(".state-mark:not(.compact) .state-word")).to_have_text("down")
    expect(page.locator(".standing h1")).to_contain_text("Bridge server has")
    expect(page.locator(".card.metric .reading-age").first).to_contain_text("unreachable")
    wait_for(lambda: states(readings) == {"stale"}, timeout=30, what="stale numbers")
    values = page.locator(".card.metric .card-number > .reading-value").all_inner_texts()
    assert len(values) == 8
    assert all(any(c.isdigit() for c in text) for text in values), "a value went away"
    expect(page.locator(".event", has_text="cannot be reached").first).to_contain_text("Bridge server")

    devkit.control("faults", service="bridge", mode="ok")
    wait_for(lambda: states(readings) == {"live"}, timeout=60, what="live numbers again")
    expect(page.locator(".standing h1")).to_contain_text("services up")
    expect(cell).to_have_attribute("data-state", "live")


def test_a_page_that_asked_too_often_waits_and_goes_on_by_itself(
    product: Callable[..., Product], context: BrowserContext, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"429 .*/(_dash-update-component|_dash-dependencies|api/stream)")
    page = context.new_page()
    sign_in(page, product(MOCK_MODE="true", OBSERVATORY_INTERVAL="1s", OBSERVATORY_LIMIT_UI="20 per 15 seconds"))
    word = page.locator("#shell-connection")

    # On a busy machine the page by itself may stay within the limit.
    page.evaluate("() => { window.others = setInterval(() => fetch('/_dash-dependencies'), 200); }")
    expect(word).to_have_text("slowed down", timeout=60_000)
    page.evaluate("() => clearInterval(window.others)")
    expect(page.locator(".card.metric .reading-value").first).not_to_be_empty()
    expect(word).to_have_text(re.compile("live|polling"), timeout=60_000)
    before = page.locator(".card.metric .reading").first.get_attribute("data-measured")
    expect(page.locator(".card.metric .reading").first).not_to_have_attribute("data-measured", str(before))
