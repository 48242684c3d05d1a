"""Brings the database to the revision of this code, under a lock, so that of several processes at once one does it.

Revisions only add (expand): columns with defaults, tables, indexes. What the release before reads and writes stays, so old
and new workers run side by side on the new schema; what nobody uses any more is dropped by a later release. A database that
is newer than the code is therefore left alone.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from services.storage.database import Database
from services.storage.engines import UnusableDatabase

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"
_ADVISORY_LOCK: Final = 0x636F6E63  # "conc"
_LOCK_WAIT_MS: Final = 120_000


def migrate(database: Database) -> tuple[str | None, str | None]:
    """Runs what is missing. The revisions before and after; the same when nothing was. Raises `UnusableDatabase`."""
    try:
        if database.dialect == "sqlite":
            Path(str(database.url.database)).parent.mkdir(parents=True, exist_ok=True)
        with database.begin() as connection:
            before = _current(connection)
        if _is_current(before):  # the usual start: no lock, and Alembic is not even loaded
            return before, before
        with _lock(database), database.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_LOCK_WAIT_MS}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            before = _current(connection)
            if not _is_current(before):
                _upgrade(connection)
            return before, _current(connection)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise UnusableDatabase(_why(error)) from error


def revisions() -> list[str]:
    """All revisions of this code, in order."""
    following: dict[str | None, str] = {}
    for file in VERSIONS.glob("r*.py"):
        found = re.search(r'^revision = "(\w+)"\ndown_revision = (?:"(\w+)"|None)$', file.read_text(), re.MULTILINE)
        assert found is not None, f"{file.name} does not say its revision and the one before in our form"
        assert found[2] not in following, f"{file.name}: two revisions after {found[2]}"
        following[found[2]] = found[1]
    line: list[str] = []
    while (after := following.get(line[-1] if line else None)) is not None:
        line.append(after)
    return line


def _is_current(revision: str | None) -> bool:
    known = revisions()
    return revision is not None and (revision == known[-1] or revision not in known)


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only the first start after an update needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")


@contextmanager
def _lock(database: Database) -> Iterator[None]:
    """Beside an SQLite file, a lock file; PostgreSQL has a lock of its own."""
    if database.dialect != "sqlite":
        yield
        return
    with Path(f"{database.url.database}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, whatever happens
        yield


def _why(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", maxsplit=1)[0]
