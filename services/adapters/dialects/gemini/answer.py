"""A whole answer: the same JSON as one chunk that is also the last."""

from collections.abc import Sequence

from services.adapters.dialects.gemini.stream import GeminiDecoder
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Frame


def read_answer(body: bytes, call: Call, target: Target) -> Sequence[Event]:
    """All events. Raises `UpstreamError` for what is no answer, or none that was finished."""
    decoder = GeminiDecoder(call, target)
    return [*decoder.feed(Frame("", body)), *decoder.close()]
