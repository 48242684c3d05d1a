"""Billing in another process."""

from typing import Final

import grpc
from concentrate.adapters.v1 import target_pb2, usage_pb2
from concentrate.billing.v1 import billing_service_pb2 as pb
from concentrate.billing.v1 import billing_service_pb2_grpc, cost_pb2
from concentrate.keys.v1 import caller_pb2

from services.catalog.schema import Target
from services.errors_grpc import from_rpc_error
from services.mirror import mirror
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage

TIMEOUT_S: Final = 5.0
"""Long enough for a service that is being restarted: an answer that is made should not be lost for its price."""

_CALLER = mirror(Caller, caller_pb2.Caller)
_TARGET = mirror(Target, target_pb2.Target)
_USAGE = mirror(Usage, usage_pb2.Usage)
_COST = mirror(Cost, cost_pb2.Cost)


class RemoteMeter:
    """A `Meter` behind a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = billing_service_pb2_grpc.BillingServiceStub(channel)

    async def settle(self, response_id: str, caller: Caller, target: Target, usage: Usage) -> Cost | None:
        """Records what was used and prices it. Raises `Overloaded` when the service cannot be reached."""
        request = pb.SettleRequest(response_id=response_id)
        _CALLER.fill(request.caller, caller)
        _TARGET.fill(request.target, target)
        _USAGE.fill(request.usage, usage)
        try:
            answer = await self._stub.Settle(request, timeout=TIMEOUT_S, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        if not answer.HasField("cost"):
            return None
        cost: Cost = _COST.to_struct(answer.cost)
        return cost
