"""Whole conversations with a fake Gemini that is as strict as the real one: what it said goes back, signatures and all."""

import json
import sys
from typing import Any

import msgspec
import pytest

from services.adapters import carry
from services.adapters.dialects.gemini import Gemini
from services.catalog.schema import Provider, Target
from services.responses import intake
from services.responses.projection import Projection
from services.vocabulary.event import Event, Opened
from tests.shared_replay import SHARED

AVAILABLE = (SHARED / "actor").is_dir()
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="../shared/actor is not there")

Json = dict[str, Any]

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "name": name, "parameters": CITY} for name in ("get_weather", "get_time")]
MODELS = ["gemini-2.5-flash", "gemini-3-flash-preview"]


def answered(body: Json, model: str) -> Json:
    """One request to the fake: the public response. What the fake refuses is raised."""
    if str(SHARED) not in sys.path:
        sys.path.append(str(SHARED))
    from actor.dialects.base import Incoming
    from actor.dialects.gemini import Gemini as Actor
    from actor.mind import decide
    from actor.usage import add_output

    row = Provider(id="vertex", name="Google Vertex AI", dialect="gemini", base_url="http://upstream")
    target = Target(provider=row, dialect="gemini", model=model, upstream=model)
    call = intake.read(json.dumps({**body, "model": target.id}).encode())
    call, losses = carry.prepare(call, target, "gemini", "scope")
    dialect, actor = Gemini(), Actor()
    request = dialect.request(call, target)
    incoming = Incoming("vertex", request.path, dict(request.query), {}, json.loads(request.body))
    conversation = actor.parse(incoming)
    reply = decide(conversation)
    add_output(reply.usage, reply)
    events: list[Event] = []
    if call.stream:
        framer, decoder = dialect.framing(call)(), dialect.decoder(call, target)
        for data in actor.frames(incoming, conversation, reply):
            for frame in framer.feed(data):
                events += decoder.feed(frame)
        events += decoder.close()
    else:
        events += dialect.answer(json.dumps(actor.answer(incoming, conversation, reply)).encode(), call, target)
    projection = Projection(call, target.id, Opened("vertex", "scope", [*losses, *request.losses]), "resp_1", 1)
    projection.start()
    projection.feed(events)
    projection.complete(None, 2)
    return dict(json.loads(msgspec.json.encode(projection.response)))


def follow_up(output: list[Json]) -> list[Json]:
    """The output as the next input: results of its calls in the wrong order, or another question."""
    calls = [item for item in output if item["type"] == "function_call"]
    if not calls:
        return [*output, {"role": "user", "content": "And now TOOLPLEASE in Rome"}]
    results = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"} for call in reversed(calls)
    ]
    return [*output, *results]


@pytest.mark.parametrize(
    "prompt", ["Hello", "THINK", "TOOLPLEASE in Paris", "call get_weather PARALLEL in Paris and London"]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_three_rounds_keep_calls_results_and_signatures(model: str, stream: bool, prompt: str):
    """Every follow-up is accepted, and nothing of it is lost."""
    said: list[Json] = [{"role": "user", "content": prompt}]
    for _ in range(3):
        body = {"input": said, "tools": TOOLS, "stream": stream, "reasoning": {"effort": "low", "summary": "auto"}}
        response = answered(body, model)
        assert (response["status"], response["translation_losses"]) == ("completed", [])
        said += follow_up(response["output"])
    assert any(item.get("type") == "function_call" for item in said)


def test_gemini_3_takes_a_history_that_another_model_made():
    """Calls without signatures, results out of order, an image in a result."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    said = [
        {"role": "user", "content": "TOOLPLEASE"},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call", "call_id": "c2", "name": "get_time", "arguments": '{"city":"Rome"}'},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}, image]},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]
    response = answered({"input": said, "tools": TOOLS}, "gemini-3-pro-preview")
    assert response["output"][-1]["content"][0]["text"] == 'The tool answered: "sunny" and "noon"'


@pytest.mark.parametrize(
    ("prompt", "status"), [("MAXTOK LONG 9", "incomplete"), ("REFUSE", "incomplete"), ("LONG 20", "completed")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_ends(stream: bool, prompt: str, status: str):
    """A limit, a filter and a natural end."""
    assert answered({"input": prompt, "stream": stream}, "gemini-2.5-flash")["status"] == status
