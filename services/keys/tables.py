"""The table of API keys: public facts and a keyed hash, never a key. Times are seconds since 1970."""

import sqlalchemy as sa

from services.storage.schema import metadata

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("org_id", sa.String(40), sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("team_id", sa.String(40), nullable=False, server_default=""),
    sa.Column("user_id", sa.String(40), nullable=False, server_default=""),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("masked", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False, server_default="{}"),
    sa.Column("limits", sa.Text, nullable=False, server_default="{}"),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("disabled_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used_at", sa.BigInteger),
    sa.Column("rotated_from", sa.String(40)),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "org_id", "created_at"),
)
