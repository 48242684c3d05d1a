"""Round trips with a model as strict as Anthropic: whatever conversation a client can have, it accepts what we write."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.dialects.anthropic_messages import AnthropicMessages
from services.adapters.dialects.anthropic_messages.bedrock import AnthropicBedrock
from services.adapters.dialects.anthropic_messages.vertex import AnthropicVertex
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    Format,
    FunctionTool,
    Image,
    Item,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from services.vocabulary.event import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSealed,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from tests.adapters.anthropic_kit import call, raw, target
from tests.adapters.conformance import without_beginnings
from tests.shared_replay import SHARED

if not (SHARED / "actor").is_dir():
    pytest.skip("../shared/actor is not there", allow_module_level=True)
sys.path.append(str(SHARED))

import itertools

from actor import mind  # lies outside of the repository
from actor.dialects.anthropic_messages import AnthropicMessages as Actor
from actor.dialects.base import Incoming
from actor.neutral import Conversation
from actor.usage import PromptCache, add_output

CARRIERS: dict[str, AnthropicMessages] = {
    "anthropic": AnthropicMessages(),
    "vertex": AnthropicVertex(),
    "bedrock": AnthropicBedrock(),
}
PREFIX = {"vertex": "/v1/projects/p/locations/l/publishers/anthropic"}
WEATHER = FunctionTool(
    "get_weather", "Tells the weather.", raw({"type": "object", "properties": {"city": {"type": "string"}}})
)
PATCH = CustomTool("apply_patch")


def incoming(asked: Call, upstream: str, provider: str) -> Incoming:
    request = CARRIERS[provider].request(asked, target(upstream))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(provider, PREFIX.get(provider, "") + request.path, {}, headers, json.loads(request.body))


def accepted(asked: Call, upstream: str = "claude-sonnet-4-5", provider: str = "anthropic") -> Conversation:
    """Raises what the provider would have answered."""
    return Actor().parse(incoming(asked, upstream, provider))


def answered(asked: Call, upstream: str, provider: str) -> list[Event]:
    """What the actor answers, read by our side."""
    actor, request, dialect = Actor(), incoming(asked, upstream, provider), CARRIERS[provider]
    conversation = actor.parse(request)
    reply = mind.decide(conversation)
    reply.usage = add_output(PromptCache().measure(provider, conversation), reply)
    if not asked.stream:
        body = json.dumps(actor.answer(request, conversation, reply)).encode()
        return list(dialect.answer(body, asked, target(upstream)))
    framer, decoder = dialect.framing(asked)(), dialect.decoder(asked, target(upstream))
    events: list[Event] = []
    for piece in actor.frames(request, conversation, reply):
        for frame in framer.feed(piece):
            events += decoder.feed(frame)
    return without_beginnings([*events, *decoder.close()])


def items(events: list[Event]) -> list[Item]:
    """The answer as the client sends it back."""
    out: list[Any] = []
    text = thought = ""
    calls: dict[str, SimpleNamespace] = {}
    for event in events:
        match event:
            case TextDelta(text=more):
                text += more
            case ReasoningDelta(text=more):
                thought += more
            case ReasoningSealed(blob=blob, kind=kind):
                out.append(Reasoning(content=[thought], seal=Seal(blob, "anthropic", "s", kind)))
                thought = ""
            case ToolCallStarted():
                calls[event.key] = SimpleNamespace(started=event, arguments="")
            case ToolCallDelta(key=key, arguments=more):
                calls[key].arguments += more
    if text:
        out.append(Message("assistant", [Text(text)]))
    out.extend(
        ToolCall(made.started.call_id, made.started.name, made.arguments, custom=made.started.custom)
        for made in calls.values()
    )
    return out


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", CARRIERS)
def test_thinking_and_parallel_calls_go_there_and_back(provider, stream):
    """Two calls with thinking, their results, and an answer that quotes them; signatures verify."""
    fields: dict[str, Any] = {"stream": stream, "tools": [WEATHER, PATCH], "reasoning": ReasoningOptions("low")}
    first = [Message("user", [Text("TOOLPLEASE PARALLEL get_weather in Rome")])]
    events = answered(call(*first, **fields), "claude-sonnet-4-5", provider)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "tool_calls"
    made = items(events)
    assert [type(item).__name__ for item in made] == ["Reasoning", "ToolCall", "ToolCall"]
    results = [
        ToolResult(item.call_id, [Text(f"sun {n}")]) for n, item in enumerate(made) if isinstance(item, ToolCall)
    ]
    second = answered(call(*first, *made, *results, **fields), "claude-sonnet-4-5", provider)
    said = [item for item in items(second) if isinstance(item, Message)]
    assert "sun 1" in said[0].content[0].text
    usage = next(event.usage for event in second if isinstance(event, UsageReported))
    assert usage.input > 0
    assert usage.output > usage.reasoning > 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_custom_tool_goes_there_and_back(stream):
    """Its free text is wrapped on the way out and unwrapped on the way in."""
    asked = call("TOOLPLEASE apply_patch", tools=[PATCH], stream=stream)
    made = items(answered(asked, "claude-sonnet-4-5", "anthropic"))
    assert isinstance(made[0], ToolCall)
    assert made[0].custom
    assert not made[0].arguments.startswith("{")
    assert accepted(call(*asked.items, *made, ToolResult(made[0].call_id, [Text("ok")], custom=True), tools=[PATCH]))


@pytest.mark.parametrize("upstream", ["claude-3-haiku-20240307", "claude-sonnet-4-5"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_format_is_answered_as_text(upstream, stream):
    """Natively or by a forced tool: the client reads JSON text, and the turn is over."""
    schema = raw(
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    )
    asked = call("What?", format=Format("json_schema", "answer", schema), stream=stream)
    events = answered(asked, upstream, "anthropic")
    assert set(json.loads("".join(event.text for event in events if isinstance(event, TextDelta)))) == {"a"}
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


# ---- any conversation ------------------------------------------------------------------------------------------------

words = st.sampled_from(["Hi", "What?", "", " \n", "a.b c", "Ä ß"])
caches = st.sampled_from([None, None, None, Cache(), Cache()])
texts = st.builds(Text, words, caches)
images = st.just(Image("data:image/png;base64,iVBORw0KGgo="))
users = st.builds(Message, st.just("user"), st.lists(st.one_of(texts, images), min_size=1, max_size=3))
systems = st.builds(Message, st.sampled_from(["system", "developer"]), st.lists(texts, min_size=1, max_size=2))
speeches = st.builds(Message, st.just("assistant"), st.lists(st.one_of(texts, st.builds(Refusal, words)), max_size=2))


@st.composite
def exchanges(draw: Any) -> list[Item]:
    """Calls with thoughts of somebody else, then their results in any order, perhaps with words between."""
    count = draw(st.integers(1, 3))
    number = draw(st.integers(0, 1_000_000))
    names = draw(st.lists(st.sampled_from(["get_weather", "apply_patch", "gone.tool"]), min_size=count, max_size=count))
    made: list[Item] = [ToolCall(f"c.{number}_{n}", name, "{}", cache=draw(caches)) for n, name in enumerate(names)]
    results: list[Item] = [
        ToolResult(item.call_id, draw(st.lists(st.one_of(texts, images), max_size=2)), draw(st.booleans()))
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
                ToolChoice("required", name="get_weather"),
                ToolChoice("none"),
                ToolChoice("auto", allowed=["apply_patch"]),
            ]
        ),
        "parallel_tool_calls": st.booleans(),
        "format": st.sampled_from(
            [Format("json_object"), Format("json_schema", "answer", raw({"type": "object", "properties": {}}))]
        ),
        "cache": caches,
        "user": st.just("u"),
    },
)
models = st.sampled_from(
    [
        "claude-3-5-haiku-20241022",
        "claude-3-7-sonnet-20250219",
        "claude-sonnet-4-5",
        "claude-sonnet-4-6",
        "claude-opus-4-8",
        "claude-sonnet-5",
        "claude-opus-5-5",
        "claude-next",
    ]
)


@given(conversations, st.booleans(), options, models, st.sampled_from(list(CARRIERS)))
def test_any_conversation_is_accepted(conversation, asks, fields, upstream, provider):
    """Whatever a client can say in one valid conversation, a strict provider takes it; markers never exceed four."""
    last = Message("user" if asks else "assistant", [Text("And so on. ")])
    asked = call(*conversation, last, tools=[WEATHER, PATCH], **fields)
    request = incoming(asked, upstream, provider)
    Actor().parse(request)
    assert json.dumps(request.body).count('"cache_control"') <= 4
    roles = [message["role"] for message in request.body["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles)), "roles take turns"
