"""The database of a process: one way to write, one way to read."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa

from services.errors import Overloaded
from services.storage.engines import engine, parse
from services.storage.transient import is_transient
from services.storage.writer import PATIENCE_S, Writer

READERS: Final = 4

T = TypeVar("T")


class Database:
    """SQLite or PostgreSQL. Nothing is opened before it is used, so a process that needs no database has none."""

    def __init__(self, url: sa.URL) -> None:
        """`url`: from `engines.parse`."""
        self.url = url
        self.dialect = url.get_backend_name()
        self._writing = engine(url, writing=True, connections=1, synced=False)
        self._reading = engine(url, writing=False, connections=READERS)
        self._direct = engine(url, writing=True, connections=0)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")
        self.writer = Writer(self._writing)

    async def read(self, query: Callable[[sa.Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        """Runs `query` in a transaction on another thread: it sees one state of the database. It must not write.

        Raises what it raised, or `Overloaded` when the database does not answer within `patience_s` seconds.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience_s):
                return await loop.run_in_executor(self._readers, self._read, query)
        except TimeoutError:
            raise Overloaded("The database does not answer in time.", retry_after=2) from None
        except Exception as error:
            if is_transient(error):
                raise Overloaded("The database is not available.", retry_after=2) from error
            raise

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """A writing transaction on this thread, on a connection of its own: for command lines and the start."""
        return self._direct.begin()

    async def scrub(self) -> bool:
        """Takes what was deleted out of SQLite's log, too. Whether it is; in PostgreSQL that is its own vacuum's business."""
        return self.dialect != "sqlite" or await asyncio.to_thread(self._empty_log)

    async def close(self) -> None:
        """Finishes what waits to be written, and lets go of the connections."""
        await self.writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        self._reading.dispose()

    def _empty_log(self) -> bool:
        connection = self._direct.raw_connection()  # no transaction: within one there is nothing to empty
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            ((busy, _, _),) = cursor.fetchall()
            return not busy
        finally:
            connection.close()

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        with self._reading.begin() as connection:
            return query(connection)


def open_database(folder: Path, url: str | None = None) -> Database:
    """The database at `url`, else the file `concentrate.db` in `folder`. Raises `UnusableDatabase`."""
    return Database(parse(url, folder))
