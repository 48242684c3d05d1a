"""`concentrate.routing.v1.RoutingService` as clients see it: it explains, and plans for nobody."""

from typing import Any

import grpc
from concentrate.routing.v1 import routing_service_pb2 as pb
from concentrate.routing.v1 import routing_service_pb2_grpc

from services.explain.document import ExplainResponse, explain
from services.generation.generator import Generator
from services.mirror import mirror
from services.ports import KeyRing
from services.responses.state.asking import Asking
from services.responses.typed_request import body
from services.surface.credentials import credentials

Context = grpc.aio.ServicerContext[Any, Any]

_ANSWER = mirror(ExplainResponse, pb.ExplainResponse)


class TypedExplain(routing_service_pb2_grpc.RoutingServiceServicer):
    """Serves the typed surface. Errors are the interceptor's."""

    def __init__(self, generator: Generator, asking: Asking, keys: KeyRing) -> None:
        self._generator = generator
        self._asking = asking
        self._keys = keys

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:  # noqa: N802
        """The plan of a request."""
        caller = await self._keys.verify(*credentials(context))
        asked = await self._asking.read(body(request.request, stream=False), caller, native=False, answered=False)
        return _ANSWER.to_message(await explain(asked, caller, self._generator))

    async def Plan(self, request: pb.PlanRequest, context: Context) -> pb.PlanResponse:  # noqa: N802, ARG002
        """For the gateway's own processes: it takes a caller's word for who it is."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Plan is not for clients; Explain is.")
