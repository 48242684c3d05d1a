"""The error table (docs: `services/errors.py`), each row through Envoy: as REST, typed and by bytes, and as gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from concentrate.http.v1.http_service_pb2_grpc import HttpServiceServicer, HttpServiceStub
from concentrate.models.v1.models_service_pb2 import ListModelsRequest
from concentrate.models.v1.models_service_pb2_grpc import ModelsServiceServicer, ModelsServiceStub
from google.api.httpbody_pb2 import HttpBody
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from structlog.testing import capture_logs

from services import errors
from services.errors import GatewayError
from tests.edge.kit import edge

MESSAGE = 'ä "quoted" 100% +\nsecond line, 日本'

ERRORS: list[GatewayError] = [
    errors.InvalidRequest(MESSAGE, param="input[2].content[0].image_url"),
    errors.InvalidKey(MESSAGE),
    errors.InsufficientCredits(MESSAGE),
    errors.PermissionDenied(MESSAGE),
    errors.NotFound(MESSAGE),
    errors.ModelNotFound(MESSAGE, param="model"),
    errors.Conflict(MESSAGE),
    errors.RequestTooLarge(MESSAGE),
    errors.NoZdrRoute(MESSAGE),
    errors.ProviderFailed(MESSAGE, model="openai/gpt-5"),
    errors.RateLimited(MESSAGE, retry_after=7),
    errors.InternalError(),
    errors.Overloaded(MESSAGE, retry_after=3),
    errors.UpstreamTimeout(MESSAGE),
    errors.InvalidRequest("x" * 100_000),
    errors.InvalidRequest("\N{GRINNING FACE}" * 333, param="日" * 44),
]


class Failing(HttpServiceServicer, ModelsServiceServicer):
    """Raises the error that the test puts here."""

    error: Exception
    refusal: grpc.StatusCode | None = None

    async def GetHealth(self, request: Any, context: Any) -> HttpBody:
        if self.refusal is not None:
            await context.abort(self.refusal, "its own words")
        raise self.error

    async def GetOpenApi(self, request: Any, context: Any) -> HttpBody:
        raise self.error

    async def CreateResponse(self, request: HttpBody, context: Any) -> AsyncIterator[HttpBody]:
        if request.data == b"late":
            yield HttpBody(content_type="text/event-stream", data=b"data: 1\n\n")
        raise self.error

    async def ListModels(self, request: Any, context: Any) -> Any:
        raise self.error


@pytest.fixture
async def failing(tmp_path: Path) -> AsyncIterator[tuple[Failing, int]]:
    servicer = Failing()
    async with edge(tmp_path, servicer, servicer) as port:
        yield servicer, port


async def test_rest_gets_the_status_and_our_json(failing: tuple[Failing, int]):
    """The same from a call that has one answer and from a stream that has not begun."""
    servicer, port = failing
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for error in ERRORS:
            servicer.error = error
            for answer in (
                await client.get("/v1/responses/health"),
                await client.get("/openapi.json"),
                await client.post("/v1/responses", content=b"{}"),
            ):
                assert answer.status_code == error.http
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers.get("retry-after") == (str(error.retry_after) if error.retry_after else None)
                expected = error.fields() | {"message": error.message[:2000]}
                assert answer.json() == {"error": expected}
                assert not [name for name in answer.headers if name.startswith(("grpc", "x-http", "x-error"))]


async def test_grpc_gets_the_code_and_the_reason(failing: tuple[Failing, int]):
    """And the details in `google.rpc` messages; nothing of the JSON."""
    servicer, port = failing
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for error in ERRORS:
            servicer.error = error
            for call in (
                ModelsServiceStub(channel).ListModels(ListModelsRequest()),
                HttpServiceStub(channel).CreateResponse(HttpBody()).read(),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call
                assert (raised.value.code(), raised.value.details()) == (error.grpc, error.message[:2000])
                metadata = dict(raised.value.trailing_metadata() or ())
                assert not metadata.keys() & {"x-http-status", "x-error-body"}
                info, *others = Status.FromString(metadata["grpc-status-details-bin"]).details
                found = ErrorInfo()
                assert info.Unpack(found)
                assert (found.domain, found.reason) == ("concentrate", error.reason)
                assert found.metadata.get("param") == error.param
                assert [other.Is(RetryInfo.DESCRIPTOR) for other in others] == ([True] if error.retry_after else [])


async def test_long_words_are_cut_to_what_clients_take(failing: tuple[Failing, int]):
    """A provider may say anything, in any script; an error that does not fit would be another error, now and then."""
    servicer, port = failing
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, httpx.AsyncClient() as client:
        for character in ("x", "ß", "日", "\N{GRINNING FACE}", "\n", "%", '"', "\x7f"):
            servicer.error = errors.InvalidRequest(character * 9000, param=character * 9000, model=character * 9000)
            answer = await client.get(f"http://127.0.0.1:{port}/openapi.json")
            said = answer.json()["error"]
            assert (answer.status_code, set(said["message"]), set(said["param"])) == (400, {character}, {character})
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await ModelsServiceStub(channel).ListModels(ListModelsRequest())
            assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, said["message"])
            words = len(quote(said["message"], safe=_PLAIN))
            assert words + _size(raised.value.trailing_metadata() or ()) < 7500, "gRPC takes 8192"


_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))


def _size(metadata: Any) -> int:
    """As HTTP/2 counts header lists: name, value and 32 for each entry; bytes travel as base64."""
    return sum(len(key) + 32 + len(value) * (4 / 3 if key.endswith("-bin") else 1) for key, value in metadata)


async def test_an_unexpected_error_shows_nothing(failing: tuple[Failing, int]):
    """It is logged with the request id, and the client is told only that."""
    servicer, port = failing
    servicer.error = RuntimeError("password is hunter2")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for method, path in (("GET", "/openapi.json"), ("POST", "/v1/responses")):
            with capture_logs() as lines:
                answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
            assert "hunter2" not in answer.text
            assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"]]


async def test_an_error_after_the_first_message_ends_the_stream(failing: tuple[Failing, int]):
    """The status is gone by then; a surface writes its own event before it ends."""
    servicer, port = failing
    servicer.error = errors.Overloaded("late")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/v1/responses", content=b"late")
    assert (answer.status_code, answer.text) == (200, "data: 1\n\n")


@pytest.mark.parametrize(
    ("status", "http", "code"),
    [
        (grpc.StatusCode.CANCELLED, 503, "overloaded"),
        (grpc.StatusCode.UNAVAILABLE, 503, "overloaded"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 503, "overloaded"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "timeout"),
        (grpc.StatusCode.UNKNOWN, 500, "server_error"),
        (grpc.StatusCode.UNIMPLEMENTED, 500, "server_error"),
    ],
)
async def test_what_grpc_itself_refuses_is_in_our_json_too(
    failing: tuple[Failing, int], status: grpc.StatusCode, http: int, code: str
):
    """A worker that stops or is full: nothing of ours has written the error, and gRPC's own words stay inside."""
    servicer, port = failing
    servicer.refusal = status
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.get("/v1/responses/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (http, code)
    assert {"type", "code", "message", "param"} <= answer.json()["error"].keys()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("retry-after") == ("1" if http == 503 else None)
    assert "its own words" not in answer.text
    assert not [name for name in answer.headers if name.startswith("grpc")]
