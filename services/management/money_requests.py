"""What the management API is asked about money and use."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from services.billing.periods import Period
from services.management.requests import Id, Request, Some

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
IdempotencyKey = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class SetBudget(Request, frozen=True, kw_only=True):
    """Limits what an organisation, a team, a user or a key spends in a period. thresholds: empty for 80 and 100 per cent."""

    scope_id: Id
    period: Period = "month"
    limit: Decimal
    thresholds: Annotated[list[Percent], msgspec.Meta(max_length=20)] = []


class ListBudgets(Some, frozen=True, kw_only=True):
    """Asks for budgets. scope_id: of one thing; None for the organisation, its teams, users and keys."""

    scope_id: Id | None = None


class ListBudgetEvents(ListBudgets, frozen=True, kw_only=True):
    """Asks which budgets have reached a threshold."""


class GetCredits(Request, frozen=True, kw_only=True):
    """Asks what an organisation has."""

    org_id: Id | None = None


class UpdateCredits(Request, frozen=True, kw_only=True):
    """Says whether an organisation can spend only what it has. For operators."""

    org_id: Id | None = None
    limited: bool


class CreateTransaction(Request, frozen=True, kw_only=True):
    """Moves money. For operators. amount: of a refund, None for all that is left. idempotency_key: or the header."""

    type: Literal["top_up", "refund", "adjustment"]
    amount: Decimal | None = None
    org_id: Id | None = None
    response_id: Id | None = None
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    idempotency_key: IdempotencyKey | None = None


class ListUsage(Some, frozen=True, kw_only=True):
    """Asks what was used. group_by: what to tell apart, as `day,model`. from_day, to_day: both included, in UTC."""

    group_by: Annotated[str, msgspec.Meta(max_length=100)] = "day"
    from_day: Day | None = None
    to_day: Day | None = None
    key_id: Id | None = None
    user_id: Id | None = None
    team_id: Id | None = None
    model: Id | None = None
    provider: Id | None = None
