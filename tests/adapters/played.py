"""Conversations with a fake model that refuses what the real provider would refuse (../shared/actor), without a server."""

import importlib
import json
import sys
from typing import Any

import msgspec

from services.adapters import carry
from services.adapters.registry import dialect
from services.catalog.reading import read
from services.catalog.schema import Target
from services.responses import intake
from services.responses.projection import Projection
from services.vocabulary.event import Event, Opened
from tests.shared_replay import SHARED

AVAILABLE = (SHARED / "actor").is_dir()
ROWS = {row.id: row for row in read().providers}

Json = dict[str, Any]

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "name": name, "parameters": CITY} for name in ("get_weather", "get_time")]


def answered(provider: str, format: str, body: Json, model: str = "some-model") -> Json:
    """One request to the fake: the public response. What the fake refuses is raised."""
    if str(SHARED) not in sys.path:
        sys.path.append(str(SHARED))
    actor = next(
        thing()
        for thing in vars(importlib.import_module(f"actor.dialects.{format}")).values()
        if isinstance(thing, type) and thing.__module__ == f"actor.dialects.{format}" and hasattr(thing, "frames")
    )
    base, mind, usage = (importlib.import_module(f"actor.{name}") for name in ("dialects.base", "mind", "usage"))
    target = Target(provider=ROWS[provider], dialect=format, model=model, upstream=model)
    call = intake.read(json.dumps({**body, "model": target.id}).encode())
    call, losses = carry.prepare(call, target, format, "scope")
    request = dialect(format).request(call, target)
    incoming = base.Incoming(provider, request.path, dict(request.query), {}, json.loads(request.body))
    conversation = actor.parse(incoming)
    reply = mind.decide(conversation)
    usage.add_output(reply.usage, reply)
    events: list[Event] = []
    if call.stream:
        framer, decoder = dialect(format).framing(call)(), dialect(format).decoder(call, target)
        for data in actor.frames(incoming, conversation, reply):
            for frame in framer.feed(data):
                events += decoder.feed(frame)
        events += decoder.close()
    else:
        raw = json.dumps(actor.answer(incoming, conversation, reply)).encode()
        events += dialect(format).answer(raw, call, target)
    projection = Projection(call, target.id, Opened(provider, "scope", [*losses, *request.losses]), "resp_1", 1)
    projection.start()
    projection.feed(events)
    projection.complete(None, 2)
    return dict(json.loads(msgspec.json.encode(projection.response)))


def follow_up(output: list[Json]) -> list[Json]:
    """The output as the next input: results of its calls in the wrong order, or another question."""
    calls = [item for item in output if item["type"].endswith("_call")]
    if not calls:
        return [*output, {"role": "user", "content": "And now TOOLPLEASE in Rome"}]
    results = [
        {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": "sunny"} for call in reversed(calls)
    ]
    return [*output, *results]
