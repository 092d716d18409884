"""Opening the database: SQLite by default, PostgreSQL by URL. Everything above speaks to a `Store`."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from observatory.errors import SchemaOutdated, StoreError, StoreRefused
from observatory.store import schema

# A database that hangs must fail: who waits for ever can tell nobody that it is away.
PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
}
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Store:
    """The database of the observatory. Readers cannot write; a writer holds the only write transaction."""

    reader: Engine
    writer: Engine
    asker: Engine

    @property
    def sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state. Raises StoreError when the database does not answer."""
        with failing_as_store_error(), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def ask(self) -> Iterator[Connection]:
        """As `read`, for one statement that only asks: it is consistent by itself, and on PostgreSQL saves three ways
        to the server and back. What every request asks goes here. Raises StoreError."""
        with failing_as_store_error(), self.asker.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it, or nothing. Raises StoreError."""
        with failing_as_store_error(), self.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


@contextmanager
def failing_as_store_error() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError) as error:
        raise StoreRefused(str(error.orig or error)) from error
    except SQLAlchemyError as error:
        raise StoreError(str(getattr(error, "orig", None) or error)) from error


def open_store(url: str, *, pool: int = 10) -> Store:
    """The store at `url` (as SQLAlchemy names it). Does not touch the database yet."""
    if make_url(url).get_backend_name() == "sqlite":
        Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
        reader = sqlite_engine(url, pool, writing=False)
        return Store(reader=reader, writer=sqlite_engine(url, 2, writing=True), asker=reader)
    engine = create_engine(
        url, pool_size=pool, max_overflow=pool, pool_timeout=5, pool_pre_ping=True, pool_recycle=1800,
        connect_args=PATIENCE, isolation_level="AUTOCOMMIT",
    )  # fmt: skip
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Store(reader=reader, writer=engine.execution_options(isolation_level="READ COMMITTED"), asker=engine)


def sqlite_engine(url: str, pool: int, *, writing: bool) -> Engine:
    engine = create_engine(url, pool_size=pool, max_overflow=50, connect_args={"timeout": 15})

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves
        cursor = connection.cursor()  # type: ignore[attr-defined]
        if writing:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")  # WAL: a power cut loses the last moments, never consistency
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA mmap_size = 134217728")
        cursor.execute(f"PRAGMA query_only = {'OFF' if writing else 'ON'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading a read transaction later could fail in the middle.
        if writing:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # cannot fail, so nothing has to look after it: a small question costs a sixth less
            connection.connection.cursor().execute("BEGIN")

    return engine


def migrate(store: Store) -> None:
    """Bring the schema to this release; does nothing when it is there."""
    with store.writer.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
    with store.write() as connection:
        if connection.execute(select(schema.revision.c.id)).first() is None:
            connection.execute(schema.FIRST_REVISION, {"epoch": secrets.token_hex(4)})


def require_schema(store: Store) -> None:
    """Raise SchemaOutdated when the database has an older schema than this release."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    wanted = scripts.get_current_head()
    with store.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    older = {script.revision for script in scripts.walk_revisions()} - {wanted}
    if found is None or found in older:  # a newer one is fine: migrations keep the release before them working
        raise SchemaOutdated(
            f"The database schema is {found or 'empty'}, this release needs {wanted}. Run `observatory migrate` first."
        )


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
