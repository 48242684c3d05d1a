"""Chunks of a streamed answer -> events. The order: deltas, a finish reason, usage (perhaps), `[DONE]`."""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_chat.errors import stream_error
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.reader import Reader
from services.adapters.dialects.openai_chat.wire import decode
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Frame

_DONE = b"[DONE]"


class ChatDecoder:
    """Reads one stream. Complete only with a finish reason and `[DONE]`: usage may stand between the two."""

    def __init__(self, call: Call, target: Target, quirks: Quirks) -> None:
        self._reader = Reader(call, target, quirks)
        self._done = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one chunk."""
        if self._done:
            return ()
        data = frame.data
        if data == _DONE:
            return self._end()
        try:
            chunk = decode(data)
        except msgspec.DecodeError as error:
            raise UpstreamError(
                Kind.PROTOCOL, f"the provider sent a chunk that is not of the chat format: {error}"
            ) from error
        if chunk.failed or frame.event == "error":
            raise stream_error(data)
        events: list[Event] = []
        self._reader.read(chunk, events)
        return events

    def close(self) -> Sequence[Event]:
        """Nothing is left after `[DONE]`; without it the stream was cut."""
        if not self._done:
            raise UpstreamError(Kind.TRUNCATED, "the provider's stream ended before [DONE]")
        return ()

    def _end(self) -> Sequence[Event]:
        if self._reader.finish is None:
            raise UpstreamError(Kind.TRUNCATED, "the provider's stream ended without a finish reason")
        self._done = True
        return self._reader.end()
