"""The chat surface with the official SDK against every provider's strict fake."""

import json
from typing import Any

import httpx
import openai
import pytest

from tests.shared.chat_kit import TIME, WEATHER, Chat, seals
from tests.talking import MODELS, Upstream, dialect

Json = dict[str, Any]

every = pytest.mark.parametrize("model", MODELS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "temp": {"type": "integer"}},
    "required": ["city", "temp"],
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "city", "strict": True, "schema": CITY | {"additionalProperties": False}},
}


@every
@both
def test_text_prompt_and_usage(sdk, upstream: Upstream, model, stream):
    """Plain text comes back, the prompt arrives, tokens are counted, nothing is lost."""
    chat = Chat(sdk, model)
    chat.messages.append({"role": "system", "content": "Answer like a pirate."})
    answer = chat.say("Hello", stream=stream)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("You said: Hello", "stop")
    assert answer.id.startswith("chatcmpl-")
    assert answer.model.partition("/")[0] == model.partition("/")[0]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert "Answer like a pirate." in upstream.strings()


@every
@both
def test_reasoning_and_parallel_tools_over_turns(sdk, upstream: Upstream, model, stream):
    """Two calls with arguments, their results, and a turn more; every proof of reasoning goes back byte for byte."""
    chat = Chat(sdk, model, tools=[WEATHER, TIME], reasoning_effort="high")
    asked = chat.say("THINK PARALLEL get_weather and get_time please, in Oslo", stream=stream)
    calls = asked.choices[0].message.tool_calls or []
    assert asked.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == {"city": "Oslo"}
    told = chat.report(asked, "result", stream=not stream)
    assert told.choices[0].message.content == 'The tool answered: "result 0" and "result 1"'
    assert "And then" in str(chat.say("THINK And then", stream=stream).choices[0].message.content)
    sent = seals(chat.messages)
    chat.say("Bye", stream=not stream)
    assert [text for text in upstream.strings() if text in sent] == sent
    sealing = (
        "openai/",
        "anthropic/",
        "azure/gpt",
        "azure/claude",
        "vertex/gemini",
        "vertex/claude",
        "gemini/",
        "xai/",
    )
    assert bool(sent) == model.startswith((*sealing, "bedrock/"))


@every
def test_structured_output(sdk, upstream: Upstream, model):
    """An answer in its schema, from models that keep one and from those that are made to."""
    answer = Chat(sdk, model, response_format=SCHEMA).say("Paris 7", stream=False)
    assert json.loads(answer.choices[0].message.content or "")["temp"] == 7
    assert answer.choices[0].finish_reason == "stop"


@every
@both
def test_a_limit_and_a_custom_tool(sdk, upstream: Upstream, model, stream):
    """Cut for length is said; free text comes back as a custom call, also where there are only functions."""
    chat = Chat(sdk, model, max_tokens=500)
    if stream:  # the SDK's own helper raises, and knows functions only
        with pytest.raises(openai.LengthFinishReasonError):
            chat.say("MAXTOK LONG 20", stream=True)
        return
    assert chat.say("MAXTOK LONG 20", stream=False).choices[0].finish_reason == "length"
    tool = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
    [call] = (
        Chat(sdk, model, tools=[tool]).say("Use the shell TOOLPLEASE", stream=False).choices[0].message.tool_calls or []
    )
    assert call.type == "custom"
    assert "{" not in call.custom.input


@every
def test_the_first_form_of_tools(sdk, upstream: Upstream, model):
    """`functions` and `function_call`, there and back."""
    chat = Chat(sdk, model, functions=[WEATHER["function"]])
    asked = chat.say("TOOLPLEASE in Oslo", stream=False).choices[0]
    assert asked.finish_reason == "function_call"
    assert json.loads(asked.message.function_call.arguments) == {"city": "Oslo"}
    chat.messages.append({"role": "function", "name": "get_weather", "content": "22C"})
    assert chat.go_on(stream=False).choices[0].message.content == 'The tool answered: "22C"'


@every
def test_what_cursor_sends(acted, upstream: Upstream, model):
    """A body of the Responses API with flat and custom tools, and a mixed chat body, both answered with chunks."""
    flat = {"type": "function", "name": "get_weather", "parameters": WEATHER["function"]["parameters"]}
    patch = {
        "type": "custom",
        "name": "ApplyPatch",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
    }
    bare = {"name": "get_time", "description": "Time", "input_schema": TIME["function"]["parameters"]}
    said = {"role": "user", "content": [{"type": "input_text", "text": "TOOLPLEASE get_weather in Oslo"}]}
    responses = {"input": [{"role": "system", "content": "You are an agent."}, said], "tools": [flat, patch]}
    responses |= {"store": False, "include": ["reasoning.encrypted_content"], "text": {"verbosity": "low"}}
    responses |= {
        "reasoning": {"effort": "medium", "summary": "auto"},
        "truncation": "auto",
        "prompt_cache_retention": "24h",
    }
    use = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {"zone": "UTC"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"}
    mixed = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    for body in (responses, {"messages": mixed, "tools": [WEATHER, flat | {"name": "other"}, patch, bare]}):
        asked = {"model": model, "stream": True, "stream_options": {"include_usage": True}, **body}
        answer = httpx.post(f"{acted.url}/v1/chat/completions", json=asked, headers=acted.headers, timeout=20)
        *chunks, done = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert done == "[DONE]"
        parsed = [json.loads(chunk) for chunk in chunks]
        assert {chunk["object"] for chunk in parsed} == {"chat.completion.chunk"}
        assert parsed[-1]["usage"]["total_tokens"] > 0
        pieces = [choice["delta"] for chunk in parsed for choice in chunk["choices"]]
        calls = [call for piece in pieces for call in piece.get("tool_calls", [])]
        text = "".join(piece.get("content") or "" for piece in pieces)
        assert (calls[0]["function"]["name"] == "get_weather") if body is responses else ("noon" in text)


# Models that no row lists do not rest after failures, and so cannot fail the tests that follow.
UNLISTED = ["openai/actor-large", "anthropic/actor-large", "huggingface/actor-large"]


@pytest.mark.parametrize("model", UNLISTED)
@both
@pytest.mark.parametrize(("status", "ours"), [(400, 400), (429, 424), (503, 424)])
def test_errors_keep_whose_fault_they_are(sdk, upstream: Upstream, model, stream, status, ours):
    """The caller's fault is a 400, all else a 424; both name the model and no credential."""
    provider = model.partition("/")[0]
    with pytest.raises(openai.APIStatusError) as caught:
        Chat(sdk, model, extra_body={"routing": {"provider": {"only": [provider]}}}).say(
            f"FAIL {status}", stream=stream
        )
    assert caught.value.status_code == ours
    assert caught.value.body["model"].partition("/")[0] == provider  # type: ignore[index,call-overload]
    assert "canary" not in str(caught.value).lower()
    upstream.expected = [f"The actor was told to fail with status {status}."]


@pytest.mark.parametrize("model", UNLISTED)
def test_a_stream_that_breaks_off_raises(sdk, upstream: Upstream, model):
    """The SDK finds the error object; nothing looked complete."""
    seen = []
    asked = {"model": model, "messages": [{"role": "user", "content": "CUT 5 LONG 30"}]}
    with sdk.chat.completions.create(stream=True, **asked) as stream, pytest.raises(openai.APIError) as caught:
        seen += stream
    assert caught.value.code == "provider_error"
    assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)


@pytest.mark.parametrize(
    "model", [model for model in MODELS if dialect(model) == "openai_chat" and "mistral/" not in model]
)
def test_chat_providers_get_the_clients_own_body(sdk, upstream: Upstream, model):
    """The native lane: what the gateway does not know travels too."""
    extra = {"seed": 5, "stop": ["END"], "temperature": 0.5}
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "tools": [WEATHER], **extra}
    with sdk.chat.completions.create(stream=True, **asked) as stream:
        chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "You said: Hello"
    body = upstream.requests()[-1]["body"]
    assert body.items() >= {**extra, "tools": [WEATHER]}.items()
    assert body["stream_options"] == {"include_usage": True}
    assert chunks[-1].model_extra["translation_losses"] == []
    assert not any(chunk.usage for chunk in chunks)


def test_several_answers_where_the_provider_has_them(sdk, upstream: Upstream):
    """OpenAI in Chat Completions, which alone has `n`; elsewhere a 400 that names it."""
    asked = {"messages": [{"role": "user", "content": "Hello"}], "n": 2}
    only = {"routing": {"provider": {"only": ["openai"]}}}
    answer = sdk.chat.completions.create(model="openai/gpt-5.5", extra_body=only, **asked)
    assert answer.choices[0].message.content == "You said: Hello"
    assert upstream.requests()[-1]["path"].endswith("/chat/completions")
    assert upstream.requests()[-1]["body"]["n"] == 2
    for model in ("anthropic/claude-opus-4-8", "huggingface/openai/gpt-oss-120b", "cohere/command-a-reasoning-08-2025"):
        with pytest.raises(openai.BadRequestError) as caught:
            sdk.chat.completions.create(model=model, **asked)
        assert caught.value.param == "n"


# What caches prompts by itself, or where it is told to; the others say that they count nothing.
COUNTING_NONE = ("vertex/meta", "bedrock/openai", "cohere", "cloudflare", "huggingface")
CACHING = [model for model in MODELS if not model.startswith(COUNTING_NONE)]


@pytest.mark.parametrize("model", CACHING)
def test_the_second_turn_reads_the_providers_cache(sdk, upstream: Upstream, model):
    """The same beginning gives the same bytes; a marker is sent where the provider wants one."""
    text = f"{model} " + "word " * 2000
    prompt = {"role": "system", "content": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]}
    chat = Chat(sdk, model)
    chat.messages.append(prompt)
    chat.say("Hello", stream=False)
    usage = chat.say("Again", stream=True).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens_details.cached_tokens or 0) >= 2000


def test_silence_is_filled_with_comments(replayed):
    """Before the provider's first word; every parser reads over them."""
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hello [[wait 2200]]"}], "stream": True}
    answer = httpx.post(f"{replayed.url}/v1/chat/completions", json=body, headers=replayed.headers, timeout=20)
    assert answer.status_code == 200
    assert answer.text.startswith(": ping\n\n")
    chunks = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
