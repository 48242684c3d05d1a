"""Small helpers for tests of the Messages surface."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.messages.intake import Reading, read
from services.messages.objects import AnthropicMessage, public_usage
from services.messages.projection import Projection
from services.vocabulary.event import Event, Opened
from services.vocabulary.usage import Usage

Json = dict[str, Any]

HELLO = [{"role": "user", "content": "Hi."}]


def body_of(**fields: Any) -> bytes:
    """A body with these fields, and what every body needs."""
    return json.dumps({"model": "m", "max_tokens": 100, "messages": HELLO, **fields}, separators=(",", ":")).encode()


def reading_of(headers: Mapping[str, str] | None = None, **fields: Any) -> Reading:
    """What a body with these fields asks for."""
    return read(body_of(**fields), headers or {})


def blocks(role: str, *content: Json) -> Json:
    """A message of these blocks."""
    return {"role": role, "content": list(content)}


def projection_of(provider: str = "p", scope: str = "s") -> Projection:
    """The projection of an answer that has just begun."""
    message = AnthropicMessage(id="msg_0a", model="p/m", usage=public_usage(Usage(input=7, output=1)))
    return Projection(message, Opened(provider, scope))


def project(*batches: Sequence[Event]) -> tuple[list[Json], Json]:
    """The public stream of some batches of events, as JSON, and the finished message."""
    projection = projection_of()
    public = [projection.start()]
    started = json.loads(msgspec.json.encode(public[0]))
    for batch in batches:
        public += projection.feed(batch)
    public += projection.complete(None)
    stream = [started, *(json.loads(msgspec.json.encode(event)) for event in public[1:])]
    return stream, json.loads(msgspec.json.encode(projection.message))


def folded(stream: Sequence[Json]) -> list[Json]:
    """The blocks a client makes of a stream, one after the other; fails when two are open at once."""
    made: list[Json] = []
    open_index: int | None = None
    for event in stream:
        match event["type"]:
            case "content_block_start":
                assert open_index is None, "a block begins inside another"
                assert event["index"] == len(made)
                open_index = event["index"]
                made.append(dict(event["content_block"]))
            case "content_block_delta":
                assert event["index"] == open_index
                _grow(made[-1], event["delta"])
            case "content_block_stop":
                assert event["index"] == open_index
                open_index = None
                if isinstance(made[-1].get("input"), str):
                    made[-1]["input"] = json.loads(made[-1]["input"])
    assert open_index is None
    return made


def _grow(block: Json, delta: Json) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case "input_json_delta":
            block["input"] = (block["input"] or "") + delta["partial_json"]
