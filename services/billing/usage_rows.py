"""An outcome as rows of the usage tables."""

from typing import Final

import msgspec

from services.billing.periods import day_of
from services.ports import Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage

_encode: Final = msgspec.json.Encoder().encode
_NONE: Final = Usage()

Sum = tuple[tuple[str, ...], tuple[int, ...]]
"""Key and counts of a row of `usage_daily`."""


def rows(outcome: Outcome, caller: Caller, cost: Cost | None) -> tuple[tuple[object, ...], Sum]:
    """The row of the request, in the order of `usage_tables.usage`, and what it adds to the sum of its day."""
    used = outcome.usage or _NONE
    created_ms = int(outcome.began_at * 1000)
    provider, model = outcome.target.provider.id, outcome.target.model
    counts = (
        used.input,
        used.cache_read,
        used.cache_write_5m,
        used.cache_write_1h,
        used.output,
        used.reasoning,
        used.web_searches,
    )
    who = (caller.org_id, caller.team_id, caller.user_id, caller.key_id)
    total = None if cost is None else cost.total
    row = (
        outcome.response_id,
        created_ms,
        *who,
        outcome.surface,
        outcome.model,
        provider,
        model,
        *counts,
        used.tier,
        total,
        "" if cost is None else _encode(cost.parts).decode(),
        "" if cost is None else cost.price_version,
        outcome.byok,
        outcome.status,
        outcome.streamed,
        outcome.attempts,
        None if outcome.first_content_ms is None else round(outcome.first_content_ms),
        round(outcome.total_ms),
        _counted(outcome),
    )
    failed, unpriced = outcome.status == "failed", cost is None and outcome.usage is not None
    summed = (1, int(failed), int(outcome.byok), int(unpriced), *counts, total or 0)
    return row, ((day_of(created_ms), *who, provider, model), summed)


def _counted(outcome: Outcome) -> str:
    if outcome.usage is None:
        return "nobody"
    return "estimated" if outcome.estimated else "provider"
