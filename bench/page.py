"""The overview in a browser with an empty cache: requests, weight, and seconds until there is something to see.

As fast as the machine is, and as on a small computer: processor four times slower, network of 10 Mbit/s.
"""

import os
from collections.abc import Sequence

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench import bare, stand
from bench.measure import Result, main, spread
from tests.support import browser as browsers
from tests.support.product import Product

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
PEER = "two charts as Dash ships them"
SLOWER, NETWORK = 4, 10e6 / 8  # times, bytes a second
# Looks at every frame; the times are those of the page's own clock, which starts with the navigation.
WATCH = """
window.seen = {};
(function look() {
  const see = (name, there) => { if (!(name in seen) && there) { seen[name] = performance.now() / 1000; } };
  see('number', document.querySelector('.reading[data-painted]'));
  const drawn = Array.from(document.querySelectorAll('.js-plotly-plot')).filter(p => p.querySelector('path.js-line'));
  see('charts', drawn.length >= 2);
  requestAnimationFrame(look);
})();
"""


class Traffic:
    """Requests and bytes on the wire, headers with them, as the browser counts them."""

    def __init__(self, session: CDPSession) -> None:
        self.requests, self.bytes = 0, 0.0
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self.count)
        session.on("Network.responseReceived", self.head)
        session.on("Network.dataReceived", self.data)

    def count(self, event: dict[str, object]) -> None:
        self.requests += not str(event["request"]["url"]).startswith("data:")  # type: ignore[index]

    def head(self, event: dict[str, dict[str, float]]) -> None:
        self.bytes += event["response"]["encodedDataLength"]

    def data(self, event: dict[str, float]) -> None:
        self.bytes += event["encodedDataLength"]


def run() -> Sequence[Result]:
    with sync_playwright() as playwright, stand.folder() as at:
        browser = playwright.chromium.launch(executable_path=browsers.executable(), args=list(browsers.FLAGS))
        try:
            with bare.running(at) as peer:
                usual = visits(browser, peer, "", slow=False)
                usual_slow = visits(browser, peer, "", slow=True)
            with stand.running(at / "data", stand.MOCK) as product:
                stand.wait_for_day(product.process)
                with stand.opened(product) as store:
                    cookie = stand.cookies(store, 1)[0]
                quick = visits(browser, product, cookie, slow=False)
                slow = visits(browser, product, cookie, slow=True)
        finally:
            browser.close()
    return [
        *results("", quick, usual),
        *results(f"processor ÷ {SLOWER}, 10 Mbit/s: ", slow, usual_slow),
    ]


Found = dict[str, list[float]]
UNITS = {"requests": "", "transferred": "kB", "first number": "s", "charts drawn": "s"}


def results(where: str, ours: Found, peers: Found) -> list[Result]:
    found = []
    for what, unit in UNITS.items():
        beside = (PEER, spread(peers[what]).middle) if peers.get(what) else ("", None)
        found.append(Result(where + what, spread(ours[what]), unit, None, *beside))
    return found


def visits(browser: Browser, product: Product, cookie: str, *, slow: bool) -> Found:
    found: Found = {}
    for _ in range(RUNS):
        for what, value in visit(browser, product, cookie, slow=slow).items():
            found.setdefault(what, []).append(value)
    return found


def visit(browser: Browser, product: Product, cookie: str, *, slow: bool) -> dict[str, float]:
    """One visit in a profile of its own, until all charts are drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    try:
        if cookie:
            name, _, value = cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": product.url}])
        page = context.new_page()
        session = context.new_cdp_session(page)
        traffic = Traffic(session)
        if slow:
            hold_back(session)
        page.add_init_script(WATCH)
        page.goto(product.url)
        seen = drawn(page, wanted={"charts", "number"} if cookie else {"charts"})  # the peer shows charts alone
        times = {
            words: seen[name]
            for name, words in (("number", "first number"), ("charts", "charts drawn"))
            if name in seen
        }
        return {"requests": traffic.requests, "transferred": traffic.bytes / 1000, **times}
    finally:
        context.close()


def hold_back(session: CDPSession) -> None:
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": NETWORK, "uploadThroughput": NETWORK},
    )


def drawn(page: Page, wanted: set[str]) -> dict[str, float]:
    """What was seen when, once all that is wanted is there. Asked from outside: the policy forbids evaluation."""
    for _ in range(600):
        seen: dict[str, float] = page.evaluate("() => window.seen")
        if wanted <= seen.keys():
            return seen
        page.wait_for_timeout(100)
    raise AssertionError(f"not everything was drawn: {seen}")


if __name__ == "__main__":
    main("page", run)
