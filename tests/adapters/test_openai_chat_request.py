"""Calls -> chat bodies, and what is reported as lost."""

import base64
import json

import msgspec
import pytest

from services.adapters.dialects.openai_chat import OpenAIChat
from services.adapters.dialects.openai_chat.quirks import read_quirks
from services.catalog.schema import Facts, Provider, Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    File,
    Format,
    FunctionTool,
    Hosted,
    HostedTool,
    Image,
    Item,
    Location,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from tests.adapters.openai_chat_rows import CLOUDFLARE, LOCAL, MISTRAL, OPENAI, ROWS, XAI, target

HELLO = Message("user", [Text("Hello")])
WEATHER = FunctionTool("weather", "Looks outside", msgspec.Raw(b'{"z":1,"type":"object"}'), strict=True)


def call(*items: Item, **fields: object) -> Call:
    return Call(model="m", items=list(items) or [HELLO], **fields)


def body(asked: Call, to: Target) -> dict:
    return json.loads(OpenAIChat().request(asked, to).body)


def messages(to: Target, *items: Item, **fields: object) -> list[dict]:
    return body(call(*items, **fields), to)["messages"]


def losses(asked: Call, to: Target) -> list[tuple[str, str]]:
    return [(loss.param, loss.action) for loss in OpenAIChat().request(asked, to).losses]


def refused(asked: Call, to: Target) -> str | None:
    with pytest.raises(InvalidRequest) as error:
        OpenAIChat().request(asked, to)
    return error.value.param


# ---- path and body ---------------------------------------------------------------------------------------------------


def test_a_plain_call():
    """Nothing is sent that was not asked for."""
    request = OpenAIChat().request(call(instructions="Be brief"), target(LOCAL))
    assert (request.method, request.path, dict(request.query), list(request.losses)) == (
        "POST",
        "/chat/completions",
        {},
        [],
    )
    assert json.loads(request.body) == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}],
        "stream": False,
    }


def test_azure_deployments_are_a_path_with_the_model_in_it_and_a_version():
    """Azure's dated API takes the model from the path."""
    to = target(
        {"path": "/openai/deployments/{model}/chat/completions", "api_version": "2024-10-21"}, upstream="my gpt"
    )
    request = OpenAIChat().request(call(), to)
    assert request.path == "/openai/deployments/my%20gpt/chat/completions"
    assert dict(request.query) == {"api-version": "2024-10-21"}


@pytest.mark.parametrize(
    ("quirks", "options"), [(LOCAL, {"include_usage": True}), (MISTRAL, None)], ids=["usual", "mistral"]
)
def test_a_stream_asks_for_usage_where_that_is_known(quirks, options):
    """Mistral counts without being asked, and refuses unknown fields."""
    assert body(call(stream=True), target(quirks)).get("stream_options") == options


SETTINGS = {
    "max_output_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.9,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "seed": 7,
    "stop": ["x"],
    "top_k": 3,
    "top_logprobs": 2,
    "verbosity": "low",
    "user": "u",
    "safety_identifier": "s",
    "service_tier": "priority",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "max_tool_calls": 3,
    "truncation": "auto",
}


def test_settings_at_openai():
    """Every setting has a field there but three."""
    sent = body(call(**SETTINGS), target(OPENAI))
    del sent["model"], sent["messages"], sent["stream"]
    assert sent == {
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "seed": 7,
        "stop": ["x"],
        "logprobs": True,
        "top_logprobs": 2,
        "verbosity": "low",
        "user": "u",
        "safety_identifier": "s",
        "service_tier": "priority",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
    }
    assert losses(call(**SETTINGS), target(OPENAI)) == [
        ("max_tool_calls", "dropped"),
        ("truncation", "dropped"),
        ("top_k", "dropped"),
    ]


def test_settings_at_mistral():
    """What Mistral has no field for is reported and not sent: it refuses whole requests for one unknown field."""
    sent = body(call(**SETTINGS), target(MISTRAL))
    assert (sent["max_tokens"], sent["random_seed"], sent["top_k"]) == (9, 7, 3)
    assert not {"seed", "user", "verbosity", "max_completion_tokens", "safety_identifier"} & sent.keys()
    lost = losses(call(**SETTINGS), target(MISTRAL))
    assert [param for param, _ in lost] == [
        "max_tool_calls",
        "text.verbosity",
        "truncation",
        "user",
        "safety_identifier",
        "prompt_cache_retention",
    ]


def test_single_models_may_want_the_old_name_of_the_token_limit():
    """Azure serves models that know only max_tokens beside those that know only the other."""
    quirks = {"max_tokens_field": "max_completion_tokens", "max_tokens_models": ["mistral-"]}
    assert body(call(max_output_tokens=5), target(quirks, upstream="mistral-large"))["max_tokens"] == 5
    assert body(call(max_output_tokens=5), target(quirks, upstream="gpt-5"))["max_completion_tokens"] == 5


def test_a_cache_key_may_be_a_header():
    """XAI routes chat calls by a header."""
    request = OpenAIChat().request(call(prompt_cache_key="a b"), target(XAI))
    assert (request.headers["x-grok-conv-id"], list(request.losses)) == ("a%20b", [])


def test_a_model_with_fixed_sampling_is_not_sent_any():
    """A known fact of the model, reported."""
    to = target(OPENAI, Facts(temperature=False))
    assert "temperature" not in body(call(temperature=1.0), to)
    assert losses(call(temperature=1.0, top_p=1.0), to) == [("temperature", "dropped"), ("top_p", "dropped")]


@pytest.mark.parametrize(
    ("asked", "known", "sent", "lost"),
    [
        ("low", None, "low", []),
        ("minimal", ["low", "high"], "low", [("reasoning.effort", "changed")]),
        ("medium", ["low", "high"], "high", [("reasoning.effort", "changed")]),
        ("max", ["low", "high"], "high", [("reasoning.effort", "changed")]),
        ("none", ["none", "high"], "none", []),
        ("high", [], None, [("reasoning.effort", "dropped")]),
        ("none", [], None, []),
    ],
)
def test_effort_goes_up_then_down_to_the_nearest(asked, known, sent, lost):
    """The scale is the model's, where it is known."""
    to, asked_call = target(OPENAI, Facts(efforts=known)), call(reasoning=ReasoningOptions(asked))
    assert body(asked_call, to).get("reasoning_effort") == sent
    assert losses(asked_call, to) == lost


def test_effort_on_a_providers_scale():
    """Without known facts the provider's own scale counts."""
    assert body(call(reasoning=ReasoningOptions("low")), target(MISTRAL))["reasoning_effort"] == "high"


def test_budgets_and_summaries_are_reported():
    """Chat has only efforts."""
    options = ReasoningOptions("medium", "auto", 4096)
    assert losses(call(reasoning=options), target(OPENAI)) == [
        ("reasoning.summary", "dropped"),
        ("reasoning.budget_tokens", "changed"),
    ]


SCHEMA = Format("json_schema", "city", msgspec.Raw(b'{"type":"object","b":1,"a":2}'), strict=True)


def test_schemas_keep_their_bytes():
    """Key order matters to caches and to the order of the answer's fields."""
    request = OpenAIChat().request(call(format=SCHEMA, tools=[WEATHER]), target(OPENAI))
    assert b'"schema":{"type":"object","b":1,"a":2}' in request.body
    assert b'"parameters":{"z":1,"type":"object"}' in request.body
    assert body(call(format=SCHEMA), target(OPENAI))["response_format"]["json_schema"]["name"] == "city"


def test_other_formats():
    """json_object and text."""
    assert body(call(format=Format("json_object")), target(LOCAL))["response_format"] == {"type": "json_object"}
    assert "response_format" not in body(call(format=Format("text")), target(LOCAL))


@pytest.mark.parametrize(
    ("fields", "tools", "choice"),
    [
        ({}, ["city"], {"type": "function", "function": {"name": "city"}}),
        ({"tools": [WEATHER]}, ["weather", "city"], "required"),
        ({"tools": [FunctionTool("city")]}, ["city", "city_"], "required"),
        (
            {"tools": [WEATHER], "tool_choice": ToolChoice("none")},
            ["city"],
            {"type": "function", "function": {"name": "city"}},
        ),
    ],
)
def test_a_model_without_schemas_is_made_to_call_a_tool(fields, tools, choice):
    """The answer is then the tool's arguments; the client's own tools stay callable."""
    to = target(LOCAL, Facts(json_schema=False))
    sent = body(call(format=SCHEMA, **fields), to)
    assert [tool["function"]["name"] for tool in sent["tools"]] == tools
    assert (sent["tool_choice"], "response_format" in sent) == (choice, False)
    assert ("text.format", "emulated") in losses(call(format=SCHEMA, **fields), to)


# ---- conversation ----------------------------------------------------------------------------------------------------


def test_an_assistants_turn_is_one_message_and_results_follow_it():
    """Items of one turn are joined, and results come at once, whatever stood between."""
    sent = messages(
        target(LOCAL),
        HELLO,
        Message("assistant", [Text("Let me look")]),
        ToolCall("c1", "a", "{}"),
        ToolCall("c2", "b", ""),
        ToolResult("c1", [Text("1")]),
        Message("user", [Text("Hurry")]),
        ToolResult("c2", [Text("2a"), Text("2b")]),
    )
    assert sent[1:] == [
        {
            "role": "assistant",
            "content": "Let me look",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "b", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2a\n2b"},
        {"role": "user", "content": "Hurry"},
    ]


def test_a_moved_result_is_reported():
    """Order is part of what the client asked."""
    late = call(ToolCall("c", "a", "{}"), HELLO, ToolResult("c", [Text("1")]))
    assert losses(late, target(LOCAL)) == [("input[2]", "moved")]


def test_sequential_calls_stay_apart():
    """A result ends the turn."""
    items = [ToolCall("c1", "a", "{}"), ToolResult("c1", []), ToolCall("c2", "a", "{}"), ToolResult("c2", [])]
    assert [message["role"] for message in messages(target(LOCAL), *items)] == [
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]


def test_two_messages_of_the_assistant_stay_two():
    """Messages are only joined where calls make it necessary."""
    sent = messages(target(LOCAL), Message("assistant", [Text("a")]), Message("assistant", [Text("b")]), HELLO)
    assert [message["content"] for message in sent] == ["a", "b", "Hello"]


def test_an_assistant_that_said_nothing_is_left_out():
    """An empty message means nothing, and some providers refuse it."""
    assert messages(target(LOCAL), HELLO, Message("assistant", [Text("")]), Message("assistant", []))[1:] == []


def test_a_result_without_a_call_is_refused():
    """By name, before any provider is asked."""
    assert refused(call(HELLO, ToolResult("nope", [])), target(LOCAL)) == "input[1].call_id"


def test_errors_of_tools_are_said_in_words():
    """The format has no field for them."""
    failed = call(ToolCall("c", "a", "{}"), ToolResult("c", [Text("no such city")], is_error=True))
    assert body(failed, target(LOCAL))["messages"][1]["content"] == "Error:\nno such city"
    assert losses(failed, target(LOCAL)) == [("input[1].is_error", "emulated")]


def test_images_in_results_follow_in_a_user_message():
    """After all results of the turn, because nothing may come between those."""
    items = [
        ToolCall("c1", "shot", "{}"),
        ToolCall("c2", "shot", "{}"),
        ToolResult("c1", [Image("data:image/png;base64,AA==")]),
        ToolResult("c2", [Text("two"), Image("https://x.test/i.png")]),
    ]
    sent = messages(target(LOCAL), *items)
    assert [message["role"] for message in sent] == ["assistant", "tool", "tool", "user"]
    assert [part["image_url"]["url"] for part in sent[3]["content"]] == [
        "data:image/png;base64,AA==",
        "https://x.test/i.png",
    ]
    assert losses(call(*items), target(LOCAL)) == [("input[2].output", "moved"), ("input[3].output", "moved")]
    assert messages(target(MISTRAL), *items)[2]["content"][1]["type"] == "image_url"


@pytest.mark.parametrize(
    ("quirks", "roles"), [(OPENAI, ["developer", "system"]), (LOCAL, ["system", "system"])], ids=["openai", "local"]
)
def test_developer_messages(quirks, roles):
    """Where there is no such role they are system prompts."""
    sent = messages(target(quirks), Message("developer", [Text("d")]), Message("system", [Text("s")]), HELLO)
    assert [message["role"] for message in sent][:2] == roles


def test_refusals():
    """As such, or as text where there are none."""
    items = [Message("assistant", [Refusal("I will not")]), HELLO]
    assert messages(target(OPENAI), *items)[0]["content"] == [{"type": "refusal", "refusal": "I will not"}]
    assert messages(target(LOCAL), *items)[0]["content"] == "I will not"
    assert losses(call(*items), target(LOCAL)) == [("input[0].content[0]", "changed")]


@pytest.mark.parametrize(
    ("replay", "message"),
    [
        ("reasoning_content", {"reasoning_content": "hm\n\nso", "content": "42"}),
        ("reasoning", {"reasoning": "hm\n\nso", "content": "42"}),
        (
            "thinking",
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "text", "text": "so"}]},
                    {"type": "text", "text": "42"},
                ]
            },
        ),
    ],
)
def test_reasoning_is_replayed_where_it_is_taken(replay, message):
    """Beside the text it led to."""
    items = [Reasoning(content=["hm", "so"]), Message("assistant", [Text("42")]), HELLO]
    assert messages(target({"replay_reasoning": replay}), *items)[0] == {"role": "assistant", **message}


@pytest.mark.parametrize(
    ("item", "lost"),
    [
        (Reasoning(summary=["hm"]), [("input[0]", "dropped")]),
        (Reasoning(seal=Seal("blob")), [("input[0]", "dropped")]),
        (Reasoning(), []),
    ],
)
def test_reasoning_that_is_not_taken_is_reported(item, lost):
    """Unless there was nothing in it."""
    assert losses(call(item, HELLO), target(LOCAL)) == lost


def test_receipts_of_hosted_tools_are_left_out():
    """They have been reported before a dialect sees them."""
    assert len(messages(target(LOCAL), Hosted("web_search_call", msgspec.Raw(b"{}")), HELLO)) == 1


def test_custom_calls_in_the_history():
    """Native where there are custom tools, wrapped where not."""
    items = [ToolCall("c", "sh", "ls", custom=True), ToolResult("c", [Text("a b")], custom=True)]
    native = messages(target(OPENAI), *items)[0]["tool_calls"][0]
    assert native == {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    wrapped = messages(target(LOCAL), *items)[0]["tool_calls"][0]["function"]
    assert wrapped == {"name": "sh", "arguments": '{"input":"ls"}'}


# ---- Mistral's rules -------------------------------------------------------------------------------------------------


def test_tool_ids_of_nine_are_the_same_every_time():
    """A replayed call and its result must match, in this request and in the next."""
    items = [HELLO, ToolCall("call_long_identifier", "a", "{}"), ToolResult("call_long_identifier", [])]
    first, second = (messages(target(MISTRAL), *items) for _ in range(2))
    identifier = first[1]["tool_calls"][0]["id"]
    assert identifier == first[2]["tool_call_id"] == second[2]["tool_call_id"]
    assert len(identifier) == 9
    assert identifier.isalnum()
    kept = messages(target(MISTRAL), ToolCall("aB3456789", "a", "{}"), ToolResult("aB3456789", []))
    assert kept[1]["tool_call_id"] == "aB3456789"


def test_system_prompts_are_joined_to_one():
    """Mistral takes one, and only first."""
    items = [HELLO, Message("assistant", [Text("Hi")]), Message("developer", [Text("Now shout")]), HELLO]
    sent = messages(target(MISTRAL), *items, instructions="Be brief")
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert "Be brief" in sent[0]["content"]
    assert "Now shout" in sent[0]["content"]
    assert losses(call(*items, instructions="Be brief"), target(MISTRAL)) == [("input[2]", "moved")]


def test_an_assistant_stands_between_a_tool_and_the_user():
    """Mistral refuses a user right after a tool."""
    items = [HELLO, ToolCall("c", "a", "{}"), ToolResult("c", [Text("1")]), HELLO]
    assert [m["role"] for m in messages(target(MISTRAL), *items)] == ["user", "assistant", "tool", "assistant", "user"]
    assert ("input", "changed") in losses(call(*items), target(MISTRAL))


def test_a_last_message_of_the_assistant_is_a_prefix():
    """Otherwise Mistral refuses it."""
    assert messages(target(MISTRAL), HELLO, Message("assistant", [Text("So")]))[-1]["prefix"] is True
    assert "prefix" not in messages(target(LOCAL), HELLO, Message("assistant", [Text("So")]))[-1]


# ---- parts -----------------------------------------------------------------------------------------------------------

PDF = "data:application/pdf;base64,JVBERg=="
NOTE = "data:text/plain;base64," + base64.b64encode(b"some words").decode()


def parts(to: Target, *content: Part) -> list[dict]:
    return messages(to, Message("user", list(content)))[0]["content"]


def test_images():
    """With their detail; the highest there is stands for the original."""
    to, original = target(LOCAL), Image("https://x.test/i.png", detail="original")
    assert parts(to, Text("See"), Image(PDF, detail="low")) == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": PDF, "detail": "low"}},
    ]
    assert parts(to, original)[0]["image_url"]["detail"] == "high"
    assert losses(call(Message("user", [original])), to) == [("input[0].content[0].detail", "changed")]


@pytest.mark.parametrize(
    ("quirks", "file", "part"),
    [
        (OPENAI, File(PDF, filename="a.pdf"), {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}),
        (OPENAI, File(file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (
            MISTRAL,
            File("https://x.test/a.pdf", filename="a"),
            {"type": "document_url", "document_url": "https://x.test/a.pdf", "document_name": "a"},
        ),
        (LOCAL, File(NOTE, filename="n.txt"), {"type": "text", "text": "n.txt:\nsome words"}),
        (LOCAL, File("data:text/csv,a%2Cb"), {"type": "text", "text": "a,b"}),
    ],
)
def test_files(quirks, file, part):
    """Each provider's way; plain text is sent as text where there is none."""
    assert parts(target(quirks), Text("See"), file)[1] == part


@pytest.mark.parametrize(
    ("quirks", "part", "param"),
    [
        (OPENAI, File("https://x.test/a.pdf"), "input[0].content[0].file_url"),
        (MISTRAL, File(file_id="f"), "input[0].content[0].file_id"),
        (LOCAL, File(PDF), "input[0].content[0]"),
        (LOCAL, File("data:text/plain;base64,not base64"), "input[0].content[0]"),
        (LOCAL, Image(file_id="f"), "input[0].content[0].file_id"),
        (LOCAL, Opaque("input_audio", msgspec.Raw(b"{}")), "input[0].content[0]"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(quirks, part, param):
    """Images and files are never dropped."""
    assert refused(call(Message("user", [part])), target(quirks)) == param


def test_texts_are_joined_where_lists_are_not_taken():
    """Some servers take strings only; images still need a list."""
    to = target(CLOUDFLARE)
    assert parts(to, Text("a"), Text("b")) == "a\nb"
    assert len(parts(to, Text("a"), Image(PDF))) == 2
    assert parts(target(LOCAL), Text("a"), Text("b")) == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages(to, Message("user", []))[0]["content"] == ""


def test_empty_content_where_it_is_wanted():
    """Some servers refuse a message without content."""
    items = [ToolCall("c", "a", "{}"), ToolResult("c", [])]
    assert messages(target(CLOUDFLARE), *items)[0]["content"] == ""
    assert "content" not in messages(target(LOCAL), *items)[0]


MARKED = call(Message("user", [Text("long", Cache("1h"))]), tools=[FunctionTool("f", cache=Cache())], cache=Cache())


@pytest.mark.parametrize(
    ("quirks", "upstream", "marker", "action"),
    [
        ({"cache_control": True}, "m", {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, None),
        (
            {"cache_breakpoints": ["gpt-5.6"]},
            "gpt-5.6-mini",
            {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            "changed",
        ),
        ({"cache_breakpoints": ["gpt-5.6"]}, "gpt-5", None, "dropped"),
    ],
)
def test_cache_markers(quirks, upstream, marker, action):
    """Carried where there is a way, reported where not."""
    to = target(quirks, upstream=upstream)
    content = body(MARKED, to)["messages"][0]["content"]
    assert content == ([{"type": "text", "text": "long", **marker}] if marker else "long")
    lost = dict(losses(MARKED, to))
    assert lost.get("input[0].content[0].cache_control") == action
    assert lost["tools[0].cache_control"] == lost["cache_control"] == "dropped"


# ---- tools -----------------------------------------------------------------------------------------------------------


def test_functions():
    """`strict` where it is known; a schema always."""
    sent = body(call(tools=[WEATHER, FunctionTool("now")]), target(OPENAI))["tools"]
    assert sent == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Looks outside",
                "parameters": {"z": 1, "type": "object"},
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert losses(call(tools=[WEATHER]), target(LOCAL)) == [("tools[0].strict", "dropped")]


GRAMMAR = CustomTool("math", "Adds", msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"start: A"}'))


def test_custom_tools():
    """Native, or a function with one text."""
    assert body(call(tools=[GRAMMAR]), target(OPENAI))["tools"][0]["custom"] == {
        "name": "math",
        "description": "Adds",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}},
    }
    emulated = body(call(tools=[GRAMMAR]), target(LOCAL))["tools"][0]["function"]
    assert list(emulated["parameters"]["properties"]) == ["input"]
    assert "start: A" in emulated["description"]
    assert losses(call(tools=[GRAMMAR]), target(LOCAL)) == [("tools[0]", "emulated"), ("tools[0].format", "emulated")]


def test_malformed_formats_and_foreign_tools_are_refused():
    """By name."""
    odd = CustomTool("x", format=msgspec.Raw(b'{"type":1}'))
    assert refused(call(tools=[odd]), target(OPENAI)) == "tools[0].format"
    assert refused(call(tools=[HostedTool("mcp", msgspec.Raw(b"{}"))]), target(OPENAI)) == "tools[0].type"


F, G = FunctionTool("f"), FunctionTool("g")
NAMED_F = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("quirks", "choice", "sent", "names"),
    [
        (OPENAI, ToolChoice("auto"), "auto", "fg"),
        (OPENAI, ToolChoice("required"), "required", "fg"),
        (OPENAI, ToolChoice("none"), "none", "fg"),
        (OPENAI, ToolChoice("required", name="f"), NAMED_F, "fg"),
        (
            OPENAI,
            ToolChoice("required", allowed=["f"]),
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED_F]}},
            "fg",
        ),
        (LOCAL, ToolChoice("required", allowed=["f"]), "required", "f"),
        (LOCAL, ToolChoice("auto", allowed=["web_search"]), None, ""),
        ({"parameters": []}, ToolChoice("auto"), None, "fg"),
        ({"parameters": []}, ToolChoice("none"), None, ""),
        ({"parameters": []}, ToolChoice("required"), None, "fg"),
    ],
)
def test_tool_choice_in_all_modes(quirks, choice, sent, names):
    """Natively, or by the tools that are sent."""
    written = body(call(tools=[F, G], tool_choice=choice), target(quirks))
    assert written.get("tool_choice") == sent
    assert "".join(tool["function"]["name"] for tool in written.get("tools", [])) == names


def test_choices_that_cannot_be():
    """Refused by name, or silent where nothing is lost."""
    assert refused(call(tool_choice=ToolChoice("required")), target(OPENAI)) == "tool_choice"
    assert refused(call(tools=[F], tool_choice=ToolChoice("required", name="x")), target(OPENAI)) == "tool_choice"
    assert "tool_choice" not in body(call(tool_choice=ToolChoice("auto")), target(OPENAI))
    named = ToolChoice("required", name="math")
    assert body(call(tools=[GRAMMAR], tool_choice=named), target(OPENAI))["tool_choice"] == {
        "type": "custom",
        "custom": {"name": "math"},
    }


def test_parallel_calls():
    """Only with tools; refusing them is reported where the provider decides."""
    assert body(call(tools=[F], parallel_tool_calls=False), target(LOCAL))["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in body(call(parallel_tool_calls=True), target(OPENAI))
    serial = call(tools=[F], parallel_tool_calls=False)
    assert losses(serial, target({"parameters": []})) == [("parallel_tool_calls", "dropped")]


SEARCH = WebSearchTool("high", location=Location("DE", city="Berlin"))


def test_web_search():
    """Options of OpenAI's search models; elsewhere the client's own tools win, and alone it is refused."""
    assert body(call(tools=[SEARCH]), target(OPENAI))["web_search_options"] == {
        "search_context_size": "high",
        "user_location": {"type": "approximate", "approximate": {"country": "DE", "city": "Berlin"}},
    }
    assert losses(call(tools=[F, SEARCH]), target(LOCAL)) == [("tools[1]", "dropped")]
    assert refused(call(tools=[SEARCH]), target(LOCAL)) == "tools[0]"
    demanded = call(tools=[F, SEARCH], tool_choice=ToolChoice("required", name="web_search"))
    assert refused(demanded, target(LOCAL)) == "tools[1]"
    assert "tool_choice" not in body(demanded, target(OPENAI))
    narrow = call(tools=[WebSearchTool(allowed_domains=["a.test"])])
    assert refused(narrow, target(OPENAI)) == "tools[0].filters.allowed_domains"


# ---- quirks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quirks", "said"),
    [
        ({"tool_ids": "ten"}, r"\$.tool_ids"),
        ({"parameters": ["nonsense"]}, r"\$.parameters"),
    ],
)
def test_a_wrong_quirk_is_named(quirks, said):
    """With its provider."""
    with pytest.raises(ValueError, match=f"'acme'.*{said}"):
        read_quirks(target(quirks).provider)


def test_quirks_of_other_formats_are_left_alone():
    """A row that speaks several formats, or whose format an operator changed, has quirks of each."""
    row = Provider("a", "A", "openai_chat", "http://a", quirks={"theirs": 1, "path": "/p"})
    assert read_quirks(row).path == "/p"


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.id)
def test_every_row_of_the_catalogue_can_be_read(row):
    """A mistake in a row is found here and not by a caller."""
    assert read_quirks(row).path == "/chat/completions"
