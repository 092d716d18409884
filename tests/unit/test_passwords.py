"""Passwords: what is accepted, and that a hash proves only its own."""

import pytest
from argon2 import PasswordHasher, extract_parameters

from observatory.auth import passwords


def test_the_right_password_is_verified_and_no_other():
    kept = passwords.hash_password("Correct-Horse-7")

    assert passwords.verify(kept, "Correct-Horse-7")
    assert not passwords.verify(kept, "Correct-Horse-8")
    assert not passwords.verify("not a hash", "Correct-Horse-7")


def test_two_hashes_of_one_password_differ():
    assert passwords.hash_password("Correct-Horse-7") != passwords.hash_password("Correct-Horse-7")


def test_an_unknown_user_costs_as_much_as_a_wrong_password():
    """What is verified in place of an unknown user's hash is a hash like any other, and is never right."""
    assert not passwords.verify(None, "something else")
    assert extract_parameters(passwords._nobody()) == extract_parameters(passwords.hash_password("Correct-Horse-7"))


def test_a_hash_with_other_parameters_is_made_anew():
    assert passwords.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("x"))
    assert not passwords.needs_rehash(passwords.hash_password("x"))


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("Abcdef1!", []),
        ("Abcde1!", ["8 characters"]),
        ("abcdef1!", ["upper case"]),
        ("ABCDEF1!", ["lower case"]),
        ("Abcdefg!", ["digit"]),
        ("Abcdefg1", ["one of"]),
        ("", ["8 characters", "upper case", "lower case", "digit", "one of"]),
    ],
)
def test_every_violated_rule_is_named(password: str, words: list[str]):
    found = passwords.violations(password)

    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


@pytest.mark.parametrize(
    "password", ["Password1!", "Dragon#2026", "!Qwerty123!", "123456789!", "PASSWORD", "Letmein.1234567", "Iloveyou!1"]
)
def test_a_common_password_is_refused_whatever_is_hung_on_it(password: str):
    assert any("most common" in sentence for sentence in passwords.violations(password))


def test_the_list_holds_a_thousand():
    assert len(passwords.most_common()) == 1000


def test_production_wants_twelve_characters():
    assert passwords.violations("Abcdef1!", production=True) == ("Password must have at least 12 characters.",)
    assert passwords.violations("Abcdefghij1!", production=True) == ()
