"""What leaves on the native lane: the caller's body, without what its provider would refuse the whole request for."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters import carry
from services.adapters.dialects.openai_responses import OpenAIResponses
from services.catalog.schema import Facts, Provider, Target
from services.generation.generator import _new_id
from services.responses import intake
from services.responses.projection import Projection
from services.vocabulary.call import Effort
from services.vocabulary.event import Finished, Loss, Opened, ReasoningDelta, ReasoningSealed, TextDelta
from services.vocabulary.seal import seal
from tests.responses.kit import call_of

TARGET = Target(Provider("openai", "OpenAI", "openai_responses", ""), "openai_responses", "m", "m")
HI = {"role": "user", "content": "hi"}
MINE = seal("BLOB", "openai", "scope")


def written(target: Target = TARGET, *, native: bool = True, **body: object) -> tuple[Any, list[Loss]]:
    """The body that leaves, and what was lost."""
    call = intake.read(json.dumps({"model": "openai/m", "input": "hi", **body}).encode())
    call = call if native else msgspec.structs.replace(call, native=None)
    call, losses = carry.prepare(call, target, "openai_responses", "scope")
    request = OpenAIResponses().request(call, target)
    return json.loads(request.body), [*losses, *request.losses]


def sent(input: object, *, native: bool = True) -> tuple[Any, list[Loss]]:
    """The `input` that leaves, and what was lost."""
    body, losses = written(input=input, native=native)
    return body["input"], losses


def knowing(efforts: list[Effort]) -> Target:
    """The target, when the model's efforts are known."""
    return msgspec.structs.replace(TARGET, facts=Facts(efforts=efforts))


def made_by_us(*events: Any) -> dict[str, Any]:
    """The first item of an answer of another provider, as the gateway gives it to its client."""
    projection = Projection(call_of(), "p/m", Opened("p", "s"), _new_id(), 1)
    projection.feed([*events, TextDelta("So."), Finished("stop")])
    projection.complete(None, 2)
    return dict(json.loads(msgspec.json.encode(projection.response.output))[0])


def test_its_own_seal_goes_back_without_the_tag():
    """The provider's blob, byte for byte; all else of the item as it came."""
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": MINE, "status": None}
    assert sent([HI, item]) == ([HI, {**item, "encrypted_content": "BLOB"}], [])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "summary": [], "encrypted_content": seal("BLOB", "anthropic", "scope")},
        {"type": "reasoning", "summary": [], "encrypted_content": seal("BLOB", "openai", "another key")},
        made_by_us(ReasoningDelta("Hm.", "content")),
        made_by_us(ReasoningDelta("Hm.", "content"), ReasoningSealed("", "plan")),
        {"type": "item_reference", "id": "rs_" + 38 * "0"},
        {"type": "hosted_tool_item", "id": "item_1", "kind": "code_execution", "item": {}},
    ],
    ids=["another provider", "another key", "readable only", "a plan", "a reference", "a hosted tool's"],
)
def test_what_another_provider_made_stays_behind_and_is_reported(item):
    """The provider would refuse the whole request for it."""
    items, losses = sent([HI, item, HI])
    assert items == [HI, HI]
    assert [(loss.param, loss.action) for loss in losses] == [("input[1]", "dropped")]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "id": "rs_68af4030baa48193b0b43b4c2a176a1a0e6967589f0b7d6f", "summary": []},
        {"type": "reasoning", "summary": [], "encrypted_content": "a blob without a tag"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "item_reference", "id": "msg_1"},
    ],
    ids=["stored there", "untagged", "known to all", "a reference"],
)
def test_what_may_be_the_providers_own_goes_back_as_it_came(item):
    """The gateway does not judge what it did not make."""
    assert sent([HI, item]) == ([HI, item], [])


def test_a_tag_in_a_text_is_text():
    """Words that look like the envelope are the caller's."""
    assert sent("What is cn1.a.b.c.d?") == ("What is cn1.a.b.c.d?", [])


def test_off_the_native_lane_readable_reasoning_is_reported_too():
    """From another surface the body is written anew; reasoning without a seal has no place in it."""
    items, losses = sent([HI, made_by_us(ReasoningDelta("Hm.", "content")), HI], native=False)
    assert [item["type"] for item in items] == ["message", "message"]
    assert [(loss.param, loss.action) for loss in losses] == [("input[1]", "dropped")]


both = pytest.mark.parametrize("native", [True, False], ids=["native", "from another surface"])


@both
@pytest.mark.parametrize(("asked", "told"), [("minimal", "low"), ("medium", "high"), ("high", "high"), ("max", "high")])
def test_an_effort_the_model_lacks_becomes_the_nearest(asked, told, native):
    """Up, then down; the other options stay."""
    options = {"effort": asked, "summary": "auto"}
    body, losses = written(knowing(["low", "high"]), native=native, reasoning=options)
    assert body["reasoning"] == {"effort": told, "summary": "auto"}
    assert [loss.param for loss in losses] == ([] if asked == told else ["reasoning.effort"])


@both
def test_efforts_of_an_unknown_model_are_its_own_business(native):
    """Nothing is known, so nothing is changed."""
    body, losses = written(native=native, reasoning={"effort": "max"})
    assert (body["reasoning"], losses) == ({"effort": "max"}, [])


@both
def test_a_model_that_does_not_reason_hears_nothing_of_reasoning(native):
    """The provider would refuse the options, the request for seals, and the reasoning of another model."""
    items = [HI, {"type": "reasoning", "summary": [], "encrypted_content": MINE}, HI]
    body, losses = written(
        knowing([]), native=native, input=items, reasoning={"effort": "low"}, include=["reasoning.encrypted_content"]
    )
    assert "reasoning" not in json.dumps(body)
    assert len(body["input"]) == 2
    assert "input[1]" in {loss.param for loss in losses}
    assert {loss.param.partition(".")[0] for loss in losses} >= {"input[1]", "reasoning"}


@both
def test_a_failed_result_is_only_as_failed_as_its_words(native):
    """The format has no mark for it, so the client hears that it went."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "It broke.", "is_error": True}
    items, losses = sent([HI, call, result], native=native)
    assert items[2] == {"type": "function_call_output", "call_id": "c", "output": "It broke."}
    assert [loss.param for loss in losses] == ["input[2].is_error"]


@both
def test_penalties_are_of_open_responses_only(native):
    """OpenAI's API has none, and refuses fields it does not know."""
    body, losses = written(native=native, presence_penalty=0.5, frequency_penalty=0.5)
    assert not {"presence_penalty", "frequency_penalty"} & body.keys()
    assert {loss.param for loss in losses} == {"presence_penalty", "frequency_penalty"}
    assert written(native=native, presence_penalty=None)[1] == []


def test_less_output_than_the_provider_takes_is_asked_for_in_another_format_or_as_the_least():
    """Its own clients get its own refusal; those of other formats, which have no such minimum, an answer."""
    assert written(max_output_tokens=5) == ({"model": "m", "input": "hi", "max_output_tokens": 5, "store": False}, [])
    body, (loss,) = written(max_output_tokens=5, native=False)
    assert (body["max_output_tokens"], loss.param, loss.action) == (16, "max_output_tokens", "changed")
