"""What the management API answers about money and use. Amounts are US dollars; times are seconds since 1970."""

from decimal import Decimal
from typing import Literal

import msgspec

from services.billing.periods import Period
from services.management.shapes import Page

TransactionType = Literal["top_up", "usage", "refund", "adjustment"]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of spending in a period. id: `key_….month`. scope_id: of what it limits. used, held: in this period."""

    id: str
    object: Literal["budget"] = "budget"
    scope_id: str
    period: Period
    limit: Decimal
    used: Decimal
    held: Decimal
    next_refresh: int | None
    thresholds: list[int]


class Credits(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation has. limited: False: it can spend more than that. available: what no call under way holds."""

    object: Literal["credits"] = "credits"
    org_id: str
    limited: bool
    balance: Decimal
    held: Decimal
    available: Decimal


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the statement. amount: negative when paid."""

    id: str
    object: Literal["transaction"] = "transaction"
    created_at: int
    type: TransactionType
    description: str
    amount: Decimal
    response_id: str | None
    key_id: str | None


class BudgetEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A budget has reached a threshold."""

    id: str
    object: Literal["budget.event"] = "budget.event"
    created_at: int
    scope_id: str
    period: Period
    percent: int
    used: Decimal
    limit: Decimal


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What was used. Members that were not asked to be told apart are None. input_tokens: cached ones included."""

    id: str
    object: Literal["usage"] = "usage"
    day: str | None
    model: str | None
    provider: str | None
    key_id: str | None
    user_id: str | None
    team_id: str | None
    requests: int
    failures: int
    byok_requests: int
    unpriced_requests: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_searches: int
    cost: Decimal


class StoredGeneration(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one answer, besides what it said. ttft_ms: to its first content. cost: None without a price."""

    id: str
    object: Literal["generation"] = "generation"
    created_at: int
    org_id: str
    team_id: str | None
    user_id: str | None
    key_id: str
    surface: str
    requested_model: str
    model: str
    provider: str
    status: str
    streamed: bool
    attempts: int
    ttft_ms: int | None
    total_ms: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_searches: int
    counted: str
    cost: Decimal | None
    cost_breakdown: dict[str, Decimal]
    price_version: str
    byok: bool


class ListBudgetsResponse(Page, frozen=True, kw_only=True):
    """Holds budgets."""

    data: list[Budget]


class ListBudgetEventsResponse(Page, frozen=True, kw_only=True):
    """Holds events of budgets, the latest first."""

    data: list[BudgetEvent]


class ListTransactionsResponse(Page, frozen=True, kw_only=True):
    """Holds rows of the statement, the latest first."""

    data: list[Transaction]


class ListUsageResponse(Page, frozen=True, kw_only=True):
    """Holds what was used."""

    data: list[Use]
