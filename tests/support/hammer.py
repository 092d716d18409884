"""Schemathesis against a running product, by the description that the product gives of itself."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)
SEED = 20260101
BEATS = 1  # events of a stream that are listened to
CAPPED = ("/api/stream",)  # a session may open a few, and each is noticed to be left with its next beat
LONGEST = 4000  # characters of an address: a longer request line never reaches the application


@schemathesis.serializer("application/csp-report")
def csp_report(_context: Any, value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(slots=True)
class Outcome:
    """What was sent and what was found. A case is a request; `findings` are sentences."""

    operations: set[str]  # that are described and were not left out
    cases: Counter[str] = field(default_factory=Counter)  # by operation
    checks: Counter[str] = field(default_factory=Counter)  # that passed
    statuses: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.cases.total()

    def take(self, event: events.ScenarioFinished) -> None:
        recorder = event.recorder
        for case, interaction in recorder.interactions.items():
            self.cases[recorder.cases[case].value.operation.label if case in recorder.cases else recorder.label] += 1
            self.statuses[interaction.response.status_code if interaction.response else 0] += 1
        for case, checks in recorder.checks.items():
            for check in checks:
                if check.failure_info is None:
                    self.checks[check.name] += 1
                else:
                    self.findings.append(told(recorder, case, check.name, check.failure_info.failure))


def told(recorder: Any, case: str, check: str, failure: Exception) -> str:
    found = recorder.interactions.get(case)
    request = f"{found.request.method} {found.request.uri}" if found else recorder.label
    body = found.request.body[:300] if found and found.request.body else b""
    answer = f"{found.response.status_code} {found.response.content[:300]!r}" if found and found.response else "nothing"
    return f"{check}: {request} {body!r}\n    → {answer}\n    {failure}"


def hammer(
    url: str,
    token: str,
    *,
    examples: int,
    without: Iterable[str] = (),
    spared: Callable[[Any], bool] = lambda case: False,
    particular: Iterable[str] = (),
) -> Outcome:
    """Send what the description allows and what it forbids, as whoever holds `token`, and check each answer.

    `without` are operationIds that are left out, `spared` tells a case that is not sent. `particular` are operations
    that refuse some bodies for reasons that a schema cannot tell: there, acceptance is not checked.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "headers": {"Authorization": f"Bearer {token}"},
            "continue-on-failure": True,
            "max-stream-events": BEATS,
            "request-timeout": 10,
            "workers": 1,
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "operations": [
                {"include-operation-id": name, "checks": {"positive_data_acceptance": {"enabled": False}}}
                for name in particular
            ]
            + [
                {"include-path": path, "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]}}}
                for path in CAPPED
            ],
        }
    )
    description = httpx.get(f"{url}/api/openapi.json", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    schema = schemathesis.openapi.from_dict(description.json(), config=config)
    for name in without:
        schema = schema.exclude(operation_id=name)

    @schema.hook
    def filter_case(_context: Any, case: Any) -> bool:
        return not spared(case) and len(urlencode(case.query or {}, doseq=True)) < LONGEST

    outcome = Outcome({found.ok().label for found in schema.get_all_operations()})
    for event in engine.from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                outcome.take(event)
            case events.NonFatalError():
                outcome.findings.append(f"{event.label}: {event.value!r}")
            case events.FatalError():
                raise event.exception
    return outcome
