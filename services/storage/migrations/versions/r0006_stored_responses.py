"""Responses that are kept, and the events of their streams."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"


def upgrade() -> None:
    """Three tables."""
    op.create_table(
        "responses",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("previous_id", sa.String(64)),
        sa.Column("conversation_id", sa.String(64)),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("output", sa.LargeBinary, nullable=False),
        sa.Column("input", sa.LargeBinary, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False, server_default=sa.text("-1")),
        sa.Column("background", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("owner", sa.String(64)),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("work", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_responses"),
    )
    for column in ("expires_at", "previous_id", "lease_until"):
        op.create_index(f"ix_responses_{column}", "responses", [column])
    op.create_table(
        "response_events",
        sa.Column("response_id", sa.String(64), nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("frames", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("response_id", "first", name="pk_response_events"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name="fk_response_events_response_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_response_events_at", "response_events", ["at"])
    op.create_table(
        "response_items",
        sa.Column("response_id", sa.String(64), nullable=False),
        sa.Column("item_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("response_id", "item_id", name="pk_response_items"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name="fk_response_items_response_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_response_items_item_id", "response_items", ["item_id"])
