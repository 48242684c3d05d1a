"""What leaves on chat's native lane: the caller's body with the documented edits, or a new one where those are not enough."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters import carry
from services.adapters.dialect import HttpRequest
from services.adapters.dialects.openai_chat import OpenAIChat
from services.catalog.schema import Facts, Scalar
from services.chat import intake
from services.errors import InvalidRequest
from services.vocabulary.event import Loss
from tests.adapters.openai_chat_rows import CLOUDFLARE, LOCAL, MISTRAL, OPENAI, XAI, target

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "g"}}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
FILE = {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk="}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "r"}
USUAL: dict[str, Scalar] = {}


def request(
    quirks: dict[str, Scalar], facts: Facts | None = None, upstream: str = "some-model", **fields: Any
) -> tuple[HttpRequest, list[Loss], bool]:
    """What is sent, what was lost, and whether the body travelled."""
    body = {"model": "acme/some-model", "messages": [HI], **fields}
    call = intake.read(json.dumps(body).encode()).call
    aim = target(quirks, facts, upstream)
    call, losses = carry.prepare(call, aim, "openai_chat", "scope")
    made = OpenAIChat().request(call, aim)
    return made, [*losses, *made.losses], call.native is not None


def sent(quirks: dict[str, Scalar], facts: Facts | None = None, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body of a call that travels, and the parameters that were lost."""
    made, losses, travelled = request(quirks, facts, **fields)
    assert travelled
    return json.loads(made.body), [loss.param for loss in losses]


# ---- verbatim --------------------------------------------------------------------------------------------------------


def test_a_body_travels_byte_for_byte_but_for_its_model():
    """Order, numbers, unknown members and free JSON stay as the client wrote them."""
    body = (
        b'{"temperature":1.0,"zeta":{"z":1e2,"a":[ 1 ]},"model":"acme/some-model","tools":[{"type":"function","function":'
        b'{"name":"f","parameters":{"type":"object","properties":{"z":{"const":9007199254740993},"a":{}}}}}],'
        b'"messages":[{"content":"\xc3\xa9 \\u00e9","role":"user","new":true}]}'
    )
    call = intake.read(body).call
    aim = target(LOCAL)
    call, losses = carry.prepare(call, aim, "openai_chat", "scope")
    made = OpenAIChat().request(call, aim)
    assert made.body == body.replace(b"acme/some-model", b"some-model")
    assert [*losses, *made.losses] == []


def test_the_same_body_gives_the_same_bytes():
    """Call after call: prompt caches of providers stay warm."""
    fields: dict[str, Any] = {"messages": [HI, CALLED, RESULT], "tools": [TOOL], "stream": True}
    for quirks in (OPENAI, MISTRAL, CLOUDFLARE, XAI, LOCAL):
        assert request(quirks, **fields)[0].body == request(quirks, **fields)[0].body


def test_what_only_chat_has_travels_where_the_provider_has_it():
    """OpenAI takes all of it."""
    fields = {
        "n": 2,
        "logit_bias": {"1": 5},
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
        "store": True,
        "metadata": {"a": "b"},
    }
    body, lost = sent(OPENAI, **fields)
    assert {name: body[name] for name in fields} == fields
    assert lost == []


# ---- edits -----------------------------------------------------------------------------------------------------------


def test_fields_of_ours_stay_here():
    """Providers would refuse them."""
    body, lost = sent(OPENAI, routing={"provider": {"sort": "cost"}}, cache_control={"type": "ephemeral"})
    assert "routing" not in body
    assert "cache_control" not in body
    assert lost == ["cache_control"]


@pytest.mark.parametrize("asked", [None, {}, {"include_usage": False}, {"include_usage": True}])
def test_token_counts_of_streams_are_always_asked_for(asked):
    """They are what is billed. Other options stay."""
    body, _ = sent(OPENAI, stream=True, stream_options=asked)
    assert body["stream_options"] == {"include_usage": True}
    body, _ = sent(OPENAI, stream=True, stream_options={"include_obfuscation": False})
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert "stream_options" not in sent(OPENAI)[0]
    no_options = {**USUAL, "parameters": ["stop"]}
    assert "stream_options" not in sent(no_options, stream=True, stream_options=asked)[0]


@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
def test_the_limit_has_the_providers_name(given):
    """OpenAI refuses the one with reasoning models, compatible servers do not know the other."""
    assert sent(OPENAI, **{given: 7})[0].items() >= {"max_completion_tokens": 7}.items()
    body, _ = sent(LOCAL, **{given: 7})
    assert body["max_tokens"] == 7
    assert "max_completion_tokens" not in body


def test_what_the_provider_does_not_take_is_left_out_and_told():
    """Unless it asks for nothing."""
    body, lost = sent(LOCAL, user="u", logit_bias={"1": 5}, verbosity="low", store=True, service_tier="flex")
    assert not {"user", "logit_bias", "verbosity", "store", "service_tier"} & set(body)
    assert lost == ["user", "logit_bias", "verbosity", "store", "service_tier"]
    body, lost = sent(LOCAL, store=False, service_tier="auto", logit_bias={}, metadata={"a": "b"}, n=1, user=None)
    assert set(body) == {"model", "messages"}
    assert lost == []


def test_a_seed_has_the_providers_name():
    """Mistral calls it otherwise."""
    body, lost = sent(MISTRAL, Facts(efforts=[]), seed=5)
    assert (body["random_seed"], "seed" in body, lost) == (5, False, [])


def test_a_cache_key_goes_where_the_provider_looks_for_it():
    """xAI takes it in a header."""
    made, losses, _ = request(XAI, prompt_cache_key="k 1")
    assert made.headers["x-grok-conv-id"] == "k%201"
    assert "prompt_cache_key" not in json.loads(made.body)
    assert losses == []


def test_an_effort_the_model_lacks_becomes_the_nearest():
    """Or none, where it does not reason."""
    assert sent(OPENAI, Facts(efforts=["low", "high"]), reasoning_effort="medium")[0]["reasoning_effort"] == "high"
    body, lost = sent(OPENAI, Facts(efforts=[]), reasoning_effort="high")
    assert ("reasoning_effort" in body, lost) == (False, ["reasoning.effort"])
    assert sent(OPENAI, reasoning_effort="high") == (sent(OPENAI)[0] | {"reasoning_effort": "high"}, [])


def test_sampling_stays_away_from_models_without():
    """Some refuse the whole request for it."""
    body, lost = sent(OPENAI, Facts(temperature=False), temperature=0.5, top_p=None)
    assert ("temperature" in body, lost) == (False, ["temperature"])


def test_strict_tools_that_are_not_held_to_their_schema_are_told():
    """The word travels; what it asks for does not happen."""
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    assert sent(LOCAL, tools=[strict])[1] == ["tools[0].strict"]
    assert sent(OPENAI, tools=[strict])[1] == []


THOUGHT = {
    "role": "assistant",
    "content": "So.",
    "reasoning_content": "Hm.",
    "reasoning": "Hm.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "id": "rs_0_0_0", "index": 0}],
}


def test_reasoning_goes_back_only_where_it_is_taken():
    """In the one member the provider reads; elsewhere it is taken out and told."""
    body, lost = sent(LOCAL, messages=[HI, THOUGHT, HI])
    assert body["messages"] == [HI, {"role": "assistant", "content": "So."}, HI]
    assert lost == ["input[1]"]
    for name in ("reasoning_content", "reasoning"):
        body, lost = sent({"replay_reasoning": name}, messages=[HI, THOUGHT, HI])
        assert body["messages"][1] == {"role": "assistant", "content": "So.", name: "Hm."}
        assert lost == []


# ---- what is written anew --------------------------------------------------------------------------------------------

FITS = {
    "tools": {"messages": [HI, CALLED, RESULT], "tools": [TOOL]},
    "choice": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    "picture": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test"}}]}]
    },
    "audio": {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]},
    "unknown tool": {"tools": [{"type": "browser_search"}]},
}

FITS_NOT: dict[str, tuple[dict[str, Scalar], dict[str, Any]]] = {
    "custom tools": (LOCAL, {"tools": [CUSTOM]}),
    "allowed tools": (
        LOCAL,
        {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}},
    ),
    "developer": (LOCAL, {"messages": [{"role": "developer", "content": "x"}, HI]}),
    "marker": (
        OPENAI,
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]},
    ),
    "file": (LOCAL, {"messages": [{"role": "user", "content": [FILE]}]}),
    "list content": (CLOUDFLARE, {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
    "null content": (CLOUDFLARE, {"messages": [HI, CALLED, RESULT], "tools": [TOOL]}),
    "empty words": (OPENAI, {"messages": [HI, {"role": "assistant", "content": ""}, HI]}),
    "no arguments": (
        OPENAI,
        {"messages": [HI, {**CALLED, "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": ""}}]}, RESULT]},
    ),
    "ids": (MISTRAL, {"messages": [HI, CALLED, RESULT], "tools": [TOOL]}),
    "order": (MISTRAL, {"messages": [HI, {"role": "system", "content": "x"}]}),
    "prefill": (MISTRAL, {"messages": [HI, {"role": "assistant", "content": "x"}]}),
    "parallel without tools": (OPENAI, {"parallel_tool_calls": True}),
    "picture in a result": (
        OPENAI,
        {
            "messages": [
                HI,
                CALLED,
                {**RESULT, "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]},
            ]
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_what_suits_the_provider_travels(name):
    """Also what only the provider can judge."""
    assert request(OPENAI, **FITS[name])[2]


@pytest.mark.parametrize("name", FITS_NOT)
def test_what_does_not_suit_the_provider_is_written_anew(name):
    """The body of a call that was taken apart is one the provider accepts; what that lost is told, not what was kept."""
    quirks, fields = FITS_NOT[name]
    facts = Facts(efforts=[]) if quirks is MISTRAL else None
    made, _, travelled = request(quirks, facts, **fields)
    assert not travelled
    assert json.loads(made.body)["model"] == "some-model"


def test_answers_that_may_be_lists_are_read():
    """Chat clients expect a text; Mistral's thinkers give parts, and so do others when they are asked to think."""
    assert request(MISTRAL)[2]
    assert not request(MISTRAL, upstream="magistral-medium-latest")[2]
    assert request(MISTRAL, Facts(efforts=[]), upstream="magistral-medium-latest")[2]
    assert not request(MISTRAL, reasoning_effort="high")[2]
    assert not request(MISTRAL, prompt_mode="reasoning")[2]
    assert not request(MISTRAL, messages=[HI, THOUGHT, HI])[2]


def test_a_schema_a_model_does_not_keep_is_emulated():
    """By a tool, as from any other surface."""
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    made, losses, travelled = request(LOCAL, Facts(json_schema=False), response_format=schema)
    assert not travelled
    assert [tool["function"]["name"] for tool in json.loads(made.body)["tools"]] == ["n"]
    assert [loss.param for loss in losses] == ["text.format"]


@pytest.mark.parametrize("fields", [{"n": 2}, {"modalities": ["text", "audio"]}, {"moderation": {"model": "x"}}])
def test_what_must_not_be_lost_is_refused_by_name(fields):
    """Several answers, audio and moderation, where the provider has none."""
    with pytest.raises(InvalidRequest) as caught:
        request(LOCAL, **fields)
    assert caught.value.param == next(iter(fields))


@pytest.mark.parametrize("dialect", ["openai_responses", "anthropic_messages", "gemini"])
def test_several_answers_are_refused_by_formats_without(dialect):
    """Before anything is asked."""
    call = intake.read(json.dumps({"model": "m", "messages": [HI], "n": 3}).encode()).call
    aim = msgspec.structs.replace(target(LOCAL), dialect=dialect)
    with pytest.raises(InvalidRequest) as caught:
        carry.prepare(call, aim, dialect, "scope")
    assert caught.value.param == "n"
