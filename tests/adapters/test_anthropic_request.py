"""Call -> the body of a Messages request: conversation, content, tools and what is lost."""

import base64
import json

import pytest

from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    CustomTool,
    File,
    FunctionTool,
    HostedTool,
    Image,
    Location,
    Message,
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
from tests.adapters.anthropic_kit import BUDGET, DIALECT, NEW, OLD, call, lost, raw, sent, target

F = FunctionTool("f", "does f", raw({"type": "object", "properties": {"a": {"type": "integer"}}}))
G = FunctionTool("g")
PNG = "data:image/png;base64,iVBORw0KGgo="


def user(*parts):
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def said(text):
    return Message("assistant", [Text(text)])


def texts(message):
    return [block.get("text", block["type"]) for block in message["content"]]


# ---- conversation ----------------------------------------------------------------------------------------------------


def test_the_smallest_request():
    """Model, limit and one message; path and version as the API wants them."""
    request = DIALECT.request(call("Hi"), target())
    assert json.loads(request.body) == {
        "model": NEW,
        "max_tokens": 32000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert (request.method, request.path, request.headers["anthropic-version"]) == (
        "POST",
        "/v1/messages",
        "2023-06-01",
    )
    assert request.losses == []


def test_instructions_and_leading_system_messages_become_system_blocks():
    """System and developer messages before anything else are the system prompt, in order."""
    body, losses = sent(call(Message("developer", [Text("B")]), Message("system", [Text("C")]), "Hi", instructions="A"))
    assert [block["text"] for block in body["system"]] == ["A", "B", "C"]
    assert losses == []


def test_a_later_system_message_stays_where_it_is_on_models_that_take_it():
    """It ends the user's turn, as Anthropic wants it."""
    body, losses = sent(call("Q", said("A"), "Q2", Message("developer", [Text("Be brief.")]), said("A2"), "Q3"))
    assert [message["role"] for message in body["messages"]] == [
        "user",
        "assistant",
        "user",
        "system",
        "assistant",
        "user",
    ]
    assert losses == []


def test_a_system_message_within_a_users_turn_follows_it():
    """Anthropic takes it only at the end of the turn, so it moves there and that is reported."""
    body, losses = sent(call("Q", Message("system", [Text("S")]), "more"))
    assert [(message["role"], texts(message)) for message in body["messages"]] == [
        ("user", ["Q", "more"]),
        ("system", ["S"]),
    ]
    assert lost(losses) == [("input[1]", "moved")]


@pytest.mark.parametrize("model", [BUDGET, OLD, "claude-sonnet-5", "some-other-model"])
def test_a_later_system_message_joins_system_on_other_models(model):
    """Its authority is kept, its place is lost, and that is reported."""
    body, losses = sent(call("Q", said("A"), Message("system", [Text("S")]), "Q2"), target(model))
    assert [block["text"] for block in body["system"]] == ["S"]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert lost(losses) == [("input[2]", "moved")]


def test_a_system_message_after_an_assistant_joins_system():
    """Anthropic takes none there."""
    body, losses = sent(call("Q", said("A"), Message("system", [Text("S")]), "Q2"))
    assert [block["text"] for block in body["system"]] == ["S"]
    assert lost(losses) == [("input[2]", "moved")]


def test_messages_of_one_side_are_merged_and_empty_text_is_left_out():
    """Roles take turns, and no block is empty."""
    body, losses = sent(call(user("a", ""), user(" \n"), user("b"), said("c"), said("d"), "e"))
    assert [(m["role"], texts(m)) for m in body["messages"]] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]
    assert losses == []


def test_parallel_calls_and_their_results():
    """Calls are one assistant message; results are one user message, before what else the user says."""
    body, _ = sent(
        call(
            "Q",
            ToolCall("c1", "f", '{"b": 1.0, "a": 9007199254740993}'),
            ToolCall("c2", "f", ""),
            user("and"),
            ToolResult("c1", [Text("one")]),
            ToolResult("c2", [], is_error=True),
            tools=[F],
        )
    )
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"b": 1.0, "a": 9007199254740993}},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
    ]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
        {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
        {"type": "text", "text": "and"},
    ]


def test_arguments_and_schemas_keep_their_bytes():
    """They are not written anew: order and spacing stay, so prompt caches hold."""
    schema = raw({"type": "object", "properties": {"z": {}, "a": {}}})
    asked = call(
        "Q",
        ToolCall("c", "f", '{"z": 1,  "a": 2}'),
        ToolResult("c", [Text("x")]),
        tools=[FunctionTool("f", None, schema)],
    )
    wire = DIALECT.request(asked, target()).body
    assert b'{"z": 1,  "a": 2}' in wire
    assert bytes(schema) in wire


@pytest.mark.parametrize("arguments", ["{", "[1]", "7", '{"a":}', "text"])
def test_arguments_that_are_no_object_are_wrapped_and_reported(arguments):
    """A model's slip of earlier would else end the conversation."""
    body, losses = sent(call("Q", ToolCall("c", "f", arguments), ToolResult("c", [Text("x")])))
    assert body["messages"][1]["content"][0]["input"] == {"INVALID_JSON": arguments}
    assert [(loss.param, loss.action) for loss in losses] == [("input[1].arguments", "changed")]


def test_a_tool_result_with_an_image_and_a_file():
    """Pictures and documents stay inside the result."""
    pdf = File("data:application/pdf;base64,JVBERg==", filename="a.pdf")
    body, _ = sent(call("Q", ToolCall("c", "f", "{}"), ToolResult("c", [Text("see"), Image(PNG), pdf]), tools=[F]))
    assert [block["type"] for block in body["messages"][2]["content"][0]["content"]] == ["text", "image", "document"]


def test_a_failed_result_with_an_image_says_so_in_words():
    """Anthropic takes only text beside is_error, and the image is not given up."""
    body, losses = sent(call("Q", ToolCall("c", "f", "{}"), ToolResult("c", [Image(PNG)], is_error=True), tools=[F]))
    result = body["messages"][2]["content"][0]
    assert [block["type"] for block in result["content"]] == ["text", "image"]
    assert "is_error" not in result
    assert lost(losses) == [("input[2].is_error", "emulated")]


def test_reasoning_goes_back_byte_for_byte_and_in_its_place():
    """Thinking with its signature and redacted thinking stand before what they led to."""
    body, losses = sent(
        call(
            "Q",
            Reasoning(content=["Hm"], seal=Seal("Eu+/==", kind="thinking")),
            Reasoning(seal=Seal("D==", kind="redacted")),
            ToolCall("c", "f", "{}"),
            ToolResult("c", [Text("x")]),
            Reasoning(summary=["So"], seal=Seal("S", kind="thinking")),
            said("A"),
            "Q2",
        )
    )
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "Hm", "signature": "Eu+/=="},
        {"type": "redacted_thinking", "data": "D=="},
    ]
    assert body["messages"][3]["content"][0] == {"type": "thinking", "thinking": "So", "signature": "S"}
    assert losses == []


def test_reasoning_that_cannot_go_back_is_reported():
    """Without a signature, or with nothing after it, Anthropic refuses it."""
    body, losses = sent(
        call("Q", Reasoning(content=["Hm"]), said("A"), Reasoning(seal=Seal("S", kind="thinking")), "Q2")
    )
    assert texts(body["messages"][1]) == ["A"]
    assert lost(losses) == [("input[1]", "dropped"), ("input[3]", "dropped")]


def test_a_conversation_that_begins_with_the_assistant_gets_a_beginning():
    """Anthropic wants the user first."""
    body, losses = sent(call(said("Hello, how can I help?"), "Q"))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert lost(losses) == [("input", "emulated")]


def test_instructions_alone_are_asked_as_a_message():
    """The last of them is what the model is asked."""
    body, losses = sent(call(Message("system", [Text("Say hi.")]), instructions="Be kind."))
    assert [block["text"] for block in body["system"]] == ["Be kind."]
    assert texts(body["messages"][0]) == ["Say hi."]
    assert lost(losses) == [("input", "moved")]


def test_nothing_to_say_is_refused():
    """Empty texts only: there is no message to send."""
    with pytest.raises(InvalidRequest) as caught:
        sent(call(user("", " ")))
    assert caught.value.param == "input"


def test_the_last_assistant_text_ends_without_white_space():
    """Anthropic refuses it there."""
    body, losses = sent(call("Q", said("The answer is \n")), target(OLD))
    assert texts(body["messages"][1]) == ["The answer is"]
    assert losses == []


@pytest.mark.parametrize(("model", "effort"), [(NEW, None), (BUDGET, "low")])
def test_a_user_speaks_last_where_the_model_wants_it(model, effort):
    """Newer models, and those that think, continue no text of the assistant's; they are told to go on."""
    body, losses = sent(call("Q", said("The answer is "), reasoning=ReasoningOptions(effort)), target(model))
    assert [texts(message) for message in body["messages"][1:]] == [["The answer is "], ["Go on."]]
    assert lost(losses) == [("input", "emulated")]


def test_ids_and_names_are_made_acceptable_on_both_sides():
    """Letters Anthropic refuses are replaced, alike in call, result and tool."""
    asked = call(
        "Q",
        ToolCall("functions.f:0", "a.b", "{}"),
        ToolResult("functions.f:0", [Text("x")]),
        tools=[FunctionTool("a.b")],
    )
    body, _ = sent(asked)
    use, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert (use["id"], result["tool_use_id"]) == ("functions_f_0", "functions_f_0")
    assert (use["name"], body["tools"][0]["name"]) == ("a_b", "a_b")


# ---- content ---------------------------------------------------------------------------------------------------------

CONTENT = [
    (Image(PNG), {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
    (
        Image("data:image/jpg;base64,/9j/"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
    ),
    (Image("https://a.example/x.png"), {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}),
    (Image(file_id="file_1"), {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
    (
        File("data:application/pdf;base64,JVBERg==", filename="a.pdf"),
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
    ),
    (
        File("data:text/csv;base64," + base64.b64encode("ä,b".encode()).decode(), filename="a.csv"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä,b"}, "title": "a.csv"},
    ),
    (
        File("https://a.example/x.pdf"),
        {"type": "document", "source": {"type": "url", "url": "https://a.example/x.pdf"}},
    ),
    (File(PNG), {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
    (File(file_id="file_1"), {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
    (Refusal("No."), {"type": "text", "text": "No."}),
]


@pytest.mark.parametrize(("part", "written"), CONTENT)
def test_content(part, written):
    """Images, documents and text files in every way they can be given."""
    assert sent(call(user(part)))[0]["messages"][0]["content"] == [written]


def test_stored_files_need_their_beta():
    """The header is sent only when a file is named by id."""
    assert DIALECT.request(call(user(File(file_id="x"))), target()).headers["anthropic-beta"] == "files-api-2025-04-14"
    assert "anthropic-beta" not in DIALECT.request(call(), target()).headers


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (Image("data:image/svg+xml;base64,PHN2Zz4="), "input[0].content[1].image_url"),
        (Image("data:image/png,raw"), "input[0].content[1].image_url"),
        (File("data:application/zip;base64,UEs="), "input[0].content[1].file_data"),
        (File("data:text/plain;base64,/w=="), "input[0].content[1].file_data"),
    ],
)
def test_content_nobody_can_read_is_refused_by_name(part, param):
    """Images and files are never dropped."""
    with pytest.raises(InvalidRequest) as caught:
        sent(call(user("look", part)))
    assert caught.value.param == param


def test_image_detail_is_reported():
    """Anthropic has no levels of detail."""
    assert lost(sent(call(user(Image(PNG, detail="low"))))[1]) == [("input[0].content[0].detail", "dropped")]
    assert sent(call(user(Image(PNG, detail="auto"))))[1] == []


# ---- tools -----------------------------------------------------------------------------------------------------------


def test_function_tools():
    """Name, description and schema; one without a schema takes no arguments."""
    body, losses = sent(call(tools=[F, G]))
    assert body["tools"] == [
        {
            "name": "f",
            "description": "does f",
            "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in body
    assert losses == []


CHOICES = [
    (ToolChoice("auto"), None, {"type": "auto"}),
    (ToolChoice("none"), None, {"type": "none"}),
    (ToolChoice("required"), None, {"type": "any"}),
    (ToolChoice("required", name="g"), None, {"type": "tool", "name": "g"}),
    (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
    (ToolChoice("required", name="g"), False, {"type": "tool", "name": "g", "disable_parallel_tool_use": True}),
    (ToolChoice("none"), False, {"type": "none"}),
    (ToolChoice("auto"), True, {"type": "auto"}),
]


@pytest.mark.parametrize(("choice", "parallel", "written"), CHOICES)
def test_tool_choice(choice, parallel, written):
    """Every mode has its word, and one call at a time goes with each."""
    body, losses = sent(call(tools=[F, G], tool_choice=choice, parallel_tool_calls=parallel))
    assert body["tool_choice"] == written
    assert losses == []


@pytest.mark.parametrize(("mode", "written"), [("auto", {"type": "auto"}), ("required", {"type": "any"})])
def test_allowed_tools_are_the_only_ones_sent(mode, written):
    """Anthropic has no list of allowed tools, so the others stay away; that is reported."""
    body, losses = sent(call(tools=[F, G, WebSearchTool()], tool_choice=ToolChoice(mode, allowed=["g", "web_search"])))
    assert [tool["name"] for tool in body["tools"]] == ["g", "web_search"]
    assert body["tool_choice"] == written
    assert lost(losses) == [("tool_choice", "emulated")]


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1", "claude-sonnet-5-5"])
def test_models_that_cannot_be_forced_are_asked_in_words(model):
    """A forced call becomes auto and an instruction, reported."""
    body, losses = sent(call(tools=[F], tool_choice=ToolChoice("required", name="f")), target(model))
    assert body["tool_choice"] == {"type": "auto"}
    assert "`f`" in body["system"][0]["text"]
    assert lost(losses) == [("tool_choice", "emulated")]


def test_strict_tools():
    """strict goes where the model has it and the schema allows it; what cannot be enforced is said in words."""
    closed = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "additionalProperties": False}
    body, losses = sent(call(tools=[FunctionTool("f", None, raw(closed), strict=True)]), target(BUDGET))
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"]["properties"]["a"] == {"type": "integer", "description": "{minimum: 1}"}
    assert lost(losses) == [("tools[0].parameters", "changed")]
    assert lost(sent(call(tools=[FunctionTool("f", None, raw(closed), strict=True)]), target(OLD))[1]) == [
        ("tools[0].strict", "dropped")
    ]
    open_object = raw({"type": "object", "properties": {}, "additionalProperties": True})
    assert lost(sent(call(tools=[FunctionTool("f", None, open_object, strict=True)]))[1]) == [
        ("tools[0].strict", "dropped")
    ]


def test_custom_tools_are_functions_with_one_text():
    """The grammar is told in words; earlier calls and results are wrapped alike."""
    grammar = raw({"type": "grammar", "syntax": "lark", "definition": "start: WORD"})
    body, losses = sent(
        call(
            "Q",
            ToolCall("c", "patch", "*** Begin", custom=True),
            ToolResult("c", [Text("ok")], custom=True),
            tools=[CustomTool("patch", "Patches.", grammar)],
        )
    )
    assert body["tools"][0]["input_schema"]["properties"] == {"input": {"type": "string"}}
    assert body["tools"][0]["description"].startswith("Patches.\n\n")
    assert "start: WORD" in body["tools"][0]["description"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}
    assert lost(losses) == [("tools[0]", "emulated"), ("tools[0].format", "emulated")]


def test_web_search():
    """Domains, place and the number of searches; what Anthropic decides itself is reported."""
    tool = WebSearchTool("high", ["a.example"], ["b.example"], Location("DE", city="Bonn"))
    body, losses = sent(call(tools=[tool], max_tool_calls=3))
    assert body["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 3,
            "allowed_domains": ["a.example"],
            "user_location": {"type": "approximate", "city": "Bonn", "country": "DE"},
        }
    ]
    assert lost(losses) == [
        ("tools[0].filters.blocked_domains", "dropped"),
        ("tools[0].search_context_size", "dropped"),
    ]


def test_hosted_tools_are_refused_by_name():
    """Tools are never dropped."""
    with pytest.raises(InvalidRequest) as caught:
        sent(call(tools=[F, HostedTool("file_search", raw({}))]))
    assert caught.value.param == "tools[1].type"


# ---- prompt caching --------------------------------------------------------------------------------------------------


def test_cache_markers_stay_on_what_they_mark():
    """Tools, system, text, calls and results carry them; an hour is said, five minutes are the default."""
    body, losses = sent(
        call(
            Message("developer", [Text("S", Cache("1h"))]),
            user(Text("Q", Cache())),
            ToolCall("c", "f", "{}"),
            ToolResult("c", [Text("x", Cache())]),
            tools=[FunctionTool("f", cache=Cache("1h"))],
        )
    )
    hour, five = {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral"}
    assert body["tools"][0]["cache_control"] == hour
    assert body["system"][0]["cache_control"] == hour
    assert body["messages"][0]["content"][0]["cache_control"] == five
    assert body["messages"][2]["content"][0]["cache_control"] == five
    assert losses == []


def test_only_four_markers_are_taken():
    """The last ones cover most; which were left out is reported. One for the whole request counts, too."""
    asked = [user(Text(f"Q{n}", Cache())) for n in range(5)]
    body, losses = sent(call(*asked))
    assert [("cache_control" in block) for block in body["messages"][0]["content"]] == [False, True, True, True, True]
    assert lost(losses) == [("input[0].content[0].cache_control", "dropped")]
    body, losses = sent(call(*asked, cache=Cache("1h")))
    assert body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [loss.action for loss in losses] == ["dropped"] * 2 + ["changed"] * 3


def test_no_marker_outlives_one_before_it():
    """What stands before an hour's marker is kept for an hour anyway; what comes after may go earlier."""
    tools = [FunctionTool("f", cache=Cache())]
    body, losses = sent(call(Message("developer", [Text("S", Cache("1h"))]), user(Text("Q", Cache())), tools=tools))
    assert body["tools"][0]["cache_control"] == body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert [(loss.param, loss.action) for loss in losses] == [("tools[0].cache_control", "changed")]


def test_the_marker_of_an_empty_text_goes_to_what_was_said_before():
    """The prefix that is cached is the same."""
    body, losses = sent(call(user("Q", Text("", Cache()))))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Q", "cache_control": {"type": "ephemeral"}}]
    assert losses == []
    assert lost(sent(call(user(Text("", Cache())), "Q"))[1]) == [("input[0].content[0].cache_control", "dropped")]
