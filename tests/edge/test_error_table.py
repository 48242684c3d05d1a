"""The error table with a whole gateway: what a client meets when a request is wrong, a provider fails, or we are away.

Each row four ways: as REST and typed, whole and streamed. Failures of providers are played by `sandbox/echo`.
"""

import json
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tests.gateway import Gateway


@dataclass(frozen=True)
class Row:
    """A request and its error. The message says all of `words`. `key`: shown instead of the right one."""

    text: str
    http: int
    code: str
    grpc: str
    reason: str
    words: tuple[str, ...]
    model: str = "sandbox/echo"
    more: tuple[tuple[str, Any], ...] = ()
    key: str | None = None
    param: str | None = None
    about: str | None = None
    wait: int | None = None


def wrong(words: str, param: str, **more: Any) -> Row:
    given = tuple((name, value) for name, value in more.items() if name != "model")
    bad = {"http": 400, "code": "invalid_request_error", "grpc": "INVALID_ARGUMENT", "reason": "INVALID_REQUEST"}
    return Row("Hi", **bad, words=(words,), param=param, more=given, model=more.get("model", "sandbox/echo"))


def locked(key: str) -> Row:
    return Row("Hi", 401, "invalid_api_key", "UNAUTHENTICATED", "INVALID_API_KEY", ("key",), key=key)


def failed(directive: str, *words: str, wait: int | None = None) -> Row:
    about = "sandbox/echo"
    return Row(
        directive, 424, "provider_error", "UNAVAILABLE", "PROVIDER_FAILED", (about, *words), about=about, wait=wait
    )


TIMEOUT = ("timeout", "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT", ("sandbox/echo timed out",))
NO_MODEL = ("model_not_found", "NOT_FOUND", "MODEL_NOT_FOUND")

TABLE = {
    "400 type": wrong("temperature", "temperature", temperature=3.0),
    "400 limit": wrong("max_output_tokens", "max_output_tokens", max_output_tokens=0),
    "400 missing": wrong("model", "model", model=""),
    "400 background": wrong("ackground", "background", background=True, store=False),
    "400 continues nothing": Row(
        "Hi", 400, "previous_response_not_found", "INVALID_ARGUMENT", "PREVIOUS_RESPONSE_NOT_FOUND", ("resp_0", "not found"),
        param="previous_response_id", more=(("previous_response_id", "resp_0"),),
    ),
    "400 by the provider": Row(
        "[[fail 400]]", 400, "invalid_request_error", "INVALID_ARGUMENT", "INVALID_REQUEST", ("failed with status 400",),
        about="sandbox/echo",
    ),
    "401 none": locked(""),
    "401 malformed": locked("Bearer hunter2"),
    "401 unknown": locked("Bearer sk-cn-v1-none000000000000000000000000000000000"),
    "404 model": Row("Hi", 404, *NO_MODEL, ("`sandbox/echoo`", "`sandbox/echo`"), model="sandbox/echoo", param="model"),
    "404 provider": Row("Hi", 404, *NO_MODEL, ("OPENAI_API_KEY",), model="openai/gpt-5", param="model"),
    "424 down": failed("[[fail 503]]", "is unavailable"),
    "424 limited": failed("[[fail 429 7]]", "is rate limited", wait=7),
    "424 credential": failed("[[fail 401]]", "refused the gateway's credential"),
    "504 first byte": Row("[[hang]]", 504, *TIMEOUT, about="sandbox/echo"),
    "504 by the provider": Row("[[fail 504]]", 504, *TIMEOUT, about="sandbox/echo"),
}  # fmt: skip

LATE = {  # nothing of these can be a status of a stream: it has begun
    "424 cut": failed("one two three [[cut 1]]", "broke off"),
    "424 malformed": failed("one two three [[malformed 2]]", "cannot be read"),
    "424 failed": failed("one two three [[error 2]]", "failed to answer"),
    "504 silence": Row("one two three [[hang 2]]", 504, *TIMEOUT, about="sandbox/echo"),
}


def post(gateway: Gateway, row: Row, *, stream: bool) -> httpx.Response:
    authorization = f"Bearer {gateway.key}" if row.key is None else row.key
    headers = {"authorization": authorization} if authorization else {}
    body = {"model": row.model, "input": row.text, "stream": stream, **dict(row.more)}
    return httpx.post(f"{gateway.url}/v1/responses", json=body, headers=headers, timeout=30)


def call(gateway: Gateway, row: Row, *, stream: bool) -> list[Any]:
    """All messages of a typed call. Raises `grpc.RpcError`."""
    authorization = f"Bearer {gateway.key}" if row.key is None else row.key
    metadata = [("authorization", authorization)] if authorization else []
    request = CreateResponseRequest(model=row.model, input_text=row.text, **dict(row.more))
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        if stream:
            return list(stub.StreamResponse(request, metadata=metadata, timeout=30))
        return [stub.CreateResponse(request, metadata=metadata, timeout=30)]


def check(row: Row, error: dict[str, Any]) -> None:
    assert (error["code"], error["param"], error.get("model")) == (row.code, row.param, row.about)
    assert error.get("retry_after") == row.wait
    assert all(word in error["message"] for word in row.words), error["message"]


@pytest.mark.parametrize(
    ("row", "stream"),
    [
        *(pytest.param(row, stream, id=f"{name}-{stream}") for name, row in TABLE.items() for stream in (False, True)),
        *(pytest.param(row, False, id=f"{name}-False") for name, row in LATE.items()),
    ],
)
def test_rest(impatient: Gateway, row: Row, stream: bool):
    """The status, our JSON, and `Retry-After` where there is a wait; also for a stream that has not begun."""
    answer = post(impatient, row, stream=stream)
    assert (answer.status_code, answer.headers["content-type"]) == (row.http, "application/json")
    assert list(answer.json()) == ["error"]
    check(row, answer.json()["error"])
    assert answer.headers.get("retry-after") == (str(row.wait) if row.wait else None)


@pytest.mark.parametrize(
    ("row", "stream"),
    [
        *(pytest.param(row, stream, id=f"{name}-{stream}") for name, row in TABLE.items() for stream in (False, True)),
        *(pytest.param(row, False, id=f"{name}-False") for name, row in LATE.items()),
    ],
)
def test_grpc(impatient: Gateway, row: Row, stream: bool):
    """The code, the same message, `ErrorInfo` with what the error knows, and `RetryInfo` where there is a wait."""
    with pytest.raises(grpc.RpcError) as raised:
        call(impatient, row, stream=stream)
    assert raised.value.code() == grpc.StatusCode[row.grpc]
    assert all(word in raised.value.details() for word in row.words), raised.value.details()
    status = Status.FromString(dict(raised.value.trailing_metadata())["grpc-status-details-bin"])
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    given = {"param": row.param, "model": row.about, "retry_after": str(row.wait) if row.wait else None}
    assert (info.reason, info.domain) == (row.reason, "concentrate")
    assert dict(info.metadata) == {name: value for name, value in given.items() if value is not None}
    waits = [detail.Unpack(retry) and retry.retry_delay.seconds for detail in status.details[1:]]
    assert waits == ([row.wait] if row.wait else [])


@pytest.mark.parametrize("row", LATE.values(), ids=LATE.keys())
def test_a_stream_that_has_begun_says_it_in_its_events(impatient: Gateway, row: Row):
    """`error`, then `response.failed` with what there is of the answer, and an orderly end; typed just so."""
    answer = post(impatient, row, stream=True)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert (answer.status_code, lines[-1]) == (200, "[DONE]")
    error, last = (json.loads(line) for line in lines[-3:-1])
    assert (error["type"], last["type"], last["response"]["status"]) == ("error", "response.failed", "failed")
    check(row, error["error"] | {"model": last["response"]["model"]})
    *_, error, last = call(impatient, row, stream=True)
    assert error.error.error.code == row.code
    assert last.response_failed.response.error.code
