"""The body of a Messages request becomes a call, or an error that names the place."""

import hashlib
import json

import msgspec
import pytest

from services.errors import InvalidRequest
from services.messages.intake import read
from services.vocabulary.call import (
    Cache,
    File,
    Format,
    FunctionTool,
    Hosted,
    HostedTool,
    Image,
    Location,
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
from services.vocabulary.routing import Routing
from services.vocabulary.seal import seal
from tests.messages.kit import blocks, body_of, reading_of

PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=abc"}
EPHEMERAL = {"type": "ephemeral"}


def text(said, **more):
    return {"type": "text", "text": said, **more}


ITEMS = {
    "a string": ([{"role": "user", "content": "Hi."}], [Message("user", [Text("Hi.")])]),
    "blocks that say something, as one message": (
        [blocks("user", text("a"), {"type": "image", "source": PNG}, text("b", cache_control=EPHEMERAL))],
        [Message("user", [Text("a"), Image("data:image/png;base64,AAAA"), Text("b", Cache("5m"))])],
    ),
    "a call between texts": (
        [blocks("assistant", text("a"), {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": 1}}, text("c"))],
        [Message("assistant", [Text("a")]), ToolCall("t1", "f", '{"b":1}'), Message("assistant", [Text("c")])],
    ),
    "results": (
        [
            blocks(
                "user",
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": "ok",
                    "cache_control": {**EPHEMERAL, "ttl": "1h"},
                },
                {"type": "tool_result", "tool_use_id": "t2", "is_error": True, "content": [text("no")]},
                {"type": "tool_result", "tool_use_id": "t3"},
            )
        ],
        [
            ToolResult("t1", [Text("ok")], cache=Cache("1h")),
            ToolResult("t2", [Text("no")], is_error=True),
            ToolResult("t3", []),
        ],
    ),
    "thinking of Anthropic's": (
        [blocks("assistant", {"type": "thinking", "thinking": "hm", "signature": "sig"})],
        [Reasoning(["hm"], seal=Seal("sig", kind="thinking"))],
    ),
    "thinking of another provider": (
        [blocks("assistant", {"type": "thinking", "thinking": "hm", "signature": seal("x.y", "openai", "s", "k")})],
        [Reasoning(["hm"], seal=Seal("x.y", "openai", "s", "k"))],
    ),
    "thinking without proof": (
        [blocks("assistant", {"type": "thinking", "thinking": "hm", "signature": seal("", "mistral", "s")})],
        [Reasoning(["hm"])],
    ),
    "redacted thinking": (
        [blocks("assistant", {"type": "redacted_thinking", "data": "blob"})],
        [Reasoning(seal=Seal("blob", kind="redacted"))],
    ),
    "a system turn": (
        [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}],
        [Message("user", [Text("a")]), Message("system", [Text("b")])],
    ),
    "a document as text": (
        [blocks("user", {"type": "document", "title": "t", "source": {"type": "text", "data": "é"}})],
        [Message("user", [File("data:text/plain;base64,w6k=", None, "t")])],
    ),
    "a search result": (
        [blocks("user", {"type": "search_result", "title": "t", "source": "u", "content": [text("c")]})],
        [Message("user", [Text("t\nu"), Text("c")])],
    ),
    "a summary of what was compacted": (
        [blocks("assistant", {"type": "compaction", "content": "so far"})],
        [Message("assistant", [Text("so far")])],
    ),
    "a compaction that failed": ([blocks("assistant", {"type": "compaction", "content": None})], []),
    "tools that a search found": (
        [
            blocks(
                "user",
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "tool_reference", "tool_name": "f"}],
                },
            )
        ],
        [ToolResult("t1", [Text("The tool f is available.")])],
    ),
}


@pytest.mark.parametrize("name", ITEMS)
def test_messages_become_items(name):
    """Each kind of block, in order."""
    messages, items = ITEMS[name]
    assert reading_of(messages=messages).call.items == items


def test_blocks_of_server_tools_are_kept_as_they_came():
    """Only the format that made them can carry them."""
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
    [item] = reading_of(messages=[blocks("assistant", block)]).call.items
    assert isinstance(item, Hosted)
    assert (item.kind, item.format, json.loads(bytes(item.raw))) == ("server_tool_use", "anthropic_messages", block)


def test_system_blocks_keep_their_cache_markers_and_lose_the_billing_block():
    """Claude Code's first block varies from call to call; it is taken out of what other providers see, not of the body."""
    reading = reading_of(system=[BILLING, text("You are.", cache_control=EPHEMERAL)])
    assert reading.call.items[0] == Message("system", [Text("You are.", Cache())])
    assert reading.places.path("input[0].content[0]") == "system[1]"
    assert BILLING["text"].encode() in bytes(reading.call.native.fields["system"])


def test_a_system_string_is_the_instructions():
    """As in every other format."""
    assert reading_of(system="You are.").call.instructions == "You are."


TOOLS = {
    "a function": (
        {"name": "f", "input_schema": {"type": "object"}, "strict": True, "cache_control": EPHEMERAL},
        FunctionTool("f", None, msgspec.Raw(b'{"type":"object"}'), True, Cache()),
    ),
    "the web search": (
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "blocked_domains": ["b.example"],
            "user_location": {"type": "approximate", "city": "Rome"},
        },
        WebSearchTool(None, [], ["b.example"], Location(city="Rome")),
    ),
}


@pytest.mark.parametrize("name", TOOLS)
def test_tools_of_every_provider(name):
    """Functions and the web search are known to all."""
    given, tool = TOOLS[name]
    assert reading_of(tools=[given]).call.tools == [tool]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "bash_20250124", "name": "bash"},
        {"name": "f", "input_schema": {"type": "object"}, "allowed_callers": ["code_execution_20250825"]},
    ],
)
def test_tools_of_anthropic_alone_are_kept_as_they_came(tool):
    """Others refuse them by name; a function that only code may call is not offered to a model that has none."""
    [read_tool] = reading_of(tools=[tool]).call.tools
    assert isinstance(read_tool, HostedTool)
    assert json.loads(bytes(read_tool.raw)) == tool


CHOICES = {
    "auto": ({"type": "auto"}, ToolChoice("auto"), None),
    "any, one at a time": ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
    "one tool": ({"type": "tool", "name": "f"}, ToolChoice("required", name="f"), None),
    "none": ({"type": "none"}, ToolChoice("none"), None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_tool_choices(name):
    """Which tools may be called, and how many at once."""
    given, choice, parallel = CHOICES[name]
    call = reading_of(tools=[{"name": "f", "input_schema": {"type": "object"}}], tool_choice=given).call
    assert (call.tool_choice, call.parallel_tool_calls) == (choice, parallel)


REASONING = {
    "nothing": ({}, None),
    "off": ({"thinking": {"type": "disabled"}}, ReasoningOptions("none")),
    "a budget": ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, ReasoningOptions("medium", "auto", 5000)),
    "adaptive": ({"thinking": {"type": "adaptive"}}, ReasoningOptions(None, "auto")),
    "adaptive, unseen, with an effort": (
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}},
        ReasoningOptions("xhigh"),
    ),
    "only an effort": ({"output_config": {"effort": "low"}}, ReasoningOptions("low")),
}


@pytest.mark.parametrize("name", REASONING)
def test_thinking_becomes_reasoning_options(name):
    """Budget, effort, and whether the client wants to read it."""
    fields, options = REASONING[name]
    assert reading_of(**fields).call.reasoning == options


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {}}, False),
    ],
)
def test_the_format_is_strict_where_every_provider_can_be(schema, strict):
    """OpenAI refuses a strict schema with optional properties; such a one is followed without the guarantee."""
    call = reading_of(output_config={"format": {"type": "json_schema", "schema": schema}}).call
    raw = msgspec.Raw(json.dumps(schema, separators=(",", ":")).encode())
    assert call.format == Format("json_schema", "answer", raw, strict=strict)


def test_what_no_room_knows_is_kept_for_the_native_lane():
    """Unknown fields, and those only Anthropic explains."""
    call = reading_of(context_management={"edits": []}, surprise=1, container=None).call
    assert call.extra == {"context_management": msgspec.Raw(b'{"edits":[]}'), "surprise": msgspec.Raw(b"1")}


def test_the_headers_of_the_format_travel_with_the_body():
    """The version and the betas, for the provider that speaks the format."""
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}
    assert reading_of(headers).call.native.headers == headers


def test_a_long_user_id_is_hashed_for_others():
    """Claude Code's is JSON with a device and an account in it."""
    user = json.dumps({"device_id": "d" * 64, "session_id": "s"})
    reading = reading_of(metadata={"user_id": user})
    assert reading.call.user == hashlib.sha256(user.encode()).hexdigest()
    assert [loss.param for loss in reading.losses] == ["metadata.user_id"]
    assert reading_of(metadata={"user_id": "u1"}).call.user == "u1"


def test_a_provider_is_a_routing_wish():
    """The reference product's own field of this API."""
    assert reading_of(provider="vertex").call.routing == Routing(
        only=["vertex"], paths={"routing.provider.only": "provider"}
    )


def test_only_counting_needs_no_max_tokens():
    """The field is the format's own demand."""
    body = json.loads(body_of())
    del body["max_tokens"]
    assert read(json.dumps(body).encode(), {}, counted=True).call.max_output_tokens is None
    with pytest.raises(InvalidRequest) as error:
        read(json.dumps(body).encode(), {})
    assert error.value.param == "max_tokens"


WRONG = {
    "no messages": ({"messages": []}, "messages"),
    "a role nobody has": ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].role"),
    "a text without text": ({"messages": [blocks("user", {"type": "text"})]}, "messages[0].content[0].text"),
    "a number for a text": ({"messages": [blocks("user", text(1))]}, "messages[0].content[0].text"),
    "a block without a type": ({"messages": [blocks("user", {"text": "a"})]}, "messages[0].content[0].type"),
    "an image without a source": ({"messages": [blocks("user", {"type": "image"})]}, "messages[0].content[0].source"),
    "a file of the server": (
        {"messages": [blocks("user", {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}})]},
        "messages[0].content[0].source.url",
    ),
    "an input that is no object": (
        {"messages": [blocks("assistant", {"type": "tool_use", "id": "t", "name": "f", "input": [1]})]},
        "messages[0].content[0].input",
    ),
    "a result of no call": (
        {"messages": [blocks("user", {"type": "tool_result", "content": "a"})]},
        "messages[0].content[0].tool_use_id",
    ),
    "a tool without a schema": ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    "a tool with a bad name": ({"tools": [{"name": "f!", "input_schema": {}}]}, "tools[0].name"),
    "a choice of nothing": ({"tool_choice": {"type": "any"}}, "tool_choice"),
    "a choice of another tool": (
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "g"}},
        "tool_choice.name",
    ),
    "a temperature too high": ({"temperature": 2}, "temperature"),
    "an image in the system": ({"system": [{"type": "image", "source": PNG}]}, "system[0].type"),
    "a ttl nobody has": ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl"),
    "a budget that is not said": ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    "a model that is empty": ({"model": ""}, "model"),
    "a routing wish that is wrong": ({"routing": {"wrong": 1}}, "routing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_named_by_their_place(name):
    """The path is the one in the client's own body."""
    fields, param = WRONG[name]
    with pytest.raises(InvalidRequest) as error:
        reading_of(**fields)
    assert error.value.param == param


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"a"', b'{"model":"\xff","max_tokens":1,"messages":[]}', b"[" * 9999]
)
def test_what_is_no_request_is_a_clear_error(body):
    """Never a fault of ours."""
    with pytest.raises(InvalidRequest):
        read(body, {})


PLACES = {
    "input[2].content[1]": "messages[1].content[2]",
    "input[1].output[0].file_data": "messages[1].content[0].content[0].source",
    "input[1].output": "messages[1].content[0].content",
    "input[1].call_id": "messages[1].content[0].tool_use_id",
    "input[0]": "messages[0]",
    "input[9]": "input[9]",
    "input": "messages",
    "max_output_tokens": "max_tokens",
    "reasoning.effort": "output_config.effort",
    "tools[2].parameters": "tools[2].input_schema",
    "tools[2].strict": "tools[2].strict",
    "stop": "stop_sequences",
    "text.format.schema": "output_config.format.schema",
    "temperature": "temperature",
    "user": "metadata.user_id",
    "use": "use",
}


@pytest.mark.parametrize("param", PLACES)
def test_places_are_told_in_the_clients_words(param):
    """Rooms below know one set of words."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("a")]}
    reading = reading_of(messages=[{"role": "user", "content": "a"}, blocks("user", result, text("b"), text("c"))])
    assert reading.places.path(param) == PLACES[param]


def test_errors_are_told_in_the_clients_words():
    """In the text as in the parameter."""
    places = reading_of().places
    error = places.error(InvalidRequest("No PDF (at input[0].content[0]).", param="input[0].content[0]", model="p/m"))
    assert (error.message, error.param, error.model) == (
        "No PDF (at messages[0].content).",
        "messages[0].content",
        "p/m",
    )
    error = places.error(InvalidRequest("It takes no files.", param="input[0]"))
    assert (error.message, error.param) == ("It takes no files (at messages[0]).", "messages[0]")
