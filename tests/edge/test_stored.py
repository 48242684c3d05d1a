"""Stored responses over the wire: what was said last is read back, listed, continued, deleted; JSON and typed."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from concentrate.responses.v1 import responses_service_pb2 as pb
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.gateway import Gateway

MODEL = "sandbox/echo"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=gateway.headers) as client:
        yield client


def asked(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/responses", json={"model": MODEL, **body})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_response_is_there_when_it_has_been_answered(client: httpx.Client):
    """The same bytes, at once, whole or streamed."""
    answer = client.post("/v1/responses", json={"model": MODEL, "input": "Hi"})
    assert answer.json()["store"] is True
    assert client.get(f"/v1/responses/{answer.json()['id']}").content == answer.content
    streamed = client.post("/v1/responses", json={"model": MODEL, "input": "A few words", "stream": True})
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    response = events[-1]["response"]
    assert client.get(f"/v1/responses/{response['id']}").json() == response
    for cut in range(-1, len(events)):
        rest = client.get(f"/v1/responses/{response['id']}?stream=true&starting_after={cut}")
        assert rest.headers["content-type"] == "text/event-stream"
        assert streamed.text.endswith(rest.text)
        assert rest.text.count("data: {") == len(events) - cut - 1
    assert client.get(f"/v1/responses/{response['id']}?stream=true").text == streamed.text
    beyond = client.get(f"/v1/responses/{response['id']}?stream=true&starting_after=99")
    assert (beyond.status_code, beyond.json()["error"]["param"]) == (400, "starting_after")


def test_what_is_not_to_be_kept_is_not(client: httpx.Client):
    """`store: false` is answered and forgotten."""
    response = asked(client, input="Hi", store=False)
    assert response["store"] is False
    assert client.get(f"/v1/responses/{response['id']}").status_code == 404
    again = client.post("/v1/responses", json={"model": MODEL, "input": "x", "previous_response_id": response["id"]})
    assert (again.status_code, again.json()["error"]["code"]) == (400, "previous_response_not_found")


def test_a_response_continues_another(client: httpx.Client):
    """The model hears all turns; instructions are those of the request alone."""
    first = asked(client, input="The first words", instructions="Be brief")
    second = asked(client, input="The second words", previous_response_id=first["id"])
    assert (second["previous_response_id"], second["instructions"]) == (first["id"], None)
    assert second["usage"]["input_tokens"] > asked(client, input="The second words")["usage"]["input_tokens"]
    path = f"/v1/responses/{second['id']}/input_items"
    listed = client.get(path, params={"order": "asc"}).json()
    texts = [item["content"][0]["text"] for item in listed["data"]]
    assert texts == ["The first words", "The first words", "The second words"]
    assert [item["role"] for item in listed["data"]] == ["user", "assistant", "user"]
    assert (listed["object"], listed["has_more"]) == ("list", False)
    page = client.get(path, params={"limit": 1}).json()
    assert (page["data"], page["has_more"]) == ([listed["data"][2]], True)
    page = client.get(path, params={"limit": 5, "after": page["last_id"]}).json()
    assert page["data"] == listed["data"][1::-1]
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "nothing"}):
        assert client.get(path, params=wrong).status_code == 400


def test_an_item_can_be_named_instead_of_sent(client: httpx.Client):
    """SDKs refer to what they take for stored."""
    first = asked(client, input="Remember")
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    given = [{"role": "user", "content": "Remember"}, reference, {"role": "user", "content": "And now?"}]
    second = asked(client, input=given)
    items = client.get(f"/v1/responses/{second['id']}/input_items", params={"order": "asc"}).json()["data"]
    assert items[1] == first["output"][0]
    assert second["translation_losses"] == []


def test_a_deleted_response_is_gone(client: httpx.Client):
    """It can neither be read nor continued."""
    first = asked(client, input="Hi")
    second = asked(client, input="Hi", previous_response_id=first["id"])
    gone = client.delete(f"/v1/responses/{first['id']}")
    assert gone.json() == {"id": first["id"], "object": "response", "deleted": True}
    for answer in (
        client.get(f"/v1/responses/{first['id']}"),
        client.get(f"/v1/responses/{first['id']}/input_items"),
        client.get(f"/v1/responses/{first['id']}?stream=true"),
        client.delete(f"/v1/responses/{first['id']}"),
        client.post(f"/v1/responses/{first['id']}/cancel"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    again = client.post("/v1/responses", json={"model": MODEL, "input": "x", "previous_response_id": second["id"]})
    assert again.status_code == 400


def test_a_mistake_is_named_where_the_client_made_it(client: httpx.Client):
    """Paths count the items of the request, not those it continues."""
    first = asked(client, input="Hi")
    body = {"model": MODEL, "previous_response_id": first["id"], "input": [{"type": "computer_call", "id": "x"}]}
    answer = client.post("/v1/responses", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input[0].type")


def test_both_surfaces_read_the_same(client: httpx.Client, gateway: Gateway):
    """What JSON clients made typed clients get, list, follow and delete."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
    body = {"model": MODEL, "input": "Say this", "tools": [tool], "tool_choice": "none", "metadata": {"k": "v"}}
    streamed = client.post("/v1/responses", json={**body, "stream": True})
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    response = events[-1]["response"]
    key = (("authorization", gateway.headers["authorization"]),)
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        got = stub.GetResponse(pb.GetResponseRequest(response_id=response["id"]), metadata=key)
        assert got.output[0].message.content[0].output_text.text == response["output"][0]["content"][0]["text"]
        assert (got.tools[0].function.name, dict(got.metadata)) == ("f", {"k": "v"})
        assert (got.created_at, got.usage.total_tokens) == (response["created_at"], response["usage"]["total_tokens"])
        listed = stub.ListInputItems(pb.ListInputItemsRequest(response_id=response["id"], limit=1), metadata=key)
        assert listed.data[0].message.content[0].input_text.text == "Say this"
        resumed = list(
            stub.ResumeResponse(pb.ResumeResponseRequest(response_id=response["id"], starting_after=2), metadata=key)
        )
        assert [one.WhichOneof("event") for one in resumed] == [e["type"].replace(".", "_") for e in events[3:]]
        assert resumed[-1].response_completed.response == got
        stub.DeleteResponse(pb.DeleteResponseRequest(response_id=response["id"]), metadata=key)
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetResponse(pb.GetResponseRequest(response_id=response["id"]), metadata=key)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
