"""Who may do what when the simulator enforces the contract's auth column (contract §2.0, §6)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract import shapes
from tests.contract.conftest import Services

Send = Callable[..., httpx.Response]
Control = Callable[..., httpx.Response]
PASSWORDS = {"admin": "admin123", "developer": "dev123", "viewer": "view123"}
# Who passes each entry of the column, on the project devkit; `key` is the console's.
PASSES = {
    "": {"nobody", "viewer", "developer", "admin", "key"},
    "R": {"viewer", "developer", "admin", "key"},
    "R+P": {"viewer", "developer", "admin", "key"},
    "W": {"developer", "admin", "key"},
    "W+P": {"developer", "admin", "key"},
    "A": {"admin"},
    "key": {"viewer", "developer", "admin", "key"},
}
FORGERIES: dict[str, Callable[[str], str]] = {
    "not a token": lambda _token: "a.b.c",
    "another signature": lambda token: token[:-6] + "AAAAAA",
    "another header": lambda token: "x" + token,
    "no signature": lambda token: token.rpartition(".")[0] + ".",
}
P = "/api/projects/devkit"
COLUMN = [
    ("bridge", "GET", "/api/health", ""),
    ("bridge", "GET", "/api/bridge/status", ""),
    ("bridge", "GET", "/api/mcp/context", "R"),
    ("bridge", "GET", "/api/mcp/status", "R"),
    ("bridge", "GET", "/api/projects", "R"),
    ("bridge", "POST", "/api/projects", "A"),
    ("bridge", "GET", P, "R+P"),
    ("bridge", "POST", "/api/projects/scan", "W"),
    ("bridge", "GET", f"{P}/agents/status", "R+P"),
    ("bridge", "GET", f"{P}/agents", "R+P"),
    ("bridge", "POST", f"{P}/agents/command", "W+P"),
    ("bridge", "POST", f"{P}/agents/nobody/start", "W+P"),
    ("bridge", "GET", f"{P}/telemetry/metrics", "R+P"),
    ("bridge", "GET", "/api/telemetry/metrics", "R"),
    ("bridge", "GET", "/api/metrics", "R"),
    ("bridge", "POST", f"{P}/console/execute", "W+P"),
    ("bridge", "GET", f"{P}/console/output", "R+P"),
    ("bridge", "GET", "/api/agents/status", "R"),
    ("bridge", "POST", "/api/agents/command", "W"),
    ("bridge", "POST", "/api/console/execute", "W"),
    ("bridge", "POST", "/api/terminals/discover", "R"),
    ("bridge", "POST", "/api/terminals/metrics", "R"),
    ("bridge", "GET", "/api/terminals/local-loom/metrics", "R"),
    ("bridge", "GET", "/api/terminal/endpoints", "key"),
    ("bridge", "POST", "/api/terminal/metrics", "key"),
    ("mcp", "GET", "/status", ""),
    ("mcp", "GET", "/capabilities", ""),
    ("mcp", "GET", "/health", ""),
    ("mcp", "GET", "/metrics", ""),
    ("mcp", "GET", "/mcp/health", ""),
    ("devkit", "GET", "/api/health", ""),
    ("devkit", "GET", "/api/agents", "R"),
    ("devkit", "POST", "/api/agents/nobody/start", "W"),
    ("devkit", "GET", "/api/projects", "R"),
    ("devkit", "POST", "/api/projects/scan", "W"),
    ("devkit", "GET", "/metrics", ""),
    ("devkit", "GET", "/api/v1/query", "R"),
    ("console", "GET", "/health", ""),
    ("console", "GET", "/", ""),
    ("console", "GET", "/api/console/terminals", "R"),
    ("console", "POST", "/api/console/commands", "W"),
    ("console", "POST", "/api/auth/token", "R"),
]


@pytest.fixture
def token(control: Control) -> Callable[..., str]:
    """A token of a demo user; the simulator enforces the column from here on."""
    control("switch", auth="jwt")

    def issue(user: str, **order: Any) -> str:
        return str(control("token", user=user, **order).json()["token"])

    return issue


@pytest.fixture
def everybody(token: Callable[..., str]) -> dict[str, dict[str, str]]:
    """The headers by which each is known."""
    people = {user: {"Authorization": f"Bearer {token(user)}"} for user in PASSWORDS}
    return {**people, "nobody": {}, "key": {"X-API-Key": "simulated-bridge-key", "X-Project-ID": "devkit"}}


@pytest.mark.parametrize(("service", "method", "path", "needs"), COLUMN)
def test_the_auth_column_is_enforced(
    services: Services, http: httpx.Client, everybody: dict[str, dict[str, str]], service: str, method: str, path: str,
    needs: str,
) -> None:  # fmt: skip
    url, body = getattr(services, service) + path, {} if method == "POST" else None
    statuses = {who: http.request(method, url, json=body, headers=headers).status_code
                for who, headers in everybody.items()}  # fmt: skip

    assert {who for who, status in statuses.items() if status not in {401, 403}} == PASSES[needs]
    assert not needs or statuses["nobody"] == 401


def test_in_open_mode_nobody_is_asked(send: Send) -> None:
    assert send("bridge", "/api/projects/scan", path="~/Development").status_code == 200


@pytest.mark.parametrize(("user", "project", "status"), [
    ("viewer", "devkit", 200), ("viewer", "scopecam", 403), ("developer", "scopecam", 200), ("developer", "loom", 403),
    ("admin", "loom", 200), ("admin", "no-such-project", 404), ("viewer", "no-such-project", 403),
])  # fmt: skip
def test_a_project_is_for_those_who_have_it(
    services: Services, http: httpx.Client, token: Callable[..., str], user: str, project: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {token(user)}"}

    response = http.get(f"{services.bridge}/api/projects/{project}/agents", headers=headers)

    assert response.status_code == status
    if status == 403:
        shapes.failure(response, 403, "Access denied to project")


def test_the_checks_come_in_the_contracts_order(
    services: Services, http: httpx.Client, token: Callable[..., str]
) -> None:
    viewer = {"Authorization": f"Bearer {token('viewer')}"}
    bad, other = "/api/projects/a_b/agents/command", "/api/projects/loom/agents/command"

    answers = [
        http.post(services.bridge + bad, json={}),
        http.post(services.bridge + other, json={}),
        http.post(services.bridge + other, json={}, headers=viewer),
        http.get(services.bridge + "/api/projects/loom/agents", headers=viewer),
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "Invalid project ID format"),
        (401, "Authentication required"),
        (403, "Insufficient permissions"),
        (403, "Access denied to project"),
    ]


@pytest.mark.parametrize(
    "order", [{"seconds": -1}, {"claims": {"userId": None}}, {"claims": {"exp": None}}, {"claims": {"exp": "soon"}}]
)
def test_a_token_that_is_over_or_incomplete_is_401(
    services: Services, http: httpx.Client, token: Callable[..., str], order: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token('admin', **order)}"}

    shapes.failure(http.get(f"{services.bridge}/api/projects", headers=headers), 401, "Invalid authentication token")


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_401(
    services: Services, http: httpx.Client, token: Callable[..., str], forge: Callable[[str], str]
) -> None:
    headers = {"Authorization": f"Bearer {forge(token('admin'))}"}

    assert http.get(f"{services.bridge}/api/projects", headers=headers).status_code == 401


def test_a_revoked_token_is_401(
    services: Services, http: httpx.Client, token: Callable[..., str], control: Control
) -> None:
    headers = {"Authorization": f"Bearer {token('admin')}"}
    before = http.get(f"{services.bridge}/api/projects", headers=headers).status_code

    control("revoke", token=headers["Authorization"].split()[1])

    assert (before, http.get(f"{services.bridge}/api/projects", headers=headers).status_code) == (200, 401)


@pytest.mark.parametrize("way", ["header", "cookie", "api-token"])
def test_a_token_may_come_in_several_ways(
    services: Services, http: httpx.Client, token: Callable[..., str], way: str
) -> None:
    headers = {
        "header": {"Authorization": f"bearer {token('viewer')}"},
        "cookie": {"Cookie": f"other=1; auth-token={token('viewer')}"},
        "api-token": {"Authorization": "Bearer simulated-api-token"},
    }[way]

    assert http.get(f"{services.devkit}/api/agents", headers=headers).status_code == 200


# signing in


@pytest.mark.parametrize("user", PASSWORDS)
def test_a_demo_user_signs_in_and_is_believed_everywhere(
    services: Services, http: httpx.Client, send: Send, token: Callable[..., str], user: str
) -> None:
    body = send("console", "/auth/login", username=user, password=PASSWORDS[user]).json()

    headers = {"Authorization": f"Bearer {body['token']}"}
    assert http.get(f"{services.bridge}/api/projects", headers=headers).status_code == 200
    assert body["user"]["id"] == user


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"username": "admin", "password": "wrong"}, 401, "Invalid credentials"),
        ({"username": "nobody", "password": "admin123"}, 401, "Invalid credentials"),
        ({"username": "admin"}, 400, "Invalid request"),
        ({"username": "a" * 51, "password": "x"}, 400, "Invalid request"),
        ({"username": "admin", "password": "x" * 201}, 400, "Invalid request"),
    ],
)
def test_a_login_that_fails_says_why(send: Send, body: dict[str, str], status: int, error: str) -> None:
    shapes.failure(send("console", "/auth/login", **body), status, error)


def test_a_refresh_token_gives_a_new_pair_and_opens_nothing_else(
    services: Services, http: httpx.Client, send: Send, token: Callable[..., str]
) -> None:
    first = send("console", "/auth/login", username="developer", password="dev123").json()

    second = send("console", "/auth/refresh", refreshToken=first["refreshToken"]).json()

    assert second["token"] != first["token"]
    assert send("console", "/auth/refresh", refreshToken=first["token"]).status_code == 401
    headers = {"Authorization": f"Bearer {first['refreshToken']}"}
    assert http.get(f"{services.bridge}/api/projects", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/api/terminal/auth", "/api/auth/token"])
def test_the_terminals_token_is_for_whoever_is_signed_in(
    services: Services, http: httpx.Client, send: Send, token: Callable[..., str], path: str
) -> None:
    given = send("console", path, headers={"Authorization": f"Bearer {token('viewer')}"}).json()["token"]

    headers = {"Authorization": f"Bearer {given}"}
    assert http.get(f"{services.bridge}/api/projects/devkit/agents", headers=headers).status_code == 200
    assert send("bridge", "/api/projects/scan", headers=headers, path="~").status_code == 403


# the stream


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("bridge_ws", "/ws"), ("bridge_ws", "/ws/projects/devkit"), ("bridge_ws", "/telemetry/ws"),
        ("devkit_ws", "/ws"), ("devkit_ws", "/ws/agents"), ("console_ws", "/terminal/ws"),
    ],
)  # fmt: skip
def test_without_a_token_a_socket_is_401_before_the_upgrade(
    open_at: Callable[..., Any], token: Callable[..., str], service: str, path: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_at(service, path)

    assert refused.value.response.status_code == 401


def test_a_socket_of_somebody_elses_project_is_403_before_the_upgrade(
    open_at: Callable[..., Any], token: Callable[..., str]
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_at("bridge_ws", f"/ws/projects/loom?token={token('viewer')}")

    assert refused.value.response.status_code == 403


def test_a_token_in_the_query_or_a_header_opens_a_socket(
    open_at: Callable[..., Any], token: Callable[..., str]
) -> None:
    header = {"Authorization": f"Bearer {token('viewer')}"}
    streams = [
        open_at("bridge_ws", f"/ws/projects/devkit?token={token('viewer')}"),
        open_at("bridge_ws", "/ws", additional_headers=header),
    ]

    for stream in streams:
        stream.send({"type": "subscribe", "projectId": "devkit"})
        assert stream.next()["type"] == "subscribed"


def test_a_subscription_to_somebody_elses_project_ends_with_1008(
    open_at: Callable[..., Any], token: Callable[..., str]
) -> None:
    stream = open_at("bridge_ws", f"/ws?token={token('viewer')}")

    stream.send({"type": "subscribe", "projectId": "loom"})

    assert closing(stream) == 1008


def test_a_revoked_token_ends_its_streams_with_1008(
    open_at: Callable[..., Any], token: Callable[..., str], control: Control
) -> None:
    given = token("admin")
    stream = open_at("bridge_ws", f"/ws?token={given}")
    stream.send({"type": "ping"})
    stream.until("pong")

    assert control("revoke", token=given).json()["closed"] == 1
    assert closing(stream) == 1008


def test_the_first_frame_may_bring_the_token_when_that_is_switched(
    open_at: Callable[..., Any], token: Callable[..., str], control: Control
) -> None:
    control("switch", socket_auth="first-frame")
    stream = open_at("bridge_ws", "/ws")

    stream.send({"type": "authenticate", "token": token("viewer")})
    stream.send({"type": "subscribe", "projectId": "devkit"})

    assert stream.next()["type"] == "subscribed"


@pytest.mark.parametrize("frame", [{"type": "ping"}, {"type": "authenticate", "token": "wrong"}])
def test_a_first_frame_without_a_good_token_ends_with_1008(
    open_at: Callable[..., Any], token: Callable[..., str], control: Control, frame: dict[str, str]
) -> None:
    control("switch", socket_auth="first-frame")
    stream = open_at("bridge_ws", "/ws")

    stream.send(frame)

    assert closing(stream) == 1008


def closing(stream: Any) -> int | None:
    """The code with which the server closes."""
    with pytest.raises(ConnectionClosed) as closed:
        stream.until("nothing of this type is ever sent")
    return closed.value.rcvd.code if closed.value.rcvd else None
