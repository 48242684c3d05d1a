"""The native lane's way back: the provider's events and bodies, verbatim, with what billing and routing need of them.

Nearly all of a stream is deltas, which pass as the bytes they came in: runs of them are not even taken apart.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.anthropic_messages.ending import Ending
from services.adapters.dialects.anthropic_messages.errors import stream_error
from services.adapters.dialects.anthropic_messages.wire import StreamEvent, Whole, broken
from services.adapters.dialects.runs import RUN, RunFramer
from services.vocabulary.event import Event, NativeAnswer, NativeEvent
from services.wire.frame import Frame

_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta",'
_SIGNED: Final = b'"signature_delta"'

_whole = msgspec.json.Decoder(Whole)
_event = msgspec.json.Decoder(StreamEvent)


class VerbatimFramer(RunFramer):
    """Cuts a stream into frames and runs of deltas in the usual form, those apart that hold a signature."""

    @staticmethod
    def is_plain(block: bytes) -> bool:
        """Whether an event is a delta without a signature."""
        return block.startswith(_DELTA) and _SIGNED not in block and block.endswith(b"}") and block.count(b"\n") == 1


class VerbatimDecoder:
    """Frames -> native events; before the last one, usage and finish."""

    def __init__(self) -> None:
        self._ending = Ending()
        self._complete = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """The event, verbatim."""
        if frame.event == RUN:
            return (NativeEvent("", frame.data),)
        return self.read(frame.data)

    def read(self, data: bytes) -> Sequence[Event]:
        """One stream event's JSON."""
        if self._complete:
            return ()  # some servers of the format add a [DONE]
        try:
            event = _event.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise broken("a stream event", error) from None
        match event.type:
            case "message_start" if event.message is not None:
                self._ending.count(event.message.usage)
                return (self._ending.so_far(), NativeEvent(event.type, _line(data)))
            case "message_delta" if event.delta is not None:
                self._ending.count(event.usage)
                self._ending.stop(event.delta.stop_reason, event.delta.stop_sequence, None)
            case "message_stop":
                self._complete = True
                return [*self._ending.events(called=True), NativeEvent(event.type, _line(data))]
            case "error":
                error_data = event.error
                raise stream_error(error_data.type, error_data.message) if error_data else _lacking(event.type)
            case "message_start" | "message_delta":
                raise _lacking(event.type)
        return (NativeEvent(event.type, _line(data)),)

    def close(self) -> Sequence[Event]:
        """The bytes ended."""
        if not self._complete:
            raise UpstreamError(Kind.TRUNCATED, "the stream ended before message_stop")
        return ()


def verbatim_answer(body: bytes) -> Sequence[Event]:
    """A whole answer. Raises `UpstreamError` for bytes that are no message."""
    try:
        message = _whole.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise broken("the answer", error) from None
    if message.error is not None:
        raise stream_error(message.error.type, message.error.message)
    if message.stop_reason is None or message.usage is None:
        raise UpstreamError(Kind.PROTOCOL, "the answer has no stop_reason or no usage")
    ending = Ending()
    ending.count(message.usage)
    ending.stop(message.stop_reason, message.stop_sequence, None)
    return [*ending.events(called=True), NativeAnswer(body)]


def _line(data: bytes) -> bytes:
    """The data as one line. Line ends between JSON tokens mean nothing, and inside strings they are escaped."""
    data = data.strip()
    return data.replace(b"\n", b" ") if b"\n" in data else data


def _lacking(kind: str) -> UpstreamError:
    return UpstreamError(Kind.PROTOCOL, f"a {kind} event without its content")
