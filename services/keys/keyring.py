"""Verifies API keys.

A key is looked up by its keyed hash and remembered for a second, so a revoked key stops within that second in every
process, and a busy key costs one hash per request.
"""

import hmac
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time

from services.errors import InvalidKey
from services.keys.secret import PREFIX, Hasher, is_key, load_hasher, mask, new_id, new_key
from services.keys.store import KeyRow, KeyStore
from services.vocabulary.caller import Caller

STALE_AFTER_S = 1.0
_REMEMBERED_MAX = 10_000
_HOW = f"Send `Authorization: Bearer <key>` (or `x-api-key: <key>`); keys start with `{PREFIX}`."


class FolderUnusable(ValueError):
    """Keys cannot be kept in this folder. The message names it, and says why."""


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename not in (None, str(folder)) else ""
        raise FolderUnusable(f"keys cannot be kept in {folder}: {error.strerror}{where}") from error
    except (sqlite3.Error, ValueError) as error:
        raise FolderUnusable(f"keys cannot be kept in {folder}: {error}") from error


class SqliteKeyRing:
    """The keys of one data folder: `keys.db` holds them, `keys.secret` is what they are hashed with."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float] = time, monotonic_clock: Callable[[], float] = monotonic
    ) -> None:
        """Creates folder and files when they are missing. `clock`: seconds since 1970. Raises `FolderUnusable`."""
        self._folder = folder
        with _usable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._hasher: Hasher = load_hasher(folder / "keys.secret")
            self._store = KeyStore(folder / "keys.db", clock=clock)
        self._now = monotonic_clock
        self._remembered: dict[bytes, tuple[Caller, float]] = {}

    async def verify(self, authorization: str | None, x_api_key: str | None) -> Caller:
        """The owner of the key in either header; a Bearer key wins. Raises `InvalidKey`."""
        digest = self._hasher.digest(_key(authorization, x_api_key))
        now = self._now()
        remembered = self._remembered.get(digest)
        if remembered is not None and now < remembered[1]:
            return remembered[0]
        found = self._store.find(digest)
        if found is None or not hmac.compare_digest(found.digest, digest) or found.row.revoked_at is not None:
            self._remembered.pop(digest, None)
            raise InvalidKey("This API key is unknown or has been revoked.")
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()  # a burst of look-ups once in ten thousand keys costs less than an order of use
        caller = Caller(found.row.id, found.row.name)
        self._remembered[digest] = (caller, now + STALE_AFTER_S)
        return caller

    def create(self, name: str) -> tuple[str, KeyRow]:
        """A new key and what is kept of it. The key is shown here and never again."""
        key = new_key()
        return key, self._store.add(new_id(), name, mask(key), self._hasher.digest(key))

    def rows(self) -> list[KeyRow]:
        """All keys, oldest first, masked."""
        return self._store.rows()

    def revoke(self, key_id: str) -> KeyRow | None:
        """Makes a key stop working everywhere within a second; None when there is no such id."""
        return self._store.revoke(key_id)

    def bootstrap(self, known_key: str | None) -> str | None:
        """Makes sure that there is a first key: `known_key`, else a fresh one, which is returned to be shown once.

        Raises `ValueError` when `known_key` is not the form of a key, and `FolderUnusable`.
        """
        if known_key:
            if not is_key(known_key):
                raise ValueError(f"CONCENTRATE_BOOTSTRAP_KEY must be `{PREFIX}` and at least 20 printable characters")
            with _usable(self._folder):
                self._store.add(new_id(), "bootstrap", mask(known_key), self._hasher.digest(known_key))
            return None
        key = new_key()
        with _usable(self._folder):
            return key if self._store.add_first(new_id(), "first key", mask(key), self._hasher.digest(key)) else None

    def close(self) -> None:
        """Closes the database."""
        self._store.close()


def _key(authorization: str | None, x_api_key: str | None) -> str:
    scheme, _, bearer = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer" and (bearer := bearer.strip()):
        key = bearer
    elif x_api_key is not None and (x_api_key := x_api_key.strip()):
        key = x_api_key
    elif scheme:
        raise InvalidKey(f"The Authorization header is not `Bearer <key>`. {_HOW}")
    else:
        raise InvalidKey(f"No API key. {_HOW}")
    if not is_key(key):
        raise InvalidKey(f"This is not an API key of this gateway. {_HOW}")
    return key
