"""Adapters for other processes: the thin side of `RemoteAdapters`."""

from contextlib import aclosing
from typing import Any

import grpc
from concentrate.adapters.v1 import adapters_service_pb2 as pb
from concentrate.adapters.v1 import adapters_service_pb2_grpc, call_pb2, event_pb2, target_pb2

from services.catalog.schema import Target
from services.errors import GatewayError
from services.mirror import mirror
from services.ports import Adapters
from services.vocabulary.call import Call
from services.vocabulary.event import Event

Context = grpc.aio.ServicerContext[Any, Any]

_CALL = mirror(Call, call_pb2.Call)
_TARGET = mirror(Target, target_pb2.Target)
_EVENT = mirror(Event, event_pb2.Event)


class AdaptersServicer(adapters_service_pb2_grpc.AdaptersServiceServicer):
    """Serves `concentrate.adapters.v1.AdaptersService`. Errors are the interceptor's."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def Generate(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: pb.GenerateRequest, context: Context
    ) -> None:
        """Events of one provider's answer, one message per batch. A caller that leaves closes the batches."""
        batches = self._adapters.generate(_CALL.to_struct(request.call), _TARGET.to_struct(request.target))
        try:
            async with aclosing(batches):  # type: ignore[type-var]  # adapters give async generators
                async for batch in batches:
                    message = pb.GenerateResponse()
                    for event in batch:
                        _EVENT.fill(message.events.add(), event)
                    await context.write(message)
        except GatewayError as error:
            error.inside = True
            raise
