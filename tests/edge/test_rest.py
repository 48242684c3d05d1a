"""What REST clients meet at the edge: our JSON for every error, ids, browsers, big bodies."""

import http.client
import json
import socket
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.gateway import Gateway

ECHO = {"model": "sandbox/echo", "input": "hello"}
MIB = 1 << 20


@pytest.fixture(scope="module")
def client(gateway: Gateway):
    with httpx.Client(base_url=gateway.url, headers=gateway.headers, timeout=30) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def unfinished(gateway: Gateway) -> Iterator[socket.socket]:
    """A request whose headers do not end; the last test reads what came of it."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n")
        yield connection


def error(answer: httpx.Response) -> dict[str, object]:
    """The error of an answer that is in our shape and nothing else."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    inner = answer.json()["error"]
    assert {"type", "code", "message", "param"} <= inner.keys()
    assert inner["message"]
    return inner


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/"),
        ("GET", "/v1/nothing?key=secret"),
        ("PUT", "/v1/responses"),
        ("GET", "/v1/responses"),
        ("POST", "/v1/models"),
        ("POST", "/concentrate.responses.v1.ResponsesService/CreateResponse"),
        ("POST", "/concentrate.routing.v1.RoutingService/Plan"),
    ],
)
def test_an_unknown_path_or_method_is_404(client: httpx.Client, method: str, path: str):
    """The message says what was asked, without the query; a method of a gRPC service is no REST path."""
    found = client.request(method, path)
    assert (found.status_code, error(found)["code"]) == (404, "not_found")
    assert f"{method} {path.partition('?')[0]}" in str(error(found)["message"])
    assert "secret" not in found.text


@pytest.mark.parametrize(
    "path", ["/v1/responses", "/v1/responses/", "/v1/responses?beta=true", "/v1/responses/?beta=true"]
)
def test_a_trailing_slash_and_unknown_query_parameters_are_fine(client: httpx.Client, path: str):
    """The published curl has a slash, and clients add parameters of their own."""
    assert client.post(path, json=ECHO).status_code == 200


def test_a_body_of_20_mb_passes(client: httpx.Client):
    """An image of that size, as a data URL."""
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * (20 * MIB)}
    content = [image, {"type": "input_text", "text": "What is this?"}]
    answer = client.post("/v1/responses", json={**ECHO, "input": [{"role": "user", "content": content}]})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("mib", [33, 40, 60])
def test_a_body_over_32_mib_is_413(client: httpx.Client, mib: int):
    """A client that listens while it sends gets the answer, whatever the size."""
    answer = client.post("/v1/responses", content=b'{"input":"' + b"a" * (mib * MIB) + b'"}')
    assert (answer.status_code, error(answer)["code"]) == (413, "request_too_large")


def test_a_client_that_sends_everything_before_it_reads_gets_the_413_too(gateway: Gateway):
    """At 40 MB it is not cut off while it sends."""
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        connection.request("POST", "/v1/responses", b" " * 40_000_000, gateway.headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "request_too_large")
        connection.close()


def test_a_packed_body_is_refused_with_the_reason(client: httpx.Client):
    """`identity` is none."""
    for encoding, status in (("gzip", 400), ("zstd", 400), ("identity", 200)):
        answer = client.post("/v1/responses", json=ECHO, headers={"content-encoding": encoding})
        assert answer.status_code == status
        assert status == 200 or encoding in str(error(answer)["message"])


def test_more_than_100_headers_are_431(client: httpx.Client):
    """And said to be too many, because they need not be large."""
    answer = client.get("/v1/models", headers={f"x-{number}": "a" for number in range(120)})
    assert (answer.status_code, error(answer)["code"]) == (431, "headers_too_large")
    assert "100" in str(error(answer)["message"])


def test_headers_over_64_kib_are_431(client: httpx.Client):
    """60 KiB pass."""
    assert client.get("/v1/models", headers={"x-much": "a" * (60 << 10)}).status_code == 200
    answer = client.get("/v1/models", headers={"x-much": "a" * (70 << 10)})
    assert (answer.status_code, error(answer)["code"]) == (431, "headers_too_large")


def test_a_websocket_elsewhere_is_refused_with_426(client: httpx.Client):
    """Clients fall back to HTTP at once on 426; on other statuses they try again, or give up."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "a", "sec-websocket-version": "13"}
    answer = client.get("/v1/models", headers=upgrade)
    assert (answer.status_code, error(answer)["code"]) == (426, "upgrade_required")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\nno colon here\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: a\r\n\r\n", 400),
        (b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
    ids=["header", "host", "length", "chunk"],
)
def test_what_is_not_http_gets_json_too(gateway: Gateway, request_: bytes, status: int):
    """Also before a request can be read."""
    found, body = raw(gateway, request_)
    assert found == status
    assert body["error"]["type"] == "invalid_request_error"


def test_http_1_0_is_answered_whole_and_streamed(gateway: Gateway):
    """nginx speaks it to what stands behind it, unless it is told otherwise."""
    for fields in ({}, {"stream": True}):
        body = json.dumps({**ECHO, **fields})
        head = (
            f"POST /v1/responses HTTP/1.0\r\nauthorization: Bearer {gateway.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
            connection.sendall((head + body).encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            text = answer.read().decode()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert text.endswith("data: [DONE]\n\n") if fields else json.loads(text)["status"] == "completed"


def raw(gateway: Gateway, request: bytes) -> tuple[int, dict[str, dict[str, object]]]:
    """Status and JSON of the answer to bytes that need not be a request."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(request)
        return answer_on(connection)


def answer_on(connection: socket.socket) -> tuple[int, dict[str, dict[str, object]]]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


# ---- request ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["my-own-id", str(uuid.UUID(int=0x11111111111141118111111111111111))])
def test_the_clients_request_id_comes_back_as_it_was(client: httpx.Client, id: str):
    """Also one that looks like Envoy's own, of which tracing would change a digit."""
    for answer in (
        client.get("/v1/models", headers={"x-request-id": id}),
        client.get("/no", headers={"x-request-id": id}),
    ):
        assert answer.headers["x-request-id"] == id


def test_every_answer_has_a_request_id(client: httpx.Client):
    """A fresh one each time."""
    answers = [client.post("/v1/responses", json=ECHO) for _ in range(2)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2


# ---- browsers --------------------------------------------------------------------------------------------------------

ORIGIN = {"origin": "https://app.example"}


def test_a_browser_may_ask(client: httpx.Client):
    """The preflight allows the headers that SDKs send from browsers."""
    asked = "authorization,content-type,x-stainless-os,anthropic-version"
    preflight = client.options(
        "/v1/responses",
        headers={**ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": asked},
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert set(asked.split(",")) <= set(preflight.headers["access-control-allow-headers"].split(","))


@pytest.mark.parametrize(("path", "status"), [("/v1/models", 200), ("/v1/nothing", 404), ("/v1/responses", 404)])
def test_a_browser_may_read_answers_and_errors(client: httpx.Client, path: str, status: int):
    """With the request id and the time to wait, and without cookies."""
    answer = client.get(path, headers=ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "https://app.example")
    assert {"x-request-id", "retry-after"} <= set(answer.headers["access-control-expose-headers"].split(","))
    assert "access-control-allow-credentials" not in answer.headers


def test_nothing_of_grpc_or_envoy_shows(client: httpx.Client):
    """Headers of the machinery stay inside."""
    for answer in (
        client.get("/v1/models"),
        client.post("/v1/responses", json=ECHO),
        client.post("/v1/responses", json={}),
    ):
        assert not [
            name for name in answer.headers if name.startswith(("grpc-", "x-envoy", "x-http-status", "x-error"))
        ]


def test_a_request_that_does_not_arrive_is_408(unfinished: socket.socket):
    """Headers have 10 seconds."""
    status, body = answer_on(unfinished)
    assert (status, body["error"]["code"]) == (408, "request_timeout")
