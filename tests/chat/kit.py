"""Small helpers for tests of the chat surface."""

import json
from collections.abc import Sequence
from typing import Any

from services.chat import intake
from services.chat.answer import Answer
from services.chat.intake import Asked
from services.chat.projection import Projection
from services.chat.writing import Answered, ProjectedWriter
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Loss, Opened
from services.vocabulary.routing import RouteTaken

Json = dict[str, Any]

STEM = "0" * 36
ROUTE = RouteTaken("m", "p/m", 1, "asked for")
ANSWERED = Answered(f"chatcmpl-{STEM}", 100, "p/m", ROUTE, [Loss("seed", "dropped", "no such parameter")])


def asked(**fields: Any) -> Asked:
    """What a JSON body with these fields asks for."""
    body = {"model": "m", **fields}
    if "messages" not in body and "input" not in body:
        body["messages"] = [{"role": "user", "content": "hi"}]
    return intake.read(json.dumps(body).encode())


def call_of(**fields: Any) -> Call:
    """The call of such a body."""
    return asked(**fields).call


def items_of(*messages: Json) -> list[Any]:
    """The items of these messages."""
    return call_of(messages=list(messages)).items


def writer(*, include_usage: bool = True, legacy: bool = False) -> ProjectedWriter:
    """A writer of an answer by the provider `p` under the credential `s`."""
    return ProjectedWriter(ANSWERED, Projection(Opened("p", "s"), STEM, legacy=legacy), include_usage=include_usage)


def chunks_of(data: bytes) -> list[Json]:
    """The chunks of a stream."""
    blocks = data.decode().split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [json.loads(block[6:]) for block in blocks]


def streamed(events: Sequence[Event], cost: Cost | None = None, **options: bool) -> list[Json]:
    """The chunks of an answer, event by event."""
    writing = writer(**options)
    data = b"".join([writing.feed([event]) for event in events])
    return chunks_of(data + writing.complete(cost))


def whole(events: Sequence[Event], cost: Cost | None = None, **options: bool) -> Json:
    """The answer in one piece."""
    writing = writer(**options)
    writing.take(events)
    made: Json = json.loads(writing.whole(cost))
    return made


def message_of(events: Sequence[Event], **options: bool) -> Json:
    """The message of the whole answer."""
    made: Json = whole(events, **options)["choices"][0]["message"]
    return made


def deltas_of(events: Sequence[Event], **options: bool) -> list[Json]:
    """What each chunk but the first adds, without the empty ones."""
    chunks = streamed(events, **options)
    return [choice["delta"] for chunk in chunks[1:] for choice in chunk["choices"] if choice["delta"]]


def answer(**fields: Any) -> Answer:
    """The way out of a request with these fields."""
    return Answer(asked(**fields))
