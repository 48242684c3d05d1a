"""The Conversations API: items that requests continue and add to (https://platform.openai.com/docs/api-reference/conversations).

A conversation stays until it is deleted. Items come back as they were given, with an id and in the long form.
"""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from services.errors import Conflict, InvalidRequest, NotFound
from services.responses.intake_items import read_item
from services.responses.state import items
from services.responses.state.asking import REFUSED_BY_POLICY, may_keep, tenant_of
from services.responses.state.pages import ItemList, Page, item_list, no_item
from services.store.records import Conversation, ItemRow
from services.store.store import Store
from services.surface.reading import decode_body
from services.vocabulary.caller import Caller

ITEMS_MAX: Final = 20

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16),
]
Items = Annotated[list[msgspec.Raw], Meta(max_length=ITEMS_MAX)]


class ConversationObject(msgspec.Struct):
    """A conversation, without its items. created_at: Unix seconds."""

    id: str
    created_at: int
    metadata: dict[str, str]
    object: Literal["conversation"] = "conversation"


class ConversationDeleted(msgspec.Struct):
    """Says that a conversation is gone."""

    id: str
    deleted: bool = True
    object: Literal["conversation.deleted"] = "conversation.deleted"


class CreateConversation(msgspec.Struct):
    """The body of `POST /v1/conversations`."""

    items: Items | None = None
    metadata: Metadata | None = None


class UpdateConversation(msgspec.Struct):
    """The body of `POST /v1/conversations/{conversation_id}`."""

    metadata: Metadata | None


class CreateItems(msgspec.Struct):
    """The body of `POST /v1/conversations/{conversation_id}/items`."""

    items: Items


_create = msgspec.json.Decoder(CreateConversation)
_update = msgspec.json.Decoder(UpdateConversation)
_items = msgspec.json.Decoder(CreateItems)
_metadata = msgspec.json.Decoder(dict[str, str])


class Conversations:
    """Methods raise `InvalidRequest`, and `NotFound` for an id that is not of the caller's organisation."""

    def __init__(self, store: Store, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    async def create(self, caller: Caller, body: bytes) -> ConversationObject:
        """A new conversation with its first items. An empty body says nothing."""
        _, given = decode_body(body or b"{}", _create)
        rows = _rows(caller, given.items or [])
        made = Conversation(
            f"conv_{secrets.token_hex(24)}", int(self._now()), msgspec.json.encode(given.metadata or {})
        )
        await self._store.add_conversation(tenant_of(caller), made, rows)
        return _object(made)

    async def get(self, caller: Caller, conversation_id: str) -> ConversationObject:
        """A conversation."""
        found = await self._store.conversation(tenant_of(caller), conversation_id)
        if found is None:
            raise _not_found(conversation_id)
        return _object(found)

    async def update(self, caller: Caller, conversation_id: str, body: bytes) -> ConversationObject:
        """Sets the metadata."""
        _, given = decode_body(body, _update)
        metadata = msgspec.json.encode(given.metadata or {})
        if not await self._store.update_conversation(tenant_of(caller), conversation_id, metadata):
            raise _not_found(conversation_id)
        return await self.get(caller, conversation_id)

    async def delete(self, caller: Caller, conversation_id: str) -> ConversationDeleted:
        """Deletes a conversation and its items."""
        if not await self._store.delete_conversation(tenant_of(caller), conversation_id):
            raise _not_found(conversation_id)
        return ConversationDeleted(conversation_id)

    # ---- items -------------------------------------------------------------------------------------------------------

    async def items(self, caller: Caller, conversation_id: str, page: Page) -> ItemList:
        """A piece of the items."""
        await self.get(caller, conversation_id)
        rows = await self._store.page(conversation_id, page.after, page.limit + 1, newest_first=page.newest_first)
        if rows is None:
            raise no_item(page.after)
        return item_list(rows, page.limit)

    async def add_items(self, caller: Caller, conversation_id: str, body: bytes) -> ItemList:
        """Adds items at the end. The items as they were added."""
        _, given = decode_body(body, _items)
        rows = _rows(caller, given.items)
        await self.get(caller, conversation_id)
        if taken := await self._store.taken(conversation_id, [row.id for row in rows]):
            raise Conflict(f"The conversation has an item {min(taken)!r} already.", param="items")
        if not await self._store.append(tenant_of(caller), conversation_id, rows):
            raise _not_found(conversation_id)
        return item_list(rows, ITEMS_MAX)

    async def item(self, caller: Caller, conversation_id: str, item_id: str) -> bytes:
        """One item, as JSON."""
        await self.get(caller, conversation_id)
        found = await self._store.item(conversation_id, item_id)
        if found is None:
            raise _no_such_item(item_id)
        return found

    async def delete_item(self, caller: Caller, conversation_id: str, item_id: str) -> ConversationObject:
        """Deletes one item. The conversation."""
        found = await self.get(caller, conversation_id)
        if not await self._store.delete_item(conversation_id, item_id):
            raise _no_such_item(item_id)
        return found


def _rows(caller: Caller, given: list[msgspec.Raw]) -> list[ItemRow]:
    if not may_keep(caller.policy):
        raise InvalidRequest(REFUSED_BY_POLICY)
    for index, raw in enumerate(given):
        path = f"items[{index}]"
        read_item(raw, path)
        if items.head_of(raw).type == items.REFERENCE:
            raise InvalidRequest(f"A reference is not kept: send the item itself (at {path}).", param=path)
    items.check_ids(given, "items")
    return items.rows_of(given)


def _object(made: Conversation) -> ConversationObject:
    return ConversationObject(made.id, made.created_at, _metadata.decode(made.metadata))


def _not_found(conversation_id: str) -> NotFound:
    return NotFound(f"Conversation with id '{conversation_id}' not found.", param="conversation_id")


def _no_such_item(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id}' not found.", param="item_id")
