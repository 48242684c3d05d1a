"""Small helpers for tests of the public surface."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from services.responses import intake
from services.responses.projection import Projection
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Loss, Opened


def call_of(**fields: Any) -> Call:
    """The call of a JSON body with these fields."""
    return intake.read(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def project(
    events: Sequence[Event], call: Call | None = None, losses: Sequence[Loss] = ()
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The public stream of some events, as JSON, and its final response."""
    projection = Projection(call or call_of(), "p/m", Opened("p", "s", list(losses)), "resp_1", 100)
    public = [*projection.start(), *projection.feed(events)]
    public.append(projection.complete(None, 101))
    stream = [json.loads(msgspec.json.encode(event)) for event in public]
    return stream, stream[-1]["response"]
