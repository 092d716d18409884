"""A browser that must have nothing to complain about.

Watches every page of a context: console errors, uncaught exceptions, violations of the content security policy,
answers of 400 and above, requests that failed. A test that causes one of these on purpose names it beforehand.
"""

import re
from contextlib import suppress

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response, WebError

# Runs in every document before its own scripts. Bindings are not subject to the page's policy.
LISTENER = """
document.addEventListener('securitypolicyviolation', (event) => window.reportViolation(
  `${event.effectiveDirective} refused ${event.blockedURI || 'inline'} in ${event.sourceFile || event.documentURI}`
));
"""
# A request that the browser itself gave up: the page went elsewhere while it was on its way. No fault of anybody.
ABORTED = "net::ERR_ABORTED"


class PageExpectations:
    """Collects complaints as texts: `console …`, `exception …`, `csp …`, `<status> <method> <url>`, `failed …`."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        """Complaints in which the regular expression `pattern` is found are wanted by this test."""
        self.allowed.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        """Listen to every page of `context`, the ones to come too. Call it before the first page is opened."""
        context.expose_binding("reportViolation", lambda _source, text: self.complaints.append(f"csp {text}"))
        context.add_init_script(LISTENER)
        context.on("console", self.on_console)
        context.on("weberror", self.on_error)
        context.on("response", self.on_response)
        context.on("requestfailed", self.on_failure)

    def on_console(self, message: ConsoleMessage) -> None:
        # What Chromium itself says of a failed request repeats the answer, which is judged by its own rule.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console {message.text}")

    def on_error(self, error: WebError) -> None:
        self.complaints.append(f"exception {error.error}")

    def on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.request.method} {response.url}")

    def on_failure(self, request: Request) -> None:
        if request.failure != ABORTED:
            self.complaints.append(f"failed {request.method} {request.url} ({request.failure})")

    def unexpected(self) -> list[str]:
        """The complaints so far that nobody allowed."""
        return [text for text in self.complaints if not any(wanted.search(text) for wanted in self.allowed)]

    def verify(self) -> None:
        """Fail when something happened that nobody allowed."""
        found = self.unexpected()
        assert not found, "The browser complained:\n" + "\n".join(f"  {text}" for text in found)


def settle(page: Page) -> None:
    """Let everything the page has said so far arrive here. A page on its way to another one says it later."""
    with suppress(Error):
        page.evaluate("new Promise(done => setTimeout(done, 0))")
