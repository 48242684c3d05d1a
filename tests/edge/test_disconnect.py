"""Who leaves early: the work at the provider ends within a second."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import grpc
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.edge.endless import Endless
from tests.gateway import Gateway

PATIENCE_S = 20.0
TYPED = CreateResponseRequest(model="mistral/m", input_text="hello")

Client = Callable[[Gateway, Endless], AbstractContextManager[None]]


@contextmanager
def _asking(gateway: Gateway, *, stream: bool) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
    body = json.dumps({"model": "mistral/m", "input": "hello", "stream": stream})
    connection.request("POST", "/v1/responses", body, gateway.headers)
    yield connection
    connection.close()


@contextmanager
def stream(gateway: Gateway, _: Endless) -> Iterator[None]:
    """Three words have come."""
    with _asking(gateway, stream=True) as connection, connection.getresponse() as answer:
        words = 0
        while words < 3:
            words += b'"delta":"word "' in answer.readline()
        yield


@contextmanager
def whole(gateway: Gateway, provider: Endless) -> Iterator[None]:
    """Nothing has been answered yet."""
    with _asking(gateway, stream=False):
        assert provider.asked.wait(PATIENCE_S)
        yield


@contextmanager
def typed_stream(gateway: Gateway, _: Endless) -> Iterator[None]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = ResponsesServiceStub(channel).StreamResponse(TYPED, metadata=_key(gateway), timeout=PATIENCE_S)
        for _ in range(6):
            next(call)
        yield
        call.cancel()


@contextmanager
def typed(gateway: Gateway, provider: Endless) -> Iterator[None]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = ResponsesServiceStub(channel).CreateResponse.future(TYPED, metadata=_key(gateway))
        assert provider.asked.wait(PATIENCE_S)
        yield
        call.cancel()


def _key(gateway: Gateway) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {gateway.key}")]


@pytest.mark.parametrize("client", [stream, whole, typed_stream, typed], ids=lambda client: client.__name__)
def test_the_provider_stops_when_its_client_leaves(unending: tuple[Gateway, Endless], client: Client):
    """Streamed or not, by REST or as an RPC."""
    gateway, provider = unending
    seconds = []
    for _ in range(3):
        provider.again()
        with client(gateway, provider):
            assert not provider.left.is_set()
            left = time.monotonic()
        assert provider.left.wait(PATIENCE_S)
        seconds.append(time.monotonic() - left)
    assert min(seconds) < 1  # the best of three, because a machine may be busy with something else
