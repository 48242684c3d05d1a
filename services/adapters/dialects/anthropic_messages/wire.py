"""What Anthropic sends, as far as it is read. One flat struct per thing, so that a stream event costs one decoding.

https://platform.claude.com/docs/en/build-with-claude/streaming, …/api/messages. Unknown fields, block, delta, citation and
event types are read over: the format promises to add such. Blocks and citations are therefore kept raw until their type is
known to be one of ours; a new one may have fields of the same name and another shape.
"""

from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError


class CitationData(msgspec.Struct):
    """A citation of any kind: of a web page, a document, or a search result block of the client's."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    document_title: str | None = None
    source: str | None = None
    file_id: str | None = None


class Block(msgspec.Struct):
    """A content block of any type; whole in an answer, mostly empty where a stream begins one."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str = ""
    content: msgspec.Raw = msgspec.Raw()
    citations: list[msgspec.Raw] | None = None


class StopDetails(msgspec.Struct):
    """Why the model refused."""

    explanation: str | None = None
    category: str | None = None


class Delta(msgspec.Struct):
    """More of a block, or (in `message_delta`) how the message ends."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: msgspec.Raw = msgspec.Raw()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class CacheCreation(msgspec.Struct):
    """Tokens written to the cache, by time to live."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class OutputDetails(msgspec.Struct):
    """Parts of the output tokens."""

    thinking_tokens: int = 0


class ServerTools(msgspec.Struct):
    """Calls of tools that Anthropic ran."""

    web_search_requests: int | None = 0


class UsageData(msgspec.Struct):
    """Token counts; in streams cumulative, each later one replacing an earlier. None: not said again."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None


class Message(msgspec.Struct):
    """An answer; empty where a stream begins it."""

    type: str = ""
    content: list[msgspec.Raw] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: UsageData | None = None


class ErrorData(msgspec.Struct):
    """What went wrong."""

    type: str = ""
    message: str = ""


class StreamEvent(msgspec.Struct):
    """One event of a stream, of any type."""

    type: str
    index: int = 0
    delta: Delta | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    message: Message | None = None
    usage: UsageData | None = None
    error: ErrorData | None = None


class SearchHit(msgspec.Struct):
    """A page a web search found."""

    url: str = ""


class SearchQuery(msgspec.Struct):
    """The input of a web search."""

    query: str = ""


class FreeText(msgspec.Struct):
    """The input of a tool that stands for a custom one."""

    input: str


class Whole(Message):
    """The body of an answer that is not streamed: a message, or an error in spite of its status."""

    error: ErrorData | None = None


class _Typed(msgspec.Struct):
    type: str = ""


BLOCKS: Final = frozenset(
    {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result"}
)
CITATIONS: Final = frozenset(
    {
        "web_search_result_location",
        "search_result_location",
        "char_location",
        "page_location",
        "content_block_location",
    }
)

_typed = msgspec.json.Decoder(_Typed)
_block = msgspec.json.Decoder(Block)
_citation = msgspec.json.Decoder(CitationData)


def read_block(raw: msgspec.Raw) -> Block:
    """A content block; of a type nobody knows yet, only the type."""
    kind = _typed.decode(raw).type
    return _block.decode(raw) if kind in BLOCKS else Block(kind)


def read_citation(raw: msgspec.Raw) -> CitationData | None:
    """A citation, if it is of a known type."""
    return _citation.decode(raw) if _typed.decode(raw).type in CITATIONS else None


def broken(what: str, error: Exception) -> UpstreamError:
    """The provider's bytes are not in its format."""
    return UpstreamError(Kind.PROTOCOL, f"{what}: {error}")
