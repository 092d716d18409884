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
    Column("also", Text, nullable=False, server_default="[]"),  # JSON pairs: who else names it, and what they call it
    Column("forgotten", Boolean, nullable=False, server_default=false()),  # gone for longer than anything is kept
)

# What administrators added. Of secrets only the names of the variables stand here that hold them.
added_targets = Table(
    "added_targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("interval_ms", BigInteger),  # null: as the setting says
    Column("timeout_ms", BigInteger),
    Column("labels", Text, nullable=False, server_default="[]"),
    _text("project"),
    _text("token_env"),
    Column("headers_env", Text, nullable=False, server_default="[]"),
    Column("expect", Text),
    Column("added_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

# Targets that somebody paused here, whoever named them.
pauses = Table(
    "pauses",
    metadata,
    Column("name", Text, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
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

# Samples of days that are over: one series, one day (UTC), compressed. What comes late for such a day is in `chunks`
# again until it is put in here.
day_chunks = Table(
    "day_chunks",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("series_id", BigInteger, ForeignKey("series.id"), nullable=False),
    Column("day_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("points", LargeBinary, nullable=False),
    UniqueConstraint("series_id", "day_ms"),
    Index(None, "day_ms"),
)

# The same days in buckets: of five minutes with a row a week (from Thursday on, as 1970 was),
# of an hour with a row a month (UTC).
rollups = Table(
    "rollups",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("series_id", BigInteger, ForeignKey("series.id"), nullable=False),
    Column("step_ms", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),  # of samples
    Column("buckets", LargeBinary, nullable=False),
    UniqueConstraint("series_id", "step_ms", "since_ms"),
    Index(None, "step_ms", "since_ms"),
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

# How the WebSocket of a Bridge is, as the collector last saw it at `checked_ms`.
streams = Table(
    "streams",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger),  # the last frame that told something
    _text("cause"),
    _text("detail"),
    Column("partial", Boolean, nullable=False, server_default=false()),
    Column("opened", BigInteger, nullable=False, server_default="0"),
    Column("counts", Text, nullable=False, server_default="{}"),  # JSON: frames by type
    Column("unused", Text, nullable=False, server_default="{}"),  # JSON: frames that were left out, by reason
    Column("checked_ms", BigInteger, nullable=False),
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
    _text("ws_url"),
    _text("bridge_url"),
    _text("mcp_url"),
    Column("has_mcp", Boolean),
    Column("dashboards", Text, nullable=False, server_default="{}"),  # JSON, like the next
    Column("telemetry_map", Text, nullable=False, server_default="{}"),
    Column("seen_ms", BigInteger, nullable=False),
    Column("gone_ms", BigInteger),
)

# What a Bridge last told of MCP servers. Its outcome is its own: a Bridge without MCP servers is up.
contexts = Table(
    "contexts",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("started_ms", BigInteger, nullable=False),  # of the last try
    Column("interval_ms", BigInteger, nullable=False),
    Column("measured_ms", BigInteger),  # of the last success
    Column("answered_ms", BigInteger),
    _text("cause"),
    _text("detail"),
    Column("available", Boolean),
    Column("servers", Text, nullable=False, server_default="[]"),  # JSON objects
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
    _text("command"),  # the last one it was given
    Column("command_ms", BigInteger),
    _text("command_source"),
    _text("command_result"),
    _text("error"),
    Column("received_ms", BigInteger),
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

# Broadcasts that were told as events: each once, also after the event itself is past its retention.
broadcasts = Table(
    "broadcasts",
    metadata,
    Column("type", Text, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
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
# One row a token. Renewing makes a new one of the same session, and the old one ends a minute later.
sessions = Table(
    "sessions",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("session", Text, nullable=False, server_default="", index=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("renewed_ms", BigInteger),  # when another token took over
    Column("confirmed_ms", BigInteger),  # when the password was last given
    _text("address"),
    _text("user_agent"),
    Index(None, "expires_ms"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("projects", Text),  # JSON list; null: all that the user may see
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("ended_ms", BigInteger),
    sqlite_autoincrement=True,  # an erased owner's tokens go, and the number of one is never another's
)

# Links that let somebody choose a password once. What stands in the link is kept as a hash only.
links = Table(
    "links",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

# Who did something. Apart from what was done, so that a person can be forgotten and the log stay whole.
audit_subjects = Table(
    "audit_subjects",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # a hash of the rest, to find it again
    Column("user_id", BigInteger, index=True),
    _text("name"),
    _text("address"),
    _text("user_agent"),
)

# Only ever added to. A denial that repeats within its minute raises the count of its row; retention removes the old.
audit = Table(
    "audit",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("subject_id", BigInteger, ForeignKey("audit_subjects.id"), nullable=False, index=True),
    _text("action"),
    _text("resource"),
    _text("project"),
    _text("reason"),
    _text("method"),
    _text("path"),
    Column("details", Text, nullable=False, server_default="{}"),
    Column("times", Integer, nullable=False, server_default="1"),
    Column("until_ms", BigInteger, nullable=False),
    Column("repeat_key", Text, unique=True),  # null for what is never counted together
    Index(None, "event", "at_ms"),
)

# How often somebody did something within a window of a limit.
limit_counts = Table(
    "limit_counts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

# Who met a limit or came near it, an hour a row.
limit_marks = Table(
    "limit_marks",
    metadata,
    Column("group", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("near", Integer, nullable=False, server_default="0"),  # windows of which four fifths were used
    Column("met", Integer, nullable=False, server_default="0"),  # requests that were turned away
    Column("allowed", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

FIRST_REVISION = text("INSERT INTO revision (id, value, epoch) VALUES (1, 0, :epoch)")
