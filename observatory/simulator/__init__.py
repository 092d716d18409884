"""A stand-in Happy DevKit on real sockets: Bridge, MCP daemon, DevKit API and Nexus Console.

It imports nothing of the observatory: it is a second, independent reading of the contract, so a mistake in our
reading of it shows as a disagreement between two programs. Every answer says `X-Simulated: 1`.
"""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or the end of the parent. Returns the exit code."""
    from observatory.simulator.run import run  # importing the package alone must stay free

    return run(argv)
