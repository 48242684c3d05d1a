"""Adapters in another process."""

from collections.abc import AsyncIterator, Sequence

import grpc
from concentrate.adapters.v1 import adapters_service_pb2 as pb
from concentrate.adapters.v1 import adapters_service_pb2_grpc, call_pb2, event_pb2, target_pb2

from services.catalog.schema import Target
from services.errors_grpc import from_rpc_error
from services.mirror import mirror
from services.vocabulary.call import Call
from services.vocabulary.event import Event

_CALL = mirror(Call, call_pb2.Call)
_TARGET = mirror(Target, target_pb2.Target)
_EVENT = mirror(Event, event_pb2.Event)


class RemoteAdapters:
    """`Adapters` behind a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = adapters_service_pb2_grpc.AdaptersServiceStub(channel)

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        """Asks one provider. Raises what the service raises, and `Overloaded` when it cannot be reached.

        There is no deadline: how long a provider may be silent is the service's setting. Closing the iterator cancels
        the RPC, and so the upstream request.
        """
        request = pb.GenerateRequest()
        _CALL.fill(request.call, call)
        _TARGET.fill(request.target, target)
        answer = self._stub.Generate(request)
        try:
            async for message in answer:
                yield [_EVENT.to_struct(event) for event in message.events]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            answer.cancel()
