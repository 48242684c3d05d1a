"""The part of Cohere's answers that we read: stream events, and the whole message.

https://docs.cohere.com/reference/chat-stream and https://docs.cohere.com/reference/chat
"""

import msgspec


class Function(msgspec.Struct, gc=False):
    """Name and arguments of a call, or a piece of the latter."""

    name: str = ""
    arguments: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call, or a piece of one."""

    id: str = ""
    function: Function | None = None


class Content(msgspec.Struct, gc=False):
    """A block, or a piece of one: text or thinking."""

    text: str | None = None
    thinking: str | None = None


class Cited(msgspec.Struct, gc=False):
    """What a source holds: the fields of a document of the caller's, or of a tool's output."""

    url: str | None = None
    title: str | None = None


class Source(msgspec.Struct, gc=False):
    """A document or a tool's output that a citation names."""

    id: str | None = None
    document: Cited | None = None
    tool_output: Cited | None = None


class Citation(msgspec.Struct, gc=False):
    """A piece of a content block and where it comes from. `type`: TEXT_CONTENT, THINKING_CONTENT or PLAN."""

    start: int | None = None
    end: int | None = None
    text: str | None = None
    sources: list[Source] | None = None
    content_index: int | None = None
    type: str | None = None


class Tokens(msgspec.Struct, gc=False):
    """Counts; floats in the reference, whole numbers in fact."""

    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None


class Usage(msgspec.Struct, gc=False):
    """What was counted, and what of it is charged (Cohere's own prompt around the caller's is not)."""

    tokens: Tokens | None = None
    billed_units: Tokens | None = None
    cached_tokens: float | None = None


class DeltaMessage(msgspec.Struct, gc=False):
    """What an event adds to the message. Only `message-start` has lists here, all empty."""

    content: Content | list[msgspec.Raw] | None = None
    tool_plan: str | None = None
    tool_calls: ToolCall | list[msgspec.Raw] | None = None
    citations: Citation | list[msgspec.Raw] | None = None


class Delta(msgspec.Struct, gc=False):
    """The change an event brings; `finish_reason` and what follows at the end only."""

    message: DeltaMessage | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    error: str | None = None
    error_type: str | None = None


class StreamEvent(msgspec.Struct, gc=False):
    """One event of a stream. `index` numbers blocks and calls, each from 0."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    message: str | None = None  # of an error object in place of an event


class Message(msgspec.Struct, gc=False):
    """A whole message."""

    content: list[Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[ToolCall] | None = None
    citations: list[Citation] | None = None


class Answer(msgspec.Struct, gc=False):
    """A whole answer."""

    message: Message | str | None = None  # text in an error
    finish_reason: str | None = None
    usage: Usage | None = None


decode_event = msgspec.json.Decoder(StreamEvent).decode
decode_answer = msgspec.json.Decoder(Answer).decode
