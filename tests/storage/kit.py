"""Databases for tests, on both kinds."""

import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from services.runtime import bootstrap  # noqa: F401 - loads every room, and with them their tables
from services.storage.database import Database, open_database
from services.storage.migrate import migrate
from tests.postgres import Postgres


@contextlib.asynccontextmanager
async def opened(folder: Path, url: str | None) -> AsyncIterator[Database]:
    """A database at the revision of this code."""
    if url is None:
        _put_migrated(folder / "concentrate.db")
    database = open_database(folder, url)
    migrate(database)
    try:
        yield database
    finally:
        await database.close()


def _put_migrated(file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())


@cache
def _migrated() -> bytes:
    """A new file at the revision of this code, made once: running all revisions takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        migrate(open_database(Path(folder)))
        with contextlib.closing(sqlite3.connect(Path(folder) / "concentrate.db")) as connection:
            return connection.serialize()


@cache
def _migrated_on(server: Postgres) -> str:
    """The same there: the name of a database to copy."""
    url = server.create()
    migrate(open_database(Path(), url))
    return url.rpartition("/")[2]


def url_of(request: pytest.FixtureRequest) -> str | None:
    """For a fixture with the parameters `sqlite` and `postgresql`: the URL of a new database, None for a file."""
    if request.param == "sqlite":
        return None
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create(_migrated_on(server))


KINDS = ["sqlite", "postgresql"]
