"""Buckets in an SQLite file, shared by the workers of one machine."""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.routing.metrics.bucket import FORMAT, Key, Row
from services.routing.metrics.levels import LEVELS
from services.routing.metrics.store import Read, coarser, due_before

_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS buckets (
        seq      INTEGER PRIMARY KEY AUTOINCREMENT,
        level    INTEGER NOT NULL,
        start    INTEGER NOT NULL,
        model    TEXT NOT NULL,
        provider TEXT NOT NULL,
        region   TEXT NOT NULL,
        writer   TEXT NOT NULL,
        bucket   BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX IF NOT EXISTS buckets_by_age ON buckets (level, start)",
)
_INSERT: Final = (
    "INSERT INTO buckets (level, start, model, provider, region, writer, bucket) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_WAIT_S: Final = 10.0


class SqliteStore:
    """A file of buckets. Any number of processes may open it; writers wait for each other, readers for nobody.

    A kill loses no row that was appended. A power cut may lose the last ones: they are measurements, not money.
    """

    def __init__(self, path: Path, *, writer: str) -> None:
        """Opens or creates the file; one of another version is emptied. `writer`: an id that no other writer has."""
        self._writer = writer
        with path.with_name(f"{path.name}.lock").open("w") as file, _as_os_error():
            fcntl.flock(
                file, fcntl.LOCK_EX
            )  # two that switch to WAL at once are not waited for: one fails with "locked"
            self._database = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            if self._database.execute("PRAGMA user_version").fetchone() != (FORMAT,):
                self._database.execute("DROP TABLE IF EXISTS buckets")
                self._database.execute(f"PRAGMA user_version = {FORMAT}")
            for statement in _SCHEMA:
                self._database.execute(statement)

    def load(self) -> Read:
        with self._transaction(writing=False):
            rows = self._database.execute(
                "SELECT level, start, model, provider, region, bucket FROM buckets ORDER BY level, start DESC"
            ).fetchall()
            return Read([_row(*row) for row in rows], str(self._last()))

    def append(self, batch: int, rows: Sequence[Row]) -> None:  # noqa: ARG002 - a commit that failed did not happen
        with self._transaction():
            self._insert(rows, self._writer)

    def since(self, cursor: str) -> Read:
        with self._transaction(writing=False):
            rows = self._database.execute(
                "SELECT level, start, model, provider, region, bucket FROM buckets"
                " WHERE seq > ? AND level = 0 AND writer != ? ORDER BY seq",
                (int(cursor), self._writer),
            ).fetchall()
            return Read([_row(*row) for row in rows], str(self._last()))

    def compact(self, now: float) -> None:
        for level in range(len(LEVELS)):
            before = due_before(level, now)
            with self._transaction():
                if level + 1 < len(LEVELS):
                    self._move(level, before)
                self._database.execute("DELETE FROM buckets WHERE level = ? AND start < ?", (level, before))

    def close(self) -> None:
        self._database.close()

    def _move(self, level: int, before: int) -> None:
        due = self._of(level, before)
        if not due:
            return
        there = {(start, key): bucket for start, key, bucket in self._of(level + 1, before)}
        rows = coarser(level, due, there)
        self._database.executemany(
            "DELETE FROM buckets WHERE level = ? AND start = ? AND model = ? AND provider = ? AND region = ?",
            [(row.level, row.start, *row.key) for row in rows if (row.start, row.key) in there],
        )
        self._insert(rows, "")

    def _of(self, level: int, before: int) -> list[tuple[int, Key, bytes]]:
        rows = self._database.execute(
            "SELECT start, model, provider, region, bucket FROM buckets WHERE level = ? AND start < ?", (level, before)
        )
        return [(start, Key(model, provider, region), bucket) for start, model, provider, region, bucket in rows]

    def _insert(self, rows: Sequence[Row], writer: str) -> None:
        self._database.executemany(_INSERT, [(row.level, row.start, *row.key, writer, row.bucket) for row in rows])

    def _last(self) -> int:
        found = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'buckets'").fetchone()
        return int(found[0]) if found else 0

    @contextmanager
    def _transaction(self, *, writing: bool = True) -> Iterator[None]:
        with _as_os_error():
            self._database.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
            with self._database:  # commits, or rolls back
                yield


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(f"the metrics file: {error}") from error


def _row(level: int, start: int, model: str, provider: str, region: str, bucket: bytes) -> Row:
    return Row(level, start, Key(model, provider, region), bucket)
