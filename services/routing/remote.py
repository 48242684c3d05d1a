"""Routing in another process."""

from typing import Final

import grpc
from concentrate.adapters.v1 import call_pb2
from concentrate.keys.v1 import caller_pb2
from concentrate.routing.v1 import routing_service_pb2 as pb
from concentrate.routing.v1 import routing_service_pb2_grpc

from services.errors_grpc import from_rpc_error
from services.mirror import mirror
from services.ports import Plan
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller

TIMEOUT_S: Final = 5.0
"""A plan is made in memory; this is for a service that is being restarted."""

_CALL = mirror(Call, call_pb2.Call)
_CALLER = mirror(Caller, caller_pb2.Caller)
_PLAN = mirror(Plan, pb.PlanResponse)


class RemoteRouter:
    """A `Router` behind a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = routing_service_pb2_grpc.RoutingServiceStub(channel)

    async def plan(self, call: Call, caller: Caller, *, explain: bool = False) -> Plan:
        """Targets for the call. Raises what the service raises, and `Overloaded` when it cannot be reached."""
        request = pb.PlanRequest(explain=explain)
        _CALL.fill(request.call, call)
        _CALLER.fill(request.caller, caller)
        try:
            answer = await self._stub.Plan(request, timeout=TIMEOUT_S, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        plan: Plan = _PLAN.to_struct(answer)
        return plan
