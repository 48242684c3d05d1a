"""Billing in another process."""

from collections.abc import Awaitable
from typing import Final, TypeVar

import grpc
from concentrate.billing.v1 import billing_service_pb2 as pb
from concentrate.billing.v1 import billing_service_pb2_grpc, cost_pb2, order_pb2
from concentrate.keys.v1 import caller_pb2

from services.errors_grpc import from_rpc_error
from services.mirror import mirror
from services.ports import Hold, Order, Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost

TIMEOUT_S: Final = 5.0
"""Long enough for a service that is being restarted: an answer that is made should not be lost for its price."""

_CALLER = mirror(Caller, caller_pb2.Caller)
_ORDER = mirror(Order, order_pb2.Order)
_HOLD = mirror(Hold, order_pb2.Hold)
_OUTCOME = mirror(Outcome, order_pb2.Outcome)
_COST = mirror(Cost, cost_pb2.Cost)

T = TypeVar("T")


class RemoteMeter:
    """A `Meter` behind a channel. All methods raise `Overloaded` when the service cannot be reached."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = billing_service_pb2_grpc.BillingServiceStub(channel)

    async def hold(self, order: Order, caller: Caller) -> Hold:
        """Sets aside the worst case."""
        request = pb.HoldRequest()
        _ORDER.fill(request.order, order)
        _CALLER.fill(request.caller, caller)
        answer = await _answer(self._stub.Hold(request, timeout=TIMEOUT_S, wait_for_ready=True))
        hold: Hold = _HOLD.to_struct(answer.hold)
        return hold

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:
        """Posts what was used and prices it."""
        request = pb.SettleRequest()
        _OUTCOME.fill(request.outcome, outcome)
        _CALLER.fill(request.caller, caller)
        answer = await _answer(self._stub.Settle(request, timeout=TIMEOUT_S, wait_for_ready=True))
        if not answer.HasField("cost"):
            return None
        cost: Cost = _COST.to_struct(answer.cost)
        return cost

    async def void(self, response_id: str, caller: Caller) -> None:
        """Gives back what was held."""
        request = pb.VoidRequest(response_id=response_id)
        _CALLER.fill(request.caller, caller)
        await _answer(self._stub.Void(request, timeout=TIMEOUT_S, wait_for_ready=True))


async def _answer(calling: Awaitable[T]) -> T:
    try:
        return await calling
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
