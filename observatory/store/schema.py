"""The tables. Instants are integer milliseconds UTC (`*_ms`), durations integer milliseconds too.

The migrations create them; a test holds the two together.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is exactly INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str) -> "Column[str]":
    return Column(name, Text, nullable=False, server_default="")


targets = Table(
    "targets",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("interval_ms", BigInteger, nullable=False),
    Column("labels", Text, nullable=False, server_default="[]"),
    _text("project"),
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("simulated", Boolean, nullable=False, server_default=false()),
    Column("added_ms", BigInteger, nullable=False),
    Column("gone_ms", BigInteger),
)

series = Table(
    "series",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), nullable=False),
    _text("project"),
    Column("name", Text, nullable=False),
    Column("labels", Text, nullable=False),  # JSON pairs, sorted by key
    UniqueConstraint("target_id", "project", "name", "labels"),
)

# Recent samples: one row a scrape, its points packed as (series, at, value) records. Compaction turns them into chunks.
scrapes = Table(
    "scrapes",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), nullable=False),
    _text("project"),
    Column("started_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("interval_ms", BigInteger, nullable=False),
    _text("cause"),
    _text("detail"),
    Column("pushed", Boolean, nullable=False, server_default=false()),
    Column("count", Integer, nullable=False),
    Column("points", LargeBinary, nullable=False),
    UniqueConstraint("target_id", "project", "pushed", "started_ms"),
    Index(None, "started_ms"),
    Index("ix_scrapes_unpacked", "started_ms", sqlite_where=text("count > 0"), postgresql_where=text("count > 0")),
)

# Older samples: one series, one hour, compressed.
chunks = Table(
    "chunks",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("series_id", BigInteger, ForeignKey("series.id"), nullable=False),
    Column("hour_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("points", LargeBinary, nullable=False),
    UniqueConstraint("series_id", "hour_ms"),
    Index(None, "hour_ms"),
)

# Outcomes as runs [since, until): cause "" means it answered. Time without a run was not observed.
runs = Table(
    "runs",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), nullable=False),
    _text("project"),
    Column("since_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    _text("cause"),
    Index(None, "target_id", "project", "since_ms"),
    Index(None, "until_ms"),
)

# What is known now of a target, or of a project behind it: the last outcome and the newest point of every series.
readings = Table(
    "readings",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("project", Text, primary_key=True, server_default=""),
    Column("started_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("interval_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("measured_ms", BigInteger),  # of the last success
    Column("answered_ms", BigInteger),  # when the last success was received
    Column("since_ms", BigInteger, nullable=False),  # when the present outcome began
    _text("cause"),
    _text("detail"),
    _text("health"),
    _text("version"),
    Column("skew", Float),
    Column("points", LargeBinary, nullable=False),
)

# Somebody wants a target read now: the collector takes the row and reads.
probes = Table(
    "probes",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("asked_ms", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    _text("path"),
    _text("description"),
    _text("icon"),
    _text("color"),
    Column("seen_ms", BigInteger, nullable=False),
    Column("gone_ms", BigInteger),
)

agents = Table(
    "agents",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("project", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    _text("type"),
    Column("status", Text, nullable=False),
    _text("reported_status"),
    Column("since_ms", BigInteger, nullable=False),
    Column("measured_ms", BigInteger, nullable=False),
    Column("last_activity_ms", BigInteger),
    _text("task"),
    Column("task_progress", Float),
    Column("task_started_ms", BigInteger),
    Column("task_due_ms", BigInteger),
    Column("tasks_completed", Float),
    Column("tasks_failed", Float),
    Column("average_duration", Float),
    Column("uptime", Float),
    Column("can_start", Boolean),
    Column("can_stop", Boolean),
    Column("can_pause", Boolean),
    _text("error"),
    Column("gone_ms", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("text", Text, nullable=False),
    _text("target"),
    _text("project"),
    _text("agent"),
    Column("simulated", Boolean, nullable=False, server_default=false()),
)

# One counter for all that changes, and for each topic the revision it last changed at.
revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),  # made with the database: a restored copy starts another count
)
topics = Table(
    "topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("renewed_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("disabled_ms", BigInteger),
)
user_projects = Table(
    "user_projects",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("project", Text, primary_key=True),
)
sessions = Table(
    "sessions",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    _text("address"),
    _text("user_agent"),
)

FIRST_REVISION = text("INSERT INTO revision (id, value, epoch) VALUES (1, 0, :epoch)")
