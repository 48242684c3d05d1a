"""Compaction: all messages of the user, and a summary that takes the place of the rest."""

import grpc
import httpx
import pytest
from concentrate.responses.v1 import responses_service_pb2 as pb
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.gateway import Gateway

MODEL = "sandbox/echo"
TALK = [
    {"role": "user", "content": "My name is Ada"},
    {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"name":"Ada"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "born 1815"},
    {"role": "assistant", "content": "Noted"},
    {"role": "user", "content": [{"type": "input_text", "text": "Thanks"}]},
]


def test_a_compacted_conversation_goes_on(gateway: Gateway):
    """The summary is paid for, sealed, and read by the next request at any provider."""
    with httpx.Client(base_url=gateway.url, headers=gateway.headers) as client:
        answer = client.post("/v1/responses/compact", json={"model": MODEL, "input": TALK, "prompt_cache_key": "k"})
        compacted = answer.json()
        assert (answer.status_code, compacted["object"]) == (200, "response.compaction")
        assert [item["type"] for item in compacted["output"]] == ["message", "message", "compaction"]
        assert [item["content"][0]["text"] for item in compacted["output"][:2]] == ["My name is Ada", "Thanks"]
        assert compacted["usage"]["output_tokens"] > 0
        assert compacted["cost"]["currency"] == "USD"
        assert "Ada" not in compacted["output"][2]["encrypted_content"]
        body = {"model": MODEL, "input": [*compacted["output"], {"role": "user", "content": "Go on"}]}
        going = client.post("/v1/responses", json=body).json()
        assert going["output"][0]["content"][0]["text"] == "Go on"
        assert going["usage"]["input_tokens"] > 30  # the sandbox's summary is the transcript
        again = client.post("/v1/responses/compact", json={"model": MODEL, "previous_response_id": going["id"]})
        assert len(again.json()["output"]) == 4
        items = client.get(f"/v1/responses/{going['id']}/input_items", params={"order": "asc"}).json()["data"]
        assert items[2] == compacted["output"][2]  # as it was given


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": MODEL}, "input"),
        ({"model": MODEL, "input": []}, "input"),
        ({"model": MODEL, "input": [{"type": "compaction", "encrypted_content": "cn1.concentrate..compaction.AQAA"}]},
         "input[0].encrypted_content"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(gateway: Gateway, body, param):
    """As for any request."""
    answer = httpx.post(f"{gateway.url}/v1/responses/compact", headers=gateway.headers, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_typed_clients_do_the_same(gateway: Gateway):
    """The items are messages."""
    key = (("authorization", gateway.headers["authorization"]),)
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        asked = pb.CompactResponseRequest(model=MODEL, input_text="Remember this")
        made = ResponsesServiceStub(channel).CompactResponse(asked, metadata=key)
    assert made.output[0].message.content[0].input_text.text == "Remember this"
    assert made.output[1].hosted_tool_item.kind == "compaction"
    assert made.usage.output_tokens > 0


def test_a_long_conversation_is_compacted_on_the_way(impatient: Gateway):
    """With a model for it, at every provider; who continues begins from the summary."""
    with httpx.Client(base_url=impatient.url, headers=impatient.headers) as client:
        body = {"model": MODEL, "context_management": [{"type": "compaction", "compact_threshold": 1000}]}
        first = client.post("/v1/responses", json={**body, "input": "word " * 3000}).json()
        assert first["translation_losses"] == []  # nothing before it
        second = {**body, "input": "And now? [[max 3]]", "previous_response_id": first["id"]}
        answer = client.post("/v1/responses", json=second)
        assert answer.status_code == 200, answer.text
        assert [loss["param"] for loss in answer.json()["translation_losses"]] == ["context_management"]
        path = f"/v1/responses/{answer.json()['id']}/input_items"
        listed = client.get(path, params={"order": "asc"}).json()["data"]
        assert [item["type"] for item in listed][-2:] == ["compaction", "message"]
        third = {"model": MODEL, "input": "More", "previous_response_id": answer.json()["id"]}
        assert client.post("/v1/responses", json=third).status_code == 200
