"""The real processes on free ports, and a real Chromium that must have nothing to complain about."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support import browser as browsers
from tests.support import simulator as simulators
from tests.support.expectations import PageExpectations, settle
from tests.support.processes import free_port
from tests.support.product import Product, sign_in, start
from tests.support.simulator import Simulator

HERE = Path(__file__).parent
expect.set_options(timeout=20_000)  # a condition is waited for; two busy cores may take their time to get there
PROFILE = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Berlin"}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """All browser tests run in one process, one after the other: they share the browser and the processor.

    They begin first, because they take longest; what measures a time comes last, when the processor is most likely to
    be free. The mark is there before others choose by it, the order is made when all others have made theirs.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    yield
    items.sort(key=lambda item: (measures_time(item), HERE not in item.path.parents))


def measures_time(item: pytest.Item) -> bool:
    return item.path.name == "test_latency.py"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Start a product: `product(MOCK_MODE="true")`. A `port` of your own restarts one where it was.

    The data folder is the same for every call of a test, so the second product finds what the first one wrote.
    """
    with ExitStack() as stack:

        def run(*, port: int | None = None, **env: str) -> Product:
            started = start(tmp_path / "data", port or free_port(), env)
            stack.callback(started.process.end)
            return started

        yield run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One product in mock mode for all tests that only look. One that changes something starts its own."""
    running = start(tmp_path_factory.mktemp("demo"), free_port(), {"MOCK_MODE": "true", "OBSERVATORY_INTERVAL": "2s"})
    try:
        yield running
    finally:
        running.process.end()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    try:
        path = browsers.executable()
    except browsers.NoBrowser as error:
        pytest.fail(str(error), pytrace=False)  # a skipped browser test would look like a passed one
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(browsers.FLAGS))
        try:
            yield launched
        finally:
            launched.close()


@pytest.fixture
def page_expectations() -> PageExpectations:
    """What this test's pages may do wrong: `page_expectations.allow(r"503 .*/api/stream")` before it happens."""
    return PageExpectations()


@pytest.fixture
def visitor(browser: Browser, page_expectations: PageExpectations) -> Iterator[Callable[..., BrowserContext]]:
    """Fresh browser profiles: `visitor(color_scheme="dark")` takes what Playwright's `new_context` takes.

    Every page in them is watched, and must have had nothing to complain about.
    """
    made: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        context = browser.new_context(**{**PROFILE, **options})
        page_expectations.watch(context)
        made.append(context)
        return context

    try:
        yield new
        for opened in (page for context in made for page in context.pages):
            settle(opened)
        page_expectations.verify()
    finally:
        for context in made:
            context.close()


@pytest.fixture
def context(visitor: Callable[..., BrowserContext]) -> BrowserContext:
    """One profile, for the many tests that need no more."""
    return visitor()


@pytest.fixture
def devkit(tmp_path: Path) -> Iterator[Simulator]:
    """A simulated DevKit of this test's own, whose faults and values it may change."""
    with simulators.running(tmp_path / "simulator-log") as running:
        yield running


@pytest.fixture
def page(context: BrowserContext, demo: Product) -> Page:
    """A page of the shared demo, signed in as the administrator and at the overview."""
    opened = context.new_page()
    sign_in(opened, demo)
    return opened
