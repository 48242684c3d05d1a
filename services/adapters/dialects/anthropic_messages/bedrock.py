"""Claude on Amazon Bedrock, by InvokeModel: the model in the path, the version in the body, AWS event streams around events.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
"""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

import msgspec

from services.adapters.carry import is_native
from services.adapters.dialect import Decoder
from services.adapters.dialects.anthropic_messages import AnthropicMessages
from services.adapters.dialects.anthropic_messages.carrier import BEDROCK, Carrier
from services.adapters.dialects.anthropic_messages.errors import stream_error
from services.adapters.dialects.anthropic_messages.plan import plan
from services.adapters.dialects.anthropic_messages.stream import MessagesDecoder
from services.adapters.dialects.anthropic_messages.verbatim import VerbatimDecoder
from services.adapters.dialects.anthropic_messages.wire import broken
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.eventstream import EventStreamFramer
from services.wire.frame import Frame, Framing


class _Chunk(msgspec.Struct):
    """One piece of a response stream: an Anthropic event in base64, or an exception's message."""

    event: bytes = msgspec.field(default=b"", name="bytes")
    message: str = ""


_chunk = msgspec.json.Decoder(_Chunk)


class InvokeDecoder(MessagesDecoder):
    """Takes the events out of their AWS frames."""

    def feed(self, frame: Frame) -> Sequence[Event]:
        data = _unwrapped(frame)
        return self.read(data) if data else ()


class VerbatimInvokeDecoder(VerbatimDecoder):
    """The same on the native lane."""

    def feed(self, frame: Frame) -> Sequence[Event]:
        data = _unwrapped(frame)
        return self.read(data) if data else ()


def _unwrapped(frame: Frame) -> bytes:
    """The event in a frame. Raises `UpstreamError` for an exception in one."""
    try:
        chunk = _chunk.decode(frame.data or b"{}")
    except msgspec.DecodeError as error:
        raise broken("a stream chunk", error) from None
    if frame.headers.get(":message-type", "event") != "event":
        raise stream_error(frame.event, chunk.message)
    return chunk.event


class AnthropicBedrock(AnthropicMessages):
    """invoke and invoke-with-response-stream."""

    name = "anthropic_bedrock"
    carrier: ClassVar[Carrier] = BEDROCK

    def path(self, call: Call, target: Target) -> str:
        """`/model/{model}/{verb}`."""
        verb = "invoke-with-response-stream" if call.stream else "invoke"
        return f"/model/{quote(target.upstream, safe='')}/{verb}"

    def accepts(self, call: Call) -> str:
        """The media type of the answer."""
        return "application/vnd.amazon.eventstream" if call.stream else "application/json"

    def framing(self, call: Call) -> Framing:  # noqa: ARG002  # every stream of this carrier is cut alike
        """AWS event streams."""
        return EventStreamFramer

    def decoder(self, call: Call, target: Target) -> Decoder:
        """A decoder for a streamed answer."""
        return VerbatimInvokeDecoder() if is_native(call, self.name) else InvokeDecoder(plan(call, target))
