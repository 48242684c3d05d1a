"""What was asked and used: one row for each request, and sums for each day. Never what it said."""

from typing import Final

import sqlalchemy as sa

from services.storage.schema import metadata

_ID: Final = sa.String(200)
COUNTS: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "web_searches")


def _counts() -> list["sa.Column[int]"]:
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in COUNTS]


usage: Final = sa.Table(
    "usage",
    metadata,
    sa.Column("response_id", _ID, primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("org_id", _ID, nullable=False),
    sa.Column("team_id", _ID, nullable=False),
    sa.Column("user_id", _ID, nullable=False),
    sa.Column("key_id", _ID, nullable=False),
    sa.Column("surface", sa.String(40), nullable=False),
    sa.Column("requested", sa.Text, nullable=False),
    sa.Column("provider", sa.String(100), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    *_counts(),
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
    sa.Index(None, "org_id", "created_ms"),
    sqlite_with_rowid=False,
)
"""cost: nano-dollars, None without a price; parts: per class, as JSON. ttft_ms: to the first content.

counted: `provider`, `estimated` (the client left before the provider counted) or `nobody`.
"""

usage_daily: Final = sa.Table(
    "usage_daily",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("org_id", _ID, primary_key=True),
    sa.Column("team_id", _ID, primary_key=True),
    sa.Column("user_id", _ID, primary_key=True),
    sa.Column("key_id", _ID, primary_key=True),
    sa.Column("provider", sa.String(100), primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failures", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("byok_requests", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("unpriced_requests", sa.BigInteger, nullable=False, server_default="0"),
    *_counts(),
    sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""A row is a sum, and is made in the transaction of the requests that it counts."""
