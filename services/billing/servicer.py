"""Billing for other processes: the thin side of `RemoteMeter`."""

from typing import Any, Protocol

import grpc
from concentrate.billing.v1 import billing_service_pb2 as pb
from concentrate.billing.v1 import billing_service_pb2_grpc, cost_pb2, order_pb2
from concentrate.keys.v1 import caller_pb2

from services.mirror import mirror
from services.ports import Hold, Meter, Order, Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost

Context = grpc.aio.ServicerContext[Any, Any]

_CALLER = mirror(Caller, caller_pb2.Caller)
_ORDER = mirror(Order, order_pb2.Order)
_HOLD = mirror(Hold, order_pb2.Hold)
_OUTCOME = mirror(Outcome, order_pb2.Outcome)
_COST = mirror(Cost, cost_pb2.Cost)


class Books(Meter, Protocol):
    """A meter that also keeps the holds of processes elsewhere."""

    async def renew(self, lease: str) -> float:
        """That process is alive; for how many seconds this is believed."""
        ...


class BillingServicer(billing_service_pb2_grpc.BillingServiceServicer):
    """Serves `concentrate.billing.v1.BillingService`. Errors are the interceptor's."""

    def __init__(self, meter: Books) -> None:
        self._meter = meter

    async def Hold(self, request: pb.HoldRequest, context: Context) -> pb.HoldResponse:  # noqa: N802, ARG002
        """Sets money aside."""
        hold = await self._meter.hold(_ORDER.to_struct(request.order), _CALLER.to_struct(request.caller))
        return pb.HoldResponse(hold=_HOLD.to_message(hold))

    async def Settle(self, request: pb.SettleRequest, context: Context) -> pb.SettleResponse:  # noqa: N802, ARG002
        """Posts what was used, and prices it."""
        cost = await self._meter.settle(_OUTCOME.to_struct(request.outcome), _CALLER.to_struct(request.caller))
        return pb.SettleResponse(cost=_COST.to_message(cost) if cost is not None else None)

    async def Void(self, request: pb.VoidRequest, context: Context) -> pb.VoidResponse:  # noqa: N802, ARG002
        """Gives back what was set aside."""
        await self._meter.void(request.response_id, _CALLER.to_struct(request.caller))
        return pb.VoidResponse()

    async def Renew(self, request: pb.RenewRequest, context: Context) -> pb.RenewResponse:  # noqa: N802, ARG002
        """Keeps what a process holds."""
        return pb.RenewResponse(lasts_seconds=await self._meter.renew(request.lease))
