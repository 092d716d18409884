"""What a page loads: only from us, packed, under a policy with nothing unsafe in it, and not too much of it."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from tests.support.expectations import PageExpectations
from tests.support.product import Product, sign_in
from tests.support.waiting import wait_for

FINGERPRINT = re.compile(r"\.[0-9a-f]{16}\.(js|css)$|\.v\w+m\d+\.[\w.]*js$")
ANSWERS = (
    "/", "/services", "/services/bridge-server", "/login", "/privacy", "/nowhere", "/api/health", "/api/targets",
    "/api/auth/check", "/api/nowhere", "/healthz", "/readyz", "/metrics", "/favicon.ico", "/_dash-layout",
    "/_dash-dependencies", "/assets/nothing.css", "/api/auth/login",
)  # fmt: skip
FIRST_NUMBER = """() => {
  const look = () => {
    const shown = document.querySelector('.card.metric .reading-value');
    if (shown && shown.textContent && window.firstNumber === undefined) {
      window.firstNumber = 0;
      requestAnimationFrame(() => requestAnimationFrame(() => { window.firstNumber = performance.now(); }));
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}"""


def test_no_answer_carries_a_policy_with_something_unsafe(page: Page, demo: Product) -> None:
    answers = {path: page.request.get(demo.url + path, max_redirects=0) for path in ANSWERS}
    policies = {path: answer.headers.get("content-security-policy", "") for path, answer in answers.items()}

    assert {path for path, policy in policies.items() if "default-src 'none'" not in policy} == set()
    assert {path for path, policy in policies.items() if "unsafe-" in policy} == set()
    assert {path for path, answer in answers.items() if answer.status >= 500} == set()


def test_the_policy_of_a_page_is_kept_by_the_browser(page: Page, page_expectations: PageExpectations) -> None:
    """A violation planted in our own page is heard of, so the silence of all other tests means something."""
    page_expectations.allow(r"planted\.png")
    page.evaluate("new Image().src = 'http://127.0.0.1:9/planted.png'")

    def heard() -> bool:
        return any(text.startswith("csp img-src refused") for text in page_expectations.complaints)

    wait_for(lambda: page.evaluate("1") and heard(), what="the complaint")


def test_scripts_and_styles_are_ours_packed_and_kept_for_a_year(page: Page, demo: Product) -> None:
    loaded: list[Response] = []

    def note(response: Response) -> None:
        loaded.append(response)

    page.on("response", note)
    page.goto(f"{demo.url}/services/bridge-server")
    expect(page.locator("#service-latency .main-svg").first).to_be_attached()
    page.goto(f"{demo.url}/")
    expect(page.locator("#overview-system .main-svg").first).to_be_attached()

    files = [one for one in loaded if one.request.resource_type in {"script", "stylesheet", "font"}]
    assert {urlsplit(one.url).netloc for one in loaded if one.url.startswith("http")} == {urlsplit(demo.url).netloc}
    faults = [f"{urlsplit(one.url).path}: {why}" for one in files for why in faults_of(one)]
    assert len(files) > 5
    assert not faults, "\n".join(faults)


def faults_of(file: Response) -> list[str]:
    headers, packed = file.headers, file.request.resource_type != "font"
    checks = {
        "not packed": not packed or headers.get("content-encoding") in {"br", "gzip"},
        "not kept": "immutable" in headers.get("cache-control", ""),
        "no fingerprint": not packed or FINGERPRINT.search(urlsplit(file.url).path) is not None,
    }
    return [why for why, good in checks.items() if not good]


def test_a_first_visit_in_figures(
    context: BrowserContext,
    demo: Product,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    context.add_init_script(f"({FIRST_NUMBER})()")
    page = context.new_page()
    sizes: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    sign_in(page, demo)
    wait_for(lambda: page.evaluate("window.firstNumber") or None, timeout=30, what="the first number")
    expect(page.locator("#overview-system .main-svg").first).to_be_attached()

    first, requests, kilobytes = page.evaluate("window.firstNumber") / 1000, len(sizes), sum(sizes) / 1000
    record_property("first visit", {"first number s": first, "requests": requests, "kB": kilobytes})
    with capsys.disabled():
        print(f"\nfirst visit: first number after {first:.1f} s, {requests} requests, {kilobytes:.0f} kB")
    # Budgets of weight, which no machine changes: libraries and fonts are most of it.
    assert requests <= 60
    assert kilobytes <= 2500
