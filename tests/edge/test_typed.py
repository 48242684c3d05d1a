"""gRPC clients call the typed services through the edge's port, on the same core as REST."""

import json

import grpc
import httpx
import msgspec
import openai
import pytest
from concentrate.models.v1.models_service_pb2 import ListModelsRequest
from concentrate.models.v1.models_service_pb2_grpc import ModelsServiceStub
from concentrate.responses.v1 import item_pb2, response_pb2, tool_pb2
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest, InputItems
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub
from google.protobuf import text_format
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from services.mirror import mirror
from services.responses.objects import Response
from services.responses.typed_service import ECHOED
from tests.gateway import Gateway

ANSWERS = mirror(Response, response_pb2.Response, skip=ECHOED)
ECHO = CreateResponseRequest(model="sandbox/echo", input_text="Good morning, world")


@pytest.fixture(scope="module")
def channel(gateway: Gateway):
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as made:
        yield made


@pytest.fixture
def key(gateway: Gateway) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {gateway.key}")]


def test_a_unary_call(channel, key):
    """A whole response, typed."""
    response = ResponsesServiceStub(channel).CreateResponse(ECHO, metadata=key)
    assert response.output[0].message.content[0].output_text.text == "Good morning, world"
    assert (response.model, response.status) == ("sandbox/echo", response_pb2.RESPONSE_STATUS_COMPLETED)


def test_a_streaming_call(channel, key):
    """The deltas are the text, and the last event holds the response."""
    events = list(ResponsesServiceStub(channel).StreamResponse(ECHO, metadata=key))
    deltas = [e.response_output_text_delta.delta for e in events if e.HasField("response_output_text_delta")]
    assert (len(deltas) > 1, "".join(deltas)) == (True, "Good morning, world")
    assert events[-1].response_completed.response.usage.output_tokens > 0


def test_a_tool_is_called_and_answered_over_two_turns(channel, key):
    """The output of the first response goes into the second request as it came."""
    stub = ResponsesServiceStub(channel)
    schema = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
    request = CreateResponseRequest(
        model="sandbox/echo",
        input_text='Use get_weather for "Paris"',
        tools=[tool_pb2.Tool(function=tool_pb2.FunctionTool(name="get_weather", parameters_json=schema))],
        tool_choice=tool_pb2.ToolChoice(mode=tool_pb2.TOOL_CHOICE_MODE_REQUIRED),
    )
    first = stub.CreateResponse(request, metadata=key)
    (call,) = [item.function_call for item in first.output if item.HasField("function_call")]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})

    items = InputItems(items=first.output)
    answer = item_pb2.FunctionCallOutput(call_id=call.call_id, output_text="Sunny, 21 degrees")
    items.items.add(function_call_output=answer)
    second = stub.CreateResponse(
        CreateResponseRequest(model="sandbox/echo", input_items=items, tools=request.tools), metadata=key
    )
    assert "Sunny, 21 degrees" in second.output[-1].message.content[0].output_text.text


@pytest.mark.parametrize("method", ["CreateResponse", "StreamResponse"])
def test_an_error_says_why_in_its_details(channel, key, method):
    """The status has the code of the error table, and ErrorInfo its reason and parameter."""
    request = CreateResponseRequest(model="sandbox/ecco", input_text="Hi")
    call = getattr(ResponsesServiceStub(channel), method)
    with pytest.raises(grpc.RpcError) as raised:
        list(call(request, metadata=key)) if method == "StreamResponse" else call(request, metadata=key)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    info = ErrorInfo()
    assert Status.FromString(details).details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("MODEL_NOT_FOUND", "concentrate", {"param": "model"})


@pytest.mark.parametrize("method", ["CreateResponse", "StreamResponse"])
def test_bytes_that_are_no_message_are_an_invalid_argument(channel, key, method):
    """In our words, and not as a failure of ours."""
    name = f"/concentrate.responses.v1.ResponsesService/{method}"
    with pytest.raises(grpc.RpcError) as raised:
        list(channel.unary_stream(name)(b"\xff\xff\xff", metadata=key))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "google.protobuf" not in raised.value.details()


def test_no_key_is_unauthenticated(channel):
    """The typed service asks for the key as REST does."""
    with pytest.raises(grpc.RpcError) as raised:
        ResponsesServiceStub(channel).CreateResponse(ECHO)
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_models_are_openais_list(gateway: Gateway, channel):
    """REST and gRPC list the same models, the OpenAI SDK reads them, and no key is needed."""
    listed = httpx.get(f"{gateway.url}/v1/models").json()
    (echo,) = [model for model in listed["data"] if model["id"] == "sandbox/echo"]
    assert (listed["object"], echo["object"], type(echo["created"])) == ("list", "model", int)
    typed = ModelsServiceStub(channel).ListModels(ListModelsRequest())
    assert [model.id for model in typed.data] == [model["id"] for model in listed["data"]]
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as client:
        assert "sandbox/echo" in {model.id for model in client.models.list()}


def test_the_openapi_document_is_served(gateway: Gateway):
    """It names the paths of this gateway."""
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    assert (document["openapi"], "/v1/responses" in document["paths"]) == ("3.1.0", True)


STRICT = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
SAME = {
    "text": ('input_text: "Hi there"', {"input": "Hi there"}),
    "reasoning": (
        'input_text: "Think" reasoning { effort: EFFORT_HIGH summary: SUMMARY_AUTO }',
        {"input": "Think", "reasoning": {"effort": "high", "summary": "auto"}},
    ),
    "tool": (
        f"""input_text: 'Use f for "Rome"' tools {{ function {{ name: "f" parameters_json: '{STRICT}' }} }}""",
        {"input": 'Use f for "Rome"', "tools": [{"type": "function", "name": "f", "parameters": json.loads(STRICT)}]},
    ),
    "schema": (
        f"""input_text: "x" text {{ format {{ json_schema {{ name: "c" schema_json: '{STRICT}' }} }} }}""",
        {"input": "x", "text": {"format": {"type": "json_schema", "name": "c", "schema": json.loads(STRICT)}}},
    ),
    "store": ('input_text: "Keep this" store: true', {"input": "Keep this", "store": True}),
}


def without_ids(value):
    """An answer without what differs from call to call, and without the echoes whose typed form is the request's."""
    if isinstance(value, dict):
        left_out = {"id", "call_id", "created_at", "completed_at", "tools", "tool_choice", "encrypted_content"}
        return {name: without_ids(one) for name, one in value.items() if name not in left_out}
    return [without_ids(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", SAME)
def test_both_surfaces_answer_the_same(gateway: Gateway, channel, key, name):
    """Typed and JSON answers to one question have the same items, usage, cost, losses and echoes."""
    text, body = SAME[name]
    request = text_format.Parse(text, CreateResponseRequest(model="sandbox/echo"))
    typed = ANSWERS.to_struct(ResponsesServiceStub(channel).CreateResponse(request, metadata=key))
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json={"model": "sandbox/echo", **body})
    json_answer = answer.json()
    del json_answer["text"]
    assert without_ids(json.loads(msgspec.json.encode(typed))) == without_ids(json_answer)


def test_reasoning_goes_back_as_it_came(channel, key):
    """A reasoning item with its opaque part is accepted in the next turn."""
    stub = ResponsesServiceStub(channel)
    request = text_format.Parse(SAME["reasoning"][0], CreateResponseRequest(model="sandbox/echo"))
    first = stub.CreateResponse(request, metadata=key)
    assert first.output[0].reasoning.encrypted_content
    items = InputItems(items=first.output)
    items.items.add().message.MergeFrom(
        item_pb2.Message(role=item_pb2.ROLE_USER, content=[{"input_text": {"text": "And now?"}}])
    )
    second = stub.CreateResponse(CreateResponseRequest(model="sandbox/echo", input_items=items), metadata=key)
    assert second.output[-1].message.content[0].output_text.text == "And now?"
    assert not second.translation_losses
