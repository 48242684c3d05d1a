"""Stream events -> events. Order: message_start, blocks (start, deltas, stop), message_delta, message_stop.

https://platform.claude.com/docs/en/build-with-claude/streaming. Pings, and event types that do not exist yet, are read
over, as the format asks of its readers.
"""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.anthropic_messages.blocks import Blocks
from services.adapters.dialects.anthropic_messages.ending import Ending
from services.adapters.dialects.anthropic_messages.errors import stream_error
from services.adapters.dialects.anthropic_messages.plan import Plan
from services.adapters.dialects.anthropic_messages.wire import StreamEvent, broken, read_block
from services.vocabulary.event import Event
from services.wire.frame import Frame

_event = msgspec.json.Decoder(StreamEvent)


class MessagesDecoder:
    """Reads one streamed answer."""

    def __init__(self, plan: Plan) -> None:
        self._blocks = Blocks(plan)
        self._ending = Ending()
        self._complete = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one frame."""
        return self.read(frame.data)

    def read(self, data: bytes) -> Sequence[Event]:
        """Events of one stream event's JSON."""
        if self._complete:
            return ()  # some servers of the format add a [DONE]
        try:
            return self._read(_event.decode(data))
        except (msgspec.DecodeError, RecursionError) as error:
            raise broken("a stream event", error) from None

    def _read(self, event: StreamEvent) -> Sequence[Event]:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._blocks.delta(event.index, event.delta)
            case "content_block_start" if event.content_block:
                return self._blocks.begin(event.index, read_block(event.content_block))
            case "content_block_stop":
                return self._blocks.end(event.index)
            case "message_start" if event.message is not None:
                self._ending.count(event.message.usage)
                return (self._ending.so_far(),)
            case "message_delta" if event.delta is not None:
                self._ending.count(event.usage)
                self._ending.stop(event.delta.stop_reason, event.delta.stop_sequence, event.delta.stop_details)
            case "message_stop":
                self._complete = True
                return [*self._blocks.close(), *self._ending.events(called=self._blocks.called)]
            case "error":
                raise stream_error(event.error.type, event.error.message) if event.error else _lacking(event.type)
            case "content_block_delta" | "content_block_start" | "message_start" | "message_delta":
                raise _lacking(event.type)
        return ()

    def close(self) -> Sequence[Event]:
        """The bytes ended."""
        if not self._complete:
            raise UpstreamError(Kind.TRUNCATED, "the stream ended before message_stop")
        return ()


def _lacking(kind: str) -> UpstreamError:
    return UpstreamError(Kind.PROTOCOL, f"a {kind} event without its content")
