"""Runs operations: each in one transaction, with whoever asks and what they may do read in the same one."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any, Final, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from services.keys.keyring import DatabaseKeyRing
from services.management.desk import Desk, Fresh, Tools, actor_of
from services.storage.database import Database
from services.tenancy.authority import COMMAND_LINE
from services.vocabulary.caller import Caller

Asked = TypeVar("Asked", bound=msgspec.Struct)
Answered = TypeVar("Answered")

PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Operation(Generic[Asked, Answered]):
    """Something that can be done: `name` as in the protos, what it is asked with, and whether it `writes`."""

    name: str
    asked: type[Asked]
    answered: Any
    run: Callable[[Desk, Asked], Answered]
    writes: bool


class Office:
    """The management API as a plain object."""

    def __init__(
        self,
        database: Database,
        tools: Tools,
        keys: DatabaseKeyRing | None = None,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        """`keys`: forgets what is changed here. `clock`: seconds since 1970."""
        self._database = database
        self._tools = tools
        self._keys = keys
        self._clock = clock

    async def run(
        self,
        operation: Operation[Asked, Answered],
        caller: Caller,
        request: Asked,
        *,
        idempotency_key: str | None = None,
    ) -> Answered:
        """Does it for the owner of a verified key. Raises `GatewayError`."""
        now_ms, fresh = int(self._clock() * 1000), self._fresh(operation.name, caller.key_id, idempotency_key)
        touched: set[str] = set()

        def work(connection: sa.Connection) -> Answered:
            touched.clear()
            desk = Desk(
                connection, actor_of(connection, caller), now_ms, fresh, self._tools, idempotency_key, touched=touched
            )
            return operation.run(desk, request)

        if not operation.writes:
            return await self._database.read(work, patience_s=PATIENCE_S)
        answered = await self._database.writer.submit(work, patience_s=PATIENCE_S)
        for org_id in touched:
            if self._keys is not None:
                self._keys.forget(org_id)
        return answered

    def run_here(
        self, operation: Operation[Asked, Answered], request: Asked, *, idempotency_key: str | None = None
    ) -> Answered:
        """Does it for whoever has the command line, on this thread. Raises `GatewayError`."""
        fresh = self._fresh(operation.name, "", idempotency_key)
        with self._database.begin() as connection:
            desk = Desk(connection, COMMAND_LINE, int(self._clock() * 1000), fresh, self._tools, idempotency_key)
            return operation.run(desk, request)

    def _fresh(self, operation: str, whose: str, idempotency_key: str | None) -> Fresh:
        """Of an attempt with a name, the same new ids as of the attempt before: of this caller, and nobody else's."""
        if idempotency_key is None:
            return Fresh()
        named = sha256(f"{operation}\0{whose}\0{idempotency_key}".encode()).hexdigest()
        return Fresh(self._tools.hasher.derived(f"idempotency {named}"))
