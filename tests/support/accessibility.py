"""axe-core in the page under test: its own script, brought in the way that no content policy refuses."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page

GRAVE = {"serious", "critical"}
RUN = "axe.run(document, { resultTypes: ['violations'] }).then(results => results.violations)"
# How far text runs over the right edge, in pixels: what a person would have to scroll sideways.
OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def equip(context: BrowserContext) -> None:
    """Give axe to every page of `context` from its beginning; an init script is not subject to the page's policy."""
    context.add_init_script(AXE_SCRIPT)


def findings(page: Page) -> list[str]:
    """Serious and critical findings, one line an element: contrast below 4.5:1 is one of them."""
    return [
        f"{found['id']}: {' '.join(node['target'])} — {(node.get('failureSummary') or '').splitlines()[-1].strip()}"
        for found in page.evaluate(RUN)
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def overhang(page: Page) -> int:
    return int(page.evaluate(OVERHANG))
