"""Routing as clients see it, through Envoy: the routing field, `auto`, and what is kept over a restart."""

from functools import partial
from typing import Any

import grpc
import httpx
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.edge.endless import Endless
from tests.gateway import Gateway


def ask(gateway: Gateway, **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/responses", json={"input": "Hi", **body}, headers=gateway.headers, timeout=20)


def test_the_answer_says_how_it_was_routed(gateway: Gateway):
    """What was asked for, what served, how many were asked, and what decided."""
    routing = ask(gateway, model="sandbox/echo", routing={"provider": {"sort": "cost"}}).json()["routing"]
    assert routing == {"requested": "sandbox/echo", "served": "sandbox/echo", "attempts": 1, "reason": "sort=cost"}


def test_auto_works_where_nothing_is_configured(gateway: Gateway):
    """Without any provider `auto` is the sandbox."""
    assert ask(gateway, model="auto").json()["model"] == "sandbox/echo"


def test_a_failing_model_is_followed_by_the_callers_fallbacks(unending: tuple[Gateway, Endless]):
    """The caller's next model answers, and the answer says that two were asked."""
    gateway, _ = unending
    body = {"model": "openai/gpt-5.4", "routing": {"model": {"fallbacks": ["sandbox/echo"]}}}
    answer = ask(gateway, **body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["model"], answer.json()["routing"]["attempts"]) == ("sandbox/echo", 2)
    failed = ask(gateway, model="openai/gpt-5.4")
    assert (failed.status_code, failed.json()["error"]["code"]) == (424, "provider_error")


HEADERS = {"x-concentrate-provider": "sandbox", "x-concentrate-model": "echo", "x-concentrate-attempts": "1"}


def test_every_answer_says_in_its_headers_who_served_it(gateway: Gateway):
    """As JSON, as a stream, and by gRPC as initial metadata, before the first message."""
    whole = ask(gateway, model="sandbox/echo")
    streamed = ask(gateway, model="sandbox/echo", stream=True)
    assert HEADERS.items() <= dict(whole.headers).items()
    assert HEADERS.items() <= dict(streamed.headers).items()
    request = CreateResponseRequest(model="sandbox/echo", input_text="Hi")
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        key = [("authorization", f"Bearer {gateway.key}")]
        _, call = stub.CreateResponse.with_call(request, metadata=key)
        assert HEADERS.items() <= dict(call.initial_metadata()).items()
        stream = stub.StreamResponse(request, metadata=key)
        assert HEADERS.items() <= dict(stream.initial_metadata()).items()
        stream.cancel()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_grpc_deadline_ends_with_what_was_tried(gateway: Gateway, stream: bool):
    """Shortly before the client gives up it hears who stayed silent, instead of nothing (unless the machine is too busy)."""
    request = CreateResponseRequest(model="sandbox/echo", input_text="[[delay 30000]] Hi")
    request.routing.model.fallbacks.append("sandbox/echo")
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        key = [("authorization", f"Bearer {gateway.key}")]
        ask_it = (
            (lambda **how: list(stub.StreamResponse(request, **how)))
            if stream
            else partial(stub.CreateResponse, request)
        )
        for patience in (1.5, 3, 6, 12):
            with pytest.raises(grpc.RpcError) as late:
                ask_it(metadata=key, timeout=patience)
            assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if "silent" in (told := str(late.value.details())):
                break
    assert "sandbox/echo stayed silent" in told


def test_what_an_sdk_says_it_waits_is_a_deadline_for_a_whole_answer(gateway: Gateway):
    """504 with the names; a stream has no such limit, as pings tell the client that it is alive."""
    headers = gateway.headers | {"x-stainless-read-timeout": "1"}
    body = {"model": "sandbox/echo", "input": "[[delay 2500]] Hi"}
    late = httpx.post(f"{gateway.url}/v1/responses", json=body, headers=headers, timeout=20)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
    assert "sandbox/echo stayed silent" in late.json()["error"]["message"]
    streamed = httpx.post(f"{gateway.url}/v1/responses", json=body | {"stream": True}, headers=headers, timeout=20)
    assert streamed.status_code == 200
    assert "response.completed" in streamed.text
