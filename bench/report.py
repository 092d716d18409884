"""`python -m bench.report`: write the newest result of each number into the table of README.md."""

import json
from collections.abc import Iterator
from typing import Any

from bench.measure import HERE, RESULTS

README = HERE / "README.md"
BEGIN, END = "<!-- made by python -m bench.report: begin -->", "<!-- made by python -m bench.report: end -->"
ORDER = ("figure", "page", "callback", "guard", "viewers", "scrape", "stream", "store", "start", "headers")

Row = dict[str, Any]


def write() -> None:
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text("\n".join([before + BEGIN, *sections(), END]) + after, encoding="utf-8")


def sections() -> Iterator[str]:
    for name in ORDER:
        rows = newest(name)
        if rows:
            yield f"\n### {name}\n\n{about(rows[0])}\n"
            yield "| What | Median | Unit | Spread | Budget | Peer, same run | Ratio |\n|---|--:|---|---|---|---|--:|"
            yield from map(row, rows)
    yield ""


def newest(name: str) -> list[Row]:
    """The lines of the last run, in their order."""
    path = RESULTS / f"{name}.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [line for line in lines if line["date"] == lines[-1]["date"]]


def about(line: Row) -> str:
    machine = f"{line['cores']} cores, Python {line['python']}, {line['system']}"
    noise = f"others kept it {line['othersPercent']} % busy meanwhile"
    return f"{line['date'][:10]}, commit {line['commit']}, {machine}; {noise}."


def row(line: Row) -> str:
    spread = f"{line['low']} to {line['high']} ({line['runs']})" if "low" in line else ""
    budget = f"≤ {line['budget']:g}, {'met' if line['met'] else '**not met**'}" if "budget" in line else ""
    peer = f"{line['peer']}: {line['peerValue']}" if "peer" in line else ""
    cells = (line["what"], line["value"], line["unit"], spread, budget, peer, line.get("ratio", ""))
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    write()
