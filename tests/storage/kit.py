"""Databases for tests, on both kinds."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.storage.database import Database, open_database
from services.storage.migrate import migrate


@contextlib.asynccontextmanager
async def opened(folder: Path, url: str | None) -> AsyncIterator[Database]:
    """A database at the revision of this code."""
    database = open_database(folder, url)
    migrate(database)
    try:
        yield database
    finally:
        await database.close()


def url_of(request: pytest.FixtureRequest) -> str | None:
    """For a fixture with the parameters `sqlite` and `postgresql`: the URL of an empty database, None for a file."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


KINDS = ["sqlite", "postgresql"]
