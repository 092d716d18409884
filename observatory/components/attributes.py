"""`data-…` and `aria-…` attributes, and rows of frames, in the shapes that components take."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import pandas as pd
from dash.development.base_component import Component

Row: TypeAlias = dict[str, Any]  # of a DataFrame, by column
Child: TypeAlias = str | Component | None
Children: TypeAlias = Child | Sequence[Child]


def data(**facts: object) -> dict[str, Any]:
    """`data(state="live")` → `{"data-state": "live"}`. None is left out; True is written as HTML writes it."""
    return {f"data-{name}": text(fact) for name, fact in facts.items() if fact is not None}


def aria(**facts: object) -> dict[str, Any]:
    return {f"aria-{name}": text(fact) for name, fact in facts.items()}


def text(fact: object) -> str:
    return str(fact).lower() if isinstance(fact, bool) else str(fact)


def records(frame: pd.DataFrame) -> list[Row]:
    return cast("list[Row]", frame.to_dict("records"))
