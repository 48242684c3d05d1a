"""Routing for other processes: the thin side of `RemoteRouter`."""

from typing import Any

import grpc
from concentrate.adapters.v1 import call_pb2
from concentrate.keys.v1 import caller_pb2
from concentrate.routing.v1 import routing_service_pb2 as pb
from concentrate.routing.v1 import routing_service_pb2_grpc

from services.mirror import mirror
from services.ports import Plan, Router
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller

Context = grpc.aio.ServicerContext[Any, Any]

_CALL = mirror(Call, call_pb2.Call)
_CALLER = mirror(Caller, caller_pb2.Caller)
_PLAN = mirror(Plan, pb.PlanResponse)


class RoutingServicer(routing_service_pb2_grpc.RoutingServiceServicer):
    """Serves `concentrate.routing.v1.RoutingService`. Errors are the interceptor's."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def Plan(self, request: pb.PlanRequest, context: Context) -> pb.PlanResponse:  # noqa: N802, ARG002
        """Targets for a call."""
        call, caller = _CALL.to_struct(request.call), _CALLER.to_struct(request.caller)
        plan = await self._router.plan(call, caller, explain=request.explain)
        return _PLAN.to_message(plan)

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:  # noqa: N802, ARG002
        """For clients, who have keys and requests: a gateway serves it, and asks for a plan here."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Explain is the gateway's; Plan explains too.")
