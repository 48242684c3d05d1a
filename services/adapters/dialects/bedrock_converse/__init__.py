"""AWS Bedrock's Converse and ConverseStream: one format for all models that Bedrock serves."""

from collections.abc import Mapping, Sequence

from services.adapters.dialect import Decoder, HttpRequest, UpstreamError
from services.adapters.dialects.bedrock_converse.answer import answer
from services.adapters.dialects.bedrock_converse.errors import error
from services.adapters.dialects.bedrock_converse.request import request
from services.adapters.dialects.bedrock_converse.stream import ConverseDecoder
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.eventstream import EventStreamFramer
from services.wire.frame import Framing


class BedrockConverse:
    """Converse. Quirks of a provider's row: `latency` ("optimized") and `guardrail` ("identifier:version") go with every call."""

    name = "bedrock_converse"

    def request(self, call: Call, target: Target) -> HttpRequest:
        """POST /model/{modelId}/converse, or /converse-stream for a streamed call."""
        return request(call, target)

    def framing(self, call: Call) -> Framing:  # noqa: ARG002 - the same for every call
        """AWS event stream."""
        return EventStreamFramer

    def decoder(self, call: Call, target: Target) -> Decoder:
        """A new decoder for a streamed answer."""
        return ConverseDecoder(call, target)

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Events of a whole answer."""
        return answer(body, call, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """An HTTP error, without account ids."""
        return error(status, headers, body)
