"""`concentrate.routing.v1.RoutingService` as clients see it: it explains, and plans for nobody."""

from typing import Any

import grpc
from concentrate.routing.v1 import routing_service_pb2 as pb
from concentrate.routing.v1 import routing_service_pb2_grpc

from services.explain.document import ExplainResponse, explain
from services.mirror import mirror
from services.ports import KeyRing, Router
from services.responses.typed_request import read
from services.surface.credentials import credentials

Context = grpc.aio.ServicerContext[Any, Any]

_ANSWER = mirror(ExplainResponse, pb.ExplainResponse)


class TypedExplain(routing_service_pb2_grpc.RoutingServiceServicer):
    """Serves the typed surface. Errors are the interceptor's."""

    def __init__(self, router: Router, keys: KeyRing) -> None:
        self._router = router
        self._keys = keys

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:  # noqa: N802
        """The plan of a request."""
        caller = await self._keys.verify(*credentials(context))
        call = read(request.request, stream=False)
        return _ANSWER.to_message(await explain(call, caller, self._router))

    async def Plan(self, request: pb.PlanRequest, context: Context) -> pb.PlanResponse:  # noqa: N802, ARG002
        """For the gateway's own processes: it takes a caller's word for who it is."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Plan is not for clients; Explain is.")
