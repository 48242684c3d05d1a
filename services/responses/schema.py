"""The request body of `POST /v1/responses`, as clients send it: shapes, limits and defaults.

What varies by `type` (items, parts, tools) is `msgspec.Raw` here and read by the intake one by one, so that a mistake is
reported with its path and a type nobody knows yet can still pass on the native lane. Limits: OpenAI's API reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_SAFE_INTEGER = 2**53 - 1

NonEmpty = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(gt=0, le=MAX_SAFE_INTEGER)]
ToolName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]+$", max_length=128)]

Include = Literal[
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "reasoning.encrypted_content",
    "file_search_call.results",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]


class CacheControl(msgspec.Struct, frozen=True):
    """A prompt-cache marker."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class ReasoningParam(msgspec.Struct, frozen=True):
    """How much to think. `generate_summary` is the older name of `summary`."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class FormatParam(msgspec.Struct, frozen=True):
    """The shape of the text. `schema` is required for json_schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]+$", max_length=64)] | None = None
    schema: msgspec.Raw = msgspec.Raw()
    description: str | None = None
    strict: bool | None = None


class TextParam(msgspec.Struct, frozen=True):
    """Options of the text answer."""

    format: FormatParam | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class AllowedTool(msgspec.Struct, frozen=True):
    """One tool of an allowed_tools choice: a named one, or a hosted one by its type."""

    type: str
    name: str | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    """The name of a function, as Chat Completions nests it."""

    name: NonEmpty


class ToolChoiceParam(msgspec.Struct, frozen=True):
    """A forced tool (`function` or `custom` with a name, or a hosted type), or `allowed_tools` with mode and tools."""

    type: str
    name: str | None = None
    function: NamedFunction | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[AllowedTool] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """include_obfuscation is the provider's business; ours never obfuscate."""

    include_obfuscation: bool | None = None


class ConversationParam(msgspec.Struct, frozen=True):
    """A conversation, by its id."""

    id: Annotated[str, Meta(min_length=1, description="Is its id: `conv_…`.")]


class ContextManagementParam(msgspec.Struct, frozen=True):
    """What to do when the conversation grows long. compact_threshold: tokens; at least 1000."""

    type: Literal["compaction"]
    compact_threshold: Annotated[int, Meta(ge=1000, le=MAX_SAFE_INTEGER)] | None = None


class ResponsesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole body. `input` may be left out by a request that continues something."""

    model: NonEmpty
    input: NonEmpty | list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    stream: bool | None = None
    instructions: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None
    include: list[Include] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
            Meta(max_length=16),
        ]
        | None
    ) = None
    reasoning: ReasoningParam | None = None
    text: TextParam | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoiceParam | None = None
    parallel_tool_calls: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in-memory", "in_memory", "24h"] | None = None
    prompt_cache_options: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None
    stream_options: StreamOptions | None = None
    routing: msgspec.Raw = msgspec.Raw()
    background: bool | None = None
    previous_response_id: NonEmpty | None = None
    conversation: NonEmpty | ConversationParam | None = None
    prompt: msgspec.Raw = msgspec.Raw()
    context_management: msgspec.Raw = msgspec.Raw()
