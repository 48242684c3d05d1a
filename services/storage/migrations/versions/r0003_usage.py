"""Usage: a row for each request, and sums for each day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.String(200)
_COUNTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "web_searches")


def _sums(*names: str) -> list["sa.Column[int]"]:
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in names]


def upgrade() -> None:
    """Adds both tables."""
    op.create_table(
        "usage",
        sa.Column("response_id", _ID, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("org_id", _ID, nullable=False),
        sa.Column("team_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("surface", sa.String(40), nullable=False),
        sa.Column("requested", sa.Text, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        *_sums(*_COUNTS),
        sa.Column("tier", sa.String(40), nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("price_version", sa.Text, nullable=False),
        sa.Column("byok", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("ttft_ms", sa.BigInteger),
        sa.Column("total_ms", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("response_id", name="pk_usage"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_org_id_created_ms", "usage", ["org_id", "created_ms"])
    op.create_table(
        "usage_daily",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("org_id", _ID, nullable=False),
        sa.Column("team_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        *_sums("requests", "failures", "byok_requests", "unpriced_requests", *_COUNTS, "cost"),
        sa.PrimaryKeyConstraint(
            "day", "org_id", "team_id", "user_id", "key_id", "provider", "model", name="pk_usage_daily"
        ),
        sqlite_with_rowid=False,
    )
