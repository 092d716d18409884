import pytest
from pydantic import ValidationError

from observatory.contract.mcp_daemon import Capabilities, DaemonMetrics, DaemonStatus
from observatory.model import Sample


def test_status_says_whether_it_runs() -> None:
    told = DaemonStatus.model_validate({"daemon_running": True, "version": "0.9.4", "uptime": 18233})
    assert told.samples() == (Sample("mcp_daemon_running", 1), Sample("mcp_daemon_uptime_seconds", 18233))
    assert DaemonStatus.model_validate({"daemonRunning": False}).samples() == (Sample("mcp_daemon_running", 0),)


@pytest.mark.parametrize("told", [{}, {"daemon_running": None}, {"daemon_running": "yes"}])
def test_status_without_its_one_field_is_malformed(told: object) -> None:
    with pytest.raises(ValidationError):
        DaemonStatus.model_validate(told)


def test_tools_are_counted_wrapped_or_bare() -> None:
    tools = [{"tool": "pattern_lint", "description": "Checks"}, {"tool": "echo"}]
    for told in (tools, {"capabilities": tools}):
        assert Capabilities.model_validate(told).samples() == (Sample("mcp_daemon_tools", 2),)
    assert Capabilities.model_validate([]).samples() == (Sample("mcp_daemon_tools", 0),)


def test_metrics_are_in_base_units() -> None:
    told = DaemonMetrics.model_validate({"cpu_usage": 6.25, "memoryUsage": 148.0, "requests_total": 912})
    assert told.samples() == (
        Sample("mcp_daemon_cpu_ratio", 0.0625),
        Sample("mcp_daemon_memory_bytes", 148e6),
        Sample("mcp_daemon_requests_total", 912),
    )


@pytest.mark.parametrize("told", [{}, {"timestamp": 1}, {"cpu_usage": "high"}])
def test_metrics_that_are_none_are_malformed(told: object) -> None:
    with pytest.raises(ValidationError):
        DaemonMetrics.model_validate(told)
