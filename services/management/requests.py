"""What the management API is asked, as structs. `proto/concentrate/management/v1` says the same, and describes each field.

A member that is None is left as it is, or is the default; `clear` names those to be put back (in JSON: null).
"""

from decimal import Decimal
from typing import Annotated

import msgspec

from services.billing.periods import Period
from services.management.desk import LIMIT, LIMIT_MAX
from services.tenancy.authority import Role
from services.tenancy.rows import NO_LIMITS
from services.tenancy.settings import NONE, Settings
from services.vocabulary.limits import Limits

Clearable = Annotated[str, msgspec.Meta(pattern="^(settings|limits|expires_at)(\\.[a-z_]+)?$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Count = Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all."""


class One(Request, frozen=True, kw_only=True):
    """Names one thing."""

    id: Id


class Some(Request, frozen=True, kw_only=True):
    """Asks for some of a list. org_id: None for the caller's own; only an operator can name another."""

    limit: Count = LIMIT
    after: Id | None = None
    org_id: Id | None = None


class CreateOrganization(Request, frozen=True, kw_only=True):
    """Makes an organisation; with `owner_name` also its first owner."""

    name: Name
    personal: bool = False
    owner_name: Name | None = None
    owner_email: str = ""
    settings: Settings = NONE
    limits: Limits = NO_LIMITS


class UpdateOrganization(One, frozen=True, kw_only=True):
    """Changes an organisation."""

    name: Name | None = None
    settings: Settings | None = None
    limits: Limits | None = None
    clear: list[Clearable] = []


class CreateTeam(Request, frozen=True, kw_only=True):
    """Makes a team."""

    org_id: Id | None = None
    name: Name
    settings: Settings = NONE
    limits: Limits = NO_LIMITS


class UpdateTeam(UpdateOrganization, frozen=True, kw_only=True):
    """Changes a team."""


class CreateUser(Request, frozen=True, kw_only=True):
    """Makes a user."""

    org_id: Id | None = None
    name: Name
    email: Annotated[str, msgspec.Meta(max_length=320)] = ""
    role: Role = "member"
    settings: Settings = NONE
    limits: Limits = NO_LIMITS


class UpdateUser(UpdateOrganization, frozen=True, kw_only=True):
    """Changes a user."""

    email: Annotated[str, msgspec.Meta(max_length=320)] | None = None
    role: Role | None = None


class SetTeamMember(Request, frozen=True, kw_only=True):
    """Puts a user into a team, or gives them another role there."""

    id: Id
    user_id: Id
    role: Role = "member"


class RemoveTeamMember(Request, frozen=True, kw_only=True):
    """Takes a user out of a team."""

    id: Id
    user_id: Id


class ListTeamMembers(One, frozen=True, kw_only=True):
    """Asks who is in a team."""

    limit: Count = LIMIT
    after: Id | None = None


class ListKeys(Some, frozen=True, kw_only=True):
    """Asks for keys; `revoked`: also for those that never work again."""

    team_id: Id | None = None
    user_id: Id | None = None
    revoked: bool = False


class NewBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The spending cap of a new key: US dollars in a period."""

    limit: Decimal
    period: Period = "month"


class CreateKey(Request, frozen=True, kw_only=True):
    """Makes a key. scopes: empty for `inference` alone."""

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    org_id: Id | None = None
    team_id: Id | None = None
    user_id: Id | None = None
    scopes: list[str] = []
    settings: Settings = NONE
    limits: Limits = NO_LIMITS
    expires_at: Time | None = None
    budget: NewBudget | None = None


class UpdateKey(One, frozen=True, kw_only=True):
    """Changes a key. scopes: empty for those it has. disabled: True makes it stop until it is False again."""

    name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    scopes: list[str] = []
    settings: Settings | None = None
    limits: Limits | None = None
    expires_at: Time | None = None
    disabled: bool | None = None
    clear: list[Clearable] = []


class RotateKey(One, frozen=True, kw_only=True):
    """Makes a key that replaces another, which goes on working for `overlap_seconds`."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=90 * 86400)] = 86400


class CreateProviderCredential(Request, frozen=True, kw_only=True):
    """Brings a provider credential. secret: of a provider that needs one text; else `values` by variable name."""

    provider: Name
    org_id: Id | None = None
    team_id: Id | None = None
    user_id: Id | None = None
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | None = None
    values: dict[str, Annotated[str, msgspec.Meta(max_length=20_000)]] = {}


class UpdateProviderCredential(One, frozen=True, kw_only=True):
    """Changes a credential: its name, what it holds, or whether it is used."""

    name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | None = None
    values: dict[str, Annotated[str, msgspec.Meta(max_length=20_000)]] = {}
    disabled: bool | None = None


class ListAudit(Some, frozen=True, kw_only=True):
    """Asks what was changed, the latest first. entity_id: about one thing."""

    entity_id: Id | None = None
