"""`python -m bench [name …]`: every benchmark, or the named ones, each in a process of its own; then the table."""

import subprocess
import sys
from collections.abc import Sequence

from bench import report

NAMES = ("figure", "page", "callback", "guard", "viewers", "scrape", "stream", "store", "start", "headers", "soak")


def main(wanted: Sequence[str]) -> int:
    unknown = set(wanted) - set(NAMES)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    failed = [name for name in wanted or NAMES if not finished(name)]
    report.write()
    if failed:
        print(f"Did not finish: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def finished(name: str) -> bool:
    return subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
