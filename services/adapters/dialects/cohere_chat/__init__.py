"""Cohere's v2 chat: https://docs.cohere.com/reference/chat.

Its messages and tools are close to the chat format's, so those are written by the same code; its streams are its own.
"""

from collections.abc import Mapping, Sequence

from services.adapters.dialect import HttpRequest, UpstreamError
from services.adapters.dialects.cohere_chat.answer import read_answer
from services.adapters.dialects.cohere_chat.errors import http_error
from services.adapters.dialects.cohere_chat.request import write_request
from services.adapters.dialects.cohere_chat.stream import CohereDecoder
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Framing
from services.wire.sse import SseFramer


class CohereChat:
    """The dialect. See `Dialect` for what each method promises."""

    name = "cohere_chat"

    def request(self, call: Call, target: Target) -> HttpRequest:
        """POST /v2/chat."""
        return write_request(call, target)

    def framing(self, call: Call) -> Framing:  # noqa: ARG002  the same for every call
        """Server-sent events."""
        return SseFramer

    def decoder(self, call: Call, target: Target) -> CohereDecoder:
        """Reads stream events."""
        return CohereDecoder(call, target)

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Reads a whole answer."""
        return read_answer(body, call, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Reads an error."""
        return http_error(status, headers, body)
