"""An answer is settled once, whatever becomes of it, and an opening that fails gives back what was held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random
from time import time

import msgspec
import pytest

from services import errors
from services.generation import deadline
from services.generation.generation import Generation
from services.generation.generator import Generator
from services.ports import Hold, Order
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover, Opening, Spent
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.vocabulary.call import Call, Message, Native, Text
from services.vocabulary.caller import Caller
from services.vocabulary.event import Event, NativeEvent, Opened, TextDelta
from services.vocabulary.usage import Usage
from tests.rpc.kit import ANN, ANSWER, COST, TARGET, USAGE, FixedAdapters, FixedMeter, FixedRouter

pytestmark = pytest.mark.virtual_time

CALL = Call(model="auto", items=[Message("user", [Text("Hi")])], stream=True)


def generator(adapters: FixedAdapters, meter: FixedMeter) -> Generator:
    health = LiveHealth(LiveMetrics(clock=time), Breakers(Random(1)), time)
    return Generator(FixedRouter(), Failover(adapters, health), meter, Affinity(), new_id=lambda: "resp_1")


async def opened(adapters: FixedAdapters, meter: FixedMeter):
    return await generator(adapters, meter).open(CALL, ANN, surface="responses")


async def left(generation: Generation, after: int) -> None:
    """A client reads so many pieces, and goes."""
    with contextlib.suppress(asyncio.CancelledError):
        async with generation:
            for _ in range(after):
                await anext(generation.batches)
            raise asyncio.CancelledError


async def test_an_answer_read_to_its_end_is_settled_with_what_was_counted():
    """The order comes before, the outcome after; a second settlement is the first."""
    meter = FixedMeter()
    async with await opened(FixedAdapters(), meter) as generation:
        batches = [batch async for batch in generation.batches]
        assert await generation.settle() == COST
        assert await generation.settle() == COST
    assert batches == ANSWER[1:]
    ((order, caller),) = meter.held
    assert (order.response_id, order.surface, order.model, caller) == ("resp_1", "responses", "auto", ANN)
    ((outcome, _),) = meter.settled
    assert (outcome.status, outcome.usage, outcome.estimated, outcome.attempts) == ("completed", USAGE, False, 1)


@pytest.mark.parametrize("read", range(3))
async def test_a_client_that_leaves_pays_once_for_what_was_generated(read: int):
    """After none, one or all pieces: what the provider counted, or else a reckoning; nothing for nothing."""
    meter = FixedMeter()
    adapters = FixedAdapters()
    generation = await opened(adapters, meter)
    await left(generation, read)
    assert adapters.closed
    ((outcome, _),) = meter.settled
    assert outcome.status == "cancelled"
    reckoned = Usage(input=16, output=2)  # "Hel" and "lo" are five characters
    assert (outcome.usage, outcome.estimated) == [(None, False), (reckoned, True), (USAGE, False)][read]


async def test_leaving_is_settled_even_when_cancelled_again():
    """A slow meter is waited for by nobody, but does its work."""

    class Slow(FixedMeter):
        async def settle(self, outcome, caller):
            await asyncio.sleep(0.05)
            return await super().settle(outcome, caller)

    meter = Slow()
    generation = await opened(FixedAdapters(), meter)

    async def client() -> None:
        async with generation:
            await anext(generation.batches)
            await asyncio.sleep(60)

    task = asyncio.create_task(client())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert len(meter.settled) == 1


async def test_a_failure_within_the_answer_is_settled_as_one():
    """The provider's failure is raised; what it had counted by then is posted."""
    meter = FixedMeter()
    adapters = FixedAdapters(ANSWER[:2], errors.ProviderFailed("broke", kind="truncated"))
    generation = await opened(adapters, meter)
    with pytest.raises(errors.ProviderFailed):
        async with generation:
            _ = [batch async for batch in generation.batches]
    assert await generation.settle_failed() is None
    ((outcome, _),) = meter.settled
    assert (outcome.status, outcome.usage) == ("failed", None)


async def test_an_opening_that_fails_gives_back_what_was_held():
    """No provider answered: nothing is settled, the hold is voided."""
    meter = FixedMeter()
    with pytest.raises(errors.ProviderFailed):
        await opened(FixedAdapters([], errors.ProviderFailed("down", kind="unavailable")), meter)
    assert (meter.voided, meter.settled) == (["resp_1"], [])


async def test_what_a_process_that_died_held_is_there_for_who_takes_over():
    """The id was asked for before; the answer is made, and settled under it."""

    class Again(FixedMeter):
        async def hold(self, order: Order, caller: Caller) -> Hold:
            raise errors.Conflict("asked for before")

    meter = Again()
    async with await opened(FixedAdapters(), meter) as generation:
        _ = [batch async for batch in generation.batches]
        assert await generation.settle() == COST
    assert [outcome.response_id for outcome, _ in meter.settled] == ["resp_1"]


async def test_the_answer_is_as_long_as_its_credit():
    """What the hold allows goes to the provider, in the caller's own body too; a smaller wish stays."""

    class Poor(FixedMeter):
        async def hold(self, order: Order, caller: Caller) -> Hold:
            return Hold(order.response_id, 1, 50)

    for wished, sent in ((None, 50), (80, 50), (20, 20)):
        adapters = FixedAdapters()
        body = Native("openai_responses", {"model": msgspec.Raw(b'"auto"')})
        call = msgspec.structs.replace(CALL, max_output_tokens=wished, native=body)
        async with await generator(adapters, Poor()).open(call, ANN, surface="responses"):
            pass
        ((asked, _),) = adapters.asked
        assert asked.max_output_tokens == sent
        field = asked.native.fields.get("max_output_tokens")
        assert field is None if wished == 20 else bytes(field) == b"50"


async def test_runs_of_native_deltas_are_reckoned_too():
    """About one token for each delta event, without reading them."""

    class Native(FixedAdapters):
        async def generate(self, call, target) -> AsyncIterator[Sequence[Event]]:
            yield [Opened("acme", "s")]
            yield [TextDelta("1234"), NativeEvent("", b'data: {"delta":"a"}\n\ndata: {"delta":"b"}\n\n')]
            await asyncio.sleep(60)

    meter = FixedMeter()
    await left(await opened(Native(), meter), 1)
    assert meter.settled[0][0].usage.output == 3


async def test_a_slower_target_is_in_the_books_too():
    """With hedging two are asked: what the loser reported is an entry of its own, and the answer's headers count both."""
    adapters, meter = FixedAdapters(), FixedMeter()
    made = generator(adapters, meter)
    opening = await made._failover.open([TARGET], CALL)
    slower = replace(opening, spent=[Spent(TARGET, Usage(input=7))], asked=2)

    class Raced:
        async def open(self, *_: object, **__: object) -> Opening:
            return slower

    made._failover = Raced()  # type: ignore[assignment]
    async with await made.open(CALL, ANN, surface="responses") as generation:
        _ = [batch async for batch in generation.batches]
        await generation.settle()
    loser, winner = (outcome for outcome, _ in meter.settled)
    assert (loser.response_id, loser.usage, loser.status) == ("resp_1_2", Usage(input=7), "cancelled")
    assert (winner.response_id, winner.usage, winner.attempts) == ("resp_1", USAGE, 2)
    assert ("x-concentrate-attempts", "2") in generation.headers
    assert [order.response_id for order, _ in meter.held] == ["resp_1"]


async def test_the_deadline_of_a_request_is_the_providers_too():
    """What was said before the answer is opened holds for all that are tried."""
    adapters = FixedAdapters()

    async def silent(call, target):
        await asyncio.sleep(9)
        yield []

    adapters.generate = silent  # type: ignore[method-assign]
    deadline.begin(0.5)
    with pytest.raises(errors.UpstreamTimeout, match="before the deadline"):
        await opened(adapters, FixedMeter())


async def test_several_answers_at_once_are_held_for_together():
    """`n` of Chat Completions; what another format calls so is nobody's number."""
    for format, held in (("openai_chat", 3), ("openai_responses", 1)):
        meter, fields = FixedMeter(), {"n": msgspec.Raw(b"3")}
        call = msgspec.structs.replace(CALL, native=Native(format, fields), extra=fields)
        await (await generator(FixedAdapters(), meter).open(call, ANN, surface="chat")).leave()
        ((order, _),) = meter.held
        assert order.answers == held
