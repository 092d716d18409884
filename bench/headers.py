"""What judges from outside give for our headers: MDN's HTTP Observatory in points, Google's csp_evaluator in findings.

Over TLS, as a stranger gets the product and as somebody who signed in does. No time is measured.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench import bare, stand
from bench.measure import Result, main
from tests.support import graders
from tests.support.product import PASSWORD, Product
from tests.support.terminator import Terminator, terminating

PEER = "Dash, nothing added"
GRAVE = {"HIGH", "MEDIUM"}


def run() -> Sequence[Result]:
    with stand.folder() as at:
        with bare.running(at) as peer, before(peer, at / "peer") as front:
            usual = graders.scan(front)
        with stand.running(at / "data", {**stand.STILL, "TRUSTED_PROXIES": "1"}) as product:
            with before(product, at / "stranger") as front:
                stranger = graders.scan(front)
                cookie, policy = signed_in(front)
            with before(product, at / "person", cookie) as front:
                person = graders.scan(front)
    for scan in (usual, stranger, person):
        print(scan)
    grave = [found for found in graders.findings(policy) if found.severity in GRAVE]
    return [
        Result("MDN HTTP Observatory, a stranger", stranger.score, "points", None, PEER, usual.score),
        Result("MDN HTTP Observatory, somebody signed in", person.score, "points", None, PEER, usual.score),
        Result("csp_evaluator, HIGH or MEDIUM", len(grave), "findings", 0),
    ]


@contextmanager
def before(product: Product, folder: Path, *headers: str) -> Iterator[Terminator]:
    folder.mkdir()
    with terminating(httpx.URL(product.url).port or 80, folder, headers=headers) as front:
        yield front


def signed_in(front: Terminator) -> tuple[str, str]:
    """The header with the cookie of somebody who signed in, and the content policy of what he gets."""
    with httpx.Client(base_url=front.https, verify=front.trust(), trust_env=False) as client:
        client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD}).raise_for_status()
        policy = client.get("/").raise_for_status().headers["Content-Security-Policy"]
        return "Cookie: " + "; ".join(f"{name}={value}" for name, value in client.cookies.items()), policy


if __name__ == "__main__":
    main("headers", run)
