"""The official OpenAI SDK's helpers for what is kept, against every provider's strict fake."""

import time

import openai
import pytest

from tests.talking import MODELS, WEATHER, calls

every = pytest.mark.parametrize("model", MODELS)
others = pytest.mark.parametrize(("model", "other"), list(zip(MODELS, MODELS[1:] + MODELS[:1], strict=True)))


def wait(sdk: openai.OpenAI, response_id: str):
    """The response once it has ended."""
    deadline = time.monotonic() + 10
    while (found := sdk.responses.retrieve(response_id)).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@every
def test_helpers_of_stored_responses(sdk, upstream, model):
    """Retrieve, input_items, a continued tool call, delete; and nothing is stored at the provider."""
    first = sdk.responses.create(model=model, input="TOOLPLEASE for Paris", tools=[WEATHER], instructions="Be brief.")
    assert sdk.responses.retrieve(first.id).to_dict() == first.to_dict()
    result = {"type": "function_call_output", "call_id": calls(first)[0].call_id, "output": "22C sunny"}
    second = sdk.responses.create(model=model, input=[result], tools=[WEATHER], previous_response_id=first.id)
    assert "22C sunny" in second.output_text
    assert "Be brief." not in upstream.strings()
    listed = list(sdk.responses.input_items.list(second.id, order="asc", limit=1))
    assert listed[0].content[0].text == "TOOLPLEASE for Paris"
    assert [item.type for item in listed if item.type != "reasoning"] == [
        "message", "function_call", "function_call_output",
    ]  # fmt: skip
    assert [item.id for item in sdk.responses.input_items.list(second.id)] == [item.id for item in listed[::-1]]
    for request in upstream.requests():
        assert not (request["body"] or {}).get("store")
        assert "previous_response_id" not in (request["body"] or {})
    sdk.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(second.id)
    assert upstream.refused() == []


@others
def test_a_conversation_moves_to_another_provider(sdk, upstream, model, other):
    """Reasoning is replayed only where it can be read, tool calls and results everywhere."""
    thinking = {"effort": "high", "summary": "auto"}
    first = sdk.responses.create(model=model, input="THINK TOOLPLEASE for Rome", tools=[WEATHER], reasoning=thinking)
    result = {"type": "function_call_output", "call_id": calls(first)[0].call_id, "output": "30C"}
    options = {"tools": [WEATHER], "reasoning": thinking}
    second = sdk.responses.create(model=other, input=[result], previous_response_id=first.id, **options)
    assert "30C" in second.output_text
    third = sdk.responses.create(model=model, input="THINK Thanks", previous_response_id=second.id, **options)
    assert "Thanks" in third.output_text
    assert upstream.refused() == []


@every
def test_helpers_of_background_responses(sdk, upstream, model):
    """Polling, a stream that is cut and continued from a position, and cancel."""
    queued = sdk.responses.create(model=model, input="Good morning", background=True)
    assert queued.status == "queued"
    assert wait(sdk, queued.id).output_text == "You said: Good morning"
    seen = []
    with sdk.responses.create(model=model, input="LONG 12", background=True, stream=True) as stream:
        for event in stream:
            seen.append(event)
            if len(seen) == 5:
                break
    response_id = seen[0].response.id
    with sdk.responses.retrieve(response_id, stream=True, starting_after=seen[-1].sequence_number) as stream:
        seen += list(stream)
    with sdk.responses.retrieve(response_id, stream=True) as stream:
        assert [event.to_dict() for event in stream] == [event.to_dict() for event in seen]
    assert seen[-1].response.output_text == " ".join(f"word{n}" for n in range(1, 13))
    slow = sdk.responses.create(model=model, input="SLOW 200 LONG 50", background=True)
    assert sdk.responses.cancel(slow.id).status == sdk.responses.retrieve(slow.id).status == "cancelled"
    assert upstream.refused() == []


@every
def test_helpers_of_conversations(sdk, upstream, model):
    """Created, continued, listed and deleted."""
    said = [{"role": "user", "content": "Remember 7"}, {"role": "assistant", "content": "Yes"}]
    conversation = sdk.conversations.create(items=[{"type": "message", **item} for item in said])
    answer = sdk.responses.create(model=model, input="Good evening", conversation=conversation.id)
    assert answer.conversation.id == conversation.id
    assert "Remember 7" in " ".join(upstream.strings())
    with sdk.responses.create(model=model, input="And now", conversation=conversation.id, stream=True) as stream:
        assert [event.type for event in stream][-1] == "response.completed"
    items = list(sdk.conversations.items.list(conversation.id, order="asc", limit=2))
    texts = [item.content[0].text for item in items if item.type == "message"]
    assert texts == ["Remember 7", "Yes", "Good evening", "You said: Good evening", "And now", "You said: And now"]
    sdk.conversations.delete(conversation.id)
    with pytest.raises(openai.NotFoundError):
        sdk.conversations.retrieve(conversation.id)
    assert upstream.refused() == []
