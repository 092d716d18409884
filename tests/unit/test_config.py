"""Settings: which name wins, what is derived, and that every fault is told at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from observatory.config import Settings, load
from observatory.errors import ConfigurationError
from tests.support.processes import environment

EVERYWHERE = "0.0.0.0"  # noqa: S104 — nothing is bound
STRONG = "0123456789abcdef0123456789abcdef"
PRODUCTION = {"OBSERVATORY_ENV": "production", "JWT_SECRET": "j" + STRONG, "SESSION_SECRET": "s" + STRONG}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No observatory.toml of a developer's is found."""
    monkeypatch.chdir(tmp_path)


def settings(**environ: str) -> Settings:
    return load(environ, create_secrets=False)


def faults(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    return caught.value.faults


def written(text: str) -> dict[str, str]:
    """The environment that names a configuration file of this content."""
    path = Path("observatory-test.toml").absolute()
    path.write_text(text)
    return {"OBSERVATORY_CONFIG": str(path)}


# ── which name wins: contract §1.2, rules 1 to 6 ────────────────────────────────────────────────────────────────────


def test_a_devkit_name_is_taken_with_and_without_its_prefix_and_the_prefixed_wins() -> None:
    plain, prefixed = {"MCP_DAEMON_URL": "http://plain:1"}, {"NEXT_PUBLIC_MCP_DAEMON_URL": "http://prefixed:1"}

    assert settings(**plain).mcp_daemon_url == "http://plain:1"
    assert settings(**prefixed).mcp_daemon_url == "http://prefixed:1"
    assert settings(**plain, **prefixed).mcp_daemon_url == "http://prefixed:1"


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert settings(NEXT_PUBLIC_MCP_DAEMON_URL="", MCP_DAEMON_URL="http://plain:1").mcp_daemon_url == "http://plain:1"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, Path("~/.shared-config")),
        ({"SHARED_STATE_DIR": "/srv/shared"}, Path("/srv/shared")),
        ({"NEXT_PUBLIC_SHARED_STATE_DIR": "/srv/a", "SHARED_STATE_DIR": ""}, Path("/srv/a")),
        ({"SHARED_STATE_DIR": ""}, None),
    ],
)
def test_the_folder_of_the_broadcast_file_may_be_none(environ: dict[str, str], folder: Path | None) -> None:
    assert settings(**environ).shared_state_dir == folder


def test_the_file_may_say_that_there_is_no_folder_of_broadcasts() -> None:
    assert settings(**written('[settings]\nshared_state_dir = ""\n')).shared_state_dir is None


def test_the_newer_name_of_the_bridge_wins_over_the_older() -> None:
    older = {"NEXT_PUBLIC_BRIDGE_SERVER_URL": "http://older:1"}

    assert settings(**older).bridge_url == "http://older:1"
    assert settings(**older, BRIDGE_API_URL="http://newer:1").bridge_url == "http://newer:1"


@pytest.mark.parametrize(("rest", "socket"), [("http://b:1", "ws://b:1"), ("https://b.example", "wss://b.example")])
def test_of_rest_and_websocket_either_gives_the_other(rest: str, socket: str) -> None:
    assert settings(BRIDGE_API_URL=rest).bridge_ws_url == socket
    assert settings(BRIDGE_WS_URL=socket).bridge_url == rest
    both = settings(BRIDGE_API_URL=rest, BRIDGE_WS_URL="ws://elsewhere:2")
    assert (both.bridge_url, both.bridge_ws_url) == (rest, "ws://elsewhere:2")


@pytest.mark.parametrize(
    ("environ", "simulated"),
    [
        ({}, False),
        ({"MOCK_MODE": "true"}, True),
        ({"USE_REAL_DATA": "false"}, True),
        ({"USE_REAL_DATA": "true"}, False),
        ({"MOCK_MODE": "false", "USE_REAL_DATA": "false"}, False),
        ({"NEXT_PUBLIC_MOCK_MODE": "true", "NEXT_PUBLIC_USE_REAL_DATA": "true"}, True),
    ],
)
def test_mock_mode_wins_over_its_older_inverse(environ: dict[str, str], simulated: bool) -> None:
    assert settings(**environ).mock_mode is simulated


def test_the_devkits_base_is_the_public_address_in_production_only() -> None:
    public = {"API_URL": "https://observatory.example"}

    assert settings(**public).devkit_api_url == ""
    assert settings(**public, **PRODUCTION).devkit_api_url == "https://observatory.example"
    named = settings(**public, **PRODUCTION, HAPPY_DEVKIT_API="http://devkit:8000")
    assert named.devkit_api_url == "http://devkit:8000"


@pytest.mark.parametrize("tail", ["/ws", "/bridge", "/ws/", "/", ""])
def test_a_websocket_base_loses_its_path_and_its_slash(tail: str) -> None:
    found = settings(BRIDGE_WS_URL=f"ws://b:1{tail}")

    assert (found.bridge_ws_url, found.bridge_url) == ("ws://b:1", "http://b:1")


def test_trailing_slashes_are_stripped() -> None:
    assert settings(NEXUS_CONSOLE_URL="http://console:1/path//").nexus_console_url == "http://console:1/path"


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "jwt"
    secret.write_text(f" {STRONG} \n")

    assert settings(JWT_SECRET_FILE=str(secret)).jwt_secret == (STRONG,)
    assert settings(JWT_SECRET_FILE=str(secret), JWT_SECRET=STRONG[::-1]).jwt_secret == (STRONG[::-1],)


def test_a_secrets_file_that_is_not_there_is_a_fault_that_names_it(tmp_path: Path) -> None:
    [fault] = faults(JWT_SECRET_FILE=str(tmp_path / "absent"))

    assert fault.startswith("JWT_SECRET_FILE: ") and "absent" in fault


def test_several_keys_for_rotation() -> None:
    assert settings(JWT_SECRET=f"{STRONG}, {STRONG[::-1]},").jwt_secret == (STRONG, STRONG[::-1])


@pytest.mark.parametrize("weak", ["secret", "x" * 40, STRONG[:31], "<generated-secret>"])
def test_a_weak_secret_stops_the_start_and_is_not_repeated(weak: str) -> None:
    for name in ("JWT_SECRET", "SESSION_SECRET"):
        [fault] = faults(**{name: weak})
        assert fault.startswith(f"{name} is too weak")
        assert weak == "secret" or weak not in fault


def test_one_weak_key_among_several_is_a_fault() -> None:
    [fault] = faults(JWT_SECRET=f"{STRONG},changeme")

    assert fault.startswith("JWT_SECRET is too weak")


def test_in_development_secrets_are_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"

    first = load({"OBSERVATORY_DATA": str(data)})
    second = load({"OBSERVATORY_DATA": str(data)})

    assert first == second
    assert first.jwt_secret[0] != first.session_secret
    assert min(len(first.jwt_secret[0]), len(first.session_secret)) == 64
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in data.iterdir()} == {
        "jwt.secret": "0o600",
        "session.secret": "0o600",
    }


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    program = "from observatory.config import load; s = load(); print(s.jwt_secret[0], s.session_secret)"
    environ = environment({"OBSERVATORY_DATA": str(tmp_path / "data")})
    together = [
        subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    said = {process.communicate(timeout=30)[0] for process in together}

    assert len(said) == 1
    assert len(said.pop().split()) == 2


def test_a_data_folder_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    [fault] = faults(OBSERVATORY_DATA=str(tmp_path / "file" / "data"))

    assert fault.startswith("OBSERVATORY_DATA: ")


# ── production ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("environ", "production"),
    [
        ({}, False),
        ({"OBSERVATORY_HOST": "127.0.0.1"}, False),
        ({"OBSERVATORY_HOST": "::1"}, False),
        ({"OBSERVATORY_HOST": EVERYWHERE}, True),
        ({"DYNO": "web.1"}, True),
        ({"DYNO": "web.1", "OBSERVATORY_ENV": "development"}, False),
    ],
)
def test_who_can_be_reached_from_outside_is_in_production(environ: dict[str, str], production: bool) -> None:
    secrets = {"JWT_SECRET": STRONG, "SESSION_SECRET": STRONG[::-1]}

    assert settings(**environ, **secrets).production is production


def test_production_listens_everywhere_and_a_dyno_has_one_proxy() -> None:
    named, dyno = settings(**PRODUCTION), settings(**PRODUCTION, DYNO="web.1")

    assert (named.host, named.trusted_proxies) == (EVERYWHERE, 0)
    assert (dyno.host, dyno.trusted_proxies) == (EVERYWHERE, 1)
    assert settings().host == "127.0.0.1"
    assert settings(TRUST_PROXY_HEADERS="true").trusted_proxies == 1
    assert settings(TRUST_PROXY_HEADERS="true", TRUSTED_PROXIES="2").trusted_proxies == 2


def test_other_sites_are_named_by_their_origins_as_browsers_write_them() -> None:
    named = settings(
        ALLOWED_ORIGINS="https://Tool.Example:443, http://localhost:3000,,http://[::1]:80,http://localhost:3000"
    )

    assert named.allowed_origins == ("https://tool.example", "http://localhost:3000", "http://[::1]")
    assert settings().allowed_origins == settings(ALLOWED_ORIGINS=" ").allowed_origins == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "*", "null", "tool.example", "https://", "https://*", "https://*.tool.example", "https://tool.example/",
        "https://tool.example/path", "https://tool.example?x", "https://tool.example#x", "https://user@tool.example",
        "ftp://tool.example", "https://tool.example:0", "https://tool.example:65536", "https://tool.example:x",
        "https://tool example", "https://tööl.example", "https://tool.example https://other.example",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_a_fault_that_names_it(wrong: str) -> None:
    [fault] = faults(ALLOWED_ORIGINS=f"https://good.example,{wrong}")

    assert fault.startswith("ALLOWED_ORIGINS must be origins such as")
    assert f"which {wrong!r} is not" in fault


def test_production_without_secrets_does_not_start_and_makes_none(tmp_path: Path) -> None:
    found = faults(OBSERVATORY_ENV="production", OBSERVATORY_DATA=str(tmp_path / "data"))

    assert [fault.split()[0] for fault in found] == ["JWT_SECRET", "SESSION_SECRET"]
    assert not (tmp_path / "data").exists()


def test_an_external_collector_needs_a_database_that_two_machines_can_share() -> None:
    external = {**PRODUCTION, "OBSERVATORY_COLLECTOR": "external"}

    [fault] = faults(**external)

    assert fault.startswith("OBSERVATORY_COLLECTOR=external needs DATABASE_URL")
    assert settings(**external, DATABASE_URL="postgres://u:p@h/d").store_url == "postgresql+psycopg://u:p@h/d"


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_fault_is_told_at_once() -> None:
    environ = {
        "PORT": "70000", "OBSERVATORY_COLLECTOR": "maybe", "BRIDGE_API_URL": "bridge:52521", "JWT_EXPIRY": "soon",
        "MOCK_MODE": "perhaps", "OBSERVATORY_WORKERS": "0", "JWT_SECRET": "short", "DATABASE_URL": "mysql://h/d",
        **written("[settings]\nintervall = 5\nretention = '0d'\n"),
    }  # fmt: skip

    told = " ".join(faults(**environ))

    for name in ("PORT", "OBSERVATORY_COLLECTOR", "BRIDGE_API_URL", "JWT_EXPIRY", "MOCK_MODE", "OBSERVATORY_WORKERS",
                 "JWT_SECRET", "DATABASE_URL", "'intervall'", "retention in"):  # fmt: skip
        assert name in told, name
    assert len(faults(**environ)) == 10


def test_a_faulty_value_is_shown_unless_it_is_a_secret() -> None:
    assert faults(PORT="http") == ("PORT must be a port number from 1 to 65535 (it is 'http').",)
    assert "hunter2" not in " ".join(faults(DATABASE_URL="mysql://u:hunter2@h/d"))


@pytest.mark.parametrize("url", ["bridge", "ftp://b", "http://", "http://b:port", "http://b:99999", "//b"])
def test_an_address_must_be_one(url: str) -> None:
    [fault] = faults(BRIDGE_API_URL=url)

    assert fault.startswith("BRIDGE_API_URL must be an address that starts with http:// or https://")


@pytest.mark.parametrize(
    ("text", "length"), [("10", 10), ("5s", 5), ("2m", 120), ("24h", 86_400), ("7d", 604_800), ("0.5s", 0.5)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, length: float) -> None:
    assert settings(OBSERVATORY_INTERVAL=text).interval == length


@pytest.mark.parametrize("text", ["0", "-5s", "s", "5 minutes", "nan", "inf"])
def test_a_duration_is_longer_than_nothing(text: str) -> None:
    [fault] = faults(OBSERVATORY_INTERVAL=text)

    assert fault.startswith("OBSERVATORY_INTERVAL must be")


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_file_is_asked_after_the_environment() -> None:
    file = written('[settings]\nport = 9000\ninterval = "3s"\nmock_mode = true\n')

    found = settings(**file, PORT="9001")

    assert (found.port, found.interval, found.mock_mode) == (9001, 3.0, True)


def test_the_file_in_the_folder_is_found_by_itself() -> None:
    Path("observatory.toml").write_text("[settings]\nport = 9000\n")

    assert settings().port == 9000


@pytest.mark.parametrize(
    ("text", "word"),
    [("[settings]\nport = \n", "not valid TOML"), ("settings = 3\n", "must be a table"), ("", None)],
)
def test_a_file_that_cannot_be_used_is_a_fault(text: str, word: str | None) -> None:
    if word is None:
        [fault] = faults(OBSERVATORY_CONFIG="absent.toml")
        assert "cannot be read" in fault
    else:
        [fault] = faults(**written(text))
        assert word in fault


def test_the_file_cannot_name_itself() -> None:
    [fault] = faults(**written("[settings]\nconfig = 'other.toml'\n"))

    assert "unknown setting 'config'" in fault


def test_an_unknown_setting_is_a_fault_beside_good_ones() -> None:
    file: dict[str, Any] = written("[settings]\nport = 9000\nportt = 9001\n")

    assert [fault.split(": ")[1] for fault in faults(**file)] == ["unknown setting 'portt'."]
