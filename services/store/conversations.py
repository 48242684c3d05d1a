"""Queries about conversations, to run on a connection."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.storage.schema import upsert
from services.storage.sealing import Sealer
from services.store.records import Conversation, ItemRow
from services.store.tables import conversation_items, conversations

_items = conversation_items.c


def add(connection: sa.Connection, tenant: str, made: Conversation, items: Sequence[ItemRow], sealer: Sealer) -> None:
    """A new conversation with its first items."""
    row = {
        "id": made.id,
        "tenant": tenant,
        "created_at": made.created_at,
        "metadata": sealer.seal(made.metadata, made.id),
    }
    connection.execute(upsert(connection, conversations).on_conflict_do_nothing(), row)
    append(connection, tenant, made.id, items, sealer)


def find(connection: sa.Connection, tenant: str, conversation_id: str, sealer: Sealer) -> Conversation | None:
    """One conversation; None when there is none of this tenant."""
    query = sa.select(conversations).where(conversations.c.id == conversation_id, conversations.c.tenant == tenant)
    row = connection.execute(query).one_or_none()
    return Conversation(row.id, row.created_at, sealer.open(row.metadata, row.id)) if row is not None else None


def update(connection: sa.Connection, tenant: str, conversation_id: str, metadata: bytes, sealer: Sealer) -> bool:
    """Sets the metadata. Whether there is such a conversation."""
    query = (
        sa.update(conversations)
        .where(conversations.c.id == conversation_id, conversations.c.tenant == tenant)
        .values(metadata=sealer.seal(metadata, conversation_id))
    )
    return connection.execute(query).rowcount > 0


def delete(connection: sa.Connection, tenant: str, conversation_id: str) -> bool:
    """Deletes a conversation with its items. Whether there was one."""
    query = sa.delete(conversations).where(conversations.c.id == conversation_id, conversations.c.tenant == tenant)
    return connection.execute(query).rowcount > 0


def append(
    connection: sa.Connection, tenant: str, conversation_id: str, items: Sequence[ItemRow], sealer: Sealer
) -> bool:
    """Adds items at the end, in one piece: who appends at the same time comes before or after. Whether it exists."""
    query = (
        sa.update(conversations)
        .where(conversations.c.id == conversation_id, conversations.c.tenant == tenant)
        .values(next_position=conversations.c.next_position + len(items))
        .returning(conversations.c.next_position)
    )
    end = connection.execute(query).scalar_one_or_none()
    if end is None:
        return False
    rows = [
        {
            "conversation_id": conversation_id,
            "position": end - len(items) + index,
            "id": item.id,
            "item": sealer.seal(item.item, conversation_id),
        }
        for index, item in enumerate(items)
    ]
    if rows:
        connection.execute(upsert(connection, conversation_items).on_conflict_do_nothing(), rows)
    return True


def page(
    connection: sa.Connection,
    conversation_id: str,
    after: str | None,
    limit: int,
    sealer: Sealer,
    *,
    newest_first: bool,
) -> list[ItemRow] | None:
    """Up to `limit` items after the item `after`. None: there is no such item."""
    query = sa.select(_items.id, _items.item).where(_items.conversation_id == conversation_id)
    if after is not None:
        found = sa.select(_items.position).where(_items.conversation_id == conversation_id, _items.id == after)
        position = connection.execute(found).scalar_one_or_none()
        if position is None:
            return None
        query = query.where(_items.position < position if newest_first else _items.position > position)
    query = query.order_by(_items.position.desc() if newest_first else _items.position).limit(limit)
    return _rows(connection.execute(query), conversation_id, sealer)


def items(connection: sa.Connection, conversation_id: str, sealer: Sealer) -> list[ItemRow]:
    """All items, oldest first."""
    query = sa.select(_items.id, _items.item).where(_items.conversation_id == conversation_id).order_by(_items.position)
    return _rows(connection.execute(query), conversation_id, sealer)


def item(connection: sa.Connection, conversation_id: str, item_id: str, sealer: Sealer) -> bytes | None:
    """One item's JSON."""
    query = sa.select(_items.item).where(_items.conversation_id == conversation_id, _items.id == item_id)
    found = connection.execute(query).scalar_one_or_none()
    return sealer.open(found, conversation_id) if found is not None else None


def delete_item(connection: sa.Connection, conversation_id: str, item_id: str) -> bool:
    """Deletes one item. Whether there was one."""
    query = sa.delete(conversation_items).where(_items.conversation_id == conversation_id, _items.id == item_id)
    return connection.execute(query).rowcount > 0


def taken(connection: sa.Connection, conversation_id: str, ids: Sequence[str]) -> set[str]:
    """Which of these ids items of the conversation have already."""
    query = sa.select(_items.id).where(_items.conversation_id == conversation_id, _items.id.in_(ids))
    return set(connection.execute(query).scalars())


def _rows(found: Any, conversation_id: str, sealer: Sealer) -> list[ItemRow]:
    return [ItemRow(row.id, sealer.open(row.item, conversation_id)) for row in found]
