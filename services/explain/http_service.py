"""`POST /v1/routing/explain`: the body is that of `POST /v1/responses`."""

from typing import Final

import msgspec
from concentrate.http.v1 import routing_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.explain.document import explain
from services.generation.generator import Generator
from services.ports import KeyRing
from services.responses.state.asking import Asking
from services.surface.credentials import credentials
from services.surface.serving import JSON, Context, read_body

_encoder: Final = msgspec.json.Encoder()


class ExplainHttp(routing_http_service_pb2_grpc.RoutingHttpServiceServicer):
    """Serves `concentrate.http.v1.RoutingHttpService`. Errors are the interceptor's."""

    def __init__(self, generator: Generator, asking: Asking, keys: KeyRing) -> None:
        self._generator = generator
        self._asking = asking
        self._keys = keys

    async def ExplainRoute(self, request: HttpBody, context: Context) -> HttpBody:  # noqa: N802
        """The plan of a request."""
        caller = await self._keys.verify(*credentials(context))
        asked = await self._asking.read(read_body(request, context), caller, answered=False)
        return HttpBody(content_type=JSON, data=_encoder.encode(await explain(asked, caller, self._generator)))
