"""API keys in SQLite: public facts and a keyed hash, never the key itself."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    masked     TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT
"""


class KeyRow(msgspec.Struct, frozen=True):
    """What is known of a key. masked: `sk-cn-v1...abcd`. Times are seconds since 1970; revoked_at None: it works."""

    id: str
    name: str
    masked: str
    created_at: int
    revoked_at: int | None = None


class Found(msgspec.Struct, frozen=True):
    """A row looked up by its digest, with the digest to compare. Not printed: neither `repr` shows the bytes."""

    row: KeyRow
    digest: bytes

    def __repr__(self) -> str:
        return f"Found(row={self.row!r})"


class KeyStore:
    """The table of keys. Any number of processes may open it; writers wait for each other, readers for nobody."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        """Opens or creates the database file. `clock`: seconds since 1970."""
        self._clock = clock
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(_SCHEMA)
        except sqlite3.Error:
            self._database.close()
            raise

    def add(self, row_id: str, name: str, masked: str, digest: bytes) -> KeyRow:
        """Adds a key. A digest that is there already stays as it is, and its row is returned."""
        row = KeyRow(row_id, name, masked, int(self._clock()))
        self._insert(row, digest)
        found = self.find(digest)
        assert found is not None, "an inserted row is found"
        return found.row

    def add_first(self, row_id: str, name: str, masked: str, digest: bytes) -> KeyRow | None:
        """Adds a key if there never was one; None if there was. Of several processes at once one succeeds."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            if self._database.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None:
                return None
            row = KeyRow(row_id, name, masked, int(self._clock()))
            self._insert(row, digest)
            return row
        finally:
            self._database.execute("COMMIT")

    def find(self, digest: bytes) -> Found | None:
        """The row of a digest, revoked or not."""
        found = self._database.execute(
            "SELECT id, name, masked, created_at, revoked_at, digest FROM api_keys WHERE digest = ?", (digest,)
        ).fetchone()
        return None if found is None else Found(KeyRow(*found[:5]), found[5])

    def rows(self) -> list[KeyRow]:
        """All keys, oldest first."""
        rows = self._database.execute(
            "SELECT id, name, masked, created_at, revoked_at FROM api_keys ORDER BY created_at, rowid"
        )
        return [KeyRow(*row) for row in rows]

    def revoke(self, row_id: str) -> KeyRow | None:
        """Makes a key stop working; None when there is no such id. A key revoked before keeps its first time."""
        self._database.execute(
            "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (int(self._clock()), row_id)
        )
        return next((row for row in self.rows() if row.id == row_id), None)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _insert(self, row: KeyRow, digest: bytes) -> None:
        self._database.execute(
            "INSERT INTO api_keys (id, name, masked, digest, created_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (digest) DO NOTHING",
            (row.id, row.name, row.masked, digest, row.created_at),
        )
