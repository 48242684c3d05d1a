"""The public answer, as JSON clients see it: the Response object.

Field names and their order follow OpenAI's Responses API (https://platform.openai.com/docs/api-reference/responses) and
Open Responses, which wants all 31 keys in every response object, in every event that carries one. `cost`,
`translation_losses`, `routing` and `stop_reason` are ours. `proto/concentrate/responses/v1` mirrors these structs field
for field; what is free JSON there is `msgspec.Raw` here.
"""

from typing import Literal

import msgspec

from services.errors import GatewayError, InvalidRequest
from services.responses.items import OutputItem
from services.surface.cost import PublicCost
from services.vocabulary.event import Loss
from services.vocabulary.routing import RouteTaken

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "content_filter", "pause_turn"]


class InputTokensDetails(msgspec.Struct):
    """Subsets of `input_tokens`. `cached_tokens_created` is the older name of `cache_write_tokens`."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cached_tokens_created: int = 0


class OutputTokensDetails(msgspec.Struct):
    """A subset of `output_tokens`."""

    reasoning_tokens: int = 0


class ToolCallCounts(msgspec.Struct):
    """Calls of hosted tools that are charged per call."""

    web_search: int = 0


class ResponseUsage(msgspec.Struct):
    """Tokens, as the API counts them: totals, with subsets in the details."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int
    tool_calls: ToolCallCounts


class ResponseError(msgspec.Struct):
    """Why a response failed."""

    code: str
    message: str


def failure(error: GatewayError) -> ResponseError:
    """What a response says of the error that ended it. Clients ask again after codes they do not know as final."""
    return ResponseError("invalid_prompt" if error.code == InvalidRequest.code else error.code, error.message)


class IncompleteDetails(msgspec.Struct):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ReasoningEcho(msgspec.Struct):
    """The reasoning options that were asked for."""

    effort: str | None = None
    summary: str | None = None


class ConversationReference(msgspec.Struct):
    """The conversation a response belongs to."""

    id: str


class Response(msgspec.Struct, kw_only=True):
    """One response: what was asked (echoed), and what came of it. Times are Unix seconds."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: ResponseStatus
    completed_at: int | None = None
    background: bool = False
    conversation: ConversationReference | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning: ReasoningEcho | None = None
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = False
    temperature: float = 1.0
    text: msgspec.Raw
    tool_choice: msgspec.Raw
    tools: list[msgspec.Raw] = []
    top_logprobs: int = 0
    top_p: float = 1.0
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: dict[str, str] = {}
    stop_reason: StopReason | None = None
    cost: PublicCost | None = None
    translation_losses: list[Loss] = []
    routing: RouteTaken | None = None
