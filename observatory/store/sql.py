"""The statements that SQLite and PostgreSQL share but SQLAlchemy has no common word for."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

AnyRow: TypeAlias = Row[*tuple[Any, ...]]


@cache
def insert_of(
    dialect: str, table: Table, key: tuple[str, ...], update: tuple[str, ...]
) -> sqlite.Insert | postgresql.Insert:
    """An insert that, where `key` exists, sets the columns `update`, or leaves the row when there are none.

    Made once a table and purpose: SQLAlchemy takes longer to put it together than SQLite to execute it.
    """
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    columns = list(key) or [column.name for column in table.primary_key]
    if not update:
        return insert.on_conflict_do_nothing(index_elements=columns)
    return insert.on_conflict_do_update(index_elements=columns, set_={name: insert.excluded[name] for name in update})


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    update: Sequence[str] = (),
    key: Sequence[str] = (),
) -> None:
    """Insert `rows`; where `key` (default: the primary key) exists, set the columns `update`, or leave the row."""
    if rows:
        statement = insert_of(connection.dialect.name, table, tuple(key), tuple(update))
        connection.execute(statement, [printable(row) for row in rows])


@cache
def insert_new_of(dialect: str, table: Table, key: tuple[str, ...]) -> ReturningInsert[Any]:
    return insert_of(dialect, table, key, ()).returning(table.c[key[0]])


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any], *, key: Sequence[str]) -> bool:
    """Insert `row` unless `key` exists already; says whether it was inserted."""
    return (
        connection.execute(insert_new_of(connection.dialect.name, table, tuple(key)), printable(row)).first()
        is not None
    )


def printable(row: Mapping[str, Any]) -> dict[str, Any]:
    """`row` as a database keeps it."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}


def storable(text: str) -> str:
    """`text` without the character that PostgreSQL takes in none, and that binary answers are full of."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
