"""What the tests of the Converse dialect share: targets, calls, frames as Bedrock writes them."""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.bedrock_converse import BedrockConverse
from services.catalog.schema import Facts, Provider, Scalar, Target
from services.responses import intake
from services.vocabulary.call import Call, Message, Text
from services.vocabulary.event import Event, ReasoningDelta, TextDelta, ToolCallDelta

CONVERSE = BedrockConverse()

SONNET_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS_48 = "global.anthropic.claude-opus-4-8"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET_37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"

HELLO = Message("user", [Text("Hello.")])


def target(model: str = SONNET_45, *, facts: Facts | None = None, quirks: Mapping[str, Scalar] | None = None) -> Target:
    row = Provider(
        id="bedrock", name="AWS Bedrock", dialect="bedrock_converse", base_url="https://b", quirks=dict(quirks or {})
    )
    return Target(
        provider=row, dialect="bedrock_converse", model=model, upstream=model, facts=facts or Facts(), listed=False
    )


def call(**fields: Any) -> Call:
    return Call(**{"model": "m", "items": [HELLO], **fields})


def asked(**body: Any) -> Call:
    """The call of a Responses body."""
    return intake.read(json.dumps({"model": "m", "input": "Hello.", **body}).encode())


def written(given: Call, model: str = SONNET_45, **options: Any) -> tuple[dict[str, Any], HttpRequest]:
    """The body, and the whole request."""
    request = CONVERSE.request(given, target(model, **options))
    return json.loads(request.body), request


def losses(request: HttpRequest) -> dict[str, str]:
    return {loss.param: loss.action for loss in request.losses}


def frame(event: str, payload: object, message_type: str = "event") -> bytes:
    """One event-stream message; `p` is the padding Bedrock adds."""
    kind = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}[message_type]
    headers = {kind: event, ":content-type": "application/json", ":message-type": message_type}
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    data = json.dumps({**payload, "p": "abcdef"} if isinstance(payload, dict) else payload).encode()
    prelude = struct.pack("!II", 16 + len(block) + len(data), len(block))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + block + data + struct.pack("!I", zlib.crc32(prelude + block + data))


def decoded(chunks: Iterable[bytes], given: Call, model: str = SONNET_45, **options: Any) -> Iterator[Event]:
    """Events of a streamed answer, as they come."""
    framer, decoder = CONVERSE.framing(given)(), CONVERSE.decoder(given, target(model, **options))
    for chunk in chunks:
        for cut in framer.feed(chunk):
            yield from decoder.feed(cut)
    for cut in framer.close():
        yield from decoder.feed(cut)
    yield from decoder.close()


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def folded(events: Iterable[Event]) -> list[Event]:
    """The same events with neighbouring deltas joined: a whole answer says in one piece what a stream says in many."""
    out: list[Event] = []
    for event in events:
        match event, out[-1] if out else None:
            case TextDelta(text=text), TextDelta(text=before):
                out[-1] = TextDelta(before + text)
            case ReasoningDelta(text=text, kind=kind), ReasoningDelta(text=before, kind=other) if kind == other:
                out[-1] = ReasoningDelta(before + text, kind)
            case ToolCallDelta(key=key, arguments=text), ToolCallDelta(key=other, arguments=before) if key == other:
                out[-1] = ToolCallDelta(key, before + text)
            case _:
                out.append(event)
    return out


def stream(
    content: Sequence[Mapping[str, Any]], stop: str = "end_turn", usage: Mapping[str, Any] | None = None
) -> bytes:
    """A whole stream of blocks, each given as its deltas under "deltas" and, of a tool, its "start"."""
    frames = [frame("messageStart", {"role": "assistant"})]
    for index, block in enumerate(content):
        if "start" in block:
            frames.append(frame("contentBlockStart", {"contentBlockIndex": index, "start": block["start"]}))
        frames += [
            frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in block["deltas"]
        ]
        frames.append(frame("contentBlockStop", {"contentBlockIndex": index}))
    frames.append(frame("messageStop", {"stopReason": stop}))
    counts = usage or {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12}
    frames.append(frame("metadata", {"usage": counts, "metrics": {"latencyMs": 1}}))
    return b"".join(frames)


def answer(
    content: Sequence[Mapping[str, Any]], stop: str = "end_turn", usage: Mapping[str, Any] | None = None
) -> bytes:
    """A whole answer with these blocks."""
    return json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop,
            "usage": usage or {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12},
            "metrics": {"latencyMs": 1},
        },
        separators=(",", ":"),
    ).encode()
