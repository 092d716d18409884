"""API tokens, password links, sessions that are renewed, the audit log, and limits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    with op.batch_alter_table("sessions") as table:
        table.add_column(text("session"))
        table.add_column(sa.Column("renewed_ms", sa.BigInteger()))
        table.add_column(sa.Column("confirmed_ms", sa.BigInteger()))
        table.create_index(op.f("ix_sessions_session"), ["session"])
        table.create_index(op.f("ix_sessions_expires_ms"), ["expires_ms"])
    op.execute("UPDATE sessions SET session = jti")
    op.create_table(
        "api_tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("projects", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_tokens_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"])
    op.create_table(
        "links",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_links_user_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_user_id"), "links", ["user_id"])
    op.create_table(
        "audit_subjects",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        text("name"),
        text("address"),
        text("user_agent"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_subjects")),
        sa.UniqueConstraint("key", name=op.f("uq_audit_subjects_key")),
    )
    op.create_index(op.f("ix_audit_subjects_user_id"), "audit_subjects", ["user_id"])
    op.create_table(
        "audit",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        *map(text, ("action", "resource", "project", "reason", "method", "path")),
        sa.Column("details", sa.Text(), server_default="{}", nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("repeat_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["audit_subjects.id"], name=op.f("fk_audit_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("repeat_key", name=op.f("uq_audit_repeat_key")),
    )
    op.create_index(op.f("ix_audit_at_ms"), "audit", ["at_ms"])
    op.create_index(op.f("ix_audit_subject_id"), "audit", ["subject_id"])
    op.create_index(op.f("ix_audit_event_at_ms"), "audit", ["event", "at_ms"])
    op.create_table(
        "limit_counts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_limit_counts")),
    )
    op.create_index(op.f("ix_limit_counts_expires_ms"), "limit_counts", ["expires_ms"])
    op.create_table(
        "limit_marks",
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("near", sa.Integer(), server_default="0", nullable=False),
        sa.Column("met", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group", "who", "hour_ms", name=op.f("pk_limit_marks")),
    )
