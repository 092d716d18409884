"""The MCP daemon M1 to M5, the DevKit API H1, H2, H5 and the Nexus Console N1, N2 (contract §2.2 to §2.4)."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.contract import shapes

Ask = Callable[..., httpx.Response]


def test_the_daemon_tells_its_state(mcp: Ask) -> None:
    body = mcp("/status").json()

    assert body["daemon_running"] is True
    shapes.text(body["version"])
    shapes.number(body["uptime"])


def test_the_daemon_names_its_tools(mcp: Ask) -> None:
    tools = mcp("/capabilities").json()["capabilities"]

    assert tools
    for tool in tools:
        shapes.text(tool["tool"])
        shapes.text(tool["description"])


def test_the_daemon_is_alive(mcp: Ask) -> None:
    body = mcp("/health").json()

    assert body["status"] == "healthy"
    shapes.instant(body["timestamp"])


def test_the_daemon_tells_what_it_uses(mcp: Ask) -> None:
    body = mcp("/metrics").json()

    shapes.number(body["cpu_usage"], 0, 100)
    shapes.number(body["memory_usage"])
    shapes.instant(body["timestamp"])


def test_the_daemon_answers_the_probe_of_port_scans(mcp: Ask) -> None:
    config = mcp("/mcp/health").json()["config"]

    shapes.text(config["name"])
    shapes.text(config["version"])


def test_the_devkit_api_is_alive(devkit: Ask) -> None:
    body = devkit("/api/health").json()

    assert body["status"] in {"healthy", "degraded", "unhealthy"}
    shapes.text(body["version"])


def test_the_devkit_api_lists_the_agents_of_all_projects(devkit: Ask, bridge: Ask) -> None:
    agents = devkit("/api/agents").json()["agents"]

    for agent in agents:
        shapes.agent(agent)
    expected = {
        (project["id"], agent["id"])
        for project in bridge("/api/projects").json()["projects"]
        for agent in bridge(f"/api/projects/{project['id']}/agents").json()["agents"]
    }
    assert {(agent["projectId"], agent["id"]) for agent in agents} == expected


def test_the_devkit_api_exposes_prometheus_text(devkit: Ask) -> None:
    response = devkit("/metrics")

    assert response.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {"gauge", "counter", "histogram"} <= {family.type for family in families.values()}
    assert all(family.documentation for family in families.values())
    for family in families.values():
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples), family.name


def test_a_histogram_is_whole(devkit: Ask) -> None:
    families = list(text_string_to_metric_families(devkit("/metrics").text))

    for family in (f for f in families if f.type == "histogram"):
        buckets = [(float(s.labels["le"]), s.value) for s in family.samples if s.name.endswith("_bucket")]
        assert buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1] == (float("inf"), next(s.value for s in family.samples if s.name.endswith("_count")))


def test_the_console_is_alive(console: Ask) -> None:
    body = console("/health").json()

    assert body["status"] == "healthy"
    shapes.text(body["version"])


def test_the_console_serves_a_page_that_may_be_framed(console: Ask) -> None:
    response = console("/", mode="embedded", cwd="~/<script>", theme="light", security="standard")

    assert response.headers["content-type"].startswith("text/html")
    assert "X-Frame-Options" not in response.headers
    assert "~/<script>" not in response.text
