"""The table of provider credentials that organisations, teams and users brought. Times are seconds since 1970."""

import sqlalchemy as sa

from services.storage.schema import metadata

provider_credentials = sa.Table(
    "provider_credentials",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("org_id", sa.String(40), sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("team_id", sa.String(40), nullable=False, server_default=""),
    sa.Column("user_id", sa.String(40), nullable=False, server_default=""),
    sa.Column("provider", sa.String(60), nullable=False),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("masked", sa.Text, nullable=False, server_default=""),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("disabled_at", sa.BigInteger),
    sa.Column("deleted_at", sa.BigInteger),
    sa.Index(None, "org_id", "created_at"),
)
"""sealed: the variables, sealed for this id; emptied when the credential is deleted."""
