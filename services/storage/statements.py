"""Statements given to the driver itself, for hot paths: they cost a quarter of what SQLAlchemy's do.

Written for SQLite; PostgreSQL differs in the mark for parameters (`?`), in how a list is passed (`IN (:list)`), and in
locking what was read (`FOR UPDATE`). Each text is spelled once. Errors are raised as SQLAlchemy raises them.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

_encode: Final = msgspec.json.Encoder().encode
_sync: Final = getattr(os, "fdatasync", os.fsync)  # macOS has only the other

_SPELLED_MAX: Final = 8
"""Values of a list that are spelled out, which costs SQLite less than reading them from JSON."""


class Statements:
    """On one connection, within a transaction of SQLAlchemy's or of its own (`begin`)."""

    def __init__(self, connection: sa.Connection) -> None:
        self._dialect = connection.dialect
        self._postgres = connection.dialect.name == "postgresql"
        self._driver: Any = connection.connection
        self._cursor: Any = self._driver.cursor()
        self._log: int | None = None

    def rows(self, statement: str, values: Iterable[str]) -> Sequence[Any]:
        """What is found for a list of values; nothing for none, without asking."""
        listed = list(set(values))
        if not listed:
            return ()
        if self._postgres:
            self._execute(_postgres(statement), (listed,))
        elif len(listed) <= _SPELLED_MAX:
            self._execute(_sqlite(statement, len(listed)), listed)
        else:
            self._execute(_sqlite(statement), (_encode(listed).decode(),))
        found: Sequence[Any] = self._cursor.fetchall()
        return found

    def run(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """The statement for each row."""
        if not rows:
            return
        text = _postgres(statement) if self._postgres else statement
        if len(rows) == 1:
            self._execute(text, rows[0])
            return
        try:
            self._cursor.executemany(text, rows)
        except Exception as error:
            raise self._known(error, text) from error

    def begin(self) -> None:
        """Begins a transaction."""
        if not self._postgres:  # PostgreSQL begins by itself
            self._execute("BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        """Ends it. What is committed is seen by everybody."""
        try:
            self._driver.commit()
        except Exception as error:
            raise self._known(error, "COMMIT") from error

    def rollback(self) -> None:
        """Ends it as if it had not been."""
        try:
            self._driver.rollback()
        except Exception as error:
            raise self._known(error, "ROLLBACK") from error

    def sync(self) -> None:
        """Has the disk keep what was committed, on a connection that is not `synced` (see `engines`). Raises `OSError`.

        That is the log's file, as SQLite itself would do before it lets go of its lock: here others write meanwhile.
        """
        if self._postgres:
            return
        if self._log is None:
            self._execute("PRAGMA database_list", ())
            ((_, _, path),) = self._cursor.fetchall()
            try:
                self._log = os.open(f"{path}-wal", os.O_RDONLY)
            except (
                FileNotFoundError
            ):  # a file system without shared memory has no log: SQLite has synced the file itself
                return
        _sync(self._log)

    def close(self) -> None:
        """Lets go of the cursor and the log."""
        if self._log is not None:
            os.close(self._log)
            self._log = None
        self._cursor.close()

    def _execute(self, text: str, parameters: Sequence[Any]) -> None:
        try:
            self._cursor.execute(text, parameters)
        except Exception as error:
            raise self._known(error, text) from error

    def _known(self, error: Exception, text: str) -> BaseException:
        """The driver's error as SQLAlchemy would raise it."""
        family = self._dialect.loaded_dbapi.Error
        return sa.exc.DBAPIError.instance(text, None, error, family, dialect=self._dialect)


@lru_cache
def _postgres(statement: str) -> str:
    return statement.replace("IN (:list)", "= ANY(%s)").replace("?", "%s")


@lru_cache
def _sqlite(statement: str, values: int = 0) -> str:
    """With its list spelled out, or as JSON for 0."""
    listed = ",".join("?" * values) or "SELECT value FROM json_each(?)"
    return statement.replace(":list", listed).replace(" FOR UPDATE", "")
