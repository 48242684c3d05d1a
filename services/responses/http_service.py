"""The JSON surface: `POST /v1/responses`, health and the OpenAPI document, through RPCs of `google.api.HttpBody`."""

from pathlib import Path

import msgspec
from concentrate.http.v1 import http_service_pb2 as pb
from concentrate.http.v1 import http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.ports import KeyRing
from services.responses.counting import Counting
from services.responses.service import Kept, Responses
from services.responses.state.asking import Asked, Asking
from services.responses.state.background import Background
from services.surface import sse
from services.surface.credentials import credentials
from services.surface.serving import JSON, Context, head, read_body, serve, write, write_stream
from services.vocabulary.caller import Caller


class HttpService(http_service_pb2_grpc.HttpServiceServicer):
    """Serves `concentrate.http.v1.HttpService`. `ping_s`: seconds of silence after which a stream gets a ping."""

    def __init__(
        self,
        responses: Responses,
        asking: Asking,
        background: Background,
        counting: Counting,
        keys: KeyRing,
        openapi: Path,
        *,
        ping_s: float = 5.0,
    ) -> None:
        self._responses = responses
        self._counting = counting
        self._asking = asking
        self._background = background
        self._keys = keys
        self._openapi = openapi
        self._ping_s = ping_s

    async def CreateResponse(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: HttpBody, context: Context
    ) -> None:
        """`POST /v1/responses`."""
        caller = await self._keys.verify(*credentials(context))
        async with self._responses.reading(caller):
            body = read_body(request, context)
            asked = await self._asking.read(body, caller)
            if asked.state.background:
                await self._begin(asked, body, caller, context)
                return
        opening = self._responses.open(asked.call, caller, asked.state)
        await serve(Kept(self._responses, asked.recorder), asked.call, opening, context, self._ping_s)

    async def _begin(self, asked: Asked, body: bytes, caller: Caller, context: Context) -> None:
        if not asked.call.stream:
            made = await self._background.create(asked, body, caller)
            await head(context, await self._responses.standing(caller))
            await write(context, JSON, made)
            return
        events = await self._background.stream(asked, body, caller)
        await head(context, await self._responses.standing(caller))
        await write_stream(context, events, sse.PING, self._ping_s)

    async def CountInputTokens(self, request: HttpBody, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/responses/input_tokens`."""
        caller = await self._keys.verify(*credentials(context))
        asked = await self._asking.read(read_body(request, context), caller, answered=False)
        count = await self._counting.count(asked.call, caller, asked.state)
        return HttpBody(content_type=JSON, data=msgspec.json.encode(count))

    async def GetHealth(self, request: pb.GetHealthRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /v1/responses/health`."""
        return HttpBody(content_type=JSON, data=b'{"status":"healthy"}')

    async def GetOpenApi(self, request: pb.GetOpenApiRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /openapi.json`."""
        return HttpBody(content_type=JSON, data=self._openapi.read_bytes())
