"""Stored responses over HTTP: `/v1/responses/{response_id}` and what is below it."""

import msgspec
from concentrate.http.v1 import stored_http_service_pb2 as pb
from concentrate.http.v1 import stored_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.generation.heads import collect
from services.ports import KeyRing
from services.responses.state.asking import tenant_of
from services.responses.state.compaction import Compaction
from services.responses.state.pages import page_asked
from services.responses.state.stored import Stored
from services.surface import sse
from services.surface.credentials import credentials
from services.surface.serving import JSON, Context, head, read_body, write, write_stream


class StoredHttp(stored_http_service_pb2_grpc.StoredHttpServiceServicer):
    """Serves `concentrate.http.v1.StoredHttpService`. `ping_s`: seconds of silence after which a stream gets a ping."""

    def __init__(self, stored: Stored, compaction: Compaction, keys: KeyRing, *, ping_s: float = 5.0) -> None:
        self._stored = stored
        self._compaction = compaction
        self._keys = keys
        self._ping_s = ping_s

    async def GetResponse(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: pb.GetResponseRequest, context: Context
    ) -> None:
        """`GET /v1/responses/{response_id}`."""
        tenant = await self._tenant(context)
        if not request.stream:
            await write(context, JSON, (await self._stored.get(tenant, request.response_id)).body)
            return
        after = request.starting_after if request.HasField("starting_after") else None
        source = await self._stored.follow(tenant, request.response_id, after)
        await write_stream(context, source, sse.PING, self._ping_s)

    async def DeleteResponse(self, request: pb.DeleteResponseRequest, context: Context) -> HttpBody:  # noqa: N802
        """`DELETE /v1/responses/{response_id}`."""
        return _json(await self._stored.delete(await self._tenant(context), request.response_id))

    async def ListInputItems(self, request: pb.ListInputItemsRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/responses/{response_id}/input_items`."""
        tenant = await self._tenant(context)
        return _json(await self._stored.input_items(tenant, request.response_id, page_asked(request)))

    async def CancelResponse(self, request: pb.CancelResponseRequest, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/responses/{response_id}/cancel`."""
        kept = await self._stored.cancel(await self._tenant(context), request.response_id)
        return HttpBody(content_type=JSON, data=kept.body)

    async def CompactResponse(self, request: HttpBody, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/responses/compact`."""
        caller = await self._keys.verify(*credentials(context))
        known = collect()
        made = await self._compaction.compact(read_body(request, context), caller)
        await head(context, known)
        return _json(made)

    async def _tenant(self, context: Context) -> str:
        return tenant_of(await self._keys.verify(*credentials(context)))


def _json(value: object) -> HttpBody:
    return HttpBody(content_type=JSON, data=msgspec.json.encode(value))
