"""Provider credentials in the database. Every function runs in the transaction of its connection."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from services.byok.tables import provider_credentials
from services.storage.schema import upsert
from services.storage.sealing import Sealer, Unsealable
from services.tenancy.store import beyond
from services.vocabulary.caller import OwnCredential

_PUBLIC: Final = [column for column in provider_credentials.c if column.name not in ("sealed", "deleted_at")]


class CredentialRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a credential: everything but itself. team_id, user_id: empty for one of the whole organisation.

    provider: its id. masked: the end of its secret (`...abcd`). Times are seconds since 1970; disabled_at None: it is used.
    """

    id: str
    org_id: str
    team_id: str = ""
    user_id: str = ""
    provider: str
    name: str = ""
    masked: str = ""
    created_at: int = 0
    disabled_at: int | None = None


def add(connection: sa.Connection, row: CredentialRow, sealed: bytes) -> bool:
    """Adds one. False: there is one with this id."""
    values = {**msgspec.structs.asdict(row), "sealed": sealed}
    statement = upsert(connection, provider_credentials).values(**values)
    return connection.execute(statement.on_conflict_do_nothing(index_elements=["id"])).rowcount > 0


def find(connection: sa.Connection, id: str) -> CredentialRow | None:
    """One by its id, unless it was deleted."""
    table = provider_credentials
    query = sa.select(*_PUBLIC).where(table.c.id == id, table.c.deleted_at.is_(None))
    row = connection.execute(query).mappings().first()
    return None if row is None else _made(row)


def page(
    connection: sa.Connection, org_id: str | None, *, after: str | None = None, limit: int | None = None
) -> Sequence[CredentialRow]:
    """Those of an organisation (None: of all) in the order of their making."""
    table = provider_credentials
    query = sa.select(*_PUBLIC).where(table.c.deleted_at.is_(None))
    query = query.order_by(table.c.created_at, table.c.id).limit(limit)
    if org_id is not None:
        query = query.where(table.c.org_id == org_id)
    if after is not None:
        query = query.where(beyond(table, after))
    return [_made(row) for row in connection.execute(query).mappings()]


def change(connection: sa.Connection, row: CredentialRow, sealed: bytes | None) -> None:
    """Writes its name and whether it is used, and, unless None, what it holds."""
    values: dict[str, Any] = {"name": row.name, "disabled_at": row.disabled_at, "masked": row.masked}
    if sealed is not None:
        values["sealed"] = sealed
    connection.execute(provider_credentials.update().where(provider_credentials.c.id == row.id).values(**values))


def delete(connection: sa.Connection, id: str, *, at: int) -> None:
    """Takes it away. The row stays for what refers to it, the credential does not."""
    connection.execute(
        provider_credentials.update().where(provider_credentials.c.id == id).values(deleted_at=at, sealed=b"")
    )


def usable(connection: sa.Connection, org_id: str, team_id: str, user_id: str) -> list[OwnCredential]:
    """Those that calls of this user may use: the user's own first, then the team's, then the organisation's."""
    table = provider_credentials
    query = sa.select(table.c.id, table.c.provider, table.c.team_id, table.c.user_id).where(
        table.c.org_id == org_id,
        table.c.team_id.in_({"", team_id}),
        table.c.user_id.in_({"", user_id}),
        table.c.deleted_at.is_(None),
        table.c.disabled_at.is_(None),
    )
    rows = connection.execute(query.order_by(table.c.created_at, table.c.id)).all()
    nearest_first = sorted(rows, key=lambda row: (not row.user_id, not row.team_id))
    return [OwnCredential(row.id, row.provider) for row in nearest_first]


def sealed(connection: sa.Connection, id: str) -> tuple[str, bytes] | None:
    """Provider and what is kept of a credential that is used; None when there is none."""
    table = provider_credentials
    where = table.c.id == id, table.c.deleted_at.is_(None), table.c.disabled_at.is_(None)
    row = connection.execute(sa.select(table.c.provider, table.c.sealed).where(*where)).first()
    return None if row is None else (row.provider, row.sealed)


def reseal(connection: sa.Connection, sealer: Sealer) -> int:
    """Seals anew what was sealed with another key than the first that the sealer has; how many. What it cannot open stays."""
    table, done = provider_credentials, 0
    rows = connection.execute(sa.select(table.c.id, table.c.sealed).where(table.c.deleted_at.is_(None))).all()
    for row in rows:
        if sealer.stale(row.sealed):
            with contextlib.suppress(Unsealable):
                sealed = sealer.seal(sealer.open(row.sealed, row.id), row.id)
                unchanged = table.c.id == row.id, table.c.sealed == row.sealed
                done += connection.execute(table.update().where(*unchanged).values(sealed=sealed)).rowcount
    return done


def _made(row: sa.RowMapping) -> CredentialRow:
    return CredentialRow(**dict(row))
