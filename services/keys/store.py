"""API keys in the database. Every function runs in the transaction of its connection."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from services.byok import store as byok
from services.keys.tables import api_keys
from services.storage.schema import upsert
from services.tenancy.rows import NO_LIMITS
from services.tenancy.settings import NONE, Chain, Settings, resolve
from services.tenancy.store import beyond, columns_of, fields_of, limits_of, settings_of
from services.tenancy.tables import organizations, teams, users
from services.vocabulary.caller import Caller
from services.vocabulary.limits import Limits, ScopeLimits

_SCOPES: Final = msgspec.json.Decoder(list[str])
_PUBLIC: Final = [column for column in api_keys.c if column is not api_keys.c.digest]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key. masked: `sk-cn-v1...abcd`. Times are seconds since 1970; None: not, or never.

    team_id, user_id: empty for a key of the whole organisation. rotated_from: the key this one replaces.
    """

    id: str
    org_id: str
    team_id: str = ""
    user_id: str = ""
    name: str = ""
    masked: str = ""
    scopes: list[str] = []
    settings: Settings = NONE
    limits: Limits = NO_LIMITS
    created_at: int = 0
    expires_at: int | None = None
    disabled_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None
    rotated_from: str | None = None


class Found(msgspec.Struct, frozen=True):
    """A key looked up by its digest, with the digest to compare, and whose it is. Its `repr` does not show the bytes.

    limits: of each scope it is in. gone: its organisation, team or user was deleted.
    """

    row: KeyRow
    digest: bytes
    caller: Caller
    limits: Sequence[ScopeLimits]
    gone: bool

    def __repr__(self) -> str:
        return f"Found(row={self.row!r})"


def add(connection: sa.Connection, row: KeyRow, digest: bytes) -> bool:
    """Adds a key. False: there is one with this id or this digest, which stays as it is."""
    values = {**_values(row), "digest": digest}
    return connection.execute(upsert(connection, api_keys).values(**values).on_conflict_do_nothing()).rowcount > 0


def find(connection: sa.Connection, key_id: str) -> KeyRow | None:
    """A key by its public id, revoked or not."""
    row = connection.execute(sa.select(*_PUBLIC).where(api_keys.c.id == key_id)).mappings().first()
    return None if row is None else _made(dict(row))


def look_up(connection: sa.Connection, digest: bytes) -> Found | None:
    """A key by its digest, with the policy of all that stands above it."""
    query = (
        sa.select(
            api_keys,
            organizations.c.settings.label("org_settings"),
            teams.c.settings.label("team_settings"),
            users.c.settings.label("user_settings"),
            organizations.c.limits.label("org_limits"),
            teams.c.limits.label("team_limits"),
            users.c.limits.label("user_limits"),
            organizations.c.deleted_at.label("org_deleted_at"),
            teams.c.deleted_at.label("team_deleted_at"),
            users.c.deleted_at.label("user_deleted_at"),
        )
        .join(organizations, organizations.c.id == api_keys.c.org_id)
        .outerjoin(teams, teams.c.id == api_keys.c.team_id)
        .outerjoin(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.digest == digest)
    )
    found = connection.execute(query).mappings().first()
    if found is None:
        return None
    row = _made({column.name: found[column] for column in _PUBLIC})
    chain: Chain = [
        ("org", settings_of(found["org_settings"])),
        ("team", settings_of(found["team_settings"])),
        ("user", settings_of(found["user_settings"])),
        ("key", row.settings),
    ]
    resolved = resolve(chain)
    policy = resolved.policy
    if resolved.byok:
        own = byok.usable(connection, row.org_id, row.team_id, row.user_id)
        policy = msgspec.structs.replace(policy, byok=own)
    caller = Caller(row.id, row.name, row.org_id, row.team_id, row.user_id, row.scopes, policy)
    gone = any(found[f"{level}_deleted_at"] is not None for level in ("org", "team", "user"))
    limits = [
        ScopeLimits("organisation", row.org_id, limits_of(found["org_limits"])),
        ScopeLimits("team", row.team_id, limits_of(found["team_limits"])),
        ScopeLimits("user", row.user_id, limits_of(found["user_limits"])),
        ScopeLimits("key", row.id, row.limits),
    ]
    return Found(row, found["digest"], caller, [each for each in limits if each.limits != NO_LIMITS], gone)


def page(
    connection: sa.Connection,
    org_id: str | None,
    *,
    after: str | None = None,
    limit: int | None = None,
    team_id: str | None = None,
    user_id: str | None = None,
    revoked: bool = False,
) -> Sequence[KeyRow]:
    """Keys of an organisation (None: of all) in the order of their making. `revoked`: also those that never work again."""
    query = sa.select(*_PUBLIC).order_by(api_keys.c.created_at, api_keys.c.id).limit(limit)
    for column, value in ((api_keys.c.org_id, org_id), (api_keys.c.team_id, team_id), (api_keys.c.user_id, user_id)):
        if value is not None:
            query = query.where(column == value)
    if not revoked:
        query = query.where(api_keys.c.revoked_at.is_(None))
    if after is not None:
        query = query.where(beyond(api_keys, after))
    return [_made(dict(row)) for row in connection.execute(query).mappings()]


def change(connection: sa.Connection, row: KeyRow) -> None:
    """Writes what may change of a key: all but whose it is and what it is."""
    fixed = ("id", "org_id", "team_id", "user_id", "masked", "created_at", "last_used_at", "rotated_from")
    values = {name: value for name, value in _values(row).items() if name not in fixed}
    connection.execute(api_keys.update().where(api_keys.c.id == row.id).values(**values))


def used(connection: sa.Connection, times: Mapping[str, int]) -> None:
    """Notes when keys were last used, by their ids; a later time that is there already stays."""
    at: sa.BindParameter[int] = sa.bindparam("used_at", type_=sa.BigInteger)
    earlier = sa.or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
    statement = api_keys.update().where(api_keys.c.id == sa.bindparam("key_id"), earlier).values(last_used_at=at)
    connection.execute(statement, [{"key_id": id, "used_at": at} for id, at in sorted(times.items())])


def is_empty(connection: sa.Connection) -> bool:
    """Whether there never was a key."""
    return connection.execute(sa.select(api_keys.c.id).limit(1)).first() is None


def _values(row: KeyRow) -> dict[str, Any]:
    return {**columns_of(row), "scopes": msgspec.json.encode(row.scopes).decode()}


def _made(row: Mapping[str, Any]) -> KeyRow:
    return KeyRow(**{**fields_of(row), "scopes": _SCOPES.decode(row["scopes"])})
