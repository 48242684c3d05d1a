"""What the JSON surface accepts, what it refuses, and with which words and path."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidRequest
from services.responses import intake
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    File,
    FunctionTool,
    Hosted,
    Image,
    Message,
    Opaque,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.routing import MaxPrice, Routing
from tests.responses.kit import call_of

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}

WRONG = [
    # field, value, the parameter that is named
    ("model", "", "model"),
    ("model", 5, "model"),
    ("model", None, "model"),
    ("input", 5, "input"),
    ("input", "", "input"),
    ("input", [], "input"),
    ("input", [5], "input[0]"),
    ("input", [{"role": "robot", "content": "x"}], "input[0].role"),
    ("input", [{"role": "user"}], "input[0].content"),
    ("input", [{"role": "user", "content": [{"text": "x"}]}], "input[0].content[0].type"),
    ("input", [{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
    (
        "input",
        [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}],
        "input[0].content[0].image_url",
    ),
    ("input", [{"role": "user", "content": [{"type": "input_image"}]}], "input[0].content[0].image_url"),
    (
        "input",
        [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,xx"}]}],
        "input[0].content[0].image_url",
    ),
    ("input", [{"type": "function_call", "name": "x", "arguments": "{}"}], "input[0].call_id"),
    ("input", [{"type": "function_call_output", "call_id": "c"}], "input[0].output"),
    ("temperature", 2.1, "temperature"),
    ("temperature", "hot", "temperature"),
    ("top_p", -0.1, "top_p"),
    ("presence_penalty", 3, "presence_penalty"),
    ("max_output_tokens", 0, "max_output_tokens"),
    ("max_output_tokens", 2**53, "max_output_tokens"),
    ("max_output_tokens", 1.5, "max_output_tokens"),
    ("max_tool_calls", 0, "max_tool_calls"),
    ("top_logprobs", 21, "top_logprobs"),
    ("include", ["everything"], "include[0]"),
    ("metadata", {"k" * 65: "v"}, "metadata"),
    ("metadata", {str(n): "v" for n in range(17)}, "metadata"),
    ("metadata", {"k": 5}, "metadata[...]"),
    ("reasoning", {"effort": "brutal"}, "reasoning.effort"),
    ("text", {"format": {"type": "json_schema", "schema": {}}}, "text.format.name"),
    ("text", {"format": {"type": "json_schema", "name": "x"}}, "text.format.schema"),
    ("text", {"format": {"type": "json_schema", "name": "x", "schema": 5}}, "text.format.schema"),
    ("text", {"verbosity": "chatty"}, "text.verbosity"),
    ("tools", [{"type": "function"}], "tools[0].name"),
    ("tools", [{"type": "function", "name": "a b"}], "tools[0].name"),
    ("tools", [{"name": "x"}], "tools[0].type"),
    ("tools", [{"type": "function", "name": "x", "parameters": [1]}], "tools[0].parameters"),
    ("tool_choice", "sometimes", "tool_choice"),
    ("tool_choice", "required", "tool_choice"),
    ("tool_choice", {"type": "function"}, "tool_choice.name"),
    ("tool_choice", {"type": "function", "name": "x"}, "tool_choice.name"),
    ("tool_choice", {"type": "allowed_tools"}, "tool_choice.tools"),
    ("truncation", "maybe", "truncation"),
    ("prompt_cache_retention", "1y", "prompt_cache_retention"),
    ("cache_control", {"type": "eternal"}, "cache_control.type"),
    ("stream", "yes", "stream"),
    ("background", True, "background"),
    ("previous_response_id", "resp_1", "previous_response_id"),
    ("conversation", {"id": "conv_1"}, "conversation"),
    ("prompt", {"id": "pmpt_1"}, "prompt"),
    ("routing", {"provider": {"sort": 5}}, "routing.provider.sort"),
    ("routing", {"provider": {"order": ["x"]}}, "routing.provider"),
    ("routing", {"strategy": "best", "metric": "cost"}, "routing.strategy"),
    ("routing", {"metric": "cost", "provider": {"sort": "cost"}}, "routing"),
    ("routing", {"provider": {"only": ["a"], "fallbacks": ["b"]}}, "routing.provider.only"),
    ("routing", {"provider": {"max_price": {"input": -1}}}, "routing.provider.max_price.input"),
]


@pytest.mark.parametrize(("field", "value", "param"), WRONG, ids=lambda v: json.dumps(v)[:40])
def test_a_mistake_is_refused_with_its_path(field, value, param):
    """Every wrong field is a 400 whose `param` is the path of the mistake."""
    with pytest.raises(InvalidRequest) as refused:
        call_of(**{field: value})
    assert refused.value.param == param
    assert refused.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"model": "\xff"}', b"[" * 100_000, b'{"a":1}x'])
def test_what_is_not_a_json_object_is_refused(body):
    """Bytes that are no JSON object are a 400, whatever they are."""
    with pytest.raises(InvalidRequest):
        intake.read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["model", "input", "tools", "tool_choice", "text", "reasoning", "metadata", "include", "stream", "temperature"]
    + ["max_output_tokens", "cache_control", "routing", "prompt", "conversation", "store", "user", "service_tier"]
)
ITEM_TYPES = st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call", "web_search_call", "x"]
)
items = st.dictionaries(
    st.sampled_from(["role", "content", "call_id", "name", "arguments", "output", "summary", "id"]), json_values
).flatmap(lambda item: ITEM_TYPES.map(lambda kind: {"type": kind, **item}))


@settings(max_examples=500)
@given(st.dictionaries(FIELDS, json_values, max_size=6), st.lists(items, max_size=3))
def test_no_body_makes_the_intake_fail_otherwise(fields, given_items):
    """500 malformed bodies: each gives a call or a 400, and nothing else."""
    body = {"model": "m", "input": given_items or "hi", **fields}
    try:
        call = intake.read(json.dumps(body).encode())
    except InvalidRequest as error:
        call = error
    assert isinstance(call, Call | InvalidRequest)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_intake_fail_otherwise(body):
    """Random bytes are a 400."""
    with pytest.raises(InvalidRequest):
        intake.read(body)


def test_an_input_string_is_a_user_message():
    """`input: "hi"` is one user message."""
    assert call_of().items == [Message("user", [Text("hi")])]


def test_every_kind_of_item_is_read():
    """Items keep their order and their positions; a type nobody knows stays raw."""
    call = call_of(
        input=[
            {"role": "developer", "content": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look:"},
                    {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
                    {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "x"}},
                ],
            },
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "blob"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}', "id": "fc_1"},
            {"type": "function_call_output", "call_id": "c1", "output": "no", "is_error": True},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
            {"type": "item_reference", "id": "rs_1"},
        ]
    )
    system, user, *rest = call.items
    assert system == Message("developer", [Text("Be brief.", Cache("1h"))])
    assert isinstance(user, Message)
    assert user.content[:3] == [
        Text("Look:"),
        Image("https://x.test/a.png", detail="low"),
        File("data:application/pdf;base64,AAAA", filename="a.pdf"),
    ]
    assert isinstance(user.content[3], Opaque)
    assert rest[:5] == [
        Reasoning(["Hm."], [], Seal("blob")),
        ToolCall("c1", "f", '{"a":1}', id="fc_1"),
        ToolResult("c1", [Text("no")], is_error=True),
        ToolCall("c2", "g", "free", custom=True),
        ToolResult("c2", [Text("ok")], custom=True),
    ]
    assert isinstance(rest[5], Hosted)
    assert rest[5].kind == "item_reference"


def test_a_schema_keeps_its_bytes_and_order():
    """Tool schemas and formats are passed on byte for byte: number spelling and key order too."""
    schema = b'{"zeta": 1.0, "alpha": 1e3, "big": 9007199254740993}'
    body = b'{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":' + schema + b"}]}"
    tool = intake.read(body).tools[0]
    assert isinstance(tool, FunctionTool)
    assert tool.parameters is not None
    assert bytes(tool.parameters) == schema


def test_tools_of_every_kind_are_read():
    """Function (flat and nested), custom and web search tools become ours; hosted ones stay raw."""
    call = call_of(
        tools=[
            {**WEATHER, "strict": True, "cache_control": {"type": "ephemeral"}},
            {"type": "function", "function": {"name": "nested", "description": "d"}},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.test"]}},
            {"type": "mcp", "server_label": "x"},
        ]
    )
    weather, nested, patch, search, mcp = call.tools
    assert isinstance(weather, FunctionTool)
    assert (weather.strict, weather.cache) == (True, Cache("5m"))
    assert nested == FunctionTool("nested", "d")
    assert isinstance(patch, CustomTool)
    assert search == WebSearchTool("low", ["a.test"])
    assert mcp.kind == "mcp"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "get_weather"}, ToolChoice("required", name="get_weather")),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]},
            ToolChoice("auto", allowed=["get_weather"]),
        ),
    ],
)
def test_tool_choice_in_all_its_modes(choice, expected):
    """The five modes of tool choice, and none said."""
    assert call_of(tools=[WEATHER], tool_choice=choice).tool_choice == expected


def test_unknown_fields_are_kept_for_those_who_know_them():
    """A field nobody here knows is neither an error nor lost: it stays raw in `extra`."""
    call = call_of(client_metadata={"a": 1})
    assert bytes(call.extra["client_metadata"]) == b'{"a": 1}'
    assert call.native is not None
    assert list(call.native.fields) == ["model", "input", "client_metadata"]


@pytest.mark.parametrize(
    ("routing", "expected"),
    [
        ({}, None),
        ({"strategy": "min", "metric": "cost"}, Routing(sort="cost", highest=False)),
        ({"metric": "p95_latency", "interval": "1h"}, Routing(sort="p95_latency", interval="1h")),
        (
            {
                "model": {"fallbacks": ["b", "auto"], "sort": "cost"},
                "provider": {"fallbacks": ["openai"], "sort": "uptime", "interval": "15m"},
            },
            Routing(fallbacks=["b", "auto"], model_sort="cost", only=["openai"], sort="uptime", interval="15m"),
        ),
        (
            {"provider": {"ignore": ["azure"], "max_price": {"output": 3}, "require_parameters": True, "zdr": True}},
            Routing(ignore=["azure"], max_price=MaxPrice(None, 3), require_parameters=True, zdr=True),
        ),
        ({"provider": {"hedge": True}}, Routing(hedge=True)),
        (
            {"provider": {"hedge": False, "zdr": False}},
            Routing(),
        ),
    ],
)
def test_routing_in_all_its_shapes(routing, expected):
    """The current shape, the two older ones, and what is beyond the reference."""
    read = call_of(routing=routing).routing
    assert (msgspec.structs.replace(read, paths={}) if read is not None else None) == expected


def test_null_means_not_said():
    """SDKs send null for what the user left out."""
    nulls = dict.fromkeys(["temperature", "tools", "tool_choice", "metadata", "text", "reasoning", "stream"])
    quiet = msgspec.structs.replace(call_of(**nulls), native=None)
    assert quiet == msgspec.structs.replace(call_of(), native=None)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"model":"m","input":"a \ud83d b"}',
        rb'{"model":"m","input":"a","metadata":{"k":"\ude00"}}',
        rb'{"model":"m","input":[{"role":"user","content":"\ud83d"}]}',
        rb'{"model":"m","input":"a","tools":[{"type":"function","name":"f","parameters":{"title":"\uD83D"}}]}',
    ],
)
def test_a_character_that_was_cut_in_two_is_named(body: bytes):
    """Wherever it stands; programs that cut long texts send it."""
    with pytest.raises(InvalidRequest, match=r"\\u[dD]\w+ at byte \d+ is half of a surrogate pair"):
        intake.read(body)
