"""A chat body becomes a call, or an error that names the member that is wrong."""

import json

import pytest

from services.chat import intake
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    CustomTool,
    File,
    Format,
    FunctionTool,
    Hosted,
    Image,
    Location,
    Message,
    Opaque,
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
from services.vocabulary.routing import Routing
from tests.chat.kit import asked, call_of, items_of

PICTURE = "data:image/png;base64,aGk="
USER = {"role": "user", "content": "hi"}
CALLED = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
F = {"type": "function", "function": {"name": "f"}}
G = {"type": "custom", "custom": {"name": "g"}}

# ---- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_prompts_and_users_are_messages(role):
    """Each with its role and its text."""
    assert items_of({"role": role, "content": "x"}) == [Message(role, [Text("x")])]


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"type": "text", "text": "x"}, Text("x")),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text("x", Cache("1h"))),
        ({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("x", Cache("5m"))),
        (
            {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            Text("x", Cache("1h")),
        ),
        ({"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}, Image(PICTURE, detail="low")),
        ({"type": "image_url", "image_url": "https://x.test/a.png"}, Image("https://x.test/a.png")),
        ({"type": "file", "file": {"file_id": "f1"}}, File(file_id="f1")),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
            File("data:application/pdf;base64,aGk=", filename="a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "aGk=", "filename": "a.csv"}},
            File("data:text/csv;base64,aGk=", None, "a.csv"),
        ),
        (
            {"type": "document_url", "document_url": "https://x.test/a.pdf", "document_name": "A"},
            File("https://x.test/a.pdf", filename="A"),
        ),
        ({"type": "input_text", "text": "x"}, Text("x")),
        ({"type": "input_image", "image_url": PICTURE}, Image(PICTURE)),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}, Image(PICTURE)),
        ({"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}, Image("https://x.test/a.png")),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}, "title": "A"},
            File("https://x.test/a.pdf", filename="A"),
        ),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}, Text("x")),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)
def test_content_parts_of_every_format_are_read(part, read):
    """Chat's own, those of the Responses API and those of the Messages API."""
    assert items_of({"role": "user", "content": [part]}) == [Message("user", [read])]


def test_audio_is_kept_for_providers_that_take_it():
    """As it came, in a call that still can travel natively."""
    audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    call = call_of(messages=[{"role": "user", "content": [audio]}])
    [message] = call.items
    assert isinstance(message, Message)
    [part] = message.content
    assert isinstance(part, Opaque)
    assert part.kind == "input_audio"
    assert call.native is not None


def test_a_marker_on_a_message_is_one_on_its_last_part():
    """Prompt caching as some clients ask for it."""
    message = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    marked = message | {"cache_control": {"type": "ephemeral"}}
    assert items_of(marked) == [Message("user", [Text("a"), Text("b", Cache("5m"))])]


def test_what_an_assistant_did_comes_in_order():
    """Text and refusal, then calls of functions and of custom tools, then their results."""
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "text"}},
    ]
    assert items_of(
        {"role": "assistant", "content": "Hm", "refusal": "No", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
    ) == [
        Message("assistant", [Text("Hm"), Refusal("No")]),
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "g", "text", custom=True),
        ToolResult("c1", [Text("one")]),
        ToolResult("c2", [Text("two")], custom=True),
    ]


def test_empty_text_beside_calls_is_no_message():
    """Many clients say `content: ""` there, which some providers refuse."""
    assert [type(item) for item in items_of(CALLED | {"content": ""})] == [ToolCall]
    assert items_of({"role": "assistant", "content": ""}) == [Message("assistant", [Text("")])]


def test_the_first_form_of_calls_gets_ids():
    """A `function` message answers the last call of its name, always under the same id."""
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    messages = [USER, called, {"role": "function", "name": "f", "content": "r"}]
    items = items_of(*messages)
    assert isinstance(items[1], ToolCall)
    assert items[1:] == [ToolCall(items[1].call_id, "f", "{}"), ToolResult(items[1].call_id, [Text("r")])]
    assert items_of(*messages) == items


def test_blocks_of_the_messages_api_become_items():
    """What Cursor sends for models named like Claude: tool_use and tool_result among the parts."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "r", "is_error": True}
    items = items_of(
        {"role": "assistant", "content": [{"type": "text", "text": "Hm"}, use]},
        {"role": "user", "content": [result, {"type": "text", "text": "so?"}]},
    )
    assert items == [
        Message("assistant", [Text("Hm")]),
        ToolCall("t", "f", '{"a": 1}'),
        ToolResult("t", [Text("r")], is_error=True),
        Message("user", [Text("so?")]),
    ]


def test_items_of_the_responses_api_may_stand_among_messages():
    """Calls, results and reasoning as that API has them; one nobody knows is kept as it came."""
    items = items_of(
        USER,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"type": "item_reference", "id": "rs_1"},
    )
    assert items[1:4] == [Reasoning(summary=["t"]), ToolCall("c", "f", "{}"), ToolResult("c", [Text("r")])]
    assert isinstance(items[4], Hosted)


# ---- reasoning -------------------------------------------------------------------------------------------------------


def detail(kind, number, position, **fields):
    return {"type": f"reasoning.{kind}", "id": f"rs_{'0' * 36}_{position}_{number}", "index": 0, **fields}


def test_reasoning_details_come_back_as_items_in_their_places():
    """Pieces of one id are one item, before the part of the message that its id names."""
    details = [
        detail("text", 0, 0, text="first"),
        detail("encrypted", 0, 0, data="cn1.p.s.thinking.blob"),
        detail("encrypted", 1, 2, data="cn1.p.s..other"),
    ]
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    spoken = {"role": "assistant", "content": "Hm", "reasoning_content": "first", "reasoning_details": details}
    assert items_of(spoken | {"tool_calls": calls}) == [
        Reasoning(content=["first"], seal=Seal("blob", "p", "s", "thinking")),
        Message("assistant", [Text("Hm")]),
        ToolCall("a", "f", "{}"),
        Reasoning(seal=Seal("other", "p", "s")),
        ToolCall("b", "f", "{}"),
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_readable_reasoning_alone_is_taken_back_too(field):
    """Under either name; null says nothing."""
    spoken = {"role": "assistant", "content": "Hm"}
    assert items_of(spoken | {field: "t"}) == [Reasoning(content=["t"]), Message("assistant", [Text("Hm")])]
    assert items_of(spoken | {field: None}) == [Message("assistant", [Text("Hm")])]


def test_thinking_parts_of_an_answer_come_back():
    """Mistral's are lists of texts, the Messages API's a text and a signature."""
    spoken = {"type": "text", "text": "So."}
    listed = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "m."}]}
    signed = {"type": "thinking", "thinking": "Hmm.", "signature": "sig"}
    said = Message("assistant", [Text("So.")])
    assert items_of({"role": "assistant", "content": [listed, spoken]}) == [Reasoning(content=["Hmm."]), said]
    seal = Seal("sig")
    assert items_of({"role": "assistant", "content": [signed, spoken]}) == [
        Reasoning(content=["Hmm."], seal=seal),
        said,
    ]


def test_details_of_other_gateways_keep_their_signatures():
    """A signature that is not ours is a seal of nobody known, which routing then treats as foreign."""
    details = [{"type": "reasoning.text", "text": "t", "signature": "sig", "index": 0}]
    items = items_of({"role": "assistant", "content": "Hm", "reasoning_details": details})
    assert items[0] == Reasoning(content=["t"], seal=Seal("sig"))


def test_asking_for_effort_asks_for_the_text_of_it():
    """Chat has fields for readable reasoning but no word to ask for it."""
    assert call_of(reasoning_effort="high").reasoning == ReasoningOptions("high", "auto")
    assert call_of(reasoning_effort="none").reasoning == ReasoningOptions("none")
    assert call_of(reasoning={"effort": "low"}).reasoning == ReasoningOptions("low")
    assert call_of().reasoning is None
    only = {"provider": {"require_parameters": True}}
    assert call_of(reasoning_effort="high", routing=only).reasoning == ReasoningOptions("high")


# ---- tools -----------------------------------------------------------------------------------------------------------


def test_tools_of_every_form_are_read():
    """Nested, flat, custom, the Messages API's, and the first form."""
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}
    tools = call_of(
        tools=[
            {"type": "function", "function": {"name": "a", "description": "A", "parameters": {"type": "object"}, "strict": True}},
            {"type": "function", "name": "b", "parameters": {"type": "object"}},
            {"type": "custom", "custom": {"name": "c", "format": grammar}},
            {"type": "custom", "name": "d"},
            {"name": "e", "description": "E", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search", "search_context_size": "low"},
        ],
        functions=[{"name": "f"}],
    ).tools  # fmt: skip
    assert [type(tool) for tool in tools] == [
        FunctionTool, FunctionTool, CustomTool, CustomTool, FunctionTool, WebSearchTool, FunctionTool,
    ]  # fmt: skip
    assert [tool.name for tool in tools if not isinstance(tool, WebSearchTool)] == ["a", "b", "c", "d", "e", "f"]
    assert json.loads(bytes(tools[2].format)) == {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    assert bytes(tools[4].parameters) == b'{"type": "object"}'
    assert tools[4].cache == Cache("5m")


def test_a_schema_keeps_its_bytes():
    """Key order and numbers of a schema reach the call as they came."""
    schema = b'{"type":"object","properties":{"z":{"const":9007199254740993},"a":{}}}'
    tool_ = b'{"type":"function","function":{"name":"f","parameters":%b}}' % schema
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[%b]}' % tool_
    [tool] = intake.read(body).call.tools
    assert isinstance(tool, FunctionTool)
    assert bytes(tool.parameters or b"") == schema


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("required", "f")),
        ({"type": "custom", "custom": {"name": "g"}}, ToolChoice("required", "g")),
        ({"type": "function", "name": "f"}, ToolChoice("required", "f")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "g"}, ToolChoice("required", "g")),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [F]}},
            ToolChoice("required", allowed=["f"]),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]},
            ToolChoice(allowed=["g"]),
        ),
    ],
    ids=str,
)
def test_choices_of_every_form_are_read(choice, read):
    """Words, nested, flat, and the Messages API's."""
    assert call_of(tools=[F, G], tool_choice=choice).tool_choice == read


@pytest.mark.parametrize(
    ("choice", "read"),
    [("auto", ToolChoice("auto")), ("none", ToolChoice("none")), ({"name": "f"}, ToolChoice("required", "f"))],
)
def test_the_first_form_of_tools_allows_one_call(choice, read):
    """`functions` can answer with one call only, so no more are asked for."""
    request = asked(functions=[{"name": "f"}], function_call=choice)
    assert request.legacy
    assert request.call.tool_choice == read
    assert request.call.parallel_tool_calls is False
    assert request.call.native is None


def test_web_search_options_are_a_tool():
    """With the place of the user."""
    place = {"type": "approximate", "approximate": {"country": "GB", "city": "London"}}
    tools = call_of(web_search_options={"search_context_size": "high", "user_location": place}).tools
    assert tools == [WebSearchTool("high", location=Location("GB", city="London"))]


# ---- settings --------------------------------------------------------------------------------------------------------


def test_every_setting_reaches_the_call():
    """Under the gateway's own name."""
    call = call_of(
        temperature=0.5, top_p=0.9, top_k=4, presence_penalty=1, frequency_penalty=-1, seed=7, stop="END",
        max_completion_tokens=9, logprobs=True, top_logprobs=2, parallel_tool_calls=True, verbosity="low",
        store=True, metadata={"a": "b"}, user="u",
        safety_identifier="s", service_tier="flex", prompt_cache_key="k", prompt_cache_retention="24h", stream=True,
        response_format={"type": "json_object"}, routing={"provider": {"only": ["p"]}}, cache_control={"type": "ephemeral"},
    )  # fmt: skip
    assert (call.temperature, call.top_p, call.top_k, call.presence_penalty, call.frequency_penalty) == (
        0.5,
        0.9,
        4,
        1,
        -1,
    )
    assert (call.seed, call.stop, call.max_output_tokens, call.stream) == (7, ["END"], 9, True)
    assert (call.top_logprobs, call.include) == (2, ["message.output_text.logprobs"])
    assert (call.parallel_tool_calls, call.verbosity, call.store, call.metadata) == (True, "low", True, {"a": "b"})
    assert (call.user, call.safety_identifier, call.service_tier) == ("u", "s", "flex")
    assert (call.prompt_cache_key, call.prompt_cache_retention, call.cache) == ("k", "24h", Cache())
    assert (call.format, call.routing) == (Format("json_object"), Routing(only=["p"]))
    assert call.extra == {}


def test_a_schema_for_the_answer_is_read():
    """With its name and whether it is strict."""
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    given = call_of(response_format={"type": "json_schema", "json_schema": schema}).format
    assert given is not None
    assert (given.type, given.name, given.strict, given.description) == ("json_schema", "n", True, "d")
    assert json.loads(bytes(given.schema or b"")) == {"type": "object"}


def test_what_only_chat_has_stays_with_the_call():
    """Unless it asks for nothing; so does what nobody knows."""
    extra = call_of(
        n=2,
        logit_bias={"1": 5},
        prediction={"type": "content", "content": "x"},
        modalities=["text", "audio"],
        new_thing=1,
    ).extra
    assert set(extra) == {"n", "logit_bias", "prediction", "modalities", "new_thing"}
    assert call_of(n=1, logit_bias={}, prediction=None, modalities=["text"], audio=None).extra == {}


def test_a_body_that_is_all_chat_can_travel():
    """One that mixes formats cannot: no provider would understand it."""
    assert call_of(messages=[USER, CALLED], tools=[F, G], tool_choice="auto").native is not None
    for mixed in (
        {"tools": [{"type": "function", "name": "f"}]},
        {"tools": [{"name": "f", "input_schema": {}}]},
        {"messages": [USER, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://a.example/x.png"}]}]},
        {"text": {"verbosity": "low"}},
        {"input": "hi"},
        {"functions": [{"name": "f"}]},
        {"tools": [F], "tool_choice": {"type": "function", "name": "f"}},
    ):
        assert call_of(**mixed).native is None, mixed


# ---- what Cursor sends -----------------------------------------------------------------------------------------------


def test_a_body_of_the_responses_api_is_read():
    """As its own intake reads it, with chat's `stream_options`."""
    request = asked(
        input=[
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ],
        tools=[{"type": "function", "name": "f"}, {"type": "custom", "name": "ApplyPatch"}],
        stream_options={"include_usage": True}, store=False, include=["reasoning.encrypted_content"], truncation="auto",
        reasoning={"effort": "medium", "summary": "auto"}, text={"verbosity": "low"}, max_output_tokens=5,
        previous_response_id=None,
    )  # fmt: skip
    call = request.call
    assert [type(item) for item in call.items] == [Message, Message, ToolCall, ToolResult]
    assert (call.include, call.truncation, call.verbosity) == (["reasoning.encrypted_content"], "auto", "low")
    assert (call.reasoning, call.max_output_tokens) == (ReasoningOptions("medium", "auto"), 5)
    assert request.include_usage
    assert call_of(input="hi").items == [Message("user", [Text("hi")])]


# ---- mistakes --------------------------------------------------------------------------------------------------------

BAD_CALL = {"id": "c", "type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [USER], "input": "hi"}, "input"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [BAD_CALL]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "type": "surprise", "content": "x"}]}, "messages[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}, "tools[0].function.parameters"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [F], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [F], "tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tools": [F], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"tools": [F], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [G]}}},
            "tool_choice.allowed_tools.tools[0].custom.name",
        ),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "x"}}, "function_call.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"reasoning_effort": "lots"}, "reasoning_effort"),
        ({"logit_bias": {"1": 500}}, "logit_bias[...]"),
        ({"stop": 5}, "stop"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"routing": {"provider": {"sort": 5}}}, "routing.provider.sort"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_by_its_path(fields, param):
    """In the words of the body the client sent."""
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert caught.value.param == param


BROKEN = b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", BROKEN])
def test_what_is_no_json_object_is_refused(body):
    """With a clear message, never a failure of ours."""
    with pytest.raises(InvalidRequest):
        intake.read(body)


def test_the_model_is_required():
    """And may not be empty."""
    for body in ({"messages": [USER]}, {"model": "", "messages": [USER]}):
        with pytest.raises(InvalidRequest) as caught:
            intake.read(json.dumps(body).encode())
        assert caught.value.param == "model"


def test_the_same_body_gives_the_same_call():
    """Nothing random or of the clock is in it, so prompt caches stay warm."""
    body = {"messages": [USER, CALLED, {"role": "tool", "tool_call_id": "c", "content": "r"}], "tools": [F, G]}
    first, second = call_of(**body), call_of(**body)
    assert repr(first.items) == repr(second.items)
