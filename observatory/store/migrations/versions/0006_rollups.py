"""Samples of whole days, and the same days in buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    numbers = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "day_chunks",
        sa.Column("id", numbers, nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("day_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_day_chunks_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_day_chunks")),
        sa.UniqueConstraint("series_id", "day_ms", name=op.f("uq_day_chunks_series_id_day_ms")),
    )
    op.create_index(op.f("ix_day_chunks_day_ms"), "day_chunks", ["day_ms"])
    op.create_table(
        "rollups",
        sa.Column("id", numbers, nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("step_ms", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("buckets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_rollups_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollups")),
        sa.UniqueConstraint("series_id", "step_ms", "since_ms", name=op.f("uq_rollups_series_id_step_ms_since_ms")),
    )
    op.create_index(op.f("ix_rollups_step_ms_since_ms"), "rollups", ["step_ms", "since_ms"])
