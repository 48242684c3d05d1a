"""What gRPC tools and browsers meet at the port: reflection, health, gRPC-Web, and no internal service."""

import base64
import re
import struct

import grpc
import httpx
import pytest
from concentrate.responses.v1 import stream_event_pb2
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.gateway import Gateway

PUBLIC = {
    "concentrate.http.v1.ChatHttpService",
    "concentrate.http.v1.HttpService",
    "concentrate.http.v1.ManagementHttpService",
    "concentrate.http.v1.MessagesHttpService",
    "concentrate.http.v1.ModelsHttpService",
    "concentrate.http.v1.RoutingHttpService",
    "concentrate.routing.v1.RoutingService",
    "concentrate.management.v1.AuditService",
    "concentrate.management.v1.CredentialsService",
    "concentrate.management.v1.KeysService",
    "concentrate.management.v1.MoneyService",
    "concentrate.management.v1.OrganizationsService",
    "concentrate.http.v1.StoredHttpService",
    "concentrate.http.v1.ConversationsHttpService",
    "concentrate.models.v1.ModelsService",
    "concentrate.responses.v1.ConversationsService",
    "concentrate.responses.v1.ResponsesService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


@pytest.fixture(scope="module")
def channel(gateway: Gateway):
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as made:
        yield made


def test_reflection_tells_a_client_everything(channel: grpc.Channel):
    """A tool without the protos finds the services and builds their messages."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == PUBLIC
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("concentrate.responses.v1.ResponsesService")
    assert {method.name for method in service.methods} >= {"CreateResponse", "StreamResponse"}


@pytest.mark.parametrize("service", ["", "concentrate.responses.v1.ResponsesService"])
def test_health_is_serving(channel: grpc.Channel, service: str):
    """Of the whole, and of each service."""
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "method",
    [
        "concentrate.routing.v1.RoutingService/Plan",
        "concentrate.adapters.v1.AdaptersService/Generate",
        "concentrate.billing.v1.BillingService/Settle",
        "no.such.Service/Method",
        "concentrate.responses.v1.ResponsesService/NoSuchMethod",
    ],
)
def test_what_is_not_public_is_unimplemented(channel: grpc.Channel, method: str):
    """The internal services ask for no key, so they must not be there at all."""
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/{method}")(b"", timeout=5)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_of_20_mb_passes_and_one_of_70_mb_does_not(gateway: Gateway):
    """The limit of a message is 64 MiB."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    metadata = [("authorization", f"Bearer {gateway.key}")]
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}", options) as channel:
        stub = ResponsesServiceStub(channel)
        long = CreateResponseRequest(model="sandbox/echo", input_text="[[say ok]] " + "a" * (20 << 20))
        assert stub.CreateResponse(long, metadata=metadata, timeout=30).HasField("usage")
        with pytest.raises(grpc.RpcError) as raised:
            stub.CreateResponse(CreateResponseRequest(input_text="a" * (70 << 20)), metadata=metadata, timeout=30)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_is_kept(channel: grpc.Channel, gateway: Gateway):
    """The client's own `grpc-timeout` ends the call."""
    request = CreateResponseRequest(model="sandbox/echo", input_text="[[wait 5000]]")
    with pytest.raises(grpc.RpcError) as raised:
        ResponsesServiceStub(channel).CreateResponse(
            request, metadata=[("authorization", f"Bearer {gateway.key}")], timeout=0.5
        )
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_deadline_in_mid_stream_is_one_too(channel: grpc.Channel, gateway: Gateway):
    """Whichever clock rings first, the client's or the gateway's; they are a network's delay apart."""
    request = CreateResponseRequest(model="sandbox/echo", input_text="[[delay 20]] [[long 1000]]")
    metadata = [("authorization", f"Bearer {gateway.key}")]
    calls = [
        ResponsesServiceStub(channel).StreamResponse(request, metadata=metadata, timeout=0.5 + 0.01 * number)
        for number in range(30)
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as raised:
            list(call)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_rest_client_has_no_grpc_deadline(gateway: Gateway):
    """The header means nothing there, also when it is nonsense."""
    body = {"model": "sandbox/echo", "input": "[[wait 100]] hi"}
    for timeout in ("1m", "nonsense"):
        headers = {**gateway.headers, "grpc-timeout": timeout}
        assert httpx.post(f"{gateway.url}/v1/responses", json=body, headers=headers).status_code == 200


# ---- gRPC-Web: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md -------------------------------------------


def web(gateway: Gateway, request: CreateResponseRequest, key: str, *, text: bool = False) -> tuple[list[bytes], str]:
    """Messages and trailers of a streaming call, as a browser makes it."""
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    payload = request.SerializeToString()
    body = b"\0" + struct.pack(">I", len(payload)) + payload
    answer = httpx.post(
        f"{gateway.url}/concentrate.responses.v1.ResponsesService/StreamResponse",
        content=base64.b64encode(body) if text else body,
        headers={"content-type": kind, "accept": kind, "x-grpc-web": "1", "authorization": f"Bearer {key}"},
    )
    assert (answer.status_code, answer.headers["content-type"].startswith(kind)) == (200, True)
    rest = answer.content
    if text:  # pieces of base64, each padded
        rest = b"".join(base64.b64decode(piece) for piece in re.findall(rb"[^=]+=*", rest))
    messages, trailers = [], "\r\n".join(f"{name}:{value}" for name, value in answer.headers.items())
    while rest:
        flag, length = struct.unpack(">BI", rest[:5])
        content, rest = rest[5 : 5 + length], rest[5 + length :]
        if flag & 0x80:
            trailers = content.decode()
        else:
            messages.append(content)
    return messages, trailers


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_grpc_web_streams(gateway: Gateway, text: bool):
    """Typed events in a browser, without a proxy of its own."""
    request = CreateResponseRequest(model="sandbox/echo", input_text="hello there")
    messages, trailers = web(gateway, request, gateway.key, text=text)
    events = [stream_event_pb2.StreamEvent.FromString(message) for message in messages]
    assert events[-1].response_completed.response.usage.output_tokens > 0
    assert "grpc-status:0" in trailers


def test_grpc_web_errors(gateway: Gateway):
    """The code is where gRPC-Web clients look for it."""
    messages, trailers = web(gateway, CreateResponseRequest(model="sandbox/echo", input_text="hi"), "wrong")
    assert messages == []
    assert "grpc-status:16" in trailers
