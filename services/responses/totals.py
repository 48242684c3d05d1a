"""Usage and cost in the words of the public API."""

from services.responses.objects import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseCost,
    ResponseUsage,
    ToolCallCounts,
)
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage


def public_usage(usage: Usage) -> ResponseUsage:
    """Disjoint classes -> the API's totals with subsets."""
    return ResponseUsage(
        input_tokens=usage.input_total,
        input_tokens_details=InputTokensDetails(usage.cache_read, usage.cache_write, usage.cache_write),
        output_tokens=usage.output,
        output_tokens_details=OutputTokensDetails(usage.reasoning),
        total_tokens=usage.total,
        tool_calls=ToolCallCounts(usage.web_searches),
    )


def public_cost(cost: Cost | None) -> ResponseCost | None:
    """Nano-dollars -> dollars. A double holds any nano-dollar amount below nine million dollars exactly as printed."""
    if cost is None:
        return None
    return ResponseCost(cost.total / 1e9, {name: nanos / 1e9 for name, nanos in cost.parts.items()}, byok=cost.byok)
