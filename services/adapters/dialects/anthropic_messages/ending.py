"""How an answer ends: its stop reason, what a refusal says, and the token counts.

https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons, …/prompt-caching#tracking-cache-performance
"""

from typing import Final

from services.adapters.dialects.anthropic_messages.wire import StopDetails, UsageData
from services.vocabulary.event import Event, Finished, FinishReason, RefusalDelta, UsageReported
from services.vocabulary.usage import Usage, unusual_tier

_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "content_filtered": "content_filter",  # a guardrail of Bedrock's
}


class Ending:
    """Collects what is said about the end; `events` tells it, once."""

    def __init__(self) -> None:
        self._usage = UsageData()
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._details: StopDetails | None = None

    def count(self, usage: UsageData | None) -> None:
        """Newer counts. They are cumulative: what is said replaces, what is not said stays, nothing is added up."""
        if usage is None:
            return
        for name in UsageData.__struct_fields__:
            value = getattr(usage, name)
            if value is not None:
                setattr(self._usage, name, value)

    def so_far(self) -> UsageReported:
        """What is counted: all of the prompt, and the first tokens of the answer. Who leaves now pays for that at least."""
        return UsageReported(disjoint(self._usage), partial=True)

    def stop(self, reason: str | None, stop_sequence: str | None, details: StopDetails | None) -> None:
        """Why the model stopped."""
        self._reason = reason or self._reason
        self._stop_sequence = stop_sequence or self._stop_sequence
        self._details = details or self._details

    def events(self, *, called: bool) -> list[Event]:
        """What a refusal says, the usage, and the end. `called`: a tool of the client's was called."""
        reason = _REASONS.get(self._reason or "", "stop")
        if reason == "tool_calls" and not called:
            reason = "stop"  # the only tool that was called stands for the answer's format
        events: list[Event] = []
        if reason == "refusal" and self._details is not None:
            words = self._details.explanation or self._details.category
            if words:
                events.append(RefusalDelta(words))
        return [*events, UsageReported(disjoint(self._usage)), Finished(reason, self._stop_sequence)]


def disjoint(usage: UsageData) -> Usage:
    """Anthropic's counts as disjoint classes: its input tokens exclude what the cache read or wrote already.

    The split by time to live comes once, at the start; what a later total has more is of the shorter time.
    """
    split = usage.cache_creation
    hour = split.ephemeral_1h_input_tokens if split is not None else 0
    written = usage.cache_creation_input_tokens
    if written is None:
        written = hour + (split.ephemeral_5m_input_tokens if split is not None else 0)
    hour = min(hour, written)
    output = usage.output_tokens or 0
    thinking = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else 0
    searches = usage.server_tool_use.web_search_requests if usage.server_tool_use is not None else 0
    return Usage(
        input=usage.input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        output=output,
        reasoning=min(thinking, output),
        web_searches=searches or 0,
        tier=usage.speed if usage.speed == "fast" else unusual_tier(usage.service_tier),
    )
