"""Wait for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], *, timeout: float = 10.0, what: str = "the condition") -> T:
    """The first truthy answer of `condition`, asked every few milliseconds.

    Raises TimeoutError after `timeout` seconds, saying `what` did not happen and what the last answer was. An
    exception of `condition` counts as "not yet": what is waited for often cannot even be asked before it is there.
    """
    deadline, pause, last = time.monotonic() + timeout, 0.005, "nothing was asked"
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            last = f"the last answer was {answer!r}"
        except Exception as error:
            last = f"the last try raised {error!r}"
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what} did not happen within {timeout:g} s; {last}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
