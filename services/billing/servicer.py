"""Billing for other processes: the thin side of `RemoteMeter`."""

from typing import Any

import grpc
from concentrate.adapters.v1 import target_pb2, usage_pb2
from concentrate.billing.v1 import billing_service_pb2 as pb
from concentrate.billing.v1 import billing_service_pb2_grpc, cost_pb2
from concentrate.keys.v1 import caller_pb2

from services.catalog.schema import Target
from services.mirror import mirror
from services.ports import Meter
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage

Context = grpc.aio.ServicerContext[Any, Any]

_CALLER = mirror(Caller, caller_pb2.Caller)
_TARGET = mirror(Target, target_pb2.Target)
_USAGE = mirror(Usage, usage_pb2.Usage)
_COST = mirror(Cost, cost_pb2.Cost)


class BillingServicer(billing_service_pb2_grpc.BillingServiceServicer):
    """Serves `concentrate.billing.v1.BillingService`. Errors are the interceptor's."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def Settle(self, request: pb.SettleRequest, context: Context) -> pb.SettleResponse:  # noqa: N802, ARG002
        """Records what was used, and prices it."""
        cost = await self._meter.settle(
            request.response_id,
            _CALLER.to_struct(request.caller),
            _TARGET.to_struct(request.target),
            _USAGE.to_struct(request.usage),
        )
        return pb.SettleResponse(cost=_COST.to_message(cost) if cost is not None else None)
