"""A service in another process behaves as the object does: same arguments, same answers, same errors."""

import asyncio
import contextlib
from pathlib import Path

import grpc
import msgspec
import pytest
from concentrate.adapters.v1.adapters_service_pb2_grpc import add_AdaptersServiceServicer_to_server
from concentrate.billing.v1.billing_service_pb2_grpc import add_BillingServiceServicer_to_server
from concentrate.routing.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server

from services import errors
from services.adapters.remote import RemoteAdapters
from services.adapters.servicer import AdaptersServicer
from services.billing.remote import RemoteMeter
from services.billing.servicer import BillingServicer
from services.ports import Hold, Order, Outcome, Plan
from services.routing.remote import RemoteRouter
from services.routing.servicer import RoutingServicer
from services.vocabulary.call import Call, Message, Text
from tests.rpc.kit import ANN, ANSWER, COST, EXPLANATION, TARGET, USAGE, FixedAdapters, FixedMeter, FixedRouter, served

CALL = Call(model="m1", items=[Message("user", [Text("Hi")])], stream=True, temperature=0.5)
ERRORS = [
    errors.InternalError(),
    *(
        kind("what went wrong", param="input[0].content", model="acme/m1", retry_after=7, kind="caller")
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError)
        if kind not in {errors.GatewayError, errors.InternalError}
    ),
]


def about(error: errors.GatewayError) -> tuple[object, ...]:
    return type(error), error.message, error.param, error.model, error.retry_after


async def test_a_remote_router_plans_like_the_object(tmp_path: Path):
    """The call, the caller and the plan arrive as they were sent."""
    router = FixedRouter()
    async with served(tmp_path, lambda s: add_RoutingServiceServicer_to_server(RoutingServicer(router), s)) as channel:
        assert await RemoteRouter(channel).plan(CALL, ANN) == Plan([TARGET])
        assert await RemoteRouter(channel).plan(CALL, ANN, explain=True) == Plan([TARGET], explanation=EXPLANATION)
    assert router.asked == [(CALL, ANN), (CALL, ANN)]


async def test_a_remote_meter_settles_like_the_object(tmp_path: Path):
    """Orders and outcomes go, holds and costs come back, to the nano-dollar; what it holds is under a lease of its own."""
    meter = FixedMeter()
    order = Order("resp_1", "responses", "auto", [TARGET, TARGET], 10, 20)
    outcome = Outcome(
        "resp_1",
        "responses",
        "auto",
        TARGET,
        USAGE,
        True,
        "cancelled",
        True,
        2,
        1000.5,
        first_content_ms=3.5,
        total_ms=9,
    )
    async with served(tmp_path, lambda s: add_BillingServiceServicer_to_server(BillingServicer(meter), s)) as channel:
        remote = RemoteMeter(channel)
        assert await remote.hold(order, ANN) == Hold("resp_1", 7, 100)
        assert await remote.settle(outcome, ANN) == COST
        uncounted = msgspec.structs.replace(outcome, usage=None, first_content_ms=None)
        assert await remote.settle(uncounted, ANN) is None
        await remote.void("resp_2", ANN)
    assert len(meter.leases) == 1
    assert meter.held == [(msgspec.structs.replace(order, lease=meter.leases[0]), ANN)]
    assert meter.settled == [(outcome, ANN), (uncounted, ANN)]
    assert meter.voided == ["resp_2"]


async def test_remote_adapters_stream_like_the_object(tmp_path: Path):
    """Batches arrive as they were made, in order."""
    adapters = FixedAdapters()
    async with served(
        tmp_path, lambda s: add_AdaptersServiceServicer_to_server(AdaptersServicer(adapters), s)
    ) as channel:
        assert [batch async for batch in RemoteAdapters(channel).generate(CALL, TARGET)] == ANSWER
    assert adapters.asked == [(CALL, TARGET)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_an_error_keeps_its_class_and_fields(tmp_path: Path, error: errors.GatewayError):
    """What a service raises, its client raises, before an answer and in the middle of a stream."""
    adapters = FixedAdapters(error=error)
    async with served(
        tmp_path,
        lambda s: add_RoutingServiceServicer_to_server(RoutingServicer(FixedRouter(error)), s),
        lambda s: add_AdaptersServiceServicer_to_server(AdaptersServicer(adapters), s),
    ) as channel:
        with pytest.raises(type(error)) as raised:
            await RemoteRouter(channel).plan(CALL, ANN)
        assert about(raised.value) == about(error)
        batches = RemoteAdapters(channel).generate(CALL, TARGET)
        assert [await anext(batches) for _ in ANSWER] == ANSWER
        with pytest.raises(type(error)) as raised:
            await anext(batches)
        assert about(raised.value) == about(error)
        assert raised.value.kind == error.kind  # whose fault a failure was decides whether another provider is asked


async def test_an_unexpected_error_stays_inside(tmp_path: Path):
    """A bug of the service is an internal error to its client, without its words."""
    adapters = FixedAdapters([], RuntimeError("the password is hunter2"))
    async with served(
        tmp_path, lambda s: add_AdaptersServiceServicer_to_server(AdaptersServicer(adapters), s)
    ) as channel:
        with pytest.raises(errors.InternalError) as raised:
            _ = [batch async for batch in RemoteAdapters(channel).generate(CALL, TARGET)]
    assert "hunter2" not in raised.value.message


async def test_closing_the_iterator_stops_the_service(tmp_path: Path):
    """A caller that leaves after the first batch aborts the work on the other side."""

    class Endless(FixedAdapters):
        async def generate(self, call, target):
            try:
                yield ANSWER[0]
                await asyncio.sleep(60)
            finally:
                self.closed = True

    adapters = Endless()
    async with served(
        tmp_path, lambda s: add_AdaptersServiceServicer_to_server(AdaptersServicer(adapters), s)
    ) as channel:
        async with contextlib.aclosing(RemoteAdapters(channel).generate(CALL, TARGET)) as batches:
            await anext(batches)
        async with asyncio.timeout(20):
            while not adapters.closed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_service_that_is_not_there_is_overloaded(tmp_path: Path):
    """A refused connection is a 503 that says when to try again, not a provider's failure."""
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 'nobody.sock'}") as channel:
        with pytest.raises(errors.Overloaded) as raised:
            _ = [batch async for batch in RemoteAdapters(channel).generate(CALL, TARGET)]
    assert raised.value.retry_after == 1
