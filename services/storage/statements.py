"""Statements given to the driver itself, for hot paths: they cost a quarter of what SQLAlchemy's do.

Written for SQLite; PostgreSQL differs in the mark for parameters (`?`), in how a list is passed (`IN (:list)`), and in
locking what was read (`FOR UPDATE`). Each text is spelled once. Errors are raised as SQLAlchemy raises them.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

_encode: Final = msgspec.json.Encoder().encode


class Statements:
    """On one connection, within a transaction of SQLAlchemy's or of its own (`begin`)."""

    def __init__(self, connection: sa.Connection) -> None:
        self._dialect = connection.dialect
        self._postgres = connection.dialect.name == "postgresql"
        self._driver: Any = connection.connection
        self._cursor: Any = self._driver.cursor()
        self._durable = True

    def rows(self, statement: str, values: Iterable[str]) -> Sequence[Any]:
        """What is found for a list of values; nothing for none, without asking."""
        listed = list(set(values))
        if not listed:
            return ()
        self._execute(statement, (listed if self._postgres else _encode(listed).decode(),))
        found: Sequence[Any] = self._cursor.fetchall()
        return found

    def run(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """The statement for each row."""
        if len(rows) == 1:
            self._execute(statement, rows[0])
        elif rows:
            text = _spelled(statement, postgres=self._postgres)
            try:
                self._cursor.executemany(text, rows)
            except Exception as error:
                raise self._known(error, text) from error

    def begin(self, *, durable: bool) -> None:
        """Begins a transaction. durable: it must survive a power cut; without it, it survives only the end of the process."""
        if not self._postgres:  # PostgreSQL begins by itself
            self._make(durable=durable)
            self._execute("BEGIN IMMEDIATE", ())

    def make_durable(self) -> None:
        """Has transactions that are not of our own making last, too. Between two of them."""
        self._make(durable=True)

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

    def close(self) -> None:
        """Lets go of the cursor."""
        self._cursor.close()

    def _make(self, *, durable: bool) -> None:
        if durable is not self._durable and not self._postgres:
            self._execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}", ())
            self._durable = durable

    def _execute(self, statement: str, parameters: tuple[Any, ...]) -> None:
        text = _spelled(statement, postgres=self._postgres)
        try:
            self._cursor.execute(text, parameters)
        except Exception as error:
            raise self._known(error, text) from error

    def _known(self, error: Exception, text: str) -> BaseException:
        """The driver's error as SQLAlchemy would raise it."""
        family = self._dialect.loaded_dbapi.Error
        return sa.exc.DBAPIError.instance(text, None, error, family, dialect=self._dialect)


@lru_cache
def _spelled(statement: str, *, postgres: bool) -> str:
    if postgres:
        return statement.replace("IN (:list)", "= ANY(%s)").replace("?", "%s")
    return statement.replace(":list", "SELECT value FROM json_each(?)").replace(" FOR UPDATE", "")
