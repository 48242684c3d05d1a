"""What outlives a request, for the event loop: every write is one transaction of the process's writer."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import sqlalchemy as sa

from services.storage.database import Database
from services.storage.sealing import Sealer
from services.storage.statements import Statements
from services.store import background, conversations, responses
from services.store.records import Conversation, Frames, ItemRow, Kept, Record, Task, Turn, form

T = TypeVar("T", bool, int)

DAY_S: Final = 86_400
EVENTS_KEPT_S: Final = DAY_S
"""How long the events of a stream are kept for those who want to continue it; the response itself is kept longer."""

KEEP_PATIENCE_S: Final = 3.0
"""Longest wait of a terminal event for the database. After it the response counts as not stored, and says so."""

PURGED_AT_ONCE: Final = 500


class Store:
    """Responses, their events, and conversations. `retention_s`: age at which a response goes. `now`: Unix seconds.

    Methods raise `Overloaded` when the database does not answer in time.
    """

    def __init__(
        self, database: Database, sealer: Sealer, *, retention_s: int, now: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._retention_s = retention_s
        self._now = now
        # Its bill was synced just before. Syncing again costs as much as all the rest of keeping, and the next bill does it too.
        self._keeping = database.writer.driven_group(self._add, durable=lambda _: False)
        self._appending = database.writer.group(self._add_to_conversations)
        self._deleted = False  # since the files were last rid of it

    # ---- responses ---------------------------------------------------------------------------------------------------

    async def keep(self, record: Record) -> None:
        """Keeps a finished response, and appends to its conversation. Idempotent."""
        group = self._keeping if record.conversation_id is None else self._appending
        await group.submit(record, patience_s=KEEP_PATIENCE_S)

    async def find(self, tenant: str, response_id: str) -> Kept | None:
        """One response; None when there is none of this tenant."""
        now = int(self._now())
        return await self._database.read(
            lambda connection: responses.find(connection, tenant, form(response_id), now, self._sealer)
        )

    async def chain(self, tenant: str, response_id: str) -> list[Turn] | None:
        """The response and all before it, oldest first. None: it, or one before it, is not there."""
        now = int(self._now())
        return await self._database.read(
            lambda connection: responses.chain(connection, tenant, form(response_id), now, self._sealer)
        )

    async def chain_ids(self, tenant: str, response_id: str) -> list[str]:
        """The ids of the response and of those before it, oldest first. Empty: it is not there."""
        now = int(self._now())
        return await self._database.read(
            lambda connection: responses.chain_ids(connection, tenant, form(response_id), now)
        )

    async def turns(self, response_ids: Sequence[str]) -> list[Turn]:
        """Some turns of a chain, in the order of their ids here."""
        return await self._database.read(lambda connection: responses.turns(connection, response_ids, self._sealer))

    async def delete(self, tenant: str, response_id: str) -> bool:
        """Deletes a response with its events. Whether there was one."""
        return await self._gone(lambda connection: responses.delete(connection, tenant, form(response_id)))

    async def follow(self, tenant: str, response_id: str, after: int) -> tuple[Kept, list[Frames]] | None:
        """A response, and its next events after the number `after`. One that has ended has all its events."""
        now = int(self._now())

        def query(connection: sa.Connection) -> tuple[Kept, list[Frames]] | None:
            found = responses.find(connection, tenant, form(response_id), now, self._sealer)
            if found is None:
                return None
            return found, responses.events(connection, response_id, after, self._sealer)

        return await self._database.read(query)

    async def outputs_with(self, tenant: str, response_ids: Sequence[str], item_ids: Sequence[str]) -> dict[str, bytes]:
        """The outputs of these responses and of those that hold items of these ids, by the responses' ids."""
        now = int(self._now())

        def query(connection: sa.Connection) -> dict[str, bytes]:
            owners = (
                responses.owners_of_items(connection, tenant, list(map(form, item_ids))).values() if item_ids else ()
            )
            return responses.outputs(connection, tenant, [*response_ids, *owners], now, self._sealer)

        return await self._database.read(query)

    # ---- work in the background --------------------------------------------------------------------------------------

    async def begin(self, record: Record, work: bytes, owner: str, lease_until: int) -> None:
        """Keeps a response that is queued, with its first event, leased to `owner` until then (Unix milliseconds)."""
        await self._database.writer.submit(
            lambda connection: background.begin(
                connection, record, work, owner, lease_until, self._sealer, self._retention_s
            )
        )

    async def advance(self, response_id: str, owner: str, first: int, last: int, frames: bytes) -> bool:
        """Keeps the next events. False: the work is not the owner's any more."""
        now = int(self._now())
        return await self._database.writer.submit(
            lambda connection: background.advance(
                connection, response_id, owner, first, last, frames, now, self._sealer
            )
        )

    async def finish(self, record: Record, owner: str | None, first: int) -> bool:
        """Ends work; `record.frames` begin with the number `first`. False: it had ended, or is not the owner's any more.

        No owner: whoever has it, as long as it has come no further.
        """
        now = int(self._now())
        return await self._database.writer.submit(
            lambda connection: background.finish(connection, record, owner, first, now, self._sealer)
        )

    async def renew(self, owner: str, response_ids: Sequence[str], lease_until: int) -> set[str]:
        """Prolongs leases. Those that are still the owner's."""
        return await self._database.writer.submit(
            lambda connection: background.renew(connection, owner, response_ids, lease_until)
        )

    async def take(self, owner: str, now_ms: int, lease_until: int, limit: int) -> list[Task]:
        """Takes over work whose lease has ended."""
        return await self._database.writer.submit(
            lambda connection: background.take(connection, owner, now_ms, lease_until, limit, self._sealer)
        )

    async def release(self, owner: str) -> None:
        """Ends all leases of a process that stops."""
        await self._database.writer.submit(partial(background.release, owner=owner))

    async def purge(self) -> int:
        """Deletes what is too old, a piece at a time. How much went; `PURGED_AT_ONCE` or more: some may be left."""
        now = int(self._now())
        return await self._gone(
            lambda connection: background.purge(connection, now, now - EVENTS_KEPT_S, PURGED_AT_ONCE)
        )

    # ---- conversations -----------------------------------------------------------------------------------------------

    async def add_conversation(self, tenant: str, made: Conversation, items: Sequence[ItemRow]) -> None:
        """Keeps a new conversation."""
        await self._database.writer.submit(
            lambda connection: conversations.add(connection, tenant, made, items, self._sealer)
        )

    async def conversation(self, tenant: str, conversation_id: str) -> Conversation | None:
        """One conversation; None when there is none of this tenant."""
        return await self._database.read(
            lambda connection: conversations.find(connection, tenant, form(conversation_id), self._sealer)
        )

    async def update_conversation(self, tenant: str, conversation_id: str, metadata: bytes) -> bool:
        """Sets the metadata. Whether there is such a conversation."""
        return await self._database.writer.submit(
            lambda connection: conversations.update(connection, tenant, form(conversation_id), metadata, self._sealer)
        )

    async def delete_conversation(self, tenant: str, conversation_id: str) -> bool:
        """Deletes a conversation with its items. Whether there was one."""
        return await self._gone(lambda connection: conversations.delete(connection, tenant, form(conversation_id)))

    async def append(self, tenant: str, conversation_id: str, items: Sequence[ItemRow]) -> bool:
        """Adds items at the end. Whether there is such a conversation."""
        return await self._database.writer.submit(
            lambda connection: conversations.append(connection, tenant, form(conversation_id), items, self._sealer)
        )

    async def taken(self, conversation_id: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids items of the conversation have already."""
        return await self._database.read(lambda connection: conversations.taken(connection, conversation_id, ids))

    async def items(self, tenant: str, conversation_id: str) -> list[ItemRow] | None:
        """All items, oldest first. None: there is no such conversation of this tenant."""

        def query(connection: sa.Connection) -> list[ItemRow] | None:
            if conversations.find(connection, tenant, form(conversation_id), self._sealer) is None:
                return None
            return conversations.items(connection, conversation_id, self._sealer)

        return await self._database.read(query)

    async def page(
        self, conversation_id: str, after: str | None, limit: int, *, newest_first: bool
    ) -> list[ItemRow] | None:
        """Up to `limit` items after the item `after`. None: there is no such item."""
        return await self._database.read(
            lambda connection: conversations.page(
                connection,
                conversation_id,
                form(after) if after is not None else None,
                limit,
                self._sealer,
                newest_first=newest_first,
            )
        )

    async def item(self, conversation_id: str, item_id: str) -> bytes | None:
        """One item's JSON."""
        return await self._database.read(
            lambda connection: conversations.item(connection, conversation_id, form(item_id), self._sealer)
        )

    async def delete_item(self, conversation_id: str, item_id: str) -> bool:
        """Deletes one item. Whether there was one."""
        return await self._gone(
            lambda connection: conversations.delete_item(connection, conversation_id, form(item_id))
        )

    async def scrub(self) -> None:
        """Takes what was deleted since the last time out of the database's files as well."""
        if self._deleted:
            self._deleted = not await self._database.scrub()

    async def _gone(self, delete: Callable[[sa.Connection], T]) -> T:
        deleted = await self._database.writer.submit(delete)
        self._deleted = self._deleted or bool(deleted)
        return deleted

    def _add(self, statements: Statements, records: Sequence[Record]) -> Sequence[None]:
        return responses.add(statements, records, self._sealer, self._retention_s)

    def _add_to_conversations(self, connection: sa.Connection, records: Sequence[Record]) -> Sequence[None]:
        return responses.add_to_conversations(connection, records, self._sealer, self._retention_s)
