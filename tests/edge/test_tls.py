"""With a certificate the same port speaks TLS: HTTP/1.1 and HTTP/2, REST and gRPC."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.gateway import Gateway, serving

CERT, KEY = (Path(__file__).parent / "tls" / name for name in ("cert.pem", "key.pem"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(tmp_path_factory.mktemp("tls"), TLS_CERT_FILE=str(CERT), TLS_KEY_FILE=str(KEY)) as gateway:
        yield gateway


def test_rest_over_tls(secure: Gateway):
    """The line `ready` says https, and the certificate is the one given."""
    assert secure.url == f"https://127.0.0.1:{secure.port}"
    body = {"model": "sandbox/echo", "input": "hello"}
    context = ssl.create_default_context(cafile=CERT)
    answer = httpx.post(f"{secure.url}/v1/responses", headers=secure.headers, json=body, verify=context)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_alpn(secure: Gateway, protocol: str):
    """The client chooses the protocol."""
    context = ssl.create_default_context(cafile=CERT)
    context.set_alpn_protocols([protocol])
    with (
        ssl.create_connection(("127.0.0.1", secure.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == protocol


def test_grpc_over_tls(secure: Gateway):
    """A channel with credentials."""
    credentials = grpc.ssl_channel_credentials(CERT.read_bytes())
    with grpc.secure_channel(f"localhost:{secure.port}", credentials) as channel:
        request = CreateResponseRequest(model="sandbox/echo", input_text="hello")
        metadata = [("authorization", f"Bearer {secure.key}")]
        answer = ResponsesServiceStub(channel).CreateResponse(request, metadata=metadata, timeout=10)
    assert answer.output[0].message.content[0].output_text.text == "hello"


def test_plain_http_is_not_answered(secure: Gateway):
    """No port speaks both."""
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{secure.port}/v1/models")
