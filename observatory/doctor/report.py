"""The contract report: for the people who run the services, and as JSON for their programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from textwrap import wrap

from observatory.doctor.asking import BRIDGE, CONSOLE, DEVKIT, MCP, Service
from observatory.doctor.examine import Ruling, kept
from observatory.doctor.findings import Verdict

TITLES = {BRIDGE: "Bridge server", MCP: "MCP daemon", DEVKIT: "Happy DevKit API", CONSOLE: "Nexus Console"}
MARKS = {Verdict.HOLDS: "✓", Verdict.BROKEN: "✕", Verdict.UNTOLD: "?"}
WIDTH = 120


def told(services: Sequence[Service], rulings: Sequence[Ruling]) -> str:
    """The whole report: how it stands, then each service, what does not hold first."""
    urls = {service.name: service.url for service in services}
    lines = ["The Happy DevKit contract, clause by clause. Nothing was sent but questions.", summary(rulings), ""]
    for name, of in groupby(rulings, key=lambda one: one.service):
        found = list(of)
        lines += [f"{TITLES[name]}  {urls[name]}", f"  {summary(found)}"]
        order = (Verdict.BROKEN, Verdict.UNTOLD, Verdict.HOLDS)
        for verdict in order:
            lines += [line for one in found if one.verdict is verdict for line in paragraph(one)]
        lines.append("")
    return "\n".join(lines)


def summary(rulings: Sequence[Ruling]) -> str:
    counts = {verdict: sum(one.verdict is verdict for one in rulings) for verdict in Verdict}
    tolerated = sum(one.verdict is Verdict.BROKEN and bool(one.tolerated) for one in rulings)
    holds, not_ = counts[Verdict.HOLDS], counts[Verdict.BROKEN]
    some = f" ({tolerated} of them tolerated)" if not_ else ""
    return f"{len(rulings)} clauses: {holds} hold, {not_} do not{some}, {counts[Verdict.UNTOLD]} cannot be told."


def paragraph(one: Ruling) -> list[str]:
    """A line for what holds; for the rest why, what was asked and what came."""
    head = f"  {MARKS[one.verdict]} {one.id:<20} {one.sentence}"
    if one.verdict is Verdict.HOLDS:
        return [head]
    if one.verdict is Verdict.UNTOLD:
        return [head, *indented(f"Cannot be told. {one.why}")]
    stand = f"Does not hold, {standing(one)}. {one.why}"
    lines = [head, *indented(stand), *indented(f"Contract {one.section}. Asked: {one.asked}")]
    return [*lines, *(indented(f"Came: {one.came}") if one.came else [])]


def standing(one: Ruling) -> str:
    if not one.tolerated:
        return "not tolerated"
    return f"tolerated{'' if one.tolerated.startswith('as ') else ':'} {one.tolerated}"


def indented(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8, break_on_hyphens=False)


def as_json(services: Sequence[Service], rulings: Sequence[Ruling]) -> str:
    """`kept`, `services` and a `clauses` entry a ruling, with what was asked and what came."""
    return json.dumps(
        {
            "kept": kept(rulings),
            "services": {service.name: service.url for service in services},
            "clauses": [asdict(one) for one in rulings],
        },
        ensure_ascii=False,
        indent=2,
    )
