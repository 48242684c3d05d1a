"""OpenAI Chat Completions, as OpenAI, Azure, xAI, Mistral, Cloudflare, Hugging Face and local servers speak it.

https://platform.openai.com/docs/api-reference/chat. What differs between them is data: `quirks.py`.
"""

from collections.abc import Mapping, Sequence

from services.adapters.dialect import HttpRequest, UpstreamError
from services.adapters.dialects.openai_chat.answer import read_answer
from services.adapters.dialects.openai_chat.errors import http_error
from services.adapters.dialects.openai_chat.quirks import read_quirks
from services.adapters.dialects.openai_chat.request import write_request
from services.adapters.dialects.openai_chat.stream import ChatDecoder
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
        return write_request(call, target, read_quirks(target.provider))

    def framing(self, call: Call) -> Framing:  # noqa: ARG002  the same for every call
        """Server-sent events."""
        return SseFramer

    def decoder(self, call: Call, target: Target) -> ChatDecoder:
        """Reads chunks."""
        return ChatDecoder(call, target, read_quirks(target.provider))

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Reads a `chat.completion`."""
        return read_answer(body, call, target, read_quirks(target.provider))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Reads any of the providers' error shapes."""
        return http_error(status, headers, body)
