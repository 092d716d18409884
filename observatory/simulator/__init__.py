"""A stand-in Happy DevKit on real sockets: Bridge, MCP daemon, DevKit API and Nexus Console.

It imports nothing of the observatory: it is a second, independent reading of the contract, so a mistake in our
reading of it shows as a disagreement between two programs. Every answer says `X-Simulated: 1`. The world is a pure
function of a seed, a time, and the orders that clients gave; the clock can be set. Nothing is ever executed.

Endpoints, by the contract's numbers:

* Bridge `bridge.py`: B1 to B21 with their aliases (`projects`, `agents`, `telemetry`, `overall`, `context`, `prompt`,
  `terminals`), the telemetry store and ScopeCam of §2.6 (`scopecam`), M6, and the sockets `/ws`, `/ws/projects/{id}`,
  `/ws/metrics`, `/telemetry/ws`, `/scopecam/subscribe` (`channels`, `session`, `stream`, `frames`).
* MCP daemon `daemon.py`: M1 to M5, and M6 with `/ws/projects/mcp-daemon`.
* DevKit API `devkit.py`: H1 to H7, with `/ws`, `/ws/agents`, `/ws/telemetry`.
* Nexus Console `console.py`: N1 to N5, and the terminal on `/terminal/ws`, `/ws`, `/ws/console` (`terminal`).
* The switchboard `control.py`, on a port of its own and under `/control` on the Bridge's, for this machine only:
  GET `/control`, `/control/switches`; POST `clock`, `switch`, `quirk`, `restart`, `faults`, `set`, `push`, `close`,
  `token`, `revoke`, `broadcast`, `forget`, `reset`.

Two projects answer without being listed (`pseudo`): `devkit`, the default of B16, and `mcp-daemon`.

Switches stand in `switches.py` and are options of the command line too: who may (`auth`, `socket_auth`, `limits`,
`limit`, `throttling`, `login`), how streams speak (`envelope`, `frames`, `frame_project`, `frame_rate`, `ping_every`,
`agent_words`), how answers are written (`case`, `time`, `wrapping`, `rates`, `memory`, `telemetry`, `agents`, `status`,
`task`, `uptime`, `flags`, `ids`, `lists`, `objects`, `numbers`, `counters`, `mcp_url`, `health`, `errors`, `details`,
`command_result`, `console_result`, `output`, `framing`), how the world behaves (`devkit`, `commands`,
`command_latency`, `command_delay`, `command_failure_rate`), and what is wrong everywhere (`failure_rate`, `latency`,
`date_skew`, `body_age`). `faults.py` has what can be wrong with one service or some of its paths, `quirks.py` which
switches make which quirk of the contract's §9. `observatory simulate --help` explains them one by one.
"""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or the end of the parent. Returns the exit code."""
    from observatory.simulator.run import run  # importing the package alone must stay free

    return run(argv)
