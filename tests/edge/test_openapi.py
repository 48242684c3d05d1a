"""The OpenAPI document is true: valid as such, and what the gateway takes and gives is what it says."""

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from services import errors
from tests.gateway import ROOT, Gateway

DOCUMENT = json.loads((ROOT / "gen/openapi.json").read_text())
STRICT = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}'
WEATHER = {"type": "function", "name": "get_weather", "parameters": json.loads(STRICT)}
SAID = {"role": "user", "content": "Good morning"}

BODIES: dict[str, dict[str, Any]] = {
    "text": {"input": "Good morning, world"},
    "message without a type": {"input": [SAID], "instructions": "Be kind", "metadata": {"a": "b"}},
    "image": {
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
                ],
            }
        ]
    },
    "tool": {"input": [SAID], "tools": [WEATHER], "tool_choice": "required"},
    "tool result": {
        "input": [
            SAID,
            {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": '{"city":"Paris"}'},
            {"type": "function_call_output", "call_id": "c", "output": "Sunny"},
        ],
        "tools": [WEATHER],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "get_weather"}],
        },
    },
    "reasoning": {"input": "Think", "reasoning": {"effort": "high", "summary": "auto"}},
    "schema": {
        "input": "A city",
        "text": {"format": {"type": "json_schema", "name": "city", "schema": json.loads(STRICT), "strict": True}},
    },
    "limits": {"input": "Hi", "temperature": 0, "top_p": 1, "max_output_tokens": 99, "truncation": "disabled"},
}


CHATS: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "system", "content": "Be kind"}, SAID], "temperature": 0, "max_tokens": 99},
    "tool": {
        "messages": [SAID],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": json.loads(STRICT)}}],
        "tool_choice": "required",
    },
    "reasoning": {"messages": [SAID], "reasoning_effort": "high", "stream_options": {"include_usage": True}},
    "schema": {
        "messages": [SAID],
        "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": json.loads(STRICT)}},
    },
    "the first form": {
        "messages": [SAID],
        "functions": [{"name": "get_weather", "parameters": json.loads(STRICT)}],
        "function_call": {"name": "get_weather"},
    },
    "the Responses API": {"input": [SAID], "tools": [WEATHER]},
}


def check(value: Any, name: str) -> None:
    """Fails unless the value satisfies a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    errors_ = [f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert errors_ == [], value


def test_the_document_is_openapi():
    """A validator of OpenAPI 3.1 finds nothing."""
    validate(DOCUMENT)


def test_every_element_is_described():
    """Nothing in the document is there without words: operations, schemas, and members of schemas."""
    bare = [name for name, schema in DOCUMENT["components"]["schemas"].items() if not schema.get("description")]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member, value in schema.get("properties", {}).items():
            if not value.get("description") and member not in {"type", "object"}:
                bare.append(f"{name}.{member}")
    assert bare == []


def test_every_status_of_the_error_tree_is_there():
    """The calls that need a key list every HTTP status an error can have."""
    statuses = {str(error.http) for error in errors.GatewayError.__subclasses__()}
    assert statuses <= set(DOCUMENT["paths"]["/v1/responses"]["post"]["responses"])


@pytest.mark.parametrize("name", BODIES)
def test_what_is_taken_and_given_is_what_it_says(gateway: Gateway, name: str):
    """The body satisfies its schema, and so do the answer and each event of the stream."""
    body = {"model": "sandbox/echo", **BODIES[name]}
    check(body, "ResponsesRequest")
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body)
    assert answer.status_code == 200, answer.text
    check(answer.json(), "Response")
    schemas = DOCUMENT["paths"]["/v1/responses"]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    names = schemas["discriminator"]["mapping"]
    streamed = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json={**body, "stream": True})
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert events[-1]["type"] == "response.completed"
    for event in events:
        check(event, names[event["type"]].rpartition("/")[2])


@pytest.mark.parametrize("name", CHATS)
def test_what_chat_takes_and_gives_is_what_it_says(gateway: Gateway, name: str):
    """The body satisfies its schema, and so do the completion and each chunk."""
    body = {"model": "sandbox/echo", **CHATS[name]}
    check(body, "ChatRequest")
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json=body)
    assert answer.status_code == 200, answer.text
    check(answer.json(), "ChatCompletion")
    streamed = httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json={**body, "stream": True})
    *chunks, done = [line[6:] for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert (len(chunks) > 2, done) == (True, "[DONE]")
    for chunk in chunks:
        check(json.loads(chunk), "ChatCompletionChunk")


def test_an_error_is_what_it_says(gateway: Gateway):
    """Bodies of errors satisfy their schema."""
    for body, headers in (({}, gateway.headers), ({"model": "x", "input": "y"}, gateway.headers), ({}, {})):
        answer = httpx.post(f"{gateway.url}/v1/responses", headers=headers, json=body)
        assert answer.status_code >= 400
        check(answer.json(), "Error")


def test_the_list_of_models_is_what_it_says(gateway: Gateway):
    """The transcoded JSON satisfies the schema made from the message."""
    check(httpx.get(f"{gateway.url}/v1/models").json(), "ListModelsResponse")
