"""SQLAlchemy engines for the two databases: what each must be told on every connection."""

import fcntl
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

FILE: Final = "concentrate.db"
BUSY_S: Final = 10
"""Longest wait for another process that writes to the same SQLite file."""

_MAPPED: Final = 64 << 20
"""Bytes of an SQLite file that are read in place: what is asked for again and again was written early."""

_STATEMENT_MS: Final = 10_000
_CONNECT_S: Final = 5

_SCHEMES: Final = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite"}


class UnusableDatabase(ValueError):
    """The database cannot be used. The message says why, and never holds the URL's password."""


def parse(url: str | None, folder: Path) -> sa.URL:
    """The URL of the database: `url` (`DATABASE_URL`), else a file in `folder`. Raises `UnusableDatabase`."""
    if not url:
        return sa.URL.create("sqlite", database=str(folder / FILE))
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise UnusableDatabase("is not a URL such as postgresql://user:password@host:5432/name") from None
    scheme = _SCHEMES.get(parsed.drivername.partition("+")[0])
    if scheme is None:
        raise UnusableDatabase(f"`{parsed.drivername}` is none of {', '.join(_SCHEMES)}")
    if scheme == "sqlite" and not parsed.database:
        raise UnusableDatabase("an SQLite database needs a file: processes share it")
    return parsed.set(drivername=scheme)


def engine(url: sa.URL, *, writing: bool, connections: int, synced: bool = True) -> sa.Engine:
    """An engine whose transactions are for writing (on SQLite: `BEGIN IMMEDIATE`) or only read. Connects at the first use.

    connections: kept open at most; 0 keeps none. synced: a commit is on the disk; without it, on SQLite, it survives the end
    of the process but a power cut only once `Statements.sync` was called.
    """
    pool: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": connections, "max_overflow": 0}
        if connections
        else {"poolclass": NullPool}
    )
    if url.get_backend_name() == "sqlite":
        made = sa.create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, **pool)
        pragmas = (
            f"synchronous = {'FULL' if synced else 'NORMAL'}",
            "foreign_keys = ON",
            "secure_delete = ON",  # else what is deleted stays in the file until something is written over it
            f"mmap_size = {_MAPPED}",
        )
        sa.event.listen(made, "connect", lambda connection, _: _prepare_sqlite(connection, pragmas))
        begin = "BEGIN IMMEDIATE" if writing else "BEGIN"
        sa.event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
        return made
    arguments = {
        "connect_timeout": _CONNECT_S,
        "application_name": "concentrate",
        # A statement that waits for a lock this long has lost; what waits for us must not.
        "options": f"-c statement_timeout={_STATEMENT_MS}",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # a machine that is gone says nothing: without this for a quarter of an hour
    }
    return sa.create_engine(url, connect_args={**arguments, **url.query}, **pool)


def _prepare_sqlite(connection: sqlite3.Connection, pragmas: Sequence[str]) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` event begins, and nobody else
    _use_wal(connection)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """The file stays so. Of two that switch at once one fails with "locked", without waiting: so one after the other.

    A new file is for its owner's eyes; SQLite gives its log the same mode.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return
    ((_, _, path),) = connection.execute("PRAGMA database_list").fetchall()
    with Path(f"{path}.wal.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not Path(path).stat().st_size:
            Path(path).chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
