"""The typed surface: `concentrate.responses.v1.ResponsesService` for gRPC clients, on the same core as the JSON surface."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc
import msgspec
from concentrate.responses.v1 import response_pb2 as pb
from concentrate.responses.v1 import responses_service_pb2 as service_pb
from concentrate.responses.v1 import responses_service_pb2_grpc, stream_event_pb2
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest

from services.generation import deadline
from services.generation.heads import collect
from services.mirror import mirror
from services.ports import KeyRing
from services.responses.objects import Response
from services.responses.service import Responses
from services.responses.sse import data_of
from services.responses.state.asking import Asking, tenant_of
from services.responses.state.background import Background
from services.responses.state.compaction import Compaction
from services.responses.state.pages import page_asked
from services.responses.state.stored import Stored
from services.responses.stream_events import LifecycleEvent, StreamEvent
from services.responses.typed_answer import answer
from services.responses.typed_request import body, json_of
from services.surface.credentials import credentials
from services.surface.patience import patience_s
from services.surface.serving import answered, head

Context = grpc.aio.ServicerContext[Any, Any]

# What is repeated of the request is free JSON in the struct, so it is read like that of a response that was kept.
ECHOED: Final[dict[type, frozenset[str]]] = {Response: frozenset({"text", "tool_choice", "tools"})}

_RESPONSE = mirror(Response, pb.Response, skip=ECHOED)
_EVENT = mirror(StreamEvent, stream_event_pb2.StreamEvent, skip=ECHOED)


class TypedResponses(responses_service_pb2_grpc.ResponsesServiceServicer):
    """Serves the typed surface. Errors before the first message are the interceptor's, later ones are events."""

    def __init__(
        self,
        responses: Responses,
        asking: Asking,
        stored: Stored,
        background: Background,
        compaction: Compaction,
        keys: KeyRing,
    ) -> None:
        self._responses = responses
        self._stored = stored
        self._background = background
        self._compaction = compaction
        self._asking = asking
        self._keys = keys

    async def CreateResponse(self, request: CreateResponseRequest, context: Context) -> pb.Response:  # noqa: N802
        """One whole response."""
        caller = await self._keys.verify(*credentials(context))
        async with self._responses.reading(caller):
            given = body(request, stream=False)
            asked = await self._asking.read(given, caller, native=False)
            if asked.state.background:
                made = await self._background.create(asked, given, caller)
                await head(context, await self._responses.standing(caller))
                return answer(pb.Response(), made)
        deadline.begin(patience_s(context, stream=False))
        generation = await self._responses.open(asked.call, caller, asked.state)
        response = await answered(generation, self._responses.response(generation, asked.recorder))
        await head(context, generation.headers)
        message = _RESPONSE.to_message(response)
        message.MergeFrom(_echo(response))
        return message

    async def StreamResponse(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: CreateResponseRequest, context: Context
    ) -> None:
        """The events of one response, a message each. A client that leaves aborts the generation."""
        caller = await self._keys.verify(*credentials(context))
        async with self._responses.reading(caller):
            given = body(request, stream=True)
            asked = await self._asking.read(given, caller, native=False)
            if asked.state.background:
                kept = await self._background.stream(asked, given, caller)
                await head(context, await self._responses.standing(caller))
                await _write_kept(context, kept)
                return
        deadline.begin(patience_s(context, stream=True))
        generation = await self._responses.open(asked.call, caller, asked.state)
        await head(context, generation.headers)
        echo: pb.Response | None = None
        async with aclosing(self._responses.events(generation, asked.recorder)) as batches:  # type: ignore[type-var]  # a generator
            async for events in batches:
                for event in events:
                    message = _EVENT.to_message(event)
                    if isinstance(event, LifecycleEvent):
                        echo = echo or _echo(event.response)
                        getattr(message, str(message.WhichOneof("event"))).response.MergeFrom(echo)
                    await context.write(message)

    async def GetResponse(self, request: service_pb.GetResponseRequest, context: Context) -> pb.Response:  # noqa: N802
        """A stored response."""
        kept = await self._stored.get(await self._tenant(context), request.response_id)
        return answer(pb.Response(), kept.body)

    async def DeleteResponse(  # noqa: N802
        self, request: service_pb.DeleteResponseRequest, context: Context
    ) -> service_pb.DeleteResponseResponse:
        """Deletes a stored response."""
        await self._stored.delete(await self._tenant(context), request.response_id)
        return service_pb.DeleteResponseResponse(id=request.response_id, deleted=True)

    async def ListInputItems(  # noqa: N802
        self, request: service_pb.ListInputItemsRequest, context: Context
    ) -> service_pb.ListInputItemsResponse:
        """The items a response was made from."""
        listed = await self._stored.input_items(await self._tenant(context), request.response_id, page_asked(request))
        return answer(service_pb.ListInputItemsResponse(), msgspec.json.encode(listed))

    async def CancelResponse(self, request: service_pb.CancelResponseRequest, context: Context) -> pb.Response:  # noqa: N802
        """Cancels a response in the background."""
        kept = await self._stored.cancel(await self._tenant(context), request.response_id)
        return answer(pb.Response(), kept.body)

    async def CompactResponse(  # noqa: N802
        self, request: service_pb.CompactResponseRequest, context: Context
    ) -> service_pb.CompactResponseResponse:
        """A compacted conversation."""
        caller = await self._keys.verify(*credentials(context))
        known = collect()
        made = await self._compaction.compact(json_of(request), caller)
        await head(context, known)
        return answer(service_pb.CompactResponseResponse(), msgspec.json.encode(made))

    async def ResumeResponse(  # type: ignore[override]  # noqa: N802  # as above
        self, request: service_pb.ResumeResponseRequest, context: Context
    ) -> None:
        """The events of a stored response after a position."""
        after = request.starting_after if request.HasField("starting_after") else None
        source = await self._stored.follow(await self._tenant(context), request.response_id, after)
        await _write_kept(context, source)

    async def _tenant(self, context: Context) -> str:
        return tenant_of(await self._keys.verify(*credentials(context)))


async def _write_kept(context: Context, source: AsyncIterator[bytes]) -> None:
    """Events that were kept as JSON, a message each."""
    async with aclosing(source) as pieces:  # type: ignore[type-var]  # a generator
        async for frames in pieces:
            for data in data_of(frames):
                event = answer(stream_event_pb2.StreamEvent(), data)
                if event.WhichOneof("event") is not None:  # else of a type that only a provider knows
                    await context.write(event)


def _echo(response: Response) -> pb.Response:
    """What a response repeats of the request, alone."""
    return answer(pb.Response(), msgspec.json.encode({name: getattr(response, name) for name in ECHOED[Response]}))
