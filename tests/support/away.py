"""A database that is away for a while, as others see it: running, but not for us."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from observatory.store.engine import Store
from tests.support.postgres import plain


@contextmanager
def away(store: Store, store_url: str) -> Iterator[None]:
    """The database takes no writes: another program holds SQLite's lock, or PostgreSQL accepts no connection."""
    url = make_url(store_url)
    if store.sqlite:
        other = sqlite3.connect(str(url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
        return
    name = sql.Identifier(str(url.database))
    with psycopg.connect(plain(url.set(database="postgres")), autocommit=True) as server:
        server.execute(sql.SQL("alter database {} allow_connections false").format(name))
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [url.database])
        try:
            yield
        finally:
            server.execute(sql.SQL("alter database {} allow_connections true").format(name))
