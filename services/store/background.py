"""Queries about work in the background, to run on a connection.

Who works on a response holds its lease. Every write of theirs says so, so one whose lease another process took writes nothing
more. Lease times are Unix milliseconds.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from services.storage.schema import upsert
from services.storage.sealing import Sealer
from services.store import conversations
from services.store.contents import columns, pack
from services.store.records import UNDER_WAY, Record, Task
from services.store.tables import response_events, response_items, responses

_r = responses.c
_e = response_events.c


def begin(
    connection: sa.Connection,
    record: Record,
    work: bytes,
    owner: str,
    lease_until: int,
    sealer: Sealer,
    retention_s: int,
) -> None:
    """Keeps a response that is queued, with its first event, and leases it to `owner`."""
    row = {
        "id": record.id,
        "tenant": record.tenant,
        "created_at": record.created_at,
        "expires_at": record.created_at + retention_s,
        "status": record.status,
        "previous_id": record.previous_id,
        "conversation_id": record.conversation_id,
        **columns(record.body, record.id, sealer),
        "input": sealer.seal(record.input, record.id),
        "last_number": record.last_number,
        "background": True,
        "owner": owner,
        "lease_until": lease_until,
        "work": sealer.seal(work, record.id),
    }
    connection.execute(upsert(connection, responses).on_conflict_do_nothing(), row)
    _add_frames(connection, record.id, record.last_number, record.last_number, record.frames, record.created_at, sealer)


def advance(
    connection: sa.Connection,
    response_id: str,
    owner: str,
    first: int,
    last: int,
    frames: bytes,
    now: int,
    sealer: Sealer,
) -> bool:
    """Keeps the next events of work in progress. False: it is not the owner's any more."""
    query = (
        sa.update(responses)
        .where(_r.id == response_id, _r.owner == owner, _r.status.in_(UNDER_WAY))
        .values(status="in_progress", last_number=last)
    )
    if connection.execute(query).rowcount == 0:
        return False
    if frames:
        _add_frames(connection, response_id, first, last, frames, now, sealer)
    return True


def finish(connection: sa.Connection, record: Record, owner: str | None, first: int, now: int, sealer: Sealer) -> bool:
    """Ends work, with its last events. False: it had ended, or is not the owner's any more.

    No owner: whoever has it, unless more events than those before `first` were kept meanwhile.
    """
    mine = _r.owner == owner if owner is not None else _r.last_number == first - 1
    ended = {
        "status": record.status,
        "last_number": record.last_number,
        "owner": None,
        "lease_until": None,
        "work": None,
    }
    own = (_r.id == record.id, _r.tenant == record.tenant, _r.status.in_(UNDER_WAY), mine)
    query = sa.update(responses).where(*own).values(**columns(record.body, record.id, sealer), **ended)
    if connection.execute(query).rowcount == 0:
        return False
    if record.frames:
        _add_frames(connection, record.id, first, record.last_number - 1, record.frames, now, sealer)
    if record.item_ids:
        rows = [{"response_id": record.id, "item_id": item} for item in record.item_ids]
        connection.execute(upsert(connection, response_items).on_conflict_do_nothing(), rows)
    if record.conversation_id is not None and record.appended:
        conversations.append(connection, record.tenant, record.conversation_id, record.appended, sealer)
    return True


def renew(connection: sa.Connection, owner: str, response_ids: Sequence[str], lease_until: int) -> set[str]:
    """Prolongs leases. Those that are still the owner's."""
    mine = (_r.id.in_(response_ids), _r.owner == owner, _r.status.in_(UNDER_WAY))
    query = sa.update(responses).where(*mine).values(lease_until=lease_until).returning(_r.id)
    return set(connection.execute(query).scalars())


def take(
    connection: sa.Connection, owner: str, now_ms: int, lease_until: int, limit: int, sealer: Sealer
) -> list[Task]:
    """Takes over work whose lease has ended."""
    lost = sa.select(_r.id).where(_r.lease_until < now_ms, _r.status.in_(UNDER_WAY)).limit(limit)
    if connection.dialect.name == "postgresql":
        lost = lost.with_for_update(skip_locked=True)
    query = (
        sa.update(responses)
        .where(_r.id.in_(lost.scalar_subquery()))
        .values(owner=owner, lease_until=lease_until, attempts=_r.attempts + 1)
        .returning(responses)
    )
    return [
        Task(
            id=row.id,
            tenant=row.tenant,
            created_at=row.created_at,
            attempts=row.attempts,
            last_number=row.last_number,
            body=sealer.open(row.head, row.id),
            input=sealer.open(row.input, row.id),
            work=sealer.open(row.work, row.id),
            previous_id=row.previous_id,
            conversation_id=row.conversation_id,
        )
        for row in connection.execute(query)
    ]


def release(connection: sa.Connection, owner: str) -> None:
    """Ends all leases of a process that stops, so that another one takes over at once."""
    connection.execute(sa.update(responses).where(_r.owner == owner, _r.status.in_(UNDER_WAY)).values(lease_until=0))


def purge(connection: sa.Connection, now: int, events_before: int, limit: int) -> int:
    """Deletes what is too old: responses that no younger one continues, and events. Of which more went, how many."""
    younger = responses.alias("younger")
    continued = sa.exists().where(younger.c.previous_id == _r.id)
    old = sa.select(_r.id).where(_r.expires_at <= now, ~continued).limit(limit)
    gone = connection.execute(sa.delete(responses).where(_r.id.in_(old.scalar_subquery()))).rowcount
    working = sa.exists().where(_r.id == _e.response_id, _r.status.in_(UNDER_WAY))
    past = sa.select(_e.response_id).where(_e.at < events_before, ~working).limit(limit)
    streams = sa.delete(response_events).where(_e.response_id.in_(past.scalar_subquery()), _e.at < events_before)
    return max(gone, connection.execute(streams).rowcount)


def _add_frames(
    connection: sa.Connection, response_id: str, first: int, last: int, frames: bytes, now: int, sealer: Sealer
) -> None:
    row = {
        "response_id": response_id,
        "first": first,
        "last": last,
        "at": now,
        "frames": sealer.seal(pack(frames), response_id),
    }
    insert = upsert(connection, response_events)
    # Who did not hear in time that it was kept keeps it again, with what has come since.
    longer = {"last": insert.excluded.last, "frames": insert.excluded.frames}
    query = insert.on_conflict_do_update(
        index_elements=["response_id", "first"], set_=longer, where=insert.excluded.last > _e.last
    )
    connection.execute(query, row)
