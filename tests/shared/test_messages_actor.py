"""The Messages surface with the official SDK against every provider's strict fake."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message

from services.vocabulary.seal import unseal
from tests.gateway import Gateway
from tests.messages.claude_code import HEADERS, body
from tests.talking import MODELS, Upstream

Json = dict[str, Any]

every = pytest.mark.parametrize("model", MODELS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def function(name: str, *properties: str) -> Json:
    """A tool whose parameters are strings."""
    schema = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in properties},
        "required": [*properties],
    }
    return {"name": name, "description": f"{name}.", "input_schema": schema}


WEATHER, TIME = function("get_weather", "city"), function("get_time", "zone")


@pytest.fixture(scope="module")
def claude(acted: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=acted.url, api_key=acted.key, max_retries=0, timeout=20) as made:
        yield made


class Agent:
    """One conversation: what the assistant said goes back as it came."""

    def __init__(self, sdk: anthropic.Anthropic, **options: Any) -> None:
        self._sdk = sdk
        self._options = {"max_tokens": 4000, "tools": [WEATHER, TIME], **options}
        self.messages: list[Json] = []
        self.sent: list[Json] = []  # of the last request

    def say(self, model: str, text: str, *, stream: bool = False) -> Message:
        """The answer to the next user message."""
        self.messages.append({"role": "user", "content": text})
        return self._go_on(model, stream)

    def report(self, model: str, answer: Message, output: str, *, stream: bool = False) -> Message:
        """The answer to the results of all calls of the last answer; the last of several failed."""
        uses = [block for block in answer.content if block.type == "tool_use"]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use.id,
                "content": f"{output} {n}",
                "is_error": 0 < n == len(uses) - 1,
            }
            for n, use in enumerate(uses)
        ]
        self.messages.append({"role": "user", "content": results})
        return self._go_on(model, stream)

    def _go_on(self, model: str, stream: bool) -> Message:
        self.sent = list(self.messages)
        asked = {"model": model, "messages": self.messages, **self._options}
        if stream:
            with self._sdk.messages.stream(**asked) as events:
                last = [event for event in events if event.type == "message_delta"][-1]
                answer = events.get_final_message()
            self.lost = {loss["param"] for loss in (last.model_extra or {})["translation_losses"]}
        else:
            answer = self._sdk.messages.create(**asked)
            self.lost = {loss["param"] for loss in (answer.model_extra or {})["translation_losses"]}
        self.messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
        return answer


def said(answer: Message) -> str:
    return "".join(block.text for block in answer.content if block.type == "text")


@every
@both
def test_tools_in_parallel_one_of_which_fails(claude, upstream, model, stream):
    """Two calls, their results, and a word after that, with every provider."""
    agent = Agent(claude)
    asked = agent.say(model, "PARALLEL get_weather and get_time in Oslo", stream=stream)
    assert asked.stop_reason == "tool_use"
    assert len([block for block in asked.content if block.type == "tool_use"]) == 2
    answer = agent.report(model, asked, "result", stream=not stream)
    assert answer.stop_reason == "end_turn"
    assert "result 0" in said(answer)
    assert "result 1" in said(answer)
    assert "And then" in said(agent.say(model, "And then", stream=stream))


@every
def test_what_claude_code_sends_is_accepted(acted, upstream, model):
    """85 kB, 25 tools, system turns, adaptive thinking, betas: with every provider, and nothing of it is refused."""
    answer = httpx.post(
        f"{acted.url}/v1/messages?beta=true",
        content=body(model),
        headers={**acted.headers, **HEADERS},
        timeout=20,
    )
    assert answer.status_code == 200
    assert "event: message_stop" in answer.text
    assert "x-anthropic-billing-header" not in json.dumps(upstream.requests()[-1]["body"]) or model.startswith(
        "anthropic/"
    )


# Who remembers the beginning of a prompt, be it asked to or not. Some have no cache they speak of; Cohere counts what it read
# over a prompt of its own, of which the caller's part cannot be told.
NOT_CACHING = ("azure/grok", "bedrock/openai", "cloudflare/", "cohere/", "huggingface/", "vertex/meta")
CACHING = [model for model in MODELS if not model.startswith(NOT_CACHING)]


@anthropic.beta_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"22C in {city}"


@both
@pytest.mark.parametrize("model", ["anthropic/claude-opus-4-8", "openai/gpt-5.5"])
def test_the_sdks_tool_runner_keeps_no_thread(claude, upstream, model, stream):
    """It would have the provider keep the conversation, is told that nobody does here, and sends all of it."""
    asked = {"role": "user", "content": "TOOLPLEASE"}
    runner = claude.beta.messages.tool_runner(
        model=model, max_tokens=1000, tools=[get_weather], messages=[asked], stream=stream
    )
    last = [turn.get_final_message() if stream else turn for turn in runner][-1]
    assert "22C in" in last.content[-1].text


@pytest.mark.parametrize("model", CACHING)
def test_the_second_turn_is_read_from_the_cache(acted, upstream, model):
    """The prefix reaches the provider unchanged, with the markers it wants, though the billing block varies."""
    hi = {"role": "assistant", "content": [{"type": "text", "text": f"Hi, {model}."}]}
    turns = [
        [hi],
        [hi, {"role": "user", "content": [{"type": "text", "text": "again", "cache_control": {"type": "ephemeral"}}]}],
    ]
    usages = []
    for number, messages in enumerate(turns):
        given = [*messages, {"role": "user", "content": "go on"}] if number == 0 else messages
        answer = httpx.post(
            f"{acted.url}/v1/messages",
            content=body(model, given, stream=False, turn=number),
            headers={**acted.headers, **HEADERS},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        usages.append(answer.json()["usage"])
    assert usages[1]["cache_read_input_tokens"] > 1000, usages


# Four turns with each, and home again in between.
HOME = "anthropic/claude-opus-4-8"
JOURNEY = [
    HOME,
    "openai/gpt-5.5",
    "gemini/gemini-3-pro-preview",
    HOME,
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere/command-a-reasoning-08-2025",
    "mistral/magistral-medium-latest",
    HOME,
    "vertex/claude-sonnet-4-5",
    "xai/grok-4",
    HOME,
]


def test_forty_turns_moved_between_providers(claude, upstream):
    """Nothing is refused, what is lost is said, and at home every signature is what it was, byte for byte."""
    agent = Agent(claude, thinking={"type": "adaptive"})
    turns = 0
    for leg, model in enumerate(JOURNEY):
        stream = leg % 2 == 0
        asked = agent.say(model, f"THINK PARALLEL get_weather and get_time in Oslo {leg}", stream=stream)
        accounted_for(agent, model, upstream)
        # The results of the last calls are read by the next provider, in the middle of the work.
        reader = JOURNEY[leg + 1] if leg % 3 == 0 and leg + 1 < len(JOURNEY) else model
        answer = agent.report(reader, asked, f"result {leg}", stream=not stream)
        assert f"result {leg} 1" in said(answer)
        accounted_for(agent, reader, upstream)
        asked = agent.say(model, f"THINK TOOLPLEASE in Rome {leg}", stream=stream)
        accounted_for(agent, model, upstream)
        assert f"more {leg} 0" in said(agent.report(model, asked, f"more {leg}", stream=stream))
        accounted_for(agent, model, upstream)
        turns += 4
    assert turns >= 40
    own = [block for _, block in proofs(agent.sent) if unseal(proof_of(block)).provider == "anthropic"]
    assert len(own) >= 6
    blobs = [unseal(proof_of(block)).blob for block in own]
    assert [text for text in upstream.strings() if text in blobs] == blobs


def proofs(messages: list[Json]) -> list[tuple[str, Json]]:
    """Each block of reasoning in a conversation, with its path."""
    return [
        (f"messages[{m}].content[{b}]", block)
        for m, message in enumerate(messages)
        if isinstance(message["content"], list)
        for b, block in enumerate(message["content"])
        if block["type"] in ("thinking", "redacted_thinking")
    ]


def proof_of(block: Json) -> str:
    return str(block.get("signature") or block.get("data") or "")


def accounted_for(agent: Agent, model: str, upstream: Upstream) -> None:
    """Every block of reasoning that was sent reached the provider, by its proof or its text, or is reported as lost."""
    strings = upstream.strings()
    for path, block in proofs(agent.sent):
        blob, text = unseal(proof_of(block)).blob, block.get("thinking", "")
        arrived = (blob and blob in strings) or (text and any(text in string for string in strings))
        assert arrived or path in agent.lost, (model, path, agent.lost)


# Whose count is asked; the actor has none for the others, as some of them have none in reality.
COUNTING = ("anthropic/", "azure/claude", "gemini/", "vertex/gemini", "vertex/claude")


@every
def test_tokens_are_counted_by_who_can(claude, upstream, model):
    """Never an error, and an estimate says that it is one."""
    count = claude.messages.count_tokens(
        model=model, messages=[{"role": "user", "content": "Hi there"}], tools=[WEATHER]
    )
    assert count.input_tokens > 1
    assert (count.model_extra or {})["estimated"] is not model.startswith(COUNTING)
    upstream.expected = upstream.refused()  # a path that the fake does not have
