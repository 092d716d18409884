"""The statements that SQLite and PostgreSQL share but SQLAlchemy has no common word for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite

AnyRow: TypeAlias = Row[*tuple[Any, ...]]


def dialect_insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    update: Sequence[str] = (),
    key: Sequence[str] = (),
) -> None:
    """Insert `rows`; where `key` (default: the primary key) exists, set the columns `update`, or leave the row."""
    if not rows:
        return
    insert = dialect_insert(connection, table)
    columns = list(key) or [column.name for column in table.primary_key]
    if update:
        new_values = {name: insert.excluded[name] for name in update}
        statement = insert.on_conflict_do_update(index_elements=columns, set_=new_values)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=columns)
    connection.execute(statement, list(rows))


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any], *, key: Sequence[str]) -> bool:
    """Insert `row` unless `key` exists already; says whether it was inserted."""
    statement = dialect_insert(connection, table).values(**row).on_conflict_do_nothing(index_elements=list(key))
    return connection.execute(statement.returning(table.c[key[0]])).first() is not None
