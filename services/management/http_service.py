"""The management API over HTTP: `/v1/organizations`, `/v1/keys`, … . Bodies are exact: null is null, and money is exact."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import grpc
import msgspec
from concentrate.http.v1 import management_http_service_pb2 as pb
from concentrate.http.v1.management_http_service_pb2_grpc import ManagementHttpServiceServicer
from google.api import annotations_pb2
from google.api.httpbody_pb2 import HttpBody

from services.management import operations
from services.management.office import Office
from services.management.reading import of_http
from services.ports import KeyRing

JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SERVICE: Final = pb.DESCRIPTOR.services_by_name["ManagementHttpService"]

Context = grpc.aio.ServicerContext[Any, Any]


def servicer(office: Office, keys: KeyRing) -> Any:
    """Serves `concentrate.http.v1.ManagementHttpService`: an RPC for each operation. Errors are the interceptor's."""
    methods = {rpc.name: staticmethod(_method(rpc, office, keys)) for rpc in _SERVICE.methods}
    return type("ManagementHttp", (ManagementHttpServiceServicer,), methods)()


def header(context: Context, name: str) -> str | None:
    """A header of the request."""
    found = next((value for key, value in context.invocation_metadata() or () if key == name), None)
    return None if found is None else str(found)


def _method(rpc: Any, office: Office, keys: KeyRing) -> Callable[[pb.ManagementRequest, Context], Awaitable[HttpBody]]:
    operation = operations.ALL[rpc.name]
    rule = rpc.GetOptions().Extensions[annotations_pb2.http]
    template = getattr(rule, rule.WhichOneof("pattern"))
    named = [name for name in ("id", "user_id") if f"{{{name}}}" in template]

    async def serve(request: pb.ManagementRequest, context: Context) -> HttpBody:
        authorization, api_key = header(context, "authorization"), header(context, "x-api-key")
        caller = await keys.verify(authorization, api_key, scope=None)
        path = {name: unquote(getattr(request, name)) for name in named}
        query = (header(context, "x-envoy-original-path") or "").partition("?")[2]
        asked = of_http(operation.asked, path, query, request.body.data)
        answered = await office.run(operation, caller, asked, idempotency_key=header(context, "idempotency-key"))
        return HttpBody(content_type=JSON, data=_ENCODER.encode(answered))

    return serve
