"""Tokens: what is signed comes back, and nothing else is believed."""

import base64
import json
from typing import Any

import jwt
import pytest

from observatory.auth import tokens
from observatory.errors import Unauthenticated
from observatory.model import Role

NOW = 1_767_268_800_000
KEY, OTHER = "a" + "0123456789abcdef" * 2, "b" + "0123456789abcdef" * 2
GOOD: dict[str, Any] = {"userId": "mira", "jti": "j", "iat": NOW // 1000, "exp": NOW // 1000 + 60}


def claims(lifetime: float = 60) -> tokens.Claims:
    return tokens.claims_for("mira", Role.OPERATOR, ["loom"], now=NOW, lifetime=lifetime)


def test_claims_come_back_as_they_were_signed():
    made = claims()

    read = tokens.verify(tokens.sign(made, [KEY]), [KEY], now=NOW)

    assert read == made
    assert (read.user, read.permissions, read.projects) == ("mira", ("read", "write"), ("loom",))
    assert read.expires - read.issued == 60_000


def test_every_session_has_an_id_of_its_own():
    assert claims().jti != claims().jti


def test_a_token_ends_with_its_lifetime():
    token = tokens.sign(claims(), [KEY])

    tokens.verify(token, [KEY], now=NOW + 59_999)
    with pytest.raises(Unauthenticated):
        tokens.verify(token, [KEY], now=NOW + 60_000)


def test_after_a_rotation_the_old_key_still_verifies_and_the_new_one_signs():
    old = tokens.sign(claims(), [OTHER])
    new = tokens.sign(claims(), [KEY, OTHER])

    assert tokens.verify(old, [KEY, OTHER], now=NOW).user == "mira"
    assert tokens.verify(new, [KEY], now=NOW).user == "mira"
    with pytest.raises(Unauthenticated):
        tokens.verify(old, [KEY], now=NOW)


def test_a_changed_body_is_refused():
    head, body, signature = tokens.sign(claims(), [KEY]).split(".")
    forged = {**json.loads(base64.urlsafe_b64decode(body + "==")), "userId": "ada"}
    forged_body = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()

    with pytest.raises(Unauthenticated):
        tokens.verify(f"{head}.{forged_body}.{signature}", [KEY], now=NOW)


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_another_algorithm_is_refused(algorithm: str):
    key = "" if algorithm == "none" else KEY * 2
    token = jwt.encode(GOOD, key, algorithm=algorithm)

    with pytest.raises(Unauthenticated):
        tokens.verify(token, [KEY, KEY * 2], now=NOW)


@pytest.mark.parametrize("name", ["userId", "jti", "iat", "exp"])
@pytest.mark.parametrize("value", [None, "", ["x"], {}])
def test_a_claim_that_is_missing_or_of_another_type_is_refused(name: str, value: object):
    assert tokens.verify(jwt.encode(GOOD, KEY, algorithm="HS256"), [KEY], now=NOW).user == "mira"
    body = {k: v for k, v in {**GOOD, name: value}.items() if v is not None}

    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(body, KEY, algorithm="HS256"), [KEY], now=NOW)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "é.é.é", "x" * 10_000])
def test_anything_else_is_refused(text: str):
    with pytest.raises(Unauthenticated):
        tokens.verify(text, [KEY], now=NOW)


def test_the_metrics_token_depends_on_the_secret_and_does_not_show_it():
    assert tokens.metrics_token(KEY) == tokens.metrics_token(KEY) != tokens.metrics_token(OTHER)
    assert KEY not in tokens.metrics_token(KEY)
