"""The one place where objects meet: settings in, the services of one worker out."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from concentrate.http.v1.http_service_pb2 import GetHealthRequest, GetOpenApiRequest
from concentrate.http.v1.http_service_pb2_grpc import HttpServiceServicer, add_HttpServiceServicer_to_server
from google.api.httpbody_pb2 import HttpBody

from services.errors import NotFound
from services.runtime.settings import Settings


@dataclass(frozen=True)
class Service:
    """A gRPC service: its full name, and what adds it to a server."""

    name: str
    register: Callable[[grpc.aio.Server], None]


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Service]]:
    """The services of one worker, ready to be served; on the way out everything they hold is closed."""
    _ = settings
    http = _Health()
    yield [Service("concentrate.http.v1.HttpService", lambda server: add_HttpServiceServicer_to_server(http, server))]


class _Health(HttpServiceServicer):
    async def GetHealth(self, request: GetHealthRequest, context: Any) -> HttpBody:  # noqa: N802, ARG002
        return HttpBody(content_type="application/json", data=b'{"status":"healthy"}')

    async def GetOpenApi(self, request: GetOpenApiRequest, context: Any) -> HttpBody:  # noqa: N802, ARG002
        raise NotFound("There is no OpenAPI document.")

    def CreateResponse(self, request: HttpBody, context: Any) -> AsyncIterator[HttpBody]:  # noqa: N802, ARG002
        raise NotFound("There is no model.")
