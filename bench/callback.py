"""What a refreshing callback costs the server: CPU of the web worker a request, for each callback of the overview.

Shared: the answer of this revision is there already. First: the store has changed since the last request.
"""

import statistics
import time
from collections.abc import Callable, Sequence

from bench import bare, stand
from bench.measure import Result, Spread, cpu_of, main, scaled, spread
from observatory import answers

WARM, REQUESTS, ROUNDS = 100, 500, 3
BUDGET = 1.5


def run() -> Sequence[Result]:
    with stand.folder() as at, bare.running(at) as peer:
        client, pid = stand.Client(peer), stand.worker(peer)
        text = cost(pid, lambda: client.ask(stand.UPDATE, bare.body("text"))).middle
        figures = cost(pid, lambda: client.ask(stand.UPDATE, bare.body("figures"))).middle
    with stand.filled() as (product, store):
        pid = stand.worker(product)
        bodies = stand.refreshing(stand.Client(product, *stand.cookies(store, 1)), "overview")
        found, shared, first = [], [], []
        for name, body in bodies.items():
            client = stand.Client(product, *stand.cookies(store, 1))  # a session each: none may ask without end
            changes = stand.Changes(store, stand.series_shown(client, bodies))

            def again(client: stand.Client = client, body: bytes = body) -> None:
                client.ask(stand.UPDATE, body)

            def anew(changes: stand.Changes = changes, again: Callable[[], None] = again) -> None:
                changes.write()
                again()

            shared.append(cost(pid, again, aligned=True))
            first.append(cost(pid, anew))
            peer_of = ("a Dash callback that returns text", text)
            found += [
                Result(f"{name}, shared", shared[-1], "ms CPU", BUDGET, *peer_of),
                Result(f"{name}, first after a change", first[-1], "ms CPU"),
            ]
    whole = "Dash returns two go.Figure of 600 points"
    return [
        *found,
        Result("mean of the page, shared", statistics.mean(s.middle for s in shared), "ms CPU", BUDGET, "text", text),
        Result("whole page, first after a change", sum(s.middle for s in first), "ms CPU", None, whole, figures),
    ]


def cost(pid: int, act: Callable[[], object], *, aligned: bool = False) -> Spread:
    """CPU milliseconds of the process `pid` a call, warm. `aligned`: begin when shared answers were just renewed."""
    found = []
    for _ in range(ROUNDS):
        if aligned:
            time.sleep(answers.SECONDS - time.time() % answers.SECONDS)
        for _ in range(WARM):
            act()
        began = cpu_of(pid)
        for _ in range(REQUESTS):
            act()
        found.append((cpu_of(pid) - began) / REQUESTS)
    return scaled(spread(found), 1000)


if __name__ == "__main__":
    main("callback", run)
