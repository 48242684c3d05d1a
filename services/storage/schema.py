"""The one `MetaData` of the database. Tables live in the rooms that own them; they are what queries are written against.

The database itself is made by the revisions in `migrations/versions`, written by hand; `tests/storage` compares the two.
"""

from typing import Final

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Constraints have names, because a later revision can only drop what it can name."""


def upsert(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An `INSERT` that knows `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases spell alike."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
