"""ConverseStream: messageStart, blocks, messageStop, metadata. Text and reasoning blocks have no start of their own.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. The usage comes after the stop
reason, so the answer is complete with `metadata` and not before. The `p` of every event is padding.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.bedrock_converse.blocks import Blocks, protocol_error
from services.adapters.dialects.bedrock_converse.errors import exception
from services.adapters.dialects.bedrock_converse.wire import ModelFields, Served, WireCitation
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Frame


class _ReasoningDelta(msgspec.Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _InputDelta(msgspec.Struct, rename="camel"):
    input: str = ""


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _InputDelta | None = None
    reasoning_content: _ReasoningDelta | None = None
    citation: WireCitation | None = None
    tool_result: msgspec.Raw = msgspec.Raw()


class _BlockDelta(msgspec.Struct, rename="camel"):
    content_block_index: int
    delta: _Delta


class _ToolStart(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    type: str | None = None


class _Start(msgspec.Struct, rename="camel"):
    tool_use: _ToolStart | None = None
    tool_result: msgspec.Raw = msgspec.Raw()


class _BlockStart(msgspec.Struct, rename="camel"):
    content_block_index: int
    start: _Start


class _MessageStart(msgspec.Struct):
    role: Literal["assistant"]


class _BlockStop(msgspec.Struct, rename="camel"):
    content_block_index: int


class _MessageStop(msgspec.Struct, rename="camel"):
    stop_reason: str
    additional_model_response_fields: ModelFields | None = None


_block_delta = msgspec.json.Decoder(_BlockDelta)
_block_start = msgspec.json.Decoder(_BlockStart)
_block_stop = msgspec.json.Decoder(_BlockStop)
_message_stop = msgspec.json.Decoder(_MessageStop)
_metadata = msgspec.json.Decoder(Served)
_message_start = msgspec.json.Decoder(_MessageStart)

_CONTENT = frozenset({"contentBlockStart", "contentBlockDelta", "contentBlockStop"})


class ConverseDecoder:
    """Reads one streamed answer."""

    def __init__(self, call: Call, target: Target) -> None:
        self._blocks = Blocks(call, target)
        self._stop: _MessageStop | None = None
        self._complete = False
        self._failure: UpstreamError | None = None
        self._read: dict[str, Callable[[bytes], Sequence[Event]]] = {
            "contentBlockDelta": self._delta,
            "contentBlockStart": self._start,
            "contentBlockStop": self._block_end,
            "messageStart": self._begin,
            "messageStop": self._message_end,
            "metadata": self._end,
        }

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one frame. Event types that are not known yet are read over, as AWS's own clients do."""
        read = self._read.get(frame.event)
        if read is None:
            if frame.headers.get(":message-type") in {"exception", "error"}:
                raise exception(frame)
            return ()
        if self._stop is not None and (self._complete or frame.event in _CONTENT):
            raise protocol_error(f"{frame.event} after the end")
        try:
            return read(frame.data)
        except msgspec.MsgspecError as error:
            raise protocol_error(f"{frame.event}: {error}") from error

    def close(self) -> Sequence[Event]:
        """Nothing is left of a complete answer. A generation that failed by its own account is told here, after its usage."""
        if self._failure is not None:
            raise self._failure
        if not self._complete:
            raise UpstreamError(Kind.TRUNCATED, "The answer ended before it was complete.")
        return ()

    def _begin(self, data: bytes) -> Sequence[Event]:
        _message_start.decode(data)
        return ()

    def _delta(self, data: bytes) -> Sequence[Event]:
        event = _block_delta.decode(data)
        delta, index = event.delta, event.content_block_index
        if delta.text is not None:
            return self._blocks.text(index, delta.text)
        if delta.tool_use is not None:
            return self._blocks.input(index, delta.tool_use.input)
        if (reasoning := delta.reasoning_content) is not None:
            return self._blocks.reasoning(index, reasoning.text, reasoning.signature, reasoning.redacted_content)
        if delta.citation is not None:
            return self._blocks.cite(index, delta.citation)
        if bytes(delta.tool_result):
            return ()  # what the provider's own search found; its citations follow
        raise protocol_error("content of an unknown kind")

    def _start(self, data: bytes) -> Sequence[Event]:
        event = _block_start.decode(data)
        if (tool := event.start.tool_use) is not None:
            return self._blocks.start_call(event.content_block_index, tool.tool_use_id, tool.name, tool.type)
        if bytes(event.start.tool_result):
            return self._blocks.start_result(event.content_block_index)
        raise protocol_error("a block of an unknown kind")

    def _block_end(self, data: bytes) -> Sequence[Event]:
        return self._blocks.stop(_block_stop.decode(data).content_block_index)

    def _message_end(self, data: bytes) -> Sequence[Event]:
        if self._stop is not None:
            raise protocol_error("a second stop reason")
        self._stop = _message_stop.decode(data)
        return self._blocks.stop_all()

    def _end(self, data: bytes) -> Sequence[Event]:
        if self._stop is None:
            raise protocol_error("metadata before the stop reason")
        usage = self._blocks.usage(_metadata.decode(data))
        self._complete = True
        try:
            return (usage, self._blocks.finish(self._stop.stop_reason, self._stop.additional_model_response_fields))
        except UpstreamError as error:
            self._failure = error
            return (usage,)
