"""A whole answer -> events, by the same reader as a stream."""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.cohere_chat.errors import failed
from services.adapters.dialects.cohere_chat.reader import Reader
from services.adapters.dialects.cohere_chat.wire import Message, decode_answer
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event


def read_answer(body: bytes, call: Call, target: Target) -> Sequence[Event]:
    """Events of the answer. Raises `UpstreamError` for an error, and for one without a message or an end."""
    try:
        answer = decode_answer(body)
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"the provider's answer is not of its format: {error}") from error
    message = answer.message
    if isinstance(message, str):
        raise failed("ERROR", message, None)
    if not isinstance(message, Message) or answer.finish_reason is None:
        raise UpstreamError(Kind.PROTOCOL, "the provider's answer holds no finished message")
    reader = Reader(call, target)
    events: list[Event] = []
    for index, content in enumerate(message.content or ()):
        reader.content(index, content, events)
    for citation in message.citations or ():
        reader.cite(citation, events)
    if message.tool_plan:
        reader.plan(message.tool_plan, events)
    for index, tool_call in enumerate(message.tool_calls or ()):
        reader.call_started(index, tool_call, events)
        reader.call_ended(index, events)
    reader.end(answer.finish_reason, answer.usage, events)
    return events
