"""Events of a streamed answer -> ours. `message-end` says that it is whole; `[DONE]` may follow."""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.cohere_chat.errors import failed
from services.adapters.dialects.cohere_chat.reader import Reader
from services.adapters.dialects.cohere_chat.wire import (
    Citation,
    Content,
    Delta,
    DeltaMessage,
    StreamEvent,
    ToolCall,
    decode_event,
)
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Frame

_NO_MESSAGE = DeltaMessage()
_NO_DELTA = Delta()


class CohereDecoder:
    """Reads one stream."""

    def __init__(self, call: Call, target: Target) -> None:
        self._reader = Reader(call, target)
        self._done = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one frame."""
        if self._done or frame.data == b"[DONE]":
            return ()
        try:
            event = decode_event(frame.data)
        except msgspec.DecodeError as error:
            raise UpstreamError(
                Kind.PROTOCOL, f"the provider sent an event that is not of its format: {error}"
            ) from error
        events: list[Event] = []
        try:
            self._read(event, events)
        except KeyError as error:
            raise UpstreamError(Kind.PROTOCOL, f"the provider continued call {error} before it began") from error
        return events

    def close(self) -> Sequence[Event]:
        """Nothing is left after the end; without one the stream was cut."""
        if not self._done:
            raise UpstreamError(Kind.TRUNCATED, "the provider's stream ended before message-end")
        return ()

    def _read(self, event: StreamEvent, events: list[Event]) -> None:
        delta = event.delta or _NO_DELTA
        message = delta.message or _NO_MESSAGE
        match event.type:
            case "content-delta" | "content-start":
                if isinstance(message.content, Content):
                    self._reader.content(event.index, message.content, events)
            case "tool-plan-delta":
                if message.tool_plan:
                    self._reader.plan(message.tool_plan, events)
            case "tool-call-start":
                if isinstance(message.tool_calls, ToolCall):
                    self._reader.call_started(event.index, message.tool_calls, events)
            case "tool-call-delta":
                if isinstance(message.tool_calls, ToolCall):
                    self._reader.call_more(event.index, message.tool_calls, events)
            case "tool-call-end":
                self._reader.call_ended(event.index, events)
            case "citation-start":
                if isinstance(message.citations, Citation):
                    self._reader.cite(message.citations, events)
            case "message-end":
                if delta.error is not None or delta.finish_reason is None:
                    raise failed(delta.finish_reason or "ERROR", delta.error, delta.error_type)
                self._reader.end(delta.finish_reason, delta.usage, events)
                self._done = True
            case "":
                raise failed("ERROR", event.message, None)
            case _:
                pass  # message-start, content-end, citation-end, debug: nothing in them
