"""Open Responses, through Envoy: the HTTP tests of its conformance suite, rebuilt from its rules, and the rules of its prose.

The specification's own schemas are used where the folder beside the project holds them; the rules below are always checked.
https://www.openresponses.org/specification
"""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.gateway import Gateway
from tests.shared_replay import SHARED

Json = dict[str, Any]

MODEL = "sandbox/echo"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PARAMETERS = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
WEATHER = {"type": "function", "name": "get_weather", "description": "Get the weather.", "parameters": PARAMETERS}
NUMBER = (int, float)

# ---- the schemas of the specification --------------------------------------------------------------------------------

_DOCUMENT = SHARED / "openresponses" / "openapi-2026-04-24.json"
_COMPONENTS: Json = json.loads(_DOCUMENT.read_text())["components"] if _DOCUMENT.exists() else {}
_EVENTS = [name for name in _COMPONENTS.get("schemas", {}) if name.endswith("StreamingEvent")]
specified = pytest.mark.skipif(not _COMPONENTS, reason="../shared/openresponses is not there")


def _validator(*names: str) -> Draft202012Validator:
    union = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return Draft202012Validator({"oneOf": union, "components": _COMPONENTS})


def mistakes(validator: Draft202012Validator, value: Json) -> list[str]:
    """What the schema finds wrong, the deepest causes first. It lets a schema be nothing but null; clients want it back."""
    value = (
        json.loads(json.dumps(value).replace(json.dumps(PARAMETERS), "null"))
        if '"json_schema"' in json.dumps(value)
        else value
    )
    found = list(validator.iter_errors(value))
    return [f"{error.json_path}: {error.message[:300]}" for each in found for error in (*(each.context or ()), each)]


# ---- the response object ---------------------------------------------------------------------------------------------

REQUIRED: dict[str, Any] = {
    "id": str,
    "object": str,
    "created_at": int,
    "status": str,
    "model": str,
    "output": list,
    "tools": list,
    "tool_choice": (str, dict),
    "truncation": str,
    "parallel_tool_calls": bool,
    "text": dict,
    "top_p": NUMBER,
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "top_logprobs": int,
    "temperature": NUMBER,
    "store": bool,
    "background": bool,
    "service_tier": str,
    "metadata": dict,
}
NULLABLE: dict[str, Any] = {
    "completed_at": int,
    "incomplete_details": dict,
    "previous_response_id": str,
    "instructions": str,
    "error": dict,
    "reasoning": dict,
    "usage": dict,
    "max_output_tokens": int,
    "max_tool_calls": int,
    "safety_identifier": str,
    "prompt_cache_key": str,
}


def check_response(response: Json) -> None:
    """All 31 keys with their types; complete tools, usage, error and items."""
    assert not (REQUIRED | NULLABLE).keys() - response.keys()
    for name, kind in REQUIRED.items():
        assert isinstance(response[name], kind), name
    for name, kind in NULLABLE.items():
        assert response[name] is None or isinstance(response[name], kind), name
    assert response["object"] == "response"
    assert "format" in response["text"]
    for tool in response["tools"]:
        assert tool["type"] == "function"
        assert tool.keys() >= {"type", "name", "description", "parameters", "strict"}
    if (usage := response["usage"]) is not None:
        counts = [usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")]
        details = usage["input_tokens_details"]["cached_tokens"], usage["output_tokens_details"]["reasoning_tokens"]
        assert all(isinstance(count, int) for count in (*counts, *details))
    if (error := response["error"]) is not None:
        assert isinstance(error["code"], str)
        assert isinstance(error["message"], str)
    for item in response["output"]:
        check_item(item)
    for item in response["output"][:-1]:
        assert item.get("status") != "incomplete", "an incomplete item is the last"


def check_item(item: Json) -> None:
    """An output item of the core: nothing the suite does not know, and no null where a string or nothing belongs."""
    assert isinstance(item["id"], str)
    match item["type"]:
        case "message":
            assert item["status"] in ("in_progress", "completed", "incomplete")
            assert item["role"] == "assistant"
            for part in item["content"]:
                assert part["type"] in ("output_text", "refusal")
                if part["type"] == "output_text":
                    assert isinstance(part["annotations"], list)
                    assert isinstance(part["logprobs"], list)
        case "function_call":
            assert item["status"] in ("in_progress", "completed", "incomplete")
            assert all(isinstance(item[name], str) for name in ("call_id", "name", "arguments"))
        case "reasoning":
            assert isinstance(item["summary"], list)
            assert isinstance(item.get("content", []), list)
            assert isinstance(item.get("encrypted_content", ""), str)
        case other:
            raise AssertionError(f"an item of type {other} is not of the core")


# ---- asking ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=gateway.headers, timeout=20) as client:
        yield client


def said(role: str, content: object, **more: str) -> Json:
    return {"type": "message", "role": role, "content": content, **more}


def ask(http: httpx.Client, *items: Json, **more: Any) -> Json:
    """A whole answer, checked by the rules and, where it is there, by the schema."""
    answer = http.post("/v1/responses", json={"model": MODEL, "input": list(items), **more})
    assert answer.status_code == 200, answer.text
    response: Json = answer.json()
    check_response(response)
    if _COMPONENTS:
        assert not mistakes(_validator("ResponseResource"), response)
    return response


def stream(gateway: Gateway, content: str, **more: Any) -> list[Json]:
    """The events of a streamed answer. Checks the framing on the way, by a reader that starts anew with each write."""
    body = {"model": MODEL, "input": [said("user", content)], "stream": True, **more}
    events: list[Json] = []
    for write in writes(gateway, json.dumps(body).encode()):
        assert write.endswith(b"\n\n"), "a frame is split over two writes"
        assert b"\r" not in write
        for frame in write.decode().removesuffix("\n\n").split("\n\n"):
            if not frame.startswith(":"):
                events.append(event_of(frame))
    assert events.pop() == {}, "[DONE] is last"
    assert {} not in events
    return events


def event_of(frame: str) -> Json:
    """An event whose name is its type; empty for [DONE]."""
    if frame == "data: [DONE]":
        return {}
    name, data = frame.split("\n")
    event: Json = json.loads(data.removeprefix("data: "))
    assert name == f"event: {event['type']}"
    return event


def writes(gateway: Gateway, body: bytes) -> Iterator[bytes]:
    """The chunks of the answer as HTTP names them: clients join and cut them as they like."""
    head = f"authorization: Bearer {gateway.key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as connection:
        connection.sendall(f"POST /v1/responses HTTP/1.1\r\nhost: gateway\r\n{head}\r\n\r\n".encode() + body)
        reader = connection.makefile("rb")
        assert reader.readline().split()[1] == b"200"
        headers = list(iter(reader.readline, b"\r\n"))
        assert any(header.lower().startswith(b"content-type: text/event-stream") for header in headers)
        while size := int(reader.readline(), 16):
            yield reader.read(size)
            reader.readline()


# ---- the eight HTTP tests of the suite -------------------------------------------------------------------------------


def test_basic_response(http):
    """One user message, its content a string."""
    response = ask(http, said("user", "Say hello in exactly 3 words."))
    assert response["status"] == "completed"
    assert response["output"]


def test_assistant_phase(http):
    """The phases of earlier assistant messages are accepted."""
    response = ask(
        http,
        said("user", "Look it up."),
        said("assistant", "I am looking.", phase="commentary"),
        said("assistant", "It is 4.", phase="final_answer"),
        said("user", "Thank you."),
    )
    assert response["status"] == "completed"


@specified
@pytest.mark.parametrize("phase", ["commentary", "final_answer"])
def test_response_output_phase_schema(phase):
    """An output message with a phase is what the schema takes for one, with another word it is not."""
    part = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    message = said("assistant", [part], id="msg_1", status="completed", phase=phase)
    assert not mistakes(_validator("ItemField"), message)
    assert mistakes(_validator("ItemField"), {**message, "phase": "overture"})


def test_system_prompt(http):
    """The roles system and user."""
    response = ask(http, said("system", "You are a pirate."), said("user", "Say hello."))
    assert response["status"] == "completed"


def test_tool_calling(http):
    """A function without `strict` is called, and echoed with it."""
    response = ask(http, said("user", "What is the weather in Paris?"), tools=[WEATHER])
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert [(call["name"], json.loads(call["arguments"])) for call in calls] == [("get_weather", {"location": "Paris"})]
    assert response["tools"] == [{**WEATHER, "strict": response["tools"][0]["strict"]}]


def test_image_input(http):
    """Text and a picture in a data URL."""
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    response = ask(http, said("user", [{"type": "input_text", "text": "What is this?"}, picture]))
    assert response["status"] == "completed"


def test_multi_turn(http):
    """User, assistant, user, with strings."""
    response = ask(http, said("user", "I am Alice."), said("assistant", "Hello Alice!"), said("user", "Who am I?"))
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"] == "Who am I?"


ANSWERS: dict[str, tuple[Json, str]] = {
    "text": ({"content": "Count from 1 to 5."}, "completed"),
    "long": ({"content": "[[long 300]]"}, "completed"),
    "unicode": ({"content": "caf\u00e9 \u2028 \U0001f600 \r\n line"}, "completed"),
    "tool": ({"content": "What is the weather in Paris?", "tools": [WEATHER]}, "completed"),
    "two tools": (
        {"content": "Use get_weather and get_time.", "tools": [WEATHER, {**WEATHER, "name": "get_time"}]},
        "completed",
    ),
    "summary": (
        {
            "content": "Think.",
            "reasoning": {"effort": "high", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        },
        "completed",
    ),
    "schema": (
        {"content": "Paris", "text": {"format": {"type": "json_schema", "name": "place", "schema": PARAMETERS}}},
        "completed",
    ),
    "refusal": ({"content": "[[refuse]]"}, "completed"),
    "cut by its limit": ({"content": "one two three four five", "max_output_tokens": 2}, "incomplete"),
    "filtered": ({"content": "one two three four [[filter]]"}, "incomplete"),
    "broken off": ({"content": "one two three four [[cut 2]]"}, "failed"),
}
answers = pytest.mark.parametrize(("asked", "status"), ANSWERS.values(), ids=ANSWERS)


@answers
def test_streaming_response(gateway, asked, status):
    """Every event is one of the union; the last carries the whole response."""
    events = stream(gateway, **asked)
    if _COMPONENTS:
        union = _validator(*_EVENTS)
        for event in events:
            assert not mistakes(union, event), event
    last = events[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    for event in events:
        if "response" in event:
            check_response(event["response"])


# ---- the prose: order and repetition ---------------------------------------------------------------------------------


@answers
def test_events_come_in_order_and_add_up(gateway, asked, status):
    """Numbers without gaps; items and parts open, grow and close one by one; what is closed is what the end repeats."""
    events = stream(gateway, **asked)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    types = [event["type"] for event in events]
    ending = ["error", "response.failed"] if status == "failed" else [f"response.{status}"]
    assert types[-len(ending) :] == ending
    closed = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert closed == events[-1]["response"]["output"]
    opened = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in opened] == list(range(len(closed)))
    assert [event["item"]["id"] for event in opened] == [item["id"] for item in closed]
    for item in closed:
        check_growth([event for event in events if event.get("item_id") == item["id"]], item)
    if status == "incomplete":
        assert closed[-1]["status"] == "incomplete"


def check_growth(events: list[Json], item: Json) -> None:
    """Deltas between the opening and the closing of a part add up to its text; a call's to its arguments."""
    deltas = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    texts: dict[str, Callable[[], str]] = {
        "message": lambda: "".join(part.get("text", part.get("refusal", "")) for part in item["content"]),
        "function_call": lambda: item["arguments"],
        "reasoning": lambda: "".join(part["text"] for part in (*item["summary"], *item.get("content", ()))),
    }
    assert deltas == texts[item["type"]]()
    order = [event["type"].rpartition(".")[2] for event in events]
    if item["type"] == "function_call":
        assert set(order[:-1]) <= {"delta"}
        assert events[-1]["arguments"] == deltas
    else:
        assert (order[0], order[-2:]) == ("added", ["done", "done"])


def test_a_request_that_is_wrong_is_named(http):
    """An error body with message, type, param and code; the parameter is named."""
    answer = http.post("/v1/responses", json={"model": MODEL, "input": "hi", "temperature": 9})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "temperature")
    assert error.keys() >= {"message", "type", "param", "code"}


def test_allowed_tools_are_enforced(http):
    """A tool outside of the allowed ones is not called, whatever the message says."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
    tools = [WEATHER, {**WEATHER, "name": "get_time"}]
    response = ask(http, said("user", "Use get_weather."), tools=tools, tool_choice=allowed)
    assert [item["name"] for item in response["output"]] == ["get_time"]
    assert response["tool_choice"] == allowed
