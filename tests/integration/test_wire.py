"""What only a real socket shows: what the web server itself believes, and bodies without a length."""

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.processes import free_port
from tests.support.product import PASSWORD, Product, start

REPORT = json.dumps({"csp-report": {"effective-directive": "img-src"}}).encode()


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with no proxy before it."""
    started = start(tmp_path_factory.mktemp("direct"), free_port(), {})
    try:
        yield started
    finally:
        started.process.end()


def say(product: Product, text: bytes) -> tuple[int, str]:
    """Status and head of the answer to exactly these bytes."""
    url = httpx.URL(product.url)
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(text)
        answer = b""
        while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return int(head.split(" ")[1]), head


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Ssl": "on"},
        {"X-Forwarded-Protocol": "ssl"},
        {"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"},
        {"Forwarded": "proto=https;host=evil.example"},
    ],
)
def test_a_caller_on_the_same_machine_is_no_proxy_unless_the_settings_say_so(
    direct: Product, forged: dict[str, str]
) -> None:
    credentials = {"username": "admin", "password": PASSWORD}
    with httpx.Client(base_url=direct.url, trust_env=False, headers=forged) as client:
        page = client.get("/login")
        signed_in = client.post("/api/auth/login", json=credentials)

    assert page.status_code == signed_in.status_code == 200
    assert "Strict-Transport-Security" not in page.headers
    assert "__Host-" not in signed_in.headers["Set-Cookie"]


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "Script-Name", "X-Script-Name", "X-Forwarded-Prefix"])
def test_no_header_moves_the_application(direct: Product, name: str) -> None:
    request = f"GET /nothing HTTP/1.1\r\nHost: a\r\n{name}: /healthz\r\nConnection: close\r\n\r\n"

    status, head = say(direct, request.encode())

    assert status == 303
    assert "Location: /login?next=/nothing\r\n" in head


def chunked(body: bytes, *, size: int = 4096) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    head = b"POST /api/csp-reports HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def counted(product: Product) -> float:
    """How many violations of img-src the product has counted."""
    with httpx.Client(base_url=product.url, trust_env=False) as client:
        token = client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD}).json()["token"]
        text = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
    found = re.search(r'^observatory_csp_reports_total\{directive="img-src"\} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_of_a_report_without_a_length_no_more_than_the_limit_is_read(direct: Product) -> None:
    before = counted(direct)

    assert say(direct, chunked(REPORT))[0] == 204
    assert counted(direct) == before + 1
    say(direct, chunked(b" " * 16 * 1024 + REPORT))
    assert counted(direct) == before + 1


def test_a_report_that_never_ends_is_not_waited_for(direct: Product) -> None:
    endless = b"POST /api/csp-reports HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n["

    assert say(direct, endless)[0] == 413
