"""When a number was painted, by the clock that it was sent by: browser and service run on one machine."""

import math
from collections.abc import Sequence

from playwright.sync_api import Page

# A change of the text is noted two animation frames after it was written: the first comes before the frame is
# painted, the second after it. So the moment is never too early, and up to one frame too late.
WATCH = """(selector) => {
  let last = null;
  const painted = window.painted = [];
  const look = () => {
    const element = document.querySelector(selector), text = element && element.textContent;
    if (!text || text === last) return;
    last = text;
    requestAnimationFrame(() => requestAnimationFrame(
      () => painted.push([text, performance.timeOrigin + performance.now()])
    ));
  };
  look();
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def watch(page: Page, selector: str) -> None:
    """From now on note what the first element that fits `selector` says, and when that was painted."""
    page.evaluate(WATCH, selector)


def painted(page: Page) -> list[tuple[str, float]]:
    """What was painted since `watch`: text and epoch in milliseconds, in order."""
    return [(text, at) for text, at in page.evaluate("window.painted")]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
