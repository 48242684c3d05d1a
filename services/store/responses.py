"""Queries about responses, to run on a connection."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from services.storage.sealing import Sealer
from services.storage.statements import Statements
from services.store import conversations
from services.store.contents import columns, kept, pack, unpack
from services.store.records import Frames, Kept, Record, Turn
from services.store.tables import response_events, response_items, responses

CHAIN_MAX: Final = 10_000
"""Turns of one chain that are read at most."""

FRAMES_AT_ONCE: Final = 64

# A response that is there already stays as it is: keeping is idempotent.
_RESPONSE: Final = (
    "INSERT INTO responses (id, tenant, created_at, expires_at, status, previous_id, conversation_id, head, output, input,"
    " last_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_EVENTS: Final = (
    "INSERT INTO response_events (response_id, first, last, at, frames) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_ITEM: Final = "INSERT INTO response_items (response_id, item_id) VALUES (?, ?) ON CONFLICT DO NOTHING"

_KEPT: Final = (
    responses.c.id,
    responses.c.created_at,
    responses.c.status,
    responses.c.background,
    responses.c.head,
    responses.c.output,
    responses.c.last_number,
    responses.c.previous_id,
    responses.c.conversation_id,
)
_TURN: Final = (
    responses.c.id,
    responses.c.status,
    responses.c.previous_id,
    responses.c.input,
    responses.c.output,
)


def add(statements: Statements, records: Sequence[Record], sealer: Sealer, retention_s: int) -> list[None]:
    """Keeps finished responses, all of them with one statement for each table."""
    statements.run(_RESPONSE, [_row(record, sealer, retention_s) for record in records])
    statements.run(_EVENTS, [_events(record, sealer) for record in records if record.frames])
    statements.run(_ITEM, [(record.id, item) for record in records for item in record.item_ids])
    return [None] * len(records)


def add_to_conversations(
    connection: sa.Connection, records: Sequence[Record], sealer: Sealer, retention_s: int
) -> list[None]:
    """The same, for responses that are also appended to a conversation."""
    statements = Statements(connection)
    done = add(statements, records, sealer, retention_s)
    statements.close()
    for record in records:
        if record.conversation_id is not None:
            conversations.append(connection, record.tenant, record.conversation_id, record.appended, sealer)
    return done


def find(connection: sa.Connection, tenant: str, response_id: str, now: int, sealer: Sealer) -> Kept | None:
    """One response; None when there is none of this tenant."""
    query = sa.select(*_KEPT).where(
        responses.c.id == response_id, responses.c.tenant == tenant, responses.c.expires_at > now
    )
    row = connection.execute(query).one_or_none()
    return kept(row, sealer) if row is not None else None


def chain(connection: sa.Connection, tenant: str, response_id: str, now: int, sealer: Sealer) -> list[Turn] | None:
    """The response and all before it, oldest first.

    None: there is no such response of this tenant, or one before it was deleted. Those before it are kept as long as it is,
    so only its own age counts.
    """
    walk = _walk(tenant, response_id, now)
    query = sa.select(*_TURN).join(walk, walk.c.id == responses.c.id).order_by(walk.c.depth.desc())
    rows = connection.execute(query).all()
    if not rows or rows[0].previous_id is not None:
        return None
    return [_turn(row, sealer) for row in rows]


def chain_ids(connection: sa.Connection, tenant: str, response_id: str, now: int) -> list[str]:
    """The ids of the response and of those before it, oldest first, as far as they are there."""
    walk = _walk(tenant, response_id, now)
    return list(connection.execute(sa.select(walk.c.id).order_by(walk.c.depth.desc())).scalars())


def turns(connection: sa.Connection, response_ids: Sequence[str], sealer: Sealer) -> list[Turn]:
    """Some turns of a chain, in the order of their ids here."""
    query = sa.select(*_TURN).where(responses.c.id.in_(response_ids))
    found = {row.id: _turn(row, sealer) for row in connection.execute(query)}
    return [found[each] for each in response_ids if each in found]


def delete(connection: sa.Connection, tenant: str, response_id: str) -> bool:
    """Deletes a response with its events. Whether there was one."""
    query = sa.delete(responses).where(responses.c.id == response_id, responses.c.tenant == tenant)
    return connection.execute(query).rowcount > 0


def events(connection: sa.Connection, response_id: str, after: int, sealer: Sealer) -> list[Frames]:
    """The next events that were kept after the number `after`, as far as they are read at once."""
    query = (
        sa.select(response_events.c.first, response_events.c.last, response_events.c.frames)
        .where(response_events.c.response_id == response_id, response_events.c.last > after)
        .order_by(response_events.c.first)
        .limit(FRAMES_AT_ONCE)
    )
    rows = connection.execute(query)
    return [Frames(row.first, row.last, unpack(sealer.open(row.frames, response_id))) for row in rows]


def owners_of_items(connection: sa.Connection, tenant: str, item_ids: Sequence[str]) -> dict[str, str]:
    """Which responses hold output items with ids of a provider's own."""
    query = (
        sa.select(response_items.c.item_id, response_items.c.response_id)
        .join(responses, responses.c.id == response_items.c.response_id)
        .where(response_items.c.item_id.in_(item_ids), responses.c.tenant == tenant)
    )
    return {row.item_id: row.response_id for row in connection.execute(query)}


def outputs(
    connection: sa.Connection, tenant: str, response_ids: Sequence[str], now: int, sealer: Sealer
) -> dict[str, bytes]:
    """The output of some responses, by their ids."""
    query = sa.select(responses.c.id, responses.c.output).where(
        responses.c.id.in_(response_ids), responses.c.tenant == tenant, responses.c.expires_at > now
    )
    return {row.id: sealer.open(row.output, row.id) for row in connection.execute(query)}


def _walk(tenant: str, response_id: str, now: int) -> sa.CTE:
    """A response and all before it, with how far each is from it."""
    top = sa.select(responses.c.id, responses.c.previous_id, sa.literal(0).label("depth")).where(
        responses.c.id == response_id, responses.c.tenant == tenant, responses.c.expires_at > now
    )
    walk = top.cte("walk", recursive=True)
    before = responses.alias("before")
    following = sa.select(before.c.id, before.c.previous_id, walk.c.depth + 1).where(
        before.c.id == walk.c.previous_id, before.c.tenant == tenant, walk.c.depth < CHAIN_MAX
    )
    return walk.union_all(following)


def _turn(row: Any, sealer: Sealer) -> Turn:
    return Turn(row.id, row.status, sealer.open(row.input, row.id), sealer.open(row.output, row.id))


def _row(record: Record, sealer: Sealer, retention_s: int) -> tuple[Any, ...]:
    return (
        record.id,
        record.tenant,
        record.created_at,
        record.created_at + retention_s,
        record.status,
        record.previous_id,
        record.conversation_id,
        *columns(record.body, record.id, sealer).values(),
        sealer.seal(record.input, record.id),
        record.last_number,
    )


def _events(record: Record, sealer: Sealer) -> tuple[Any, ...]:
    return record.id, 0, record.last_number - 1, record.created_at, sealer.seal(pack(record.frames), record.id)
