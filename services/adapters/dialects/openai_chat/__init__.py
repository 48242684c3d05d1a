"""OpenAI Chat Completions, as OpenAI, Azure, xAI, Mistral, Cloudflare, Hugging Face and local servers speak it.

https://platform.openai.com/docs/api-reference/chat. What differs between them is data: `quirks.py`. A caller's body in this
format travels verbatim (edits.py and back: native.py) where the provider can take it as it is (fitting.py, asked by carry).
"""

from collections.abc import Mapping, Sequence

from services.adapters.dialect import Decoder, HttpRequest, UpstreamError
from services.adapters.dialects.openai_chat.answer import read_answer
from services.adapters.dialects.openai_chat.edits import native_request
from services.adapters.dialects.openai_chat.errors import http_error
from services.adapters.dialects.openai_chat.native import NativeDecoder, native_answer
from services.adapters.dialects.openai_chat.quirks import read_quirks
from services.adapters.dialects.openai_chat.request import write_request
from services.adapters.dialects.openai_chat.stream import ChatDecoder
from services.adapters.dialects.openai_chat.verbatim import VerbatimFramer
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Framing
from services.wire.sse import SseFramer


class OpenAIChat:
    """The dialect. See `Dialect` for what each method promises."""

    name = "openai_chat"

    def request(self, call: Call, target: Target) -> HttpRequest:
        """POST …/chat/completions."""
        quirks = read_quirks(target.provider)
        return native_request(call, target, quirks) if self._native(call) else write_request(call, target, quirks)

    def framing(self, call: Call) -> Framing:
        """Server-sent events."""
        return VerbatimFramer if self._native(call) else SseFramer

    def decoder(self, call: Call, target: Target) -> Decoder:
        """Reads chunks."""
        if self._native(call):
            return NativeDecoder(call)
        return ChatDecoder(call, target, read_quirks(target.provider))

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Reads a `chat.completion`."""
        if self._native(call):
            return native_answer(body, call)
        return read_answer(body, call, target, read_quirks(target.provider))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Reads any of the providers' error shapes."""
        return http_error(status, headers, body)

    def _native(self, call: Call) -> bool:
        """Whether the caller's own body travels. `carry.prepare` has taken it away from calls that must be written anew."""
        return call.native is not None and call.native.format == self.name
