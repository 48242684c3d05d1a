"""Conversations over the wire, JSON and typed: made, added to, read by requests, and deleted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from concentrate.responses.v1 import conversations_service_pb2 as pb
from concentrate.responses.v1 import item_pb2
from concentrate.responses.v1.conversations_service_pb2_grpc import ConversationsServiceStub

from tests.gateway import Gateway

MODEL = "sandbox/echo"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=gateway.headers) as client:
        yield client


def said(client: httpx.Client, conversation: str) -> list[tuple[str, str]]:
    """Who said what, oldest first."""
    listed = client.get(f"/v1/conversations/{conversation}/items", params={"order": "asc", "limit": 100}).json()
    return [(item["role"], item["content"][0]["text"]) for item in listed["data"]]


def test_a_conversation_grows_with_each_request(client: httpx.Client):
    """Requests read all items and add their own and the answer's; the short form of its name does too."""
    made = client.post("/v1/conversations", json={"items": [{"role": "user", "content": "A"}], "metadata": {"k": "v"}})
    conversation = made.json()
    assert (conversation["object"], conversation["metadata"]) == ("conversation", {"k": "v"})
    body: dict[str, Any] = {"model": MODEL, "input": "B", "conversation": conversation["id"]}
    first = client.post("/v1/responses", json=body).json()
    assert first["conversation"] == {"id": conversation["id"]}
    streamed = client.post(
        "/v1/responses", json={**body, "input": "C", "conversation": {"id": conversation["id"]}, "stream": True}
    )
    assert '"response.completed"' in streamed.text
    turns = [("user", "A"), ("user", "B"), ("assistant", "B"), ("user", "C"), ("assistant", "C")]
    assert said(client, conversation["id"]) == turns
    failed = client.post("/v1/responses", json={**body, "input": "[[fail 400]]"})
    assert failed.status_code == 400
    assert said(client, conversation["id"]) == turns
    both = client.post("/v1/responses", json={**body, "previous_response_id": first["id"]})
    assert (both.status_code, both.json()["error"]["param"]) == (400, "previous_response_id")


def test_items_are_added_listed_read_and_taken_out(client: httpx.Client):
    """In pieces, both ways; nothing twice."""
    conversation = client.post("/v1/conversations", json={}).json()["id"]
    path = f"/v1/conversations/{conversation}"
    given = [{"type": "message", "role": "user", "content": str(n), "id": f"msg_{n}"} for n in range(20)]
    added = client.post(f"{path}/items", json={"items": given}).json()
    assert [item["id"] for item in added["data"]] == [item["id"] for item in given]
    again = client.post(f"{path}/items", json={"items": given[:1]})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    listed, after = [], None
    while True:
        page = client.get(f"{path}/items", params={"limit": 7, **({"after": after} if after else {})}).json()
        listed += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert [item["id"] for item in listed] == [item["id"] for item in reversed(given)]
    one = client.get(f"{path}/items/msg_3").json()
    assert one["content"] == [{"type": "input_text", "text": "3"}]
    assert client.delete(f"{path}/items/msg_3").json()["id"] == conversation
    assert client.get(f"{path}/items/msg_3").status_code == 404
    updated = client.post(path, json={"metadata": {"a": "b"}}).json()
    assert updated["metadata"] == client.get(path).json()["metadata"] == {"a": "b"}
    assert client.delete(path).json() == {"id": conversation, "deleted": True, "object": "conversation.deleted"}
    for answer in (
        client.get(path),
        client.post(path, json={"metadata": {}}),
        client.get(f"{path}/items"),
        client.post(f"{path}/items", json={"items": given[:1]}),
        client.delete(path),
        client.post("/v1/responses", json={"model": MODEL, "input": "x", "conversation": conversation}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": [{"role": "user", "content": "x"}] * 21}, "items"),
        ({"items": [{"type": "function_call", "name": "f"}]}, "items[0].call_id"),
        ({"metadata": {"k": "v" * 600}}, "metadata"),
        ({"items": "x"}, "items"),
    ],
)
def test_a_mistake_is_named(client: httpx.Client, body: dict[str, Any], param: str):
    """With its path in the body."""
    answer = client.post("/v1/conversations", json=body)
    assert answer.status_code == 400
    assert str(answer.json()["error"]["param"]).startswith(param)


def test_requests_at_the_same_time_stay_whole(client: httpx.Client):
    """Each question stands before its answer, and nothing is lost."""
    conversation = client.post("/v1/conversations", json={}).json()["id"]

    def ask(number: int) -> int:
        body = {"model": MODEL, "input": f"Q{number}", "conversation": conversation}
        return client.post("/v1/responses", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(16))) == {200}
    turns = said(client, conversation)
    assert len(turns) == 32
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        assert (question[0], answer[0]) == ("user", "assistant")
        assert question[1] == answer[1]


def test_typed_clients_do_the_same(gateway: Gateway):
    """Every RPC."""
    key = (("authorization", gateway.headers["authorization"]),)
    item = item_pb2.Item(
        message=item_pb2.Message(
            id="msg_typed", role=item_pb2.ROLE_USER, content=[item_pb2.ContentPart(input_text={"text": "Hi"})]
        )
    )
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ConversationsServiceStub(channel)
        made = stub.CreateConversation(pb.CreateConversationRequest(metadata={"k": "v"}), metadata=key)
        named = {"conversation_id": made.id}
        added = stub.CreateConversationItems(pb.CreateConversationItemsRequest(items=[item], **named), metadata=key)
        assert added.data[0].message.content[0].input_text.text == "Hi"
        listed = stub.ListConversationItems(pb.ListConversationItemsRequest(limit=5, **named), metadata=key)
        assert (list(listed.data), listed.has_more) == (list(added.data), False)
        one = stub.GetConversationItem(pb.GetConversationItemRequest(item_id="msg_typed", **named), metadata=key)
        assert one == added.data[0]
        stub.DeleteConversationItem(pb.DeleteConversationItemRequest(item_id="msg_typed", **named), metadata=key)
        updated = stub.UpdateConversation(pb.UpdateConversationRequest(metadata={"a": "b"}, **named), metadata=key)
        assert updated == stub.GetConversation(pb.GetConversationRequest(**named), metadata=key)
        assert stub.DeleteConversation(pb.DeleteConversationRequest(**named), metadata=key).deleted
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetConversation(pb.GetConversationRequest(**named), metadata=key)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
