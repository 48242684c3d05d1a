"""What the management API answers, as structs. `proto/concentrate/management/v1` says the same, and describes each field.

Times are seconds since 1970. None: not, never, or nobody's.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from services.billing.periods import Period
from services.errors import NotFound
from services.tenancy.authority import Role
from services.tenancy.settings import Settings
from services.vocabulary.caller import CallerPolicy, PolicySource
from services.vocabulary.limits import Limits

KeyStatus = Literal["active", "disabled", "expired", "revoked"]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays."""

    id: str
    object: Literal["organization"] = "organization"
    name: str
    personal: bool
    settings: Settings
    limits: Limits
    created_at: int


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an organisation."""

    id: str
    object: Literal["team"] = "team"
    org_id: str
    name: str
    settings: Settings
    limits: Limits
    created_at: int


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person in an organisation."""

    id: str
    object: Literal["user"] = "user"
    org_id: str
    name: str
    email: str
    role: Role
    settings: Settings
    limits: Limits
    created_at: int


class TeamMember(msgspec.Struct, frozen=True, kw_only=True):
    """A user's place in a team. id: the user's."""

    id: str
    object: Literal["team.member"] = "team.member"
    team_id: str
    role: Role


class SpendPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may spend, and has spent, in the present period: US dollars. next_refresh: when the next begins."""

    limit: Decimal
    used: Decimal
    refresh: Period
    next_refresh: int | None


class KeyCredits(msgspec.Struct, frozen=True, kw_only=True):
    """The spending cap of a key."""

    period: SpendPeriod


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. key: the key itself, only in the answer that made it."""

    id: str
    object: Literal["key"] = "key"
    org_id: str
    team_id: str | None
    user_id: str | None
    name: str
    masked: str
    key: str | UnsetType = UNSET
    status: KeyStatus
    scopes: list[str]
    settings: Settings
    limits: Limits
    policy: CallerPolicy
    policy_source: PolicySource
    credits: KeyCredits | None
    created_at: int
    expires_at: int | None
    disabled_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    rotated_from: str | None


class ProviderCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A provider credential that was brought: everything but itself."""

    id: str
    object: Literal["provider_credential"] = "provider_credential"
    org_id: str
    team_id: str | None
    user_id: str | None
    provider: str
    name: str
    masked: str
    created_at: int
    disabled_at: int | None


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change that somebody made. before, after: the thing; None: it was not there, or is not any more."""

    id: str
    object: Literal["audit.event"] = "audit.event"
    created_at: int
    org_id: str
    actor: str
    user_id: str | None
    action: str
    entity_id: str
    before: msgspec.Raw | None = None
    after: msgspec.Raw | None = None


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken away."""

    id: str
    object: str
    deleted: bool = True


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a list: ask for the next ones with `after=<last_id>`."""

    object: Literal["list"] = "list"
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class ListOrganizationsResponse(Page, frozen=True, kw_only=True):
    """Holds organisations."""

    data: list[Organization]


class ListTeamsResponse(Page, frozen=True, kw_only=True):
    """Holds teams."""

    data: list[Team]


class ListUsersResponse(Page, frozen=True, kw_only=True):
    """Holds users."""

    data: list[User]


class ListTeamMembersResponse(Page, frozen=True, kw_only=True):
    """Holds memberships."""

    data: list[TeamMember]


class ListKeysResponse(Page, frozen=True, kw_only=True):
    """Holds keys."""

    data: list[ApiKey]


class ListProviderCredentialsResponse(Page, frozen=True, kw_only=True):
    """Holds provider credentials."""

    data: list[ProviderCredential]


class ListAuditEventsResponse(Page, frozen=True, kw_only=True):
    """Holds changes."""

    data: list[AuditEvent]


P = TypeVar("P", bound=Page)


def part(kind: Callable[..., P], rows: Sequence[Any], limit: int, after: str | None) -> P:
    """A page of a list that was read whole. Raises `NotFound` when `after` is not in it."""
    if after is not None:
        place = next((number for number, row in enumerate(rows, 1) if row.id == after), None)
        if place is None:
            raise NotFound(f"There is no `{after[:60]}` in this list.")
        rows = rows[place:]
    return page(kind, rows, limit)


def page(kind: Callable[..., P], rows: Sequence[Any], limit: int) -> P:
    """A page of what was read: one row more than asked for, if there is one."""
    data = list(rows[:limit])
    return kind(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(rows) > limit,
    )
