"""The JSON surface: bytes in, JSON or server-sent events out, through RPCs of `google.api.HttpBody`.

What is raised before the first byte becomes a real HTTP status (runtime/interceptors.py and Envoy see to that); later
failures are events of the stream. A stream that stays silent gets comment pings, also before the provider's first byte.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import grpc
from concentrate.http.v1 import http_service_pb2 as pb
from concentrate.http.v1 import http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.errors import InvalidRequest, RequestTooLarge, forget
from services.ports import KeyRing
from services.responses import intake
from services.responses.pump import Pump
from services.responses.service import Generation, Responses
from services.vocabulary.call import Call

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

BODY_BYTES_MAX: Final = 32 << 20
MESSAGE_BYTES_MAX: Final = 4 << 20  # the edge holds a message whole before it passes it on, and has a limit for that

Context = grpc.aio.ServicerContext[HttpBody, HttpBody]


class HttpService(http_service_pb2_grpc.HttpServiceServicer):
    """Serves `concentrate.http.v1.HttpService`. `ping_s`: seconds of silence after which a stream gets a ping."""

    def __init__(self, responses: Responses, keys: KeyRing, openapi: Path, *, ping_s: float = 5.0) -> None:
        self._responses = responses
        self._keys = keys
        self._openapi = openapi
        self._ping_s = ping_s

    async def CreateResponse(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: HttpBody, context: Context
    ) -> None:
        """`POST /v1/responses`."""
        caller = await self._keys.verify(*credentials(context))
        if len(request.data) > BODY_BYTES_MAX:
            raise RequestTooLarge(f"The body is larger than {BODY_BYTES_MAX >> 20} MiB.")
        _check_encoding(context)
        call = intake.read(request.data)
        opening = asyncio.ensure_future(self._responses.open(call, caller))
        if call.stream:
            await self._stream(call, opening, context)
            return
        body = await self._responses.whole(await _or_cancel(opening))
        await _write(context, JSON, body)

    async def GetHealth(self, request: pb.GetHealthRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /v1/responses/health`."""
        return HttpBody(content_type=JSON, data=b'{"status":"healthy"}')

    async def GetOpenApi(self, request: pb.GetOpenApiRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /openapi.json`."""
        return HttpBody(content_type=JSON, data=self._openapi.read_bytes())

    async def _stream(self, call: Call, opening: "asyncio.Future[Generation]", context: Context) -> None:
        """Raises only while nothing has been written."""
        try:
            done, _ = await asyncio.wait({opening}, timeout=self._ping_s)
            source = self._responses.sse(opening.result()) if done else self._late(call, opening)
        except asyncio.CancelledError:
            opening.cancel()
            raise

        async def write(data: bytes) -> None:
            await _write(context, EVENTS, data)

        await Pump(source, write, self._ping_s).run(silent=not done)

    async def _late(self, call: Call, opening: "asyncio.Future[Generation]") -> AsyncIterator[bytes]:
        """A stream whose provider has not answered yet: the status is sent, so a failure is an event."""
        try:
            generation = await _or_cancel(opening)
        except Exception as error:  # noqa: BLE001
            yield self._responses.failed(call, error)
            forget(error)
            return
        async for data in self._responses.sse(generation):
            yield data


async def _write(context: Context, content_type: str, data: bytes) -> None:
    """As one message, or as several when that would be too large for the edge: a picture, a very long answer."""
    if len(data) <= MESSAGE_BYTES_MAX:
        await context.write(HttpBody(content_type=content_type, data=data))
        return
    for start in range(0, len(data), MESSAGE_BYTES_MAX):
        await context.write(HttpBody(content_type=content_type, data=data[start : start + MESSAGE_BYTES_MAX]))


async def _or_cancel(opening: "asyncio.Future[Generation]") -> Generation:
    """Awaits an opening; a caller that leaves takes it along."""
    try:
        return await opening
    except asyncio.CancelledError:
        opening.cancel()
        raise


def _check_encoding(context: Context) -> None:
    """Packed bodies are not taken; without this they would be called bad UTF-8."""
    for name, value in context.invocation_metadata() or ():
        if name == "content-encoding" and value not in ("identity", ""):
            raise InvalidRequest(f"Bodies packed with {str(value)[:40]!r} are not read here: send it as it is.")


def credentials(context: Context) -> tuple[str | None, str | None]:
    """The `authorization` and `x-api-key` headers."""
    authorization = api_key = None
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            authorization = str(value)
        elif name == "x-api-key":
            api_key = str(value)
    return authorization, api_key
