"""Organisations, teams, users and memberships in the database. Every function runs in the transaction of its connection."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from services.storage.schema import upsert
from services.tenancy.authority import Role
from services.tenancy.rows import NO_LIMITS, Membership, Organization, Team, User
from services.tenancy.settings import NONE, Settings
from services.tenancy.tables import organizations, team_members, teams, users
from services.vocabulary.limits import Limits

Kept = TypeVar("Kept", Organization, Team, User)

_TABLES: Final[Mapping[type, sa.Table]] = {Organization: organizations, Team: teams, User: users}
_SETTINGS: Final = msgspec.json.Decoder(Settings)
_LIMITS: Final = msgspec.json.Decoder(Limits)


def settings_of(text: str | None) -> Settings:
    """Settings as they were kept; of a scope that is not there, none."""
    return _SETTINGS.decode(text) if text else NONE


def limits_of(text: str | None) -> Limits:
    """Limits as they were kept; of a scope that is not there, none."""
    return _LIMITS.decode(text) if text else NO_LIMITS


def columns_of(thing: msgspec.Struct) -> dict[str, Any]:
    """A row's columns: as the struct's fields, with settings and limits as text."""
    values = msgspec.structs.asdict(thing)
    texts = {name: msgspec.json.encode(values[name]).decode() for name in ("settings", "limits")}
    return {**values, **texts}


def fields_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The other direction."""
    return {**row, "settings": settings_of(row["settings"]), "limits": limits_of(row["limits"])}


def add(connection: sa.Connection, thing: Organization | Team | User) -> bool:
    """Adds it. False: there is one with this id."""
    table = _TABLES[type(thing)]
    statement = upsert(connection, table).values(**columns_of(thing)).on_conflict_do_nothing(index_elements=["id"])
    return connection.execute(statement).rowcount > 0


def find(connection: sa.Connection, kind: type[Kept], id: str) -> Kept | None:
    """One by its id, unless it was deleted."""
    table = _TABLES[kind]
    row = connection.execute(sa.select(table).where(table.c.id == id, table.c.deleted_at.is_(None))).mappings().first()
    return None if row is None else _made(kind, row)


def page(
    connection: sa.Connection, kind: type[Kept], org_id: str | None, *, after: str | None, limit: int
) -> Sequence[Kept]:
    """Those of an organisation (None: of all) in the order of their making, from the one after `after` on."""
    table = _TABLES[kind]
    query = sa.select(table).where(table.c.deleted_at.is_(None)).order_by(table.c.created_at, table.c.id).limit(limit)
    if org_id is not None:
        query = query.where((table.c.id if kind is Organization else table.c.org_id) == org_id)
    if after is not None:
        query = query.where(beyond(table, after))
    return [_made(kind, row) for row in connection.execute(query).mappings()]


def beyond(table: sa.Table, after: str) -> sa.ColumnElement[bool]:
    """What comes after the row with this id, in the order of making."""
    made = sa.select(table.c.created_at).where(table.c.id == after).scalar_subquery()
    return sa.or_(table.c.created_at > made, sa.and_(table.c.created_at == made, table.c.id > after))


def change(connection: sa.Connection, thing: Organization | Team | User) -> None:
    """Writes what may change of it: name, e-mail address, role, settings."""
    table = _TABLES[type(thing)]
    kept = {
        name: value
        for name, value in columns_of(thing).items()
        if name not in ("id", "org_id", "created_at", "personal")
    }
    connection.execute(table.update().where(table.c.id == thing.id).values(**kept))


def delete(connection: sa.Connection, kind: type[Organization | Team | User], id: str, *, at: int) -> None:
    """Takes it away; its row stays, for what refers to it."""
    table = _TABLES[kind]
    connection.execute(table.update().where(table.c.id == id).values(deleted_at=at))
    if kind is Team:
        connection.execute(team_members.delete().where(team_members.c.team_id == id))
    if kind is User:
        connection.execute(team_members.delete().where(team_members.c.user_id == id))


def owners(connection: sa.Connection, org_id: str) -> int:
    """How many owners an organisation has."""
    query = sa.select(sa.func.count()).where(
        users.c.org_id == org_id, users.c.role == "owner", users.c.deleted_at.is_(None)
    )
    return connection.execute(query).scalar() or 0


def set_member(connection: sa.Connection, membership: Membership) -> None:
    """Puts a user into a team, or gives them another role there."""
    values = msgspec.structs.asdict(membership)
    statement = upsert(connection, team_members).values(**values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["team_id", "user_id"], set_={"role": membership.role})
    )


def remove_member(connection: sa.Connection, team_id: str, user_id: str) -> bool:
    """Takes a user out of a team. False: they were not in it."""
    where = team_members.c.team_id == team_id, team_members.c.user_id == user_id
    return connection.execute(team_members.delete().where(*where)).rowcount > 0


def members(connection: sa.Connection, team_id: str) -> Sequence[Membership]:
    """Who is in a team, by user."""
    query = sa.select(team_members).where(team_members.c.team_id == team_id).order_by(team_members.c.user_id)
    return [Membership(**row) for row in connection.execute(query).mappings()]


def team_roles(connection: sa.Connection, user_id: str) -> Mapping[str, Role]:
    """A user's roles, by team."""
    query = sa.select(team_members.c.team_id, team_members.c.role).where(team_members.c.user_id == user_id)
    return {team_id: role for team_id, role in connection.execute(query)}  # noqa: C416 - rows are not pairs


def _made(kind: type[Kept], row: sa.RowMapping) -> Kept:
    return kind(**fields_of({name: value for name, value in row.items() if name != "deleted_at"}))
