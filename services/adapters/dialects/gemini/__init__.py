"""Gemini's generateContent, at Google AI Studio and at Vertex AI.

https://ai.google.dev/api/generate-content
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference

Both speak the same JSON; version, project and location stand in the provider's row, before this dialect's path.
Quirk `exclude_domains`: web search takes a list of domains to leave out (Vertex AI).
"""

from collections.abc import Mapping, Sequence

from services.adapters.dialect import Decoder, HttpRequest, UpstreamError
from services.adapters.dialects.gemini.answer import read_answer
from services.adapters.dialects.gemini.errors import read_error
from services.adapters.dialects.gemini.request import write_request
from services.adapters.dialects.gemini.stream import GeminiDecoder
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Framing
from services.wire.sse import SseFramer


class Gemini:
    """The dialect `gemini`."""

    name = "gemini"

    def request(self, call: Call, target: Target) -> HttpRequest:
        """`/models/{model}:generateContent`, or `:streamGenerateContent?alt=sse`."""
        return write_request(call, target)

    def framing(self, call: Call) -> Framing:
        """Server-sent events, without names and without an end mark."""
        del call
        return SseFramer

    def decoder(self, call: Call, target: Target) -> Decoder:
        """A new decoder for a streamed answer."""
        return GeminiDecoder(call, target)

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Events of a whole answer."""
        return read_answer(body, call, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """A `google.rpc.Status` in `error`, or whatever else came."""
        return read_error(status, headers, body)
