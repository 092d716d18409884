"""Passwords: argon2id, and the rules a new one must meet.

One hash takes 19 MiB and two passes (OWASP's second recommendation), and at most two are computed at once: argon2's
own defaults take 64 MiB each, and a handful of concurrent logins must not fill a 512 MB machine.
"""

import secrets
import string
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from threading import BoundedSemaphore
from typing import cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SPECIAL = '!@#$%^&*(),.?":{}|<>'
MINIMUM, MINIMUM_IN_PRODUCTION, LONGEST = 8, 12, 200
COMMON = 1000
NO_WORD = string.punctuation + string.whitespace
NO_LETTER = NO_WORD + string.digits

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_room = BoundedSemaphore(2)


def hash_password(password: str) -> str:
    with _room:
        return _hasher.hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether `password` is the one that was hashed. None (an unknown user) costs the same time and is never right."""
    with _room:
        try:
            _hasher.verify(password_hash or _nobody(), password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def violations(password: str, *, production: bool = False) -> tuple[str, ...]:
    """Every rule that `password` breaks, a sentence each; empty when it may be used."""
    minimum = MINIMUM_IN_PRODUCTION if production else MINIMUM
    rules = (
        (len(password) >= minimum, f"Password must have at least {minimum} characters."),
        (len(password) <= LONGEST, f"Password must have at most {LONGEST} characters."),
        (any(c.isupper() for c in password), "Password must have an upper case letter."),
        (any(c.islower() for c in password), "Password must have a lower case letter."),
        (any(c.isdigit() for c in password), "Password must have a digit."),
        (any(c in SPECIAL for c in password), f"Password must have one of {SPECIAL}"),
        (not is_common(password), "Password must not be one of the most common, nor one of them with an ending."),
    )
    return tuple(sentence for met, sentence in rules if not met)


def is_common(password: str) -> bool:
    """Whether `password` is one of the thousand most common, whatever its case, what surrounds it and its ending."""
    low = password.lower()
    return not {low, low.strip(NO_WORD), low.rstrip(NO_LETTER)}.isdisjoint(most_common())


@cache
def most_common() -> frozenset[str]:
    """The thousand passwords that leaked most often, as zxcvbn keeps them. Its module is run and let go again: its
    other lists would stay in memory for good."""
    installed = cast(ModuleSpec, find_spec("zxcvbn")).origin or ""
    lists = run_path(str(Path(installed).with_name("frequency_lists.py")))["FREQUENCY_LISTS"]
    return frozenset(lists["passwords"][:COMMON])


@cache
def _nobody() -> str:
    """The hash of a password that nobody knows, verified in place of an unknown user's."""
    return _hasher.hash(secrets.token_hex(32))
