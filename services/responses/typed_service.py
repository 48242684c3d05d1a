"""The typed surface: `concentrate.responses.v1.ResponsesService` for gRPC clients, on the same core as the JSON surface."""

from contextlib import aclosing
from typing import Any, Final

import grpc
from concentrate.responses.v1 import response_pb2 as pb
from concentrate.responses.v1 import responses_service_pb2_grpc, stream_event_pb2
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest

from services.generation import deadline
from services.mirror import mirror
from services.ports import KeyRing
from services.responses.objects import Response
from services.responses.service import Responses
from services.responses.stream_events import LifecycleEvent, StreamEvent
from services.responses.typed_request import read
from services.surface.credentials import credentials
from services.surface.patience import patience_s
from services.surface.serving import answered, head

Context = grpc.aio.ServicerContext[Any, Any]

# The echo of these is free JSON in the struct; the request says the same in types.
ECHOED: Final[dict[type, frozenset[str]]] = {Response: frozenset({"text", "tool_choice", "tools"})}

_RESPONSE = mirror(Response, pb.Response, skip=ECHOED)
_EVENT = mirror(StreamEvent, stream_event_pb2.StreamEvent, skip=ECHOED)


class TypedResponses(responses_service_pb2_grpc.ResponsesServiceServicer):
    """Serves the typed surface. Errors before the first message are the interceptor's, later ones are events."""

    def __init__(self, responses: Responses, keys: KeyRing) -> None:
        self._responses = responses
        self._keys = keys

    async def CreateResponse(self, request: CreateResponseRequest, context: Context) -> pb.Response:  # noqa: N802
        """One whole response."""
        caller = await self._keys.verify(*credentials(context))
        deadline.begin(patience_s(context, stream=False))
        generation = await self._responses.open(read(request, stream=False), caller)
        message = _RESPONSE.to_message(await answered(generation, self._responses.response(generation)))
        await head(context, generation.headers)
        _echo(request, message)
        return message

    async def StreamResponse(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: CreateResponseRequest, context: Context
    ) -> None:
        """The events of one response, a message each. A client that leaves aborts the generation."""
        caller = await self._keys.verify(*credentials(context))
        deadline.begin(patience_s(context, stream=True))
        generation = await self._responses.open(read(request, stream=True), caller)
        await head(context, generation.headers)
        async with aclosing(self._responses.events(generation)) as batches:  # type: ignore[type-var]  # a generator
            async for events in batches:
                for event in events:
                    message = _EVENT.to_message(event)
                    if isinstance(event, LifecycleEvent):
                        _echo(request, getattr(message, str(message.WhichOneof("event"))).response)
                    await context.write(message)


def _echo(request: CreateResponseRequest, response: pb.Response) -> None:
    response.tools.extend(request.tools)
    if request.HasField("tool_choice"):
        response.tool_choice.CopyFrom(request.tool_choice)
    if request.HasField("text"):
        response.text.CopyFrom(request.text)
