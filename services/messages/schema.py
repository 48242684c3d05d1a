"""The body of `POST /v1/messages` and `/v1/messages/count_tokens`, as clients send it: shapes, limits and defaults.

Blocks and tools vary by `type` and are `msgspec.Raw` here: the intake reads them one by one, so that a mistake is reported
with its path and a type nobody knows yet can still pass on the native lane. https://platform.claude.com/docs/en/api/messages
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NonEmpty = Annotated[str, Meta(min_length=1)]


class CacheMarker(msgspec.Struct, frozen=True):
    """A prompt-cache marker: all that stands before it may be kept."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class MessageParam(msgspec.Struct, frozen=True):
    """One turn. A `system` turn may follow the first user's."""

    role: Literal["user", "assistant", "system"]
    content: str | list[msgspec.Raw]


class MetadataParam(msgspec.Struct, frozen=True):
    """About the request. `user_id` stands for the person and is no name."""

    user_id: str | None = None


class ThinkingParam(msgspec.Struct, frozen=True):
    """enabled (with a budget), adaptive, or a word that turns it off. display: whether readable thinking comes."""

    type: NonEmpty
    budget_tokens: Annotated[int, Meta(gt=0)] | None = None
    display: str | None = None


class OutputFormat(msgspec.Struct, frozen=True):
    """The shape of the answer's text: a JSON schema."""

    type: Literal["json_schema"]
    schema: msgspec.Raw = msgspec.Raw()


class OutputConfig(msgspec.Struct, frozen=True):
    """How much to put into the answer, and its shape. `task_budget` is Anthropic's alone."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None
    task_budget: msgspec.Raw = msgspec.Raw()


class ToolUseChoice(msgspec.Struct, frozen=True):
    """Which tools may or must be called; `name` for the type `tool`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole body. `routing` and `provider` are ours; what stands nowhere here is the provider's own."""

    model: NonEmpty
    messages: list[MessageParam]
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    system: str | list[msgspec.Raw] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: ToolUseChoice | None = None
    thinking: ThinkingParam | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: MetadataParam | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: CacheMarker | None = None
    thread: msgspec.Raw = msgspec.Raw()
    routing: msgspec.Raw = msgspec.Raw()
    provider: NonEmpty | None = None


class Source(msgspec.Struct, frozen=True):
    """Where an image or a document is: inline in base64 or as text, at a URL, uploaded, or as blocks of its own."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    content: str | list[msgspec.Raw] = ""


class Block(msgspec.Struct, frozen=True):
    """A content block of any type that is read here: one flat shape, so that a block costs one decoding."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    tool_name: str | None = None
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: msgspec.Raw = msgspec.Raw()
    cache_control: CacheMarker | None = None


class LocationParam(msgspec.Struct, frozen=True):
    """Roughly where the user is."""

    type: Literal["approximate"] = "approximate"
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class ToolParam(msgspec.Struct, frozen=True):
    """A tool of the client's, or the web search; other tools of Anthropic's are not read."""

    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    input_examples: msgspec.Raw = msgspec.Raw()
    allowed_callers: list[str] | None = None
    max_uses: Annotated[int, Meta(gt=0)] | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: LocationParam | None = None
    cache_control: CacheMarker | None = None
