"""Tools, tool choice, structured output and reasoning on Converse, where model families differ most."""

import json
from typing import Any

import pytest

from services.catalog.schema import Facts
from services.errors import InvalidRequest
from services.vocabulary.call import Format, Message, ReasoningOptions, Text, ToolCall, ToolResult
from services.vocabulary.event import Finished, TextDelta, ToolCallDelta, ToolCallDone, ToolCallStarted, UsageReported
from tests.adapters.bedrock_kit import (
    CONVERSE,
    HAIKU_3,
    HELLO,
    LLAMA,
    NOVA,
    NOVA_2,
    OPUS_48,
    SONNET_37,
    SONNET_45,
    answer,
    asked,
    call,
    decoded,
    folded,
    losses,
    stream,
    target,
    written,
)

PARAMETERS = '{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"number"}},"required":["b"]}'
PING = {"type": "function", "name": "ping"}
LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
SCHEMA = {
    "type": "object",
    "properties": {"z": {"type": "string"}, "a": {"type": "string"}},
    "additionalProperties": False,
}
FORMAT = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "description": "A city."}}
USED = [HELLO, ToolCall("c1", "ping", "{}"), ToolResult("c1", [Text("pong")])]


def tool_names(body: dict[str, Any]) -> list[str]:
    return [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]


def test_functions_keep_their_schema() -> None:
    """A schema travels byte for byte; without one there are no arguments; a missing type is added."""
    given = asked(
        tools=[
            {**LOOK, "parameters": json.loads(PARAMETERS), "strict": False},
            PING,
            {**PING, "name": "any", "parameters": {"description": "d", "properties": {}}},
        ]
    )
    body, request = written(given)
    assert body["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": json.loads(PARAMETERS)}}},
            {"toolSpec": {"name": "ping", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {
                "toolSpec": {
                    "name": "any",
                    "inputSchema": {"json": {"type": "object", "description": "d", "properties": {}}},
                }
            },
        ]
    }
    assert request.body.index(b'"b":') < request.body.index(b'"a":')
    assert not request.losses


def test_a_schema_that_is_no_object_is_refused_by_name() -> None:
    """Converse takes only objects, and a schema must not be changed."""
    with pytest.raises(InvalidRequest) as raised:
        written(asked(tools=[{**PING, "parameters": {"type": "array"}}]))
    assert raised.value.param == "tools[0].parameters.type"


def test_strict_where_the_model_holds_to_schemas() -> None:
    """strict is asked for where it exists and reported where not."""
    given = asked(tools=[{**LOOK, "strict": True}])
    body, request = written(given)
    assert body["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    assert not request.losses
    body, request = written(given, NOVA)
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
    assert losses(request) == {"tools[0].strict": "dropped"}


@pytest.mark.parametrize(
    ("choice", "tools", "sent"),
    [
        (None, ["ping", "look"], None),
        ("auto", ["ping", "look"], None),
        ("required", ["ping", "look"], {"any": {}}),
        ({"type": "function", "name": "look"}, ["ping", "look"], {"tool": {"name": "look"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
            ["look"],
            {"any": {}},
        ),
    ],
)
def test_tool_choice(choice: Any, tools: list[str], sent: dict[str, Any] | None) -> None:
    """Converse has three modes; allowed tools are those that are offered."""
    body, request = written(asked(tools=[PING, LOOK], tool_choice=choice))
    assert tool_names(body) == tools
    assert body["toolConfig"].get("toolChoice") == sent
    assert not request.losses


def test_tool_choice_none() -> None:
    """Without tool blocks no tools are sent; with them Claude is told natively and others in words."""
    none = {"tools": [PING], "tool_choice": "none"}
    assert "toolConfig" not in written(asked(**none))[0]
    history = asked(**none).__class__
    given = history(**{name: getattr(asked(**none), name) for name in ("model", "tools", "tool_choice")}, items=USED)
    body, request = written(given)
    assert tool_names(body) == ["ping"]
    assert body["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert not request.losses
    body, request = written(given, NOVA)
    assert "additionalModelRequestFields" not in body
    assert body["system"]
    assert losses(request) == {"tool_choice": "emulated"}


def test_a_history_with_tools_but_no_tools_now() -> None:
    """Converse insists on a toolConfig, so the tools that were called are named, and may not be called."""
    body, _ = written(call(items=USED))
    assert tool_names(body) == ["ping"]
    assert body["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}


@pytest.mark.parametrize(
    ("choice", "native"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "name": "ping"}, {"type": "tool", "name": "ping", "disable_parallel_tool_use": True}),
    ],
)
def test_one_call_at_a_time(choice: Any, native: dict[str, Any]) -> None:
    """Claude's own choice can say it, and then Converse's must not be there too; others cannot."""
    given = asked(tools=[PING], tool_choice=choice, parallel_tool_calls=False)
    body, request = written(given)
    assert body["additionalModelRequestFields"] == {"tool_choice": native}
    assert "toolChoice" not in body["toolConfig"]
    assert not request.losses
    assert losses(written(given, NOVA)[1]) == {"parallel_tool_calls": "dropped"}


def test_models_that_cannot_be_forced_are_told() -> None:
    """Some refuse a forced call outright."""
    body, request = written(asked(tools=[PING], tool_choice="required"), "anthropic.claude-opus-5-5")
    assert "toolChoice" not in body["toolConfig"]
    assert body["system"] == [{"text": "Call one of the tools."}]
    assert losses(request) == {"tool_choice": "emulated"}


def test_models_without_tools_refuse_them() -> None:
    """Tools are never dropped."""
    for model, facts in (("amazon.titan-text-lite-v1", None), (LLAMA, Facts(tools=False))):
        with pytest.raises(InvalidRequest) as raised:
            written(asked(tools=[PING]), model, facts=facts)
        assert raised.value.param == "tools"


LONG = "mcp__" + "x" * 90 + ".read"


def test_names_that_do_not_fit_are_changed_and_changed_back() -> None:
    """A long or dotted tool name is told to Bedrock in a form it takes; the client sees its own."""
    given = asked(tools=[{**PING, "name": "ping"}], tool_choice={"type": "function", "name": "ping"})
    tool = given.tools[0].__class__(LONG)
    given = given.__class__(
        model="m",
        items=given.items,
        tools=[tool],
        tool_choice=given.tool_choice.__class__("required", LONG),  # type: ignore[union-attr]
    )
    body, _ = written(given)
    (name,) = tool_names(body)
    assert len(name) <= 64
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": name}}
    data = stream([{"start": {"toolUse": {"toolUseId": "t1", "name": name}}, "deltas": []}], "tool_use")
    assert ToolCallStarted("0", "t1", LONG) in list(decoded([data], given))


def test_custom_tools_are_functions_with_one_string() -> None:
    """The free text travels as `input`, there and back; a grammar is told in words."""
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
    given = asked(
        input=[
            {"role": "user", "content": "go"},
            {"type": "custom_tool_call", "call_id": "c0", "name": "patch", "input": "old\n"},
            {"type": "custom_tool_call_output", "call_id": "c0", "output": "ok"},
        ],
        tools=[{"type": "custom", "name": "patch", "description": "Patches.", "format": grammar}],
    )
    body, request = written(given)
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"]["required"] == ["input"]
    assert spec["description"] == 'Patches.\n\n`input` must match this lark grammar:\nstart: "x"'
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {"input": "old\n"}
    assert losses(request) == {"tools[0]": "emulated", "tools[0].format": "emulated"}
    start = {"toolUse": {"toolUseId": "t1", "name": "patch"}}
    deltas = [{"toolUse": {"input": piece}} for piece in ("", '{"input": "a\\n', '\\u00e9"}')]
    assert folded(decoded([stream([{"start": start, "deltas": deltas}], "tool_use")], given))[:3] == [
        ToolCallStarted("0", "t1", "patch", custom=True),
        ToolCallDelta("0", "a\né"),
        ToolCallDone("0"),
    ]
    odd = answer([{"toolUse": {"toolUseId": "t1", "name": "patch", "input": {"other": 1}}}], "tool_use")
    assert ToolCallDelta("0", '{"other":1}') in CONVERSE.answer(odd, given, target())


# ---- structured output -----------------------------------------------------------------------------------------------


def test_structured_output_where_models_have_it() -> None:
    """The schema travels as a string with its key order."""
    body, request = written(asked(text=FORMAT))
    definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert definition["name"] == "city"
    assert definition["description"] == "A city."
    assert definition["schema"].index('"z"') < definition["schema"].index('"a"')
    assert "toolConfig" not in body
    assert not request.losses


@pytest.mark.parametrize("facts", [None, Facts(json_schema=False)])
def test_structured_output_by_a_forced_tool(facts: Facts | None) -> None:
    """Elsewhere a tool takes the answer, marked as a loss, and its arguments come back as text."""
    model = HAIKU_3 if facts is None else SONNET_45
    given = asked(text=FORMAT)
    body, request = written(given, model, facts=facts)
    assert tool_names(body) == ["city"]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert losses(request) == {"text.format": "emulated"}
    start = {"toolUse": {"toolUseId": "t1", "name": "city"}}
    data = stream(
        [{"start": start, "deltas": [{"toolUse": {"input": '{"z":'}}, {"toolUse": {"input": '"x"}'}}]}], "tool_use"
    )
    events = folded(decoded([data], given, model, facts=facts))
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta('{"z":"x"}')]
    assert events[-1] == Finished("stop")
    whole = answer([{"toolUse": {"toolUseId": "t1", "name": "city", "input": {"z": "x"}}}], "tool_use")
    assert folded(CONVERSE.answer(whole, given, target(model, facts=facts))) == events


def test_structured_output_of_a_model_that_cannot_be_forced() -> None:
    """It is told to call the tool that takes the answer."""
    body, request = written(asked(text=FORMAT), "anthropic.claude-fable-5-1")
    assert "toolChoice" not in body["toolConfig"]
    assert body["system"] == [{"text": "Give the final answer by calling city."}]
    assert losses(request) == {"text.format": "emulated"}


def test_structured_output_beside_the_clients_tools() -> None:
    """Its tools stay callable, and a call of theirs is a call."""
    given = asked(text={"format": {**FORMAT["format"], "name": "ping"}}, tools=[PING])
    body, _ = written(given, HAIKU_3)
    assert tool_names(body) == ["ping", "ping_"]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    start = {"toolUse": {"toolUseId": "t1", "name": "ping"}}
    events = list(decoded([stream([{"start": start, "deltas": []}], "tool_use")], given, HAIKU_3))
    assert ToolCallDelta("0", "{}") in events
    assert events[-1] == Finished("tool_calls")


def test_structured_output_while_no_tool_may_be_called() -> None:
    """Only the tool that takes the answer is offered, beside those the conversation has used."""
    given = asked(text=FORMAT, tools=[PING, LOOK], tool_choice="none")
    assert tool_names(written(given, HAIKU_3)[0]) == ["city"]
    history = call(items=USED, tools=given.tools, tool_choice=given.tool_choice, format=given.format)
    body, request = written(history, HAIKU_3)
    assert tool_names(body) == ["ping", "city"]
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "city"}}
    assert losses(request) == {"text.format": "emulated"}
    body, request = written(history, "anthropic.claude-fable-5-1")  # cannot be forced
    assert "toolChoice" not in body["toolConfig"]
    assert losses(request) == {"text.format": "emulated", "tool_choice": "emulated"}


def test_structured_output_while_a_call_is_required() -> None:
    """The answer is a call of the client's, so there is no text to shape."""
    body, request = written(asked(text=FORMAT, tools=[PING], tool_choice="required"), HAIKU_3)
    assert tool_names(body) == ["ping"]
    assert losses(request) == {"text.format": "dropped"}


def test_a_json_object_is_asked_for_in_words() -> None:
    """Converse has no such mode."""
    body, request = written(call(format=Format("json_object")))
    assert body["system"] == [{"text": "Answer with one JSON object and nothing else."}]
    assert losses(request) == {"text.format": "emulated"}


# ---- reasoning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "effort", "fields", "lost"),
    [
        (SONNET_45, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, {}),
        (SONNET_37, "high", {"thinking": {"type": "enabled", "budget_tokens": 16384}}, {}),
        (SONNET_45, "none", None, {}),
        (OPUS_48, "xhigh", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, {}),
        (
            "anthropic.claude-opus-4-6-v1",
            "xhigh",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            {"reasoning.effort": "changed"},
        ),
        ("anthropic.claude-opus-5-v1", "none", {"thinking": {"type": "disabled"}}, {}),
        ("anthropic.claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}, {}),
        ("anthropic.claude-fable-5", "none", {"output_config": {"effort": "low"}}, {"reasoning.effort": "changed"}),
        (HAIKU_3, "high", None, {"reasoning.effort": "dropped"}),
        (NOVA, "low", None, {"reasoning.effort": "dropped"}),
        (NOVA, "none", None, {}),
        (NOVA_2, "medium", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, {}),
        ("openai.gpt-oss-120b-1:0", "minimal", {"reasoning_effort": "low"}, {"reasoning.effort": "changed"}),
        ("openai.gpt-oss-120b-1:0", "none", {"reasoning_effort": "low"}, {"reasoning.effort": "changed"}),
        ("deepseek.v3-v1:0", "low", {"reasoning_effort": "high"}, {"reasoning.effort": "changed"}),
        ("deepseek.v3.2", "none", {"reasoning_effort": "none"}, {}),
        ("zai.glm-5.3", "max", {"reasoning_effort": "max"}, {}),
        ("qwen.qwen3-32b-v1:0", "high", {"reasoning_config": "high"}, {}),
        ("openai.gpt-6-sol", "high", {"reasoning": {"effort": "high"}}, {}),
        ("xai.grok-4-6", "max", {"reasoning": {"effort": "xhigh"}}, {"reasoning.effort": "changed"}),
    ],
)
def test_reasoning_effort(model: str, effort: Any, fields: dict[str, Any] | None, lost: dict[str, str]) -> None:
    """Each family is asked in its own way; a word it lacks becomes the next higher one, else the next lower."""
    body, request = written(call(reasoning=ReasoningOptions(effort)), model)
    assert body.get("additionalModelRequestFields") == fields
    assert losses(request) == lost


@pytest.mark.parametrize(
    ("asked_for", "limit", "budget", "max_tokens", "lost"),
    [
        (ReasoningOptions("low"), None, 2048, 32000, set()),
        (ReasoningOptions("low"), 10000, 2048, 10000, set()),
        (ReasoningOptions("low", budget_tokens=5000), 10000, 5000, 10000, set()),
        (ReasoningOptions("high"), 8000, 6976, 8000, {"reasoning.effort"}),
        (ReasoningOptions("low"), 100, 1024, 1124, {"reasoning.effort", "max_output_tokens"}),
    ],
)
def test_thinking_budgets_fit_into_the_output_limit(
    asked_for: ReasoningOptions, limit: int | None, budget: int, max_tokens: int, lost: set[str]
) -> None:
    """The budget counts as output, and leaves room for the answer."""
    body, request = written(call(reasoning=asked_for, max_output_tokens=limit))
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == budget
    assert body["inferenceConfig"]["maxTokens"] == max_tokens
    assert set(losses(request)) == lost


def test_what_does_not_go_with_thinking_is_reported() -> None:
    """Sampling while it thinks, a forced call with a budget, limits at Nova's high effort."""
    effort = ReasoningOptions("high")
    body, request = written(call(reasoning=effort, temperature=0.5, top_p=0.99, top_k=3))
    assert body["inferenceConfig"] == {"maxTokens": 32000, "topP": 0.99}
    assert losses(request) == {"temperature": "dropped", "top_k": "dropped"}
    body, request = written(asked(tools=[PING], tool_choice="required", reasoning={"effort": "high"}))
    assert "additionalModelRequestFields" not in body
    assert losses(request) == {"reasoning.effort": "dropped"}
    body, request = written(call(reasoning=effort, temperature=0.5, max_output_tokens=9), NOVA_2)
    assert "inferenceConfig" not in body
    assert losses(request) == {"temperature": "dropped", "max_output_tokens": "dropped"}


def test_sampling_follows_the_model() -> None:
    """Some take temperature or top_p, some neither; the default is no loss."""
    assert written(call(temperature=0.5, top_p=0.9), SONNET_37)[0]["inferenceConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
    }
    body, request = written(call(temperature=0.5, top_p=0.9))
    assert body["inferenceConfig"] == {"temperature": 0.5}
    assert losses(request) == {"top_p": "dropped"}
    body, request = written(call(temperature=1.0, top_p=0.9), OPUS_48)
    assert "inferenceConfig" not in body
    assert losses(request) == {"top_p": "dropped"}


def test_a_summary_makes_later_models_show_their_thinking() -> None:
    """They hide it unless asked; without an effort the model decides."""
    summary = ReasoningOptions("low", "auto")
    thinking = {"type": "adaptive", "display": "summarized"}
    assert written(call(reasoning=summary), OPUS_48)[0]["additionalModelRequestFields"]["thinking"] == thinking
    body, _ = written(call(reasoning=ReasoningOptions(summary="auto")), OPUS_48)
    assert body["additionalModelRequestFields"] == {"thinking": thinking}


def test_facts_of_the_catalogue_win() -> None:
    """A row may know more about a model than its name says, also behind an ARN that hides the name."""
    hidden = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    effort = call(reasoning=ReasoningOptions("high"))
    assert "additionalModelRequestFields" not in written(effort, hidden)[0]
    assert "additionalModelRequestFields" not in written(effort, OPUS_48, facts=Facts(efforts=[]))[0]
    fields = written(effort, OPUS_48, facts=Facts(efforts=["low", "medium"]))[0]["additionalModelRequestFields"]
    assert fields["output_config"] == {"effort": "medium"}
    fields = written(effort, "openai.gpt-6-sol", facts=Facts(efforts=["max"]))[0]["additionalModelRequestFields"]
    assert fields == {"reasoning": {"effort": "high"}}
    fields = written(effort, OPUS_48, facts=Facts(thinking="budget", max_output=64000))[0]
    assert fields["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 16384
    profile = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + SONNET_45
    assert "additionalModelRequestFields" in written(effort, profile)[0]


def test_usage_is_reported_once_whatever_was_called() -> None:
    """The tool that takes an answer changes nothing about the counts."""
    events = list(decoded([stream([], "end_turn")], call(items=[Message("user", [Text("x")])])))
    assert sum(isinstance(event, UsageReported) for event in events) == 1
