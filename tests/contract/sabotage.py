"""Where each quirk is handled, and the proof: with its handling taken out, its test fails.

`python -m tests.contract.sabotage` takes out one after the other, each in a copy, and says which tests noticed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT, environment

TESTS = "tests/contract/test_quirks.py"


class Handling(NamedTuple):
    """The line that handles a quirk, and what it is without."""

    file: str
    line: str
    without: str


HANDLED = {
    "q01": Handling("contract/normalise.py", "return AliasChoices(to_camel(name), name)",
                    "return AliasChoices(to_camel(name))"),
    "q02": Handling("contract/normalise.py", "return real / 100 if real <= 100 else None", "return real"),
    "q03": Handling("contract/normalise.py", "return None if memory is None or memory <= 100 else memory * MEGABYTE",
                    "return None"),
    "q04": Handling("contract/bridge_telemetry.py", "known(project_as_global(value), ", "known(value, "),
    "q05": Handling("contract/normalise.py", "ms = round(real if real >= MILLISECONDS_FROM else real * 1000)",
                    "ms = round(real)"),
    "q06": Handling("contract/bridge_agents.py",
                    "return max(0.0, now - value) / 1000 if value > EPOCH_FROM else value / 1000",
                    "return value / 1000"),
    "q07": Handling("contract/bridge_agents.py", 'isinstance(value.get("agents"), dict)', "False"),
    "q08": Handling("contract/bridge_agents.py", "if isinstance(status, dict):", "if False:"),
    "q09": Handling("contract/frames.py", 'body = content.get("payload")', "body = None"),
    "q10": Handling("collector/stream.py", "if len(channel.wanted) == 1:", "if False:"),
    "q11": Handling("clients/base.py", 'if isinstance(content, dict) and content.get("error") and not',
                    "if False and not"),
    "q12": Handling("contract/normalise.py", "return {key: value} if isinstance(value, list) else value",
                    "return value"),
    "q13": Handling("contract/bridge_commands.py", "return None if code is None else code == 0", "return None"),
    "q14": Handling("contract/bridge_commands.py",
                    'nested = {"output": result} if isinstance(result, str) else mapping(result)', "nested = {}"),
    "q15": Handling("contract/failure.py", 'told = "; ".join(rendered(self.details))', 'told = ""'),
    "q16": Handling("clients/base.py", 'until(answer.headers.get("x-ratelimit-reset", ""), now),', ""),
    "q17": Handling("contract/sign_in.py", 'AliasChoices("id", "userId", "user_id")', 'AliasChoices("id")'),
    "q18": Handling("collector/circuit.py", "if failures < FAILURES_TO_BACK_OFF:", "if True:"),
    "q19": Handling("contract/normalise.py", "return () if value is None else value", "return value"),
    "q20": Handling("contract/bridge_terminals.py", "return tuple(found) or (assumed,)", "return tuple(found)"),
    "q21": Handling("contract/bridge_commands.py", "if agent.status not in FROM[action]:", "if False:"),
    "q22": Handling("contract/bridge_projects.py", "and parts.port != SUPERSEDED_PORT", ""),
    "q23": Handling("collector/stream.py", "        if at is None:\n            return True\n",
                    "        return True\n"),
    "q24": Handling("contract/nexus.py", "return Embedding.ELSEWHERE if waited >= READY_WITHIN else Embedding.WAITING",
                    "return Embedding.WAITING"),
    "q25": Handling("contract/nexus.py", 'getincrementaldecoder("utf-8")("replace")',
                    'getincrementaldecoder("utf-8")("strict")'),
    "q26": Handling("clients/base.py", 'return quote(id, safe="") if id.strip(".") else', "return id if True else"),
    "q27": Handling("clients/base.py", "content = answer.text.strip()", 'raise malformed(answer, "no JSON") from None'),
    "q28": Handling("contract/normalise.py", "return real if math.isfinite(real) and real >= 0 else None",
                    "return real"),
}  # fmt: skip


def times(handling: Handling) -> int:
    """How often the line stands where it is said to: once, or the proof is of something else."""
    return (ROOT / "observatory" / handling.file).read_text("utf-8").count(handling.line)


@contextmanager
def copied(handling: Handling | None) -> Iterator[Path]:
    """A copy of the program and its tests, without `handling`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("observatory", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        if handling is not None:
            file = folder / "observatory" / handling.file
            file.write_text(file.read_text("utf-8").replace(handling.line, handling.without), "utf-8")
        yield folder


def noticed(quirk: str, handling: Handling | None) -> tuple[list[str], str]:
    """The tests of a quirk that fail without its handling, and everything that was said."""
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", TESTS, "-k", quirk]
    with copied(handling) as folder:
        run = subprocess.run(
            command,
            cwd=folder,
            env=environment({"PYTHONPATH": str(folder)}),
            capture_output=True,
            text=True,
            check=False,
        )
    return re.findall(r"^FAILED \S*::(\S+)", run.stdout, re.MULTILINE), run.stdout + run.stderr


if __name__ == "__main__":
    for name in sys.argv[1:] or HANDLED:
        found, said = noticed(name, HANDLED[name])
        print(name, HANDLED[name].file, "noticed by", ", ".join(found) or f"nobody: {said[-500:]}", flush=True)
