"""The whole of what a Bridge tells of projects, agents and MCP servers, and broadcasts that were told."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def upgrade() -> None:
    for name in ("ws_url", "bridge_url", "mcp_url"):
        op.add_column("projects", text(name))
    op.add_column("projects", sa.Column("has_mcp", sa.Boolean(), nullable=True))
    op.add_column("projects", text("dashboards", "{}"))
    op.add_column("projects", text("telemetry_map", "{}"))
    for name in ("command", "command_source", "command_result"):
        op.add_column("agents", text(name))
    op.add_column("agents", sa.Column("command_ms", sa.BigInteger(), nullable=True))
    op.add_column("agents", sa.Column("received_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "contexts",
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=False),
        sa.Column("measured_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        text("cause"),
        text("detail"),
        sa.Column("available", sa.Boolean(), nullable=True),
        text("servers", "[]"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_contexts_target_id")),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_contexts")),
    )
    op.create_table(
        "broadcasts",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("type", "at_ms", name=op.f("pk_broadcasts")),
    )
