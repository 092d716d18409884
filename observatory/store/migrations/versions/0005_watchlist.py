"""Targets that administrators add, pauses, and who else names a target."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def upgrade() -> None:
    with op.batch_alter_table("targets") as table:
        table.add_column(text("also", "[]"))
        table.add_column(sa.Column("forgotten", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "added_targets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=True),
        sa.Column("timeout_ms", sa.BigInteger(), nullable=True),
        text("labels", "[]"),
        text("project"),
        text("token_env"),
        text("headers_env", "[]"),
        sa.Column("expect", sa.Text(), nullable=True),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_added_targets")),
    )
    op.create_table(
        "pauses",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pauses")),
    )
