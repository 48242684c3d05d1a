"""Who changed what: a row for every change made by an administrator, in the transaction of the change."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from services.tenancy.authority import Actor
from services.tenancy.tables import audit


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change. before, after: the thing as JSON; None: it was not there, or is not any more. Never a secret."""

    seq: int
    at: int
    org_id: str
    actor: str
    user_id: str
    action: str
    entity_id: str
    before: msgspec.Raw | None
    after: msgspec.Raw | None


def record(
    connection: sa.Connection,
    actor: Actor,
    action: str,
    entity_id: str,
    *,
    at: int,
    org_id: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Adds a row. `action`: `key.create`. `before`, `after`: what msgspec can encode; they must hold no secret."""
    connection.execute(
        audit.insert().values(
            at=at,
            org_id=org_id,
            actor=actor.name,
            user_id=actor.user_id,
            action=action,
            entity_id=entity_id,
            before=_text(before),
            after=_text(after),
        )
    )


def rows(
    connection: sa.Connection, org_id: str | None, *, before: int | None, limit: int, entity_id: str | None = None
) -> Sequence[AuditRow]:
    """Changes in an organisation (None: in all), the latest first, those before the row numbered `before`."""
    query = sa.select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if org_id is not None:
        query = query.where(audit.c.org_id == org_id)
    if before is not None:
        query = query.where(audit.c.seq < before)
    if entity_id is not None:
        query = query.where(audit.c.entity_id == entity_id)
    return [
        AuditRow(**{**row, "before": _raw(row["before"]), "after": _raw(row["after"])})
        for row in map(dict, connection.execute(query).mappings())
    ]


def changed(connection: sa.Connection, latest: int | None, overlap: int) -> Sequence[tuple[int, str]]:
    """Number and organisation of the changes after the one numbered `latest`, and of those numbered `overlap` before.

    latest: None stands for the last one there is.
    """
    if latest is None:
        latest = connection.execute(sa.select(sa.func.max(audit.c.seq))).scalar() or 0
    query = sa.select(audit.c.seq, audit.c.org_id).where(audit.c.seq > latest - overlap)
    return [(row.seq, row.org_id) for row in connection.execute(query)]


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())
