"""The floor: the least that a gRPC server behind Envoy can do with a request, which is to forward the bytes.

    python -m bench.floor --address unix:PATH --upstream http://127.0.0.1:PORT/v1/responses

Same gRPC library, same event loop and same HTTP client as the gateway; no keys, no parsing, no models, no events.
"""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop
from google.api.httpbody_pb2 import HttpBody
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from services.wire.http import Http

SERVICE = "concentrate.http.v1.HttpService"
OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-none"}


async def serve(address: str, upstream: str) -> None:
    http = Http()

    async def create_response(request: HttpBody, context: Any) -> AsyncIterator[HttpBody]:  # noqa: ARG001
        async with http.send("POST", upstream, HEADERS, request.data) as response:
            content_type = response.headers["content-type"]
            if content_type.startswith("application/json"):
                yield HttpBody(content_type=content_type, data=await response.read())
                return
            async for chunk in response.chunks():
                yield HttpBody(content_type=content_type, data=chunk)

    server = grpc.aio.server(options=OPTIONS)
    handler = grpc.unary_stream_rpc_method_handler(create_response, HttpBody.FromString, HttpBody.SerializeToString)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"CreateResponse": handler})])
    health = aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(address)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1)
    await http.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    arguments = parser.parse_args()
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(arguments.address, arguments.upstream))
