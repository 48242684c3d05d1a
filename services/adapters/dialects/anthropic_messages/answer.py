"""A whole answer -> the events its stream would have given, in bigger pieces."""

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.anthropic_messages.blocks import Blocks
from services.adapters.dialects.anthropic_messages.ending import Ending
from services.adapters.dialects.anthropic_messages.errors import stream_error
from services.adapters.dialects.anthropic_messages.plan import Plan
from services.adapters.dialects.anthropic_messages.wire import Whole, broken, read_block
from services.vocabulary.event import Event

_whole = msgspec.json.Decoder(Whole)


def read(body: bytes, plan: Plan) -> list[Event]:
    """All events of the answer. Raises `UpstreamError` for bytes that are no message."""
    try:
        return _read(_whole.decode(body), plan)
    except (msgspec.DecodeError, RecursionError) as error:
        raise broken("the answer", error) from None


def _read(message: Whole, plan: Plan) -> list[Event]:
    if message.error is not None:
        raise stream_error(message.error.type, message.error.message)
    if message.stop_reason is None or message.usage is None:
        raise UpstreamError(Kind.PROTOCOL, "the answer has no stop_reason or no usage")
    blocks, ending, events = Blocks(plan), Ending(), list[Event]()
    for index, block in enumerate(message.content):
        events += blocks.begin(index, read_block(block))
        events += blocks.end(index)
    ending.count(message.usage)
    ending.stop(message.stop_reason, message.stop_sequence, message.stop_details)
    return [*events, *blocks.close(), *ending.events(called=blocks.called)]
