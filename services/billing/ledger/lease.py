"""Shows that a process is alive, and gives back what those hold that are not.

A hold belongs to the process that waits for its answer. Each process renews a lease of its own; when one does not any more,
whoever looks next voids its holds. Should it be alive after all, its answers are settled from what the account has left.
"""

import asyncio
import contextlib
from collections.abc import Callable
from random import Random
from secrets import token_hex
from typing import Any, Final

import sqlalchemy as sa
import structlog

from services.billing.ledger.operations import Operation, Release, Result
from services.billing.ledger.tables import holds, leases
from services.errors import Overloaded
from services.storage.database import Database
from services.storage.schema import upsert
from services.storage.writer import Group

LEASE_S: Final = 60.0
_AT_ONCE: Final = 500

_log: Final = structlog.get_logger("billing")


class Lease:
    """Of this process. `clock`: Unix seconds."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float],
        seconds: float = LEASE_S,
        random: Random,
    ) -> None:
        """seconds: how long it lasts; it is renewed three times as often, and those of others are looked at then."""
        self.id = token_hex(8)
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._random = random
        self._task: asyncio.Task[None] | None = None

    async def start(self, group: Group[Operation, Result]) -> None:
        """Takes the lease and keeps it. Raises `Overloaded`."""
        await self.renew()
        self._task = asyncio.create_task(self._keep(group))

    async def close(self) -> None:
        """Gives it up: what this process still holds is given back by the next that looks."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(Overloaded):
            await self._database.writer.submit(lambda c: c.execute(sa.delete(leases).where(leases.c.id == self.id)))

    async def renew(self, id: str | None = None) -> float:
        """Extends it from now on, or that of another process which has no database; for how many seconds."""
        now = self._clock()
        row = {"id": id or self.id, "expires_ms": int((now + self._seconds) * 1000)}

        def write(connection: sa.Connection) -> None:
            insert = upsert(connection, leases).values(row)
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=row))
            connection.execute(sa.delete(leases).where(leases.c.expires_ms < int(now * 1000)))

        await self._database.writer.submit(write)
        return self._seconds

    async def sweep(self, group: Group[Operation, Result]) -> int:
        """Voids the holds of processes that are gone; how many."""
        now_ms = int(self._clock() * 1000)
        lost = await self._database.read(lambda connection: _lost(connection, now_ms))
        releases = [Release(id_, account, now_ms, "expired") for id_, account in lost]
        await asyncio.gather(*map(group.submit, releases))
        if releases:
            _log.warning("holds expired", count=len(releases))
        return len(releases)

    async def _keep(self, group: Group[Operation, Result]) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3 * self._random.uniform(0.8, 1.0))
            try:
                await self.renew()
                while await self.sweep(group) == _AT_ONCE:
                    pass
            except Overloaded as error:
                _log.warning("lease not renewed", error=error.message)
            except Exception as error:  # noqa: BLE001  # it must go on
                _log.error("lease not renewed", exc_info=error)


def _lost(connection: sa.Connection, now_ms: int) -> list[tuple[str, str]]:
    living = sa.select(leases.c.id).where(leases.c.expires_ms >= now_ms)
    query = sa.select(holds.c.response_id, holds.c.account).where(
        sa.or_(holds.c.lease.not_in(living), holds.c.expires_ms < now_ms)
    )
    rows: Any = connection.execute(query.order_by(holds.c.response_id).limit(_AT_ONCE))
    return [(row.response_id, row.account) for row in rows]
