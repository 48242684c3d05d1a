"""The request body of `POST /v1/chat/completions`: shapes, limits and defaults.

https://platform.openai.com/docs/api-reference/chat/create, and what clients are known to send there besides: the words of the
Responses API (Cursor posts such bodies), prompt-cache markers, and reasoning of earlier turns. What varies by `type` or role is
`msgspec.Raw` here and read one by one, so that a mistake is reported with its path.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.responses.schema import (
    CacheControl,
    Count,
    Include,
    NonEmpty,
    ReasoningParam,
    TextParam,
    ToolName,
)
from services.vocabulary.call import Effort


class SchemaParam(msgspec.Struct, frozen=True):
    """A named JSON schema that the answer has to keep."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]+$", max_length=64)]
    schema: msgspec.Raw = msgspec.Raw()
    description: str | None = None
    strict: bool | None = None


class ResponseFormatParam(msgspec.Struct, frozen=True):
    """The shape of the answer's text. `json_schema` is required for the type of that name."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaParam | None = None


class ChatStreamOptions(msgspec.Struct, frozen=True):
    """include_usage: a last chunk with the token counts. Ours never obfuscate."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ApproximateLocation(msgspec.Struct, frozen=True):
    """Roughly where the user is."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class SearchLocation(msgspec.Struct, frozen=True):
    """Where the user is."""

    approximate: ApproximateLocation
    type: Literal["approximate"] = "approximate"


class WebSearchOptions(msgspec.Struct, frozen=True):
    """How the provider's own web search is to look."""

    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: SearchLocation | None = None


class LegacyFunction(msgspec.Struct, frozen=True):
    """A function in the format's first form."""

    name: ToolName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()


class LegacyChoice(msgspec.Struct, frozen=True):
    """A function that must be called, in the format's first form."""

    name: NonEmpty


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole body: the fields of Chat Completions, ours, and those of the Responses API that clients mix in."""

    model: NonEmpty
    messages: list[msgspec.Raw] | None = None
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Count | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormatParam | None = None
    reasoning_effort: Effort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = msgspec.Raw()
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[LegacyFunction], Meta(max_length=128)] | None = None
    function_call: Literal["none", "auto"] | LegacyChoice | None = None
    web_search_options: WebSearchOptions | None = None
    modalities: list[Literal["text", "audio", "image"]] | None = None
    audio: msgspec.Raw = msgspec.Raw()
    prediction: msgspec.Raw = msgspec.Raw()
    moderation: msgspec.Raw = msgspec.Raw()
    service_tier: str | None = None
    store: bool | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
            Meta(max_length=16),
        ]
        | None
    ) = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in-memory", "in_memory", "24h"] | None = None
    prompt_cache_options: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None
    routing: msgspec.Raw = msgspec.Raw()
    input: NonEmpty | list[msgspec.Raw] | None = None
    instructions: str | None = None
    include: list[Include] | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None
    reasoning: ReasoningParam | None = None
    text: TextParam | None = None
    truncation: Literal["auto", "disabled"] | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = msgspec.Raw()
    background: bool | None = None
    prompt: msgspec.Raw = msgspec.Raw()
    context_management: msgspec.Raw = msgspec.Raw()


RESPONSES_WORDS = frozenset(
    {
        "input",
        "instructions",
        "include",
        "max_output_tokens",
        "max_tool_calls",
        "reasoning",
        "text",
        "truncation",
        "previous_response_id",
        "conversation",
        "background",
        "prompt",
        "context_management",
    }
)
"""Fields that no chat provider knows. A body that has one is read and written anew, never passed on as it is."""
