"""A whole answer -> events, by the same reader as a stream."""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_chat.errors import stream_error
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.reader import Reader
from services.adapters.dialects.openai_chat.wire import decode
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event


def read_answer(body: bytes, call: Call, target: Target, quirks: Quirks) -> Sequence[Event]:
    """Events of a `chat.completion`. Raises `UpstreamError` for an error object, and for one without a finished choice."""
    try:
        completion = decode(body)
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"the provider's answer is not of the chat format: {error}") from error
    if completion.failed:
        raise stream_error(body)
    reader = Reader(call, target, quirks)
    events: list[Event] = []
    reader.read(completion, events)
    if reader.finish is None:
        raise UpstreamError(Kind.PROTOCOL, "the provider's answer holds no finished choice")
    events += reader.end()
    return events
