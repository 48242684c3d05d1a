"""Billing in another process."""

import asyncio
import contextlib
from collections.abc import Awaitable
from secrets import token_hex
from time import monotonic
from typing import Final, TypeVar

import grpc
import msgspec
from concentrate.billing.v1 import billing_service_pb2 as pb
from concentrate.billing.v1 import billing_service_pb2_grpc, cost_pb2, order_pb2
from concentrate.keys.v1 import caller_pb2

from services.errors import GatewayError
from services.errors_grpc import from_rpc_error
from services.mirror import mirror
from services.ports import Hold, Order, Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost

TIMEOUT_S: Final = 5.0
"""Long enough for a service that is being restarted: an answer that is made should not be lost for its price."""

_AGAIN_S: Final = 1.0

_CALLER = mirror(Caller, caller_pb2.Caller)
_ORDER = mirror(Order, order_pb2.Order)
_HOLD = mirror(Hold, order_pb2.Hold)
_OUTCOME = mirror(Outcome, order_pb2.Outcome)
_COST = mirror(Cost, cost_pb2.Cost)

T = TypeVar("T")


class RemoteMeter:
    """A `Meter` behind a channel. All methods raise `Overloaded` when the service cannot be reached.

    What it holds is given back when this process dies: it has a lease of its own, which it renews once it is started.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = billing_service_pb2_grpc.BillingServiceStub(channel)
        self._lease = token_hex(8)
        self._lasts_until = 0.0
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Renews the lease from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Lets it run out."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def hold(self, order: Order, caller: Caller) -> Hold:
        """Sets aside the worst case."""
        if monotonic() >= self._lasts_until:
            await self._renew()
        request = pb.HoldRequest()
        _ORDER.fill(request.order, msgspec.structs.replace(order, lease=self._lease))
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

    async def _keep(self) -> None:
        while True:
            seconds = _AGAIN_S
            with contextlib.suppress(GatewayError):  # who wants to hold something hears of it
                seconds = await self._renew() / 3
            await asyncio.sleep(seconds)

    async def _renew(self) -> float:
        now = monotonic()
        asked = self._stub.Renew(pb.RenewRequest(lease=self._lease), timeout=TIMEOUT_S, wait_for_ready=True)
        lasts: float = (await _answer(asked)).lasts_seconds
        self._lasts_until = now + lasts
        return lasts


async def _answer(calling: Awaitable[T]) -> T:
    try:
        return await calling
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
