"""No secret in a log, nor in the audit log: fields are judged by their names, and the given value stays as it was."""

import pytest

from observatory.audit import REDACTED, redacted
from observatory.log import redact

SECRET = ("password", "newPassword", "API_TOKEN", "jwt", "clientSecret", "Authorization", "set-cookie", "xApiKey")


@pytest.mark.parametrize("name", SECRET)
def test_a_field_whose_name_speaks_of_a_secret_is_blanked(name: str) -> None:
    assert redact(None, "", {"event": "tried", name: "hunter2"}) == {"event": "tried", name: REDACTED}
    assert redacted({name: "hunter2", "deep": [{"er": {name: ["hunter2"]}}]}) == {
        name: REDACTED,
        "deep": [{"er": {name: REDACTED}}],
    }


@pytest.mark.parametrize("name", ["passwordHash", "sessionId", "creditCard", "ssn"])
def test_the_audit_log_blanks_what_the_contract_names_besides(name: str) -> None:
    assert redacted({name: "x"}) == {name: REDACTED}
    assert redacted({name: None}) == {name: None}


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("email", "mira@watch.example", "mi***@watch.example"),
        ("userEmail", "m@watch.example", "m***@watch.example"),
        ("email", "mira", REDACTED),
        ("email", "@watch.example", REDACTED),
        ("email", "a@b@c", REDACTED),
        ("phone", "+49 1511234567", "+49 ******4567"),
        ("phone", "4567", "4567"),
        ("project", "loom", "loom"),
        ("times", 3, 3),
    ],
)
def test_a_person_is_shown_in_part_and_everything_else_whole(field: str, value: object, shown: object) -> None:
    assert redacted({field: value}) == {field: shown}


def test_what_was_given_is_not_changed() -> None:
    given = {"password": "hunter2", "list": [{"token": "x"}]}

    redacted(given)
    redact(None, "", given)

    assert given == {"password": "hunter2", "list": [{"token": "x"}]}
