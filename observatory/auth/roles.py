"""Roles, the contract's permissions they carry, and the mark that says which role a function needs."""

from collections.abc import Callable
from typing import TypeVar

from observatory.model import Role

Function = TypeVar("Function", bound=Callable[..., object])

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.VIEWER: ("read",),
    Role.OPERATOR: ("read", "write"),
    Role.ADMIN: ("read", "write", "admin"),
}


def permissions(role: Role) -> tuple[str, ...]:
    return PERMISSIONS[role]


def requires(role: Role) -> Callable[[Function], Function]:
    """Mark a view or callback as needing `role`. It only marks; the guard reads the mark and refuses.

    Stands directly above the function, below `@callback` or the route.
    """

    def mark(function: Function) -> Function:
        function.required_role = role  # type: ignore[attr-defined]
        return function

    return mark


def required_role(function: object) -> Role | None:
    """The role `function` is marked with; None when any signed-in person may call it."""
    return getattr(function, "required_role", None)
