"""What people do to the list of targets: add, change, remove, pause, resume.

Every change is written together with its line in the audit log. The collector follows within a second.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from observatory import discovery
from observatory.clients.addresses import rule_of, url_fault
from observatory.errors import Hidden, Invalid, NotFound
from observatory.model import Actor, Event, Instant, Kind, Level, Origin, Target, title
from observatory.people import Recorder, project_faults
from observatory.registry import PREFIX
from observatory.store import targets
from observatory.store import watchlist as rows
from observatory.store.engine import Store
from observatory.store.watchlist import Definition

__all__ = ["KINDS", "PREFIX", "Definition", "Watchlist"]

KINDS = tuple(kind for kind in Kind if kind is not Kind.OBSERVATORY)
SHORTEST, LONGEST = 1.0, 86_400.0  # seconds between two readings
VARIABLE = re.compile(PREFIX + r"[A-Z0-9_]{1,100}")
JSON_PATH = re.compile(r"\$(\.[^.\s]+)*")
MOST_LABELS = 20
TEXT_LIMIT = 200  # characters of a label, of a path into an answer, of what is expected there

Fault = dict[str, str]


@dataclass(frozen=True, slots=True)
class Watchlist:
    """`actor` makes the changes; with `private`, what is added may lie in private networks and on this machine."""

    store: Store
    actor: Actor
    clock: Callable[[], Instant]
    record: Recorder
    private: bool = False

    def find(self, name: str) -> Definition | None:
        """What was added under this name; None when that was not done here."""
        return rows.find(self.store, name)

    def add(self, wanted: Definition, *, paused: bool = False) -> None:
        """Raises Invalid with every fault, and Conflict when the name is taken."""
        self.refuse(wanted)
        rows.add(
            self.store,
            wanted,
            now=self.clock(),
            pause=paused,
            told=self.told("target.added", "added", wanted.name, wanted.project),
            audited=self.record("target.added", resource=wanted.name, details=described(wanted)),
        )

    def change(self, name: str, changes: Mapping[str, Any]) -> Definition:
        """Set what is given, by the fields of a Definition. Raises NotFound, Invalid."""
        before = self.known(name)
        wanted = replace(before, **changes)
        self.refuse(wanted)
        details = described(wanted)
        different = {key: value for key, value in details.items() if value != described(before)[key]}
        rows.change(
            self.store,
            wanted,
            now=self.clock(),
            told=self.told("target.changed", "changed", name, wanted.project),
            audited=self.record("target.changed", resource=name, details=different),
        )
        return wanted

    def remove(self, name: str) -> None:
        """Raises NotFound."""
        known = self.known(name)
        rows.remove(self.store, name, audited=self.record("target.removed", resource=name, details=described(known)))

    def pause(self, name: str) -> None:
        """Whoever named it. Raises NotFound, Hidden, and Conflict when it is paused."""
        project = self.visible(name)
        rows.pause(
            self.store,
            name,
            now=self.clock(),
            told=self.told("target.paused", "paused", name, project),
            audited=self.record("target.paused", resource=name),
        )

    def resume(self, name: str) -> None:
        """Raises NotFound, Hidden, and Conflict when it is not paused, or the file pauses it."""
        project = self.visible(name)
        rows.resume(
            self.store,
            name,
            told=self.told("target.resumed", "resumed", name, project),
            audited=self.record("target.resumed", resource=name),
        )

    def known(self, name: str) -> Definition:
        self.visible(name)
        found = self.find(name)
        if found is None:
            raise NotFound(f"No service named {name} was added here.")
        return found

    def visible(self, name: str) -> str:
        """The project of a target. Raises Hidden when the actor, as with a token of another project, may not see it."""
        added = self.find(name)
        projects = {targets.project_of(self.store, name), added.project if added else ""}
        if not all(map(self.actor.sees, projects)):
            raise Hidden(f"No service is called {name!r}.")
        return max(projects)

    def refuse(self, wanted: Definition) -> None:
        faults = definition_faults(wanted, private=self.private)
        if not self.actor.sees(wanted.project):
            faults.append({"path": "project", "message": f"You do not see a project {wanted.project}."})
        if not faults:
            faults += self.place_faults(wanted)
        if faults:
            raise Invalid(faults)

    def place_faults(self, wanted: Definition) -> list[Fault]:
        """The same thing is watched once."""
        here = discovery.place(wanted.url)
        for row in targets.current(self.store):
            same = row.kind == wanted.kind and discovery.place(row.url) == here and "?" not in wanted.url
            if same and row.gone_ms is None and row.name != wanted.name and row.origin != Origin.ADMIN:
                return [{"path": "url", "message": f"{title(row.name)} is watched at this address already."}]
        return []

    def told(self, kind: str, did: str, name: str, project: str) -> Event:
        text = f"{self.actor.name} {did} {title(name)}."
        return Event(self.clock(), kind, Level.INFO, text, target=name, project=project)


def described(wanted: Definition) -> dict[str, object]:
    """For the audit log. What follows the path of a URL may be a secret."""
    return {**asdict(wanted), "kind": wanted.kind.value, "url": wanted.url.partition("?")[0]}


def definition_faults(wanted: Definition, *, private: bool) -> list[Fault]:
    """Everything that is wrong, by the names that the API has for it."""
    faults: list[Fault] = []

    def note(path: str, sentence: str) -> None:
        if sentence:
            faults.append({"path": path, "message": sentence})

    note("name", name_fault(wanted.name))
    note("kind", "" if wanted.kind in KINDS else f"The kind must be one of {', '.join(KINDS)}.")
    target = Target(wanted.name, wanted.kind, wanted.url, Origin.ADMIN)
    note("url", url_fault(wanted.url, rule_of(target, private=private)))
    note("intervalSeconds", length_fault("The interval", wanted.interval, SHORTEST))
    note("timeoutSeconds", length_fault("The timeout", wanted.timeout, 0.1))
    note("labels", label_fault(dict(wanted.labels)))
    faults += [{**fault, "path": "project"} for fault in project_faults([wanted.project] if wanted.project else [])]
    note("tokenEnv", variable_fault(wanted.token_env) if wanted.token_env else "")
    note("headersEnv", header_fault(dict(wanted.headers_env)))
    faults += expect_faults(wanted)
    return faults


def name_fault(name: str) -> str:
    if name != name.strip():
        return "The name must not begin or end with a space."
    if any(part in {".", ".."} for part in re.split(r"[/\\]", name)):
        return "The name must not lead upwards: . and .. are refused."
    try:
        discovery.name_of(name)
    except ValueError as fault:
        return f"The name {fault}."
    return ""


def length_fault(what: str, length: float | None, shortest: float) -> str:
    if length is None or shortest <= length <= LONGEST:
        return ""
    return f"{what} must be {shortest:g} to {LONGEST:g} seconds."


def label_fault(labels: dict[str, str]) -> str:
    if len(labels) > MOST_LABELS:
        return f"There may be {MOST_LABELS} labels."
    if any(len(text) > TEXT_LIMIT or not text.isprintable() for pair in labels.items() for text in pair):
        return f"A label has at most {TEXT_LIMIT} printable characters."
    try:
        discovery.labels_of(labels)
    except ValueError as fault:
        return f"The list of labels {fault}."
    return ""


def variable_fault(name: str) -> str:
    if VARIABLE.fullmatch(name):
        return ""
    return (
        f"Name a variable of the environment that begins with {PREFIX}, such as {PREFIX}SHOP_TOKEN; never the secret."
    )


def header_fault(headers: dict[str, str]) -> str:
    wrong = next((header for header in headers if not discovery.HEADER.fullmatch(header)), None)
    if wrong is not None:
        return f"{wrong[:50]!r} cannot be a header's name."
    return next(filter(None, map(variable_fault, headers.values())), "")


def expect_faults(wanted: Definition) -> list[Fault]:
    if wanted.expect is None:
        return []
    if wanted.kind is not Kind.HTTP:
        return [{"path": "expect", "message": "An expectation is for HTTP endpoints."}]
    faults = []
    if not 100 <= wanted.expect.status <= 599:
        faults.append({"path": "expect.status", "message": "The status must be 100 to 599."})
    paths = wanted.expect.json
    if any(not JSON_PATH.fullmatch(path) or len(path) > TEXT_LIMIT for path in paths):
        message = "A place in the answer is written as $.status or $.checks.0.name."
        faults.append({"path": "expect.json", "message": message})
    if len(paths) > MOST_LABELS or any(len(str(value)) > TEXT_LIMIT for value in paths.values()):
        message = f"At most {MOST_LABELS} values may be expected, each of at most {TEXT_LIMIT} characters."
        faults.append({"path": "expect.json", "message": message})
    return faults
