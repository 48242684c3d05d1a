"""The ledger: accounts, transfers, holds, leases, budgets and their events."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.String(200)
_STATEMENT = sa.text("kind NOT IN ('hold', 'void')")
_REFUNDS = sa.text("kind = 'refund'")


def upgrade() -> None:
    """Adds the tables, and the accounts of the house."""
    accounts = op.create_table(
        "accounts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("metered", sa.Boolean, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.CheckConstraint("NOT metered OR balance >= held", name="ck_accounts_funded"),
        sa.CheckConstraint("held >= 0", name="ck_accounts_held"),
        sqlite_with_rowid=False,
    )
    house = ("house:funding", "house:revenue", "house:adjustments", "house:shortfall")
    op.bulk_insert(accounts, [{"id": name, "metered": False, "created_ms": 0} for name in house])
    op.create_table(
        "transfers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("debit", _ID, nullable=False),
        sa.Column("credit", _ID, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("owner", _ID, nullable=False),
        sa.Column("response_id", _ID, nullable=False, server_default=""),
        sa.Column("key_id", _ID, nullable=False, server_default=""),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
        sa.CheckConstraint("amount >= 0", name="ck_transfers_amount"),
        sqlite_with_rowid=False,
    )
    columns = ["owner", "created_ms", "id"]
    op.create_index(
        "ix_transfers_statement", "transfers", columns, sqlite_where=_STATEMENT, postgresql_where=_STATEMENT
    )
    op.create_index(
        "ix_transfers_refunds", "transfers", ["response_id"], sqlite_where=_REFUNDS, postgresql_where=_REFUNDS
    )
    op.create_table(
        "holds",
        sa.Column("response_id", _ID, nullable=False),
        sa.Column("account", _ID, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("budgets", sa.Text, nullable=False),
        sa.Column("lease", sa.String(40), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("response_id", name="pk_holds"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budgets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("scope", _ID, nullable=False),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("limit_nano", sa.BigInteger, nullable=False),
        sa.Column("thresholds", sa.String(200), nullable=False, server_default=""),
        sa.Column("period_start_ms", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("scope", "period", name="uq_budgets_scope_period"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spend_events",
        sa.Column("id", sa.String(400), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("scope", _ID, nullable=False),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("period_start_ms", sa.BigInteger, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("limit_nano", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spend_events"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_spend_events_scope_created_ms", "spend_events", ["scope", "created_ms"])
