"""Roles, the contract's permissions they carry, and the mark that says which role a function needs."""

from collections.abc import Callable
from typing import TypeVar

from observatory.model import MINUTE, Role

Function = TypeVar("Function", bound=Callable[..., object])

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.VIEWER: ("read",),
    Role.OPERATOR: ("read", "write"),
    Role.ADMIN: ("read", "write", "admin"),
}


CONFIRMED_FOR = 10 * MINUTE  # how long a password given again is good for


def permissions(role: Role) -> tuple[str, ...]:
    return PERMISSIONS[role]


def requires(role: Role, *, confirmed: bool = False) -> Callable[[Function], Function]:
    """Mark a view or callback as needing `role`; with `confirmed`, also a password given within the last ten minutes.
    It only marks; the guard reads the mark and refuses.

    Stands directly above the function, below `@callback` or the route.
    """

    def mark(function: Function) -> Function:
        function.required_role = role  # type: ignore[attr-defined]
        function.required_confirmation = confirmed  # type: ignore[attr-defined]
        return function

    return mark


def required_role(function: object) -> Role | None:
    """The role `function` is marked with; None when any signed-in person may call it."""
    return getattr(function, "required_role", None)


def required_confirmation(function: object) -> bool:
    return bool(getattr(function, "required_confirmation", False))
