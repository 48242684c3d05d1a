"""A key ring over a database in a folder."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from services.keys import first
from services.keys.keyring import DatabaseKeyRing
from services.keys.secret import load_hasher
from services.management import operations, requests
from services.management.desk import Tools
from services.management.office import Office
from services.management.shapes import ApiKey
from services.storage.database import Database
from services.storage.sealing import Sealer
from tests.storage import kit


class Clock:
    """A hand-set clock."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Keys:
    """A ring, and the office that makes and changes its keys (as another process would: the ring is not told)."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self.database = database
        folder.mkdir(parents=True, exist_ok=True)
        self.hasher = load_hasher(folder / "keys.secret")
        self.ring = DatabaseKeyRing(database, self.hasher, clock=clock, monotonic_clock=clock)
        self.office = Office(database, Tools(self.hasher, Sealer([self.hasher.derived("x")])), clock=clock)
        with database.begin() as connection:
            first.begin(connection, self.hasher, at=int(clock()))

    def create(self, name: str = "", **asked) -> tuple[str, ApiKey]:
        made = self.office.run_here(operations.CREATE_KEY, requests.CreateKey(name=name, **asked))
        assert isinstance(made.key, str)
        return made.key, made

    def revoke(self, key_id: str) -> ApiKey:
        return self.office.run_here(operations.DELETE_KEY, requests.One(id=key_id))

    def rows(self) -> list[ApiKey]:
        return self.office.run_here(operations.LIST_KEYS, requests.ListKeys(revoked=True, limit=100)).data

    def bootstrap(self, known: str | None) -> str | None:
        with self.database.begin() as connection:
            return first.bootstrap(connection, self.hasher, known, at=1000)


@contextlib.asynccontextmanager
async def opened(folder: Path, clock: Clock, url: str | None = None) -> AsyncIterator[Keys]:
    """The keys of a database."""
    async with kit.opened(folder, url) as database:
        keys = Keys(database, folder, clock)
        yield keys
        await keys.ring.close()
