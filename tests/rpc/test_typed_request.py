"""A typed request is the JSON body that says the same."""

import json
from typing import Any

import pytest
from concentrate.responses.v1 import item_pb2 as items
from concentrate.responses.v1 import responses_service_pb2 as pb
from concentrate.responses.v1 import tool_pb2 as tools
from google.protobuf import text_format

from services.errors import InvalidRequest
from services.responses import intake
from services.responses.schema import ResponsesRequest
from services.responses.typed_request import body
from services.vocabulary.call import Message, Text

# Text form of the request, and the members of the body it becomes besides `model` and `stream`.
SAME: list[tuple[str, dict[str, Any]]] = [
    ('input_text: "Hi"', {"input": "Hi"}),
    (
        'input_items { items { message { role: ROLE_USER content { input_text { text: "Hi" } } } } }',
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
    ),
    (
        """input_items { items { message { role: ROLE_USER
           content { input_image { image_url: "https://a.b/c" detail: "low" } } } } }""",
        {
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "https://a.b/c", "detail": "low"}],
                }
            ]
        },
    ),
    (
        """input_items { items { function_call { call_id: "c" name: "f" arguments: "{}" status: ITEM_STATUS_COMPLETED } }
           items { function_call_output { call_id: "c" output_text: "7" is_error: true } } }""",
        {
            "input": [
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
                {"type": "function_call_output", "call_id": "c", "output": "7", "is_error": True},
            ]
        },
    ),
    (
        'input_items { items { custom_tool_call_output { call_id: "c" output_parts { parts { input_text { text: "7" } } } } } }',
        {
            "input": [
                {
                    "type": "custom_tool_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_text", "text": "7"}],
                }
            ]
        },
    ),
    (
        'input_items { items { reasoning { id: "rs_1" summary { summary_text { text: "so" } } encrypted_content: "x" } } }',
        {
            "input": [
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "so"}],
                    "encrypted_content": "x",
                }
            ]
        },
    ),
    (
        """input_items { items { web_search_call { id: "ws_1" status: WEB_SEARCH_STATUS_COMPLETED
           action { search { query: "q" sources { url { url: "https://a.b" } } } } } } }""",
        {
            "input": [
                {
                    "type": "web_search_call",
                    "id": "ws_1",
                    "status": "completed",
                    "action": {"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://a.b"}]},
                }
            ]
        },
    ),
    (
        """input_items { items { hosted_tool_item { id: "x" kind: "mcp_call" item_json: '{"type":"mcp_call","n":1}' } } }""",
        {"input": [{"type": "mcp_call", "n": 1}]},
    ),
    ("tool_choice { mode: TOOL_CHOICE_MODE_REQUIRED }", {"tool_choice": "required"}),
    ('tool_choice { function { name: "f" } }', {"tool_choice": {"type": "function", "name": "f"}}),
    (
        'tool_choice { allowed_tools { mode: TOOL_CHOICE_MODE_AUTO tools { type: "function" name: "f" } } }',
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
    ),
    ("""tool_choice { json: '{"type":"file_search"}' }""", {"tool_choice": {"type": "file_search"}}),
    (
        """tools { web_search { search_context_size: SEARCH_CONTEXT_SIZE_LOW filters { allowed_domains: "a.b" }
           user_location { country: "FR" } } }""",
        {
            "tools": [
                {
                    "type": "web_search",
                    "search_context_size": "low",
                    "filters": {"allowed_domains": ["a.b"]},
                    "user_location": {"country": "FR"},
                }
            ]
        },
    ),
    (
        """tools { custom { name: "patch" format_json: '{"type":"grammar"}' cache_control { type: "ephemeral" ttl: "1h" } } }""",
        {
            "tools": [
                {
                    "type": "custom",
                    "name": "patch",
                    "format": {"type": "grammar"},
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                }
            ]
        },
    ),
    ("""tools { json: '{"type":"file_search"}' }""", {"tools": [{"type": "file_search"}]}),
    (
        """text { format { json_schema { name: "n" schema_json: '{"b":1,"a":2}' strict: false } } verbosity: VERBOSITY_LOW }""",
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": {"b": 1, "a": 2}, "strict": False},
                "verbosity": "low",
            }
        },
    ),
    ("text { format { json_object {} } }", {"text": {"format": {"type": "json_object"}}}),
    ("reasoning { effort: EFFORT_XHIGH summary: SUMMARY_AUTO }", {"reasoning": {"effort": "xhigh", "summary": "auto"}}),
    ("temperature: 0 store: false max_output_tokens: 9", {"temperature": 0.0, "store": False, "max_output_tokens": 9}),
    ('metadata { key: "k" value: "v" } include: "a" include: "b"', {"metadata": {"k": "v"}, "include": ["a", "b"]}),
    ("truncation: TRUNCATION_DISABLED", {"truncation": "disabled"}),
    (
        """prompt { id: "p" variables_json: '{"x":1}' } routing { provider { fallbacks: "openai" sort: "cost" } }""",
        {
            "prompt": {"id": "p", "variables": {"x": 1}},
            "routing": {"provider": {"fallbacks": ["openai"], "sort": "cost"}},
        },
    ),
]


@pytest.mark.parametrize(("text", "members"), SAME, ids=[text[:40] for text, _ in SAME])
def test_the_body_says_what_the_message_says(text: str, members: dict[str, Any]):
    """Each message has exactly one JSON form."""
    request = text_format.Parse(text, pb.CreateResponseRequest(model="m"))
    assert json.loads(body(request, stream=True)) == {"stream": True, "model": "m", **members}


def test_raw_json_keeps_its_bytes():
    """Key order, big integers and spaces of a schema arrive as they were sent."""
    schema = '{"z": 1, "a": {"max": 9007199254740993, "min": 1.50}}'
    request = pb.CreateResponseRequest(
        model="m", tools=[tools.Tool(function=tools.FunctionTool(name="f", parameters_json=schema))]
    )
    assert schema.encode() in body(request, stream=False)


def test_every_field_of_the_body_can_be_typed():
    """The message and the schema of the JSON body have the same members; `stream` is which RPC is called."""
    descriptor = pb.CreateResponseRequest.DESCRIPTOR
    typed = {field.name for field in descriptor.fields if not field.name.startswith("input_")} | {"input"}
    assert typed | {"stream"} == set(ResponsesRequest.__struct_fields__)


def test_it_becomes_a_call():
    """As the JSON body does that says the same."""
    call = intake.read(body(pb.CreateResponseRequest(model="m", input_text="Hi", temperature=0.5), stream=True))
    assert (call.items, call.stream, call.temperature) == ([Message("user", [Text("Hi")])], True, 0.5)


def test_answers_go_back_as_questions():
    """The items of a response can be sent again as they came."""
    output = [
        items.Item(
            message=items.Message(
                id="msg_1",
                status=items.ITEM_STATUS_COMPLETED,
                role=items.ROLE_ASSISTANT,
                content=[items.ContentPart(output_text=items.OutputText(text="Hello"))],
            )
        )
    ]
    call = intake.read(body(pb.CreateResponseRequest(model="m", input_items=pb.InputItems(items=output)), stream=False))
    assert call.items == [Message("assistant", [Text("Hello")], id="msg_1")]


BAD: list[tuple[str, str]] = [
    ("", "input"),
    ('input_text: ""', "input"),
    ("input_items {}", "input"),
    ('input_text: "Hi" temperature: 3', "temperature"),
    ('input_text: "Hi" tools { function { name: "a b" } }', "tools[0].name"),
    ('input_text: "Hi" tools { function { name: "f" parameters_json: "{" } }', "tools[0].parameters"),
    ('input_text: "Hi" tools { json: "nonsense" }', "tools[0]"),
    ('input_text: "Hi" text { format { json_schema { name: "n" schema_json: "" } } }', "text.format.schema"),
    ("input_items { items {} }", "input[0].role"),
    ("input_items { items { message { role: ROLE_USER } } items { message {} } }", "input[1].role"),
    ('input_items { items { message { role: ROLE_USER content { input_image { image_url: "file:x" } } } } }',
     "input[0].content[0].image_url"),
    ('input_items { items { hosted_tool_item { item_json: "[1" } } }', "input[0]"),
    ('input_text: "Hi" reasoning { effort: 99 }', "reasoning.effort"),
    ('input_text: "Hi" background: true', "background"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "param"), BAD, ids=[param for _, param in BAD])
def test_a_mistake_is_named_by_its_path(text: str, param: str):
    """Typed requests have the same limits, and errors the same paths, as JSON."""
    request = text_format.Parse(text, pb.CreateResponseRequest(model="m"))
    with pytest.raises(InvalidRequest) as raised:
        intake.read(body(request, stream=False))
    assert raised.value.param == param
