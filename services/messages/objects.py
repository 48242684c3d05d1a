"""The public answer, as clients of the Messages API see it: the message, its blocks, and the events of its stream.

https://platform.claude.com/docs/en/api/messages, …/build-with-claude/streaming. `cost`, `routing` and `translation_losses`
are ours: fields beside the format's own, on the message and on `message_delta`.
"""

from typing import Literal

import msgspec

from services.surface.cost import PublicCost
from services.vocabulary.event import FinishReason, Loss
from services.vocabulary.routing import RouteTaken
from services.vocabulary.usage import Usage

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"]

STOP_REASONS: dict[FinishReason, StopReason] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}

# ---- what an answer consists of ------------------------------------------------------------------------------------


class WebCitation(msgspec.Struct, tag="web_search_result_location"):
    """A web page that supports a text block. `encrypted_index` says whose citation it is."""

    url: str
    title: str | None
    encrypted_index: str
    cited_text: str = ""


class TextContent(msgspec.Struct, tag="text"):
    """Text of the answer."""

    text: str
    citations: list[WebCitation] | msgspec.UnsetType = msgspec.UNSET


class ThinkingBlock(msgspec.Struct, tag="thinking"):
    """Readable reasoning. `signature` is its opaque proof, to be sent back as it is."""

    thinking: str
    signature: str


class RedactedBlock(msgspec.Struct, tag="redacted_thinking"):
    """Reasoning nobody may read, to be sent back as it is."""

    data: str


class ToolUseBlock(msgspec.Struct, tag="tool_use"):
    """A call of one of the client's tools."""

    id: str
    name: str
    input: msgspec.Raw


class SearchInput(msgspec.Struct):
    """What a web search looked for."""

    query: str


class ServerToolUseBlock(msgspec.Struct, tag="server_tool_use"):
    """A web search the provider made."""

    id: str
    input: SearchInput
    name: Literal["web_search"] = "web_search"


class SearchHit(msgspec.Struct, tag="web_search_result"):
    """A page a web search found. `encrypted_content` says whose it is."""

    url: str
    title: str
    encrypted_content: str
    page_age: str | None = None


class SearchError(msgspec.Struct, tag="web_search_tool_result_error"):
    """A search that failed."""

    error_code: Literal["unavailable"] = "unavailable"


class SearchResultBlock(msgspec.Struct, tag="web_search_tool_result"):
    """What a web search found."""

    tool_use_id: str
    content: list[SearchHit] | SearchError


Block = TextContent | ThinkingBlock | RedactedBlock | ToolUseBlock | ServerToolUseBlock | SearchResultBlock


class CacheCreation(msgspec.Struct):
    """Tokens written to the cache, by time to live."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class OutputDetails(msgspec.Struct):
    """A part of the output tokens."""

    thinking_tokens: int = 0


class ServerToolUse(msgspec.Struct):
    """Uses of the provider's own tools."""

    web_search_requests: int = 0
    web_fetch_requests: int = 0


class MessageUsage(msgspec.Struct):
    """Tokens in disjoint classes: `input_tokens` are neither read from nor written to a cache."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cache_creation: CacheCreation
    output_tokens: int
    output_tokens_details: OutputDetails
    server_tool_use: ServerToolUse | None
    service_tier: Literal["standard", "priority"] = "standard"


class StopDetails(msgspec.Struct, tag="refusal"):
    """Why the model refused."""

    category: str | None = None
    explanation: str | None = None


class AnthropicMessage(msgspec.Struct, tag="message", kw_only=True):
    """One answer."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Block] = []
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: MessageUsage
    cost: PublicCost | None = None
    routing: RouteTaken | None = None
    translation_losses: list[Loss] = []


class TokensCount(msgspec.Struct):
    """Tokens of a request. `estimated`: no provider counted them, and the number is the gateway's own reckoning."""

    input_tokens: int
    estimated: bool


# ---- events --------------------------------------------------------------------------------------------------------


class TextBlockDelta(msgspec.Struct, tag="text_delta"):
    """More text."""

    text: str


class CitationsDelta(msgspec.Struct, tag="citations_delta"):
    """A citation of the open text block."""

    citation: WebCitation


class ThinkingDelta(msgspec.Struct, tag="thinking_delta"):
    """More readable reasoning."""

    thinking: str


class SignatureDelta(msgspec.Struct, tag="signature_delta"):
    """The proof of the open thinking block."""

    signature: str


class InputJsonDelta(msgspec.Struct, tag="input_json_delta"):
    """More of a call's input, as text."""

    partial_json: str


Delta = TextBlockDelta | CitationsDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class MessageStart(msgspec.Struct, tag="message_start"):
    """The message begins. Its usage is an estimate; the last one counts."""

    message: AnthropicMessage


class BlockStart(msgspec.Struct, tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: Block


class BlockDelta(msgspec.Struct, tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: Delta


class BlockStop(msgspec.Struct, tag="content_block_stop"):
    """A block is complete."""

    index: int


class StopDelta(msgspec.Struct):
    """How the message ends."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class MessageDelta(msgspec.Struct, tag="message_delta"):
    """The message has ended: why, what it used, and what it costs."""

    delta: StopDelta
    usage: MessageUsage
    cost: PublicCost | None
    routing: RouteTaken | None
    translation_losses: list[Loss]


class MessageStop(msgspec.Struct, tag="message_stop"):
    """The last event."""


Event = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop


def public_usage(usage: Usage) -> MessageUsage:
    """Disjoint classes, as this API has them too."""
    return MessageUsage(
        input_tokens=usage.input,
        cache_creation_input_tokens=usage.cache_write,
        cache_read_input_tokens=usage.cache_read,
        cache_creation=CacheCreation(usage.cache_write_5m, usage.cache_write_1h),
        output_tokens=usage.output,
        output_tokens_details=OutputDetails(usage.reasoning),
        server_tool_use=ServerToolUse(usage.web_searches) if usage.web_searches else None,
        service_tier="priority" if usage.tier == "priority" else "standard",  # clients know no tier of other providers
    )


def message_id(response_id: str) -> str:
    """`msg_` and what follows `resp_`, so that the books know the answer by either."""
    return f"msg_{response_id.removeprefix('resp_')}"
