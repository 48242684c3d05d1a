"""Conversations with a fake Bedrock that refuses what the real one would refuse (../shared/actor)."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.call import (
    Cache,
    CustomTool,
    File,
    Format,
    FunctionTool,
    Image,
    Item,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.adapters.bedrock_kit import (
    CONVERSE,
    HAIKU_3,
    LLAMA,
    MISTRAL,
    NOVA,
    NOVA_2,
    OPUS_48,
    SONNET_37,
    SONNET_45,
    call,
    target,
)
from tests.adapters.played import AVAILABLE, TOOLS, Json, answered, follow_up

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="../shared/actor is not there")

MODELS = [SONNET_37, SONNET_45, NOVA, NOVA_2, MISTRAL, LLAMA, "openai.gpt-oss-120b-1:0"]


@pytest.mark.parametrize(
    "prompt", ["Hello", "THINK", "TOOLPLEASE in Paris", "call get_weather PARALLEL in Paris and London"]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_three_rounds_keep_calls_results_and_signatures(model: str, stream: bool, prompt: str) -> None:
    """Every follow-up is accepted; what was thought goes back signed, and the actor verifies it."""
    said: list[Json] = [{"role": "user", "content": prompt}]
    for _ in range(3):
        body = {"input": said, "tools": TOOLS, "stream": stream, "reasoning": {"effort": "low", "summary": "auto"}}
        response = answered("bedrock", "bedrock_converse", body, model)
        assert response["status"] == "completed"
        assert [loss for loss in response["translation_losses"] if loss["param"] != "reasoning.effort"] == []
        said += follow_up(response["output"])
    assert any(item.get("type") == "function_call" for item in said)


@pytest.mark.parametrize("model", [SONNET_45, HAIKU_3, LLAMA])
@pytest.mark.parametrize("stream", [False, True])
def test_a_format_is_answered_as_text(model: str, stream: bool) -> None:
    """Natively or by a forced tool: the client reads JSON text, and the turn is over."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    body = {
        "input": "What?",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
        "stream": stream,
    }
    response = answered("bedrock", "bedrock_converse", body, model)
    assert set(json.loads(response["output"][0]["content"][0]["text"])) == {"a"}


@pytest.mark.parametrize(
    ("prompt", "status"), [("MAXTOK LONG 9", "incomplete"), ("REFUSE", "incomplete"), ("LONG 20", "completed")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_ends(stream: bool, prompt: str, status: str) -> None:
    """A limit, a filter and a natural end."""
    assert answered("bedrock", "bedrock_converse", {"input": prompt, "stream": stream}, NOVA)["status"] == status


# ---- any conversation ------------------------------------------------------------------------------------------------

words = st.sampled_from(["Hi", "What?", "", " \n", "a.b c", "Ä ß"])
caches = st.sampled_from([None, None, None, Cache(), Cache("1h")])
texts = st.builds(Text, words, caches)
images = st.just(Image("data:image/png;base64,iVBORw0KGgo="))
files = st.builds(
    File,
    st.sampled_from(["data:application/pdf;base64,JVBERg==", "data:text/plain;base64,eA=="]),
    filename=st.sampled_from([None, "a_b.pdf", "ü.txt"]),
    cache=caches,
)
users = st.builds(Message, st.just("user"), st.lists(st.one_of(texts, images, files), min_size=1, max_size=3))
systems = st.builds(Message, st.sampled_from(["system", "developer"]), st.lists(texts, min_size=1, max_size=2))
speeches = st.builds(Message, st.just("assistant"), st.lists(st.one_of(texts, st.builds(Refusal, words)), max_size=2))
ids: Iterator[int] = itertools.count()


@st.composite
def exchanges(draw: Any) -> list[Item]:
    """Calls with thoughts of somebody else, then their results in any order, perhaps with words between."""
    count = draw(st.integers(1, 3))
    names = draw(st.lists(st.sampled_from(["ping", "patch", "gone.tool"]), min_size=count, max_size=count))
    made: list[Item] = [ToolCall(f"c|{next(ids)}", name, "{}", cache=draw(caches)) for name in names]
    results: list[Item] = [
        ToolResult(item.call_id, draw(st.lists(st.one_of(texts, images, files), max_size=2)), draw(st.booleans()))
        for item in made
        if isinstance(item, ToolCall)
    ]
    between = draw(st.lists(st.one_of(users, systems), max_size=1))
    thoughts = draw(st.lists(st.builds(Reasoning, content=st.just(["Hm"])), max_size=1))
    return [*thoughts, *made, *between, *draw(st.permutations(results))]


conversations = st.lists(
    st.one_of(users.map(lambda i: [i]), systems.map(lambda i: [i]), speeches.map(lambda i: [i]), exchanges()),
    max_size=6,
).map(lambda lists: [item for items in lists for item in items])

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')
options = st.fixed_dictionaries(
    {},
    optional={
        "instructions": words,
        "max_output_tokens": st.sampled_from([1, 900, 5000]),
        "temperature": st.sampled_from([0, 1, 2]),
        "top_p": st.sampled_from([0.5, 1]),
        "reasoning": st.builds(ReasoningOptions, st.sampled_from([None, "none", "minimal", "high", "max"])),
        "tool_choice": st.sampled_from(
            [
                ToolChoice("auto"),
                ToolChoice("required"),
                ToolChoice("required", name="ping"),
                ToolChoice("none"),
                ToolChoice("auto", allowed=["patch"]),
            ]
        ),
        "parallel_tool_calls": st.booleans(),
        "format": st.sampled_from([Format("json_object"), Format("json_schema", "answer", SCHEMA)]),
        "cache": caches,
    },
)
models = st.sampled_from(
    [SONNET_37, SONNET_45, OPUS_48, HAIKU_3, "anthropic.claude-opus-5-5", NOVA, NOVA_2, MISTRAL, LLAMA]
)


@given(conversations, options, models)
def test_any_conversation_is_accepted(conversation: list[Item], fields: dict[str, Any], model: str) -> None:
    """Whatever a client can say in one valid conversation, a strict Bedrock takes it."""
    from actor.dialects.base import Incoming
    from actor.dialects.bedrock_converse import BedrockConverse as Actor

    first, last = Message("user", [Text("Well.")]), Message("user", [Text("And so on.")])
    tools = [FunctionTool("ping", parameters=SCHEMA), CustomTool("patch")]
    asked = call(items=[first, *conversation, last], tools=tools, **fields)
    request = CONVERSE.request(asked, target(model))
    body = json.loads(request.body)
    Actor().parse(Incoming("bedrock", f"/model/{model}/converse", {}, {}, body))
    assert request.body.count(b'"cachePoint"') <= 4
    roles = [message["role"] for message in body["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles)), "roles take turns"
    for message in body["messages"]:
        kinds = [next(iter(block)) for block in message["content"]]
        spoken = [kind for kind in kinds if kind != "cachePoint"]
        assert spoken == sorted(spoken, key=lambda kind: kind != "toolResult"), "results come first"
        assert "document" not in kinds or "text" in kinds, "a document needs a text beside it"
        assert kinds[0] != "cachePoint", "a cache point needs something before it"
        assert all(block["text"].strip() for block in message["content"] if "text" in block), "no blank text"
