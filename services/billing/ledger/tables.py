"""The tables of the ledger. Amounts are nano-dollars, times milliseconds since 1970.

`transfers` is the double entry and is only added to. `accounts` and `budgets` are its sums, kept in the same transaction;
`holds` are the transfers of kind `hold` that are still open.
"""

from typing import Final

import sqlalchemy as sa

from services.storage.schema import metadata

_ID: Final = sa.String(200)

accounts: Final = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("metered", sa.Boolean, nullable=False),
    sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("NOT metered OR balance >= held", name="funded"),
    sa.CheckConstraint("held >= 0", name="held"),
    sqlite_with_rowid=False,
)
"""metered: it cannot spend what it does not have. balance: what came in less what went out, holds not counted."""

transfers: Final = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("debit", _ID, nullable=False),
    sa.Column("credit", _ID, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("owner", _ID, nullable=False),
    sa.Column("response_id", _ID, nullable=False, server_default=""),
    sa.Column("key_id", _ID, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("amount >= 0", name="amount"),
    sa.Index(
        "ix_transfers_statement",
        "owner",
        "created_ms",
        "id",
        sqlite_where=sa.text("kind NOT IN ('hold', 'void')"),
        postgresql_where=sa.text("kind NOT IN ('hold', 'void')"),
    ),
    sa.Index(
        "ix_transfers_refunds",
        "response_id",
        sqlite_where=sa.text("kind = 'refund'"),
        postgresql_where=sa.text("kind = 'refund'"),
    ),
    sqlite_with_rowid=False,
)
"""Money from `debit` to `credit`. A hold moves nothing yet, a void never will. owner: in whose statement it stands."""

holds: Final = sa.Table(
    "holds",
    metadata,
    sa.Column("response_id", _ID, primary_key=True),
    sa.Column("account", _ID, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("budgets", sa.Text, nullable=False),
    sa.Column("lease", sa.String(40), nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""budgets: what it is reserved in, as JSON {budget id: start of its period}. lease: of the process that waits for it."""

leases: Final = sa.Table(
    "leases",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Processes that are alive: each renews its own. The holds of one that does not are given back."""

budgets: Final = sa.Table(
    "budgets",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, nullable=False),
    sa.Column("period", sa.String(8), nullable=False),
    sa.Column("limit_nano", sa.BigInteger, nullable=False),
    sa.Column("thresholds", sa.String(200), nullable=False, server_default=""),
    sa.Column("period_start_ms", sa.BigInteger, nullable=False),
    sa.Column("spent", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("scope", "period"),
    sqlite_with_rowid=False,
)
"""scope: `key:key_1`. id: scope, period and a number that no other budget ever had. thresholds: per cent, `80,100`."""

spend_events: Final = sa.Table(
    "spend_events",
    metadata,
    sa.Column("id", sa.String(400), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("scope", _ID, nullable=False),
    sa.Column("period", sa.String(8), nullable=False),
    sa.Column("period_start_ms", sa.BigInteger, nullable=False),
    sa.Column("percent", sa.Integer, nullable=False),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("limit_nano", sa.BigInteger, nullable=False),
    sa.Index(None, "scope", "created_ms"),
    sqlite_with_rowid=False,
)
"""A budget has reached one of its thresholds: once in its period."""
