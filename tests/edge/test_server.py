"""The gRPC server stops as it should: nothing new, the accepted to their end, and a moment for those that are cut."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from concentrate.http.v1.http_service_pb2_grpc import (
    HttpServiceServicer,
    HttpServiceStub,
    add_HttpServiceServicer_to_server,
)
from google.api.httpbody_pb2 import HttpBody
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.server import Server


class Slow(HttpServiceServicer):
    """Takes as long as the request says, in seconds, and then as long again to settle."""

    def __init__(self) -> None:
        self.settled = 0

    async def GetHealth(self, request: Any, context: Any) -> HttpBody:
        return HttpBody()

    async def GetOpenApi(self, request: Any, context: Any) -> HttpBody:
        return HttpBody()

    async def CreateResponse(self, request: HttpBody, context: Any) -> AsyncIterator[HttpBody]:
        try:
            yield HttpBody(data=b"begun")
            await asyncio.sleep(float(request.data))
            yield HttpBody(data=b"done")
        finally:
            await asyncio.shield(asyncio.sleep(0.3))
            self.settled += 1


@pytest.fixture
async def served(tmp_path: Path):
    """The servicer, its server and a channel to it."""
    slow = Slow()
    server = Server([partial(add_HttpServiceServicer_to_server, slow)], ["concentrate.http.v1.HttpService"])
    await server.start(f"unix:{tmp_path}/s.sock")
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s.sock") as channel:
        yield slow, server, channel
    await server.stop(0)


async def test_an_accepted_call_is_finished_within_the_grace(served: tuple[Slow, Server, grpc.aio.Channel]):
    """Meanwhile a new one is refused, and so is health."""
    slow, server, channel = served
    call = HttpServiceStub(channel).CreateResponse(HttpBody(data=b"0.5"))
    assert (await call.read()).data == b"begun"
    stopping = asyncio.create_task(server.stop(5))
    await asyncio.sleep(0.1)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await HttpServiceStub(channel).CreateResponse(HttpBody(data=b"0")).read()
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert (await call.read()).data == b"done"
    await stopping
    assert slow.settled == 1


async def test_a_call_that_is_cut_off_still_settles(served: tuple[Slow, Server, grpc.aio.Channel]):
    """The stop waits for its `finally`."""
    slow, server, channel = served
    call = HttpServiceStub(channel).CreateResponse(HttpBody(data=b"60"))
    assert (await call.read()).data == b"begun"
    await server.stop(0.1)
    assert slow.settled == 1


async def test_a_caller_that_leaves_closes_the_handler_at_once(served: tuple[Slow, Server, grpc.aio.Channel]):
    """Not when its generator happens to be collected."""
    slow, _, channel = served
    call = HttpServiceStub(channel).CreateResponse(HttpBody(data=b"60"))
    assert (await call.read()).data == b"begun"
    call.cancel()
    async with asyncio.timeout(20):  # it would take a minute
        while not slow.settled:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_health_tells_of_each_service(served: tuple[Slow, Server, grpc.aio.Channel]):
    """Serving, until the stop begins."""
    _, server, channel = served
    watch = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service="concentrate.http.v1.HttpService")
    )
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stopping = asyncio.create_task(server.stop(1))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    await stopping


async def test_a_burst_is_taken(served: tuple[Slow, Server, grpc.aio.Channel]):
    """Thousands of calls that come while the event loop is busy wait for it; grpc by itself would cancel some of them."""
    _, _, channel = served
    calls = [HttpServiceStub(channel).CreateResponse(HttpBody(data=b"0")) for _ in range(4000)]
    assert [(await call.read()).data for call in calls] == [b"begun"] * 4000
    for call in calls:
        call.cancel()
