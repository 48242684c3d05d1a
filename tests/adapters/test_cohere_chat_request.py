"""Calls -> Cohere's bodies, and what is reported as lost."""

import json

import msgspec
import pytest

from services.adapters.dialects.cohere_chat import CohereChat
from services.catalog.schema import Facts, Provider, Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Item,
    Message,
    Reasoning,
    ReasoningOptions,
    Seal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)

HELLO = Message("user", [Text("Hello")])
ROW = Provider(id="cohere", name="Cohere", dialect="cohere_chat", base_url="http://cohere.test")


def target(**facts: object) -> Target:
    return Target(ROW, "cohere_chat", "some-model", "some-model", Facts(**facts))


def call(*items: Item, **fields: object) -> Call:
    return Call(model="m", items=list(items) or [HELLO], **fields)


def body(asked: Call, to: Target | None = None) -> dict:
    return json.loads(CohereChat().request(asked, to or target()).body)


def messages(*items: Item, **fields: object) -> list[dict]:
    return body(call(*items, **fields))["messages"]


def losses(asked: Call, to: Target | None = None) -> list[tuple[str, str]]:
    return [(loss.param, loss.action) for loss in CohereChat().request(asked, to or target()).losses]


def refused(asked: Call) -> str | None:
    with pytest.raises(InvalidRequest) as error:
        CohereChat().request(asked, target())
    return error.value.param


def test_a_plain_call():
    """Nothing is sent that was not asked for."""
    request = CohereChat().request(call(instructions="Be brief"), target())
    assert (request.path, list(request.losses)) == ("/v2/chat", [])
    assert json.loads(request.body) == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}],
        "stream": False,
    }


def test_settings():
    """Under Cohere's names; the rest is reported."""
    asked = call(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=7,
        stop=["x"],
        top_logprobs=2,
        verbosity="low",
        user="u",
        service_tier="auto",
        prompt_cache_key="k",
        truncation="auto",
        cache=Cache(),
        stream=True,
    )
    sent = body(asked)
    del sent["model"], sent["messages"]
    assert sent == {
        "max_tokens": 9,
        "stop_sequences": ["x"],
        "temperature": 0.5,
        "p": 0.9,
        "seed": 7,
        "frequency_penalty": 0.2,
        "presence_penalty": 0.1,
        "k": 3,
        "stream": True,
    }
    assert [param for param, _ in losses(asked)] == [
        "text.verbosity",
        "user",
        "prompt_cache_key",
        "cache_control",
        "truncation",
        "top_logprobs",
    ]
    assert losses(call(temperature=1.0), target(temperature=False)) == [("temperature", "dropped")]
    assert losses(call(include=["message.output_text.logprobs"])) == [("include", "dropped")]


@pytest.mark.parametrize(
    ("options", "thinking", "lost"),
    [
        (ReasoningOptions("none"), {"type": "disabled"}, []),
        (ReasoningOptions("medium"), {"type": "enabled"}, []),
        (ReasoningOptions("low"), {"type": "enabled", "token_budget": 2048}, ["reasoning.effort"]),
        (ReasoningOptions("high"), {"type": "enabled"}, ["reasoning.effort"]),
        (ReasoningOptions("low", budget_tokens=1500), {"type": "enabled", "token_budget": 1500}, []),
        (ReasoningOptions(summary="auto"), None, ["reasoning.summary"]),
    ],
)
def test_effort_is_a_budget_of_tokens(options, thinking, lost):
    """Cohere knows on, off and how many tokens."""
    assert body(call(reasoning=options)).get("thinking") == thinking
    assert [param for param, _ in losses(call(reasoning=options))] == lost


def test_a_model_that_does_not_reason():
    """Is not asked to; only a wish to is lost."""
    to = target(efforts=[])
    assert "thinking" not in body(call(reasoning=ReasoningOptions("none")), to)
    assert losses(call(reasoning=ReasoningOptions("none")), to) == []
    assert losses(call(reasoning=ReasoningOptions("high")), to) == [("reasoning.effort", "dropped")]


# ---- conversation ----------------------------------------------------------------------------------------------------


def test_plans_and_thoughts_go_back_where_they_came_from():
    """A plan is known by its seal."""
    plan = Reasoning(content=["I will look"], seal=Seal("", "cohere", "s", "plan"))
    sent = messages(
        HELLO, Reasoning(content=["Hm"]), plan, ToolCall("c", "a", "{}"), ToolResult("c", [Text("1")]), HELLO
    )
    assert sent[1:3] == [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm"}],
            "tool_plan": "I will look",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    without_calls = messages(plan, Message("assistant", [Text("So")]), HELLO)[0]
    assert without_calls["content"] == [{"type": "thinking", "thinking": "I will look"}, {"type": "text", "text": "So"}]


def test_reasoning_that_is_not_taken_is_reported():
    """By a model known not to reason, or without a readable text."""
    thought = call(Reasoning(summary=["Hm"]), HELLO)
    assert losses(thought) == []
    assert losses(thought, target(efforts=[])) == [("input[0]", "dropped")]
    assert losses(call(Reasoning(seal=Seal("blob")), HELLO)) == [("input[0]", "dropped")]


def test_the_assistant_cannot_have_the_last_word():
    """There is no prefix to go on from."""
    assert refused(call(HELLO, Message("assistant", [Text("So")]))) == "input"


def test_a_prompt_at_the_end_is_moved_to_the_beginning():
    """Cohere answers the last message, and that must not be a prompt."""
    asked = call(HELLO, Message("developer", [Text("Shout")]), instructions="Be kind")
    assert [message["content"] for message in body(asked)["messages"]] == ["Be kind", "Shout", "Hello"]
    assert losses(asked) == [("input", "moved")]
    assert len(messages(Message("system", [Text("Only this")]))) == 1


def test_images_and_files():
    """Images as parts, plain text as text, nothing else."""
    image = {"type": "image_url", "image_url": {"url": "https://x.test/i.png"}}
    assert messages(Message("user", [Text("See"), Image("https://x.test/i.png")]))[0]["content"][1] == image
    note = File("data:text/plain,some%20words", filename="n.txt")
    assert messages(Message("user", [note]))[0]["content"] == "n.txt:\nsome words"
    assert refused(call(Message("user", [File("data:application/pdf;base64,AA==")]))) == "input[0].content[0]"


# ---- tools -----------------------------------------------------------------------------------------------------------

STRICT = FunctionTool("f", parameters=msgspec.Raw(b'{"type":"object","required":["a"]}'), strict=True)
LAX = FunctionTool("g")
EMPTY = FunctionTool("h", parameters=msgspec.Raw(b'{"type":"object"}'), strict=True)


@pytest.mark.parametrize(
    ("tools", "strict", "lost"),
    [
        ([STRICT], True, []),
        ([STRICT, LAX], None, ["tools[0].strict"]),
        ([STRICT, EMPTY], None, ["tools[0].strict", "tools[1].strict"]),
        ([LAX], None, []),
    ],
)
def test_strictness_counts_for_all_tools_or_none(tools, strict, lost):
    """And each needs a required parameter."""
    sent = body(call(tools=tools))
    assert sent.get("strict_tools") == strict
    assert not any("strict" in tool["function"] for tool in sent["tools"])
    assert [param for param, _ in losses(call(tools=tools))] == lost


@pytest.mark.parametrize(
    ("choice", "sent", "names"),
    [
        (None, None, "fg"),
        (ToolChoice("auto"), None, "fg"),
        (ToolChoice("none"), "NONE", "fg"),
        (ToolChoice("required"), "REQUIRED", "fg"),
        (ToolChoice("required", name="g"), "REQUIRED", "g"),
        (ToolChoice("required", allowed=["f"]), "REQUIRED", "f"),
        (ToolChoice("auto", allowed=["f"]), None, "f"),
        (ToolChoice("auto", allowed=["web_search"]), None, ""),
    ],
)
def test_tool_choice_in_all_modes(choice, sent, names):
    """Two natively, the others by the tools that are sent."""
    written = body(call(tools=[FunctionTool("f"), LAX], tool_choice=choice))
    assert written.get("tool_choice") == sent
    assert "".join(tool["function"]["name"] for tool in written.get("tools", [])) == names


def test_other_tools():
    """Custom tools as functions; searches lose to the client's own tools; hosted ones are refused."""
    custom = body(call(tools=[CustomTool("sh")]))["tools"][0]["function"]
    assert list(custom["parameters"]["properties"]) == ["input"]
    assert losses(call(tools=[LAX, WebSearchTool()])) == [("tools[1]", "dropped")]
    assert refused(call(tools=[WebSearchTool()])) == "tools[0]"
    assert refused(call(tools=[HostedTool("mcp", msgspec.Raw(b"{}"))])) == "tools[0].type"
    assert losses(call(tools=[LAX], parallel_tool_calls=False)) == [("parallel_tool_calls", "dropped")]


SCHEMA = Format("json_schema", "city", msgspec.Raw(b'{"type":"object","b":1,"a":2}'), strict=True)
JSON = Format("json_object")


def test_formats_without_tools():
    """Native, with the schema's own bytes."""
    request = CohereChat().request(call(format=SCHEMA), target())
    assert b'"response_format":{"type":"json_object","json_schema":{"type":"object","b":1,"a":2}}' in request.body
    assert list(request.losses) == []
    assert body(call(format=JSON))["response_format"] == {"type": "json_object"}
    assert "response_format" not in body(call(format=Format("text"), tools=[LAX]))


def test_a_schema_beside_tools_is_a_tool():
    """Cohere takes one of the two only."""
    sent = body(call(format=SCHEMA, tools=[LAX]))
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["g", "city"]
    assert (sent["tool_choice"], "response_format" in sent) == ("REQUIRED", False)
    assert losses(call(format=SCHEMA, tools=[LAX])) == [("text.format", "emulated")]
    alone = body(call(format=SCHEMA), target(json_schema=False))
    assert [tool["function"]["name"] for tool in alone["tools"]] == ["city"]


def test_formats_and_choices():
    """A demanded tool wins over the format, tools that may not be called lose to it, and JSON mode has no way around."""
    named = call(format=SCHEMA, tools=[LAX], tool_choice=ToolChoice("required", name="g"))
    assert [tool["function"]["name"] for tool in body(named)["tools"]] == ["g"]
    assert losses(named) == [("tool_choice", "emulated"), ("text.format", "dropped")]
    unwanted = call(format=SCHEMA, tools=[LAX], tool_choice=ToolChoice("none"))
    assert ("tools" in body(unwanted), "response_format" in body(unwanted)) == (False, True)
    assert losses(unwanted) == [("tools", "dropped")]
    assert refused(call(format=JSON, tools=[LAX])) == "text.format"
