"""Usage in the words of the public API."""

from services.responses.objects import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseUsage,
    ToolCallCounts,
)
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
