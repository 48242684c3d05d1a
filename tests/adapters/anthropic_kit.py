"""Calls, targets and streams for the tests of the Anthropic dialect."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.adapters.dialects.anthropic_messages import AnthropicMessages
from services.catalog.schema import Facts, Provider, Target
from services.vocabulary.call import Call, Message, Text
from services.vocabulary.event import Event, Loss
from tests.adapters.conformance import without_beginnings

DIALECT = AnthropicMessages()
NEW, BUDGET, OLD = "claude-opus-4-8", "claude-sonnet-4-5", "claude-3-5-haiku-20241022"


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def call(*items: Any, **fields: Any) -> Call:
    said = [Message("user", [Text(item)]) if isinstance(item, str) else item for item in items or ("Hi",)]
    return Call(model="anthropic/any", items=said, **fields)


def target(upstream: str = NEW, *, quirks: Mapping[str, Any] | None = None, **facts: Any) -> Target:
    row = Provider("anthropic", "Anthropic", "anthropic_messages", "http://upstream", quirks=dict(quirks or {}))
    return Target(row, "anthropic_messages", upstream, upstream, Facts(**facts))


def sent(
    asked: Call, to: Target | None = None, dialect: AnthropicMessages = DIALECT
) -> tuple[dict[str, Any], list[Loss]]:
    """The body that goes out, and the losses."""
    request = dialect.request(asked, to or target())
    return json.loads(request.body), list(request.losses)


def lost(losses: Iterable[Loss]) -> list[tuple[str, str]]:
    return [(loss.param, loss.action) for loss in losses]


def sse(*events: Any) -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def start(**usage: Any) -> dict[str, Any]:
    counts = {"input_tokens": 10, "output_tokens": 1, **usage}
    return {
        "type": "message_start",
        "message": {"type": "message", "role": "assistant", "content": [], "usage": counts},
    }


def block(index: int, content: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def stop(
    reason: str = "end_turn", *, sequence: str | None = None, details: Any = None, **usage: Any
) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": sequence, "stop_details": details}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7, **usage}},
        {"type": "message_stop"},
    ]


def decoded(data: bytes, asked: Call | None = None, to: Target | None = None, size: int = 0) -> list[Event]:
    """Events of a streamed answer that arrives in pieces of `size` bytes."""
    asked, to = asked or call(stream=True), to or target()
    framer, decoder = DIALECT.framing(asked)(), DIALECT.decoder(asked, to)
    events: list[Event] = []
    for at in range(0, len(data), size or len(data)):
        for frame in framer.feed(data[at : at + (size or len(data))]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return without_beginnings([*events, *decoder.close()])
