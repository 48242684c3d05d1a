"""An empty database, so that every revision has one before it."""

revision = "0000"
down_revision = None


def upgrade() -> None:
    """Nothing."""
