"""OpenAI's Responses API, as OpenAI, Azure (v1) and xAI speak it.

https://platform.openai.com/docs/api-reference/responses. Where the caller's body is already in this format it travels
verbatim (edits.py and back: native.py); a call from another surface is written from the `Call` (request.py) and read into
events (stream.py).
"""

from collections.abc import Mapping, Sequence

from services.adapters.carry import is_native
from services.adapters.dialect import Decoder, HttpRequest, UpstreamError
from services.adapters.dialects.openai_responses import errors
from services.adapters.dialects.openai_responses.answer import read_answer
from services.adapters.dialects.openai_responses.edits import native_request
from services.adapters.dialects.openai_responses.native import NativeDecoder, native_answer
from services.adapters.dialects.openai_responses.request import write_request
from services.adapters.dialects.openai_responses.stream import EventDecoder
from services.adapters.dialects.openai_responses.verbatim import VerbatimFramer
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Framing
from services.wire.sse import SseFramer


class OpenAIResponses:
    """The dialect. Quirks of a provider row.

    omit: top-level fields it refuses. openai_tools: it has the kinds of tools of adapters/spread.py.
    """

    name = "openai_responses"

    def request(self, call: Call, target: Target) -> HttpRequest:
        if is_native(call, self.name):
            return native_request(call, target)
        return write_request(call, target)

    def framing(self, call: Call) -> Framing:
        return VerbatimFramer if is_native(call, self.name) else SseFramer

    def decoder(self, call: Call, target: Target) -> Decoder:  # noqa: ARG002
        return NativeDecoder() if is_native(call, self.name) else EventDecoder()

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:  # noqa: ARG002
        return native_answer(body) if is_native(call, self.name) else read_answer(body)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return errors.read_error(status, headers, body)
