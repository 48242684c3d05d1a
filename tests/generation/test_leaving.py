"""A client that leaves a stream at any point: one settlement, for what was generated, under both policies, in real books."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from time import time

import pytest
import sqlalchemy as sa

from services.billing.ledger import funds
from services.billing.ledger.lease import Lease
from services.billing.ledger.tables import holds, transfers
from services.billing.meter import LedgerMeter
from services.billing.pricing import Pricing
from services.billing.usage_tables import usage
from services.catalog.catalog import load
from services.catalog.schema import Target
from services.errors import ProviderFailed
from services.generation.generator import Generator
from services.ports import Plan
from services.responses.service import Responses
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.storage.database import Database
from services.vocabulary.call import Call, Message, Text
from services.vocabulary.caller import Caller, CallerPolicy
from services.vocabulary.event import Event, Finished, ItemDone, Opened, TextDelta, UsageReported
from services.vocabulary.usage import Usage
from tests.billing.ledger_kit import CENT, check
from tests.storage.kit import opened

TARGET = Target(load().providers["anthropic"], "anthropic_messages", "claude-sonnet-4-5", "claude-sonnet-4-5")
BEGINNING = Usage(input=40, cache_read=60, output=1)
WHOLE = Usage(input=40, cache_read=60, output=24)
WORDS = ["one two ", "three four ", "five six "] * 4
BATCHES: list[Sequence[Event]] = [
    [Opened("anthropic", "x")],
    [UsageReported(BEGINNING, partial=True)],
    *([TextDelta(word)] for word in WORDS),
    [ItemDone(), UsageReported(WHOLE), Finished("stop")],
]
CALL = Call(model="claude-sonnet-4-5", items=[Message("user", [Text("Count")])], stream=True, max_output_tokens=100)
CALLERS = {
    policy: Caller("key_1", org_id="a", policy=CallerPolicy(on_disconnect=policy, drain_seconds=5))
    for policy in ("cancel", "drain")
}


class Provider:
    """Answers piece by piece. `broken`: stops with an error after so many pieces; `silent`: or just stops."""

    def __init__(self, *, broken: int | None = None, silent: int | None = None) -> None:
        self.broken, self.silent = broken, silent
        self.sent = 0

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        for number, batch in enumerate(BATCHES):
            if number == self.broken:
                raise ProviderFailed("It broke.", model=target.id)
            if number == self.silent:
                await asyncio.sleep(60)
            self.sent += 1
            yield batch
            await asyncio.sleep(0)


class Router:
    async def plan(self, call: Call, caller: Caller, *, explain: bool = False) -> Plan:
        return Plan([TARGET])


class Shop:
    """A generator over real books with a dollar in them."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self.database, self.provider = database, provider
        health = LiveHealth(LiveMetrics(clock=time), Breakers(Random(1)), time)
        self.meter = LedgerMeter(database, Pricing(), clock=time, lease=Lease(database, clock=time, random=Random(1)))
        self.generator = Generator(Router(), Failover(provider, health), self.meter, Affinity())

    async def read(self, query: sa.Select):
        return await self.database.read(lambda connection: connection.execute(query).all())

    async def gone(self) -> None:
        """Until nothing is under way without a client."""
        async with asyncio.timeout(30):
            await asyncio.gather(*self.generator._drains._tasks)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path, None) as database:
        with database.begin() as connection:
            funds.top_up(connection, "org:a", 100 * CENT, key="1", now_ms=1)
        yield database
        with database.begin() as connection:
            check(connection)
            assert connection.execute(sa.select(holds)).all() == []


@pytest.mark.parametrize("policy", CALLERS)
async def test_leaving_after_any_piece_is_paid_once(database: Database, policy: str):
    """With `cancel` for what had come, the prompt as the provider counted it; with `drain` for all of it."""
    for pieces in range(1, len(BATCHES) + 1):
        shop = Shop(database, Provider())
        generation = await shop.generator.open(CALL, CALLERS[policy], surface="responses")
        with contextlib.suppress(asyncio.CancelledError):
            async with generation:
                for _ in range(pieces - 1):
                    await anext(generation.batches)
                raise asyncio.CancelledError
        await shop.gone()
        (row,) = await shop.read(sa.select(usage).where(usage.c.response_id == generation.response_id))
        captures = await shop.read(
            sa.select(transfers.c.amount).where(
                transfers.c.kind == "capture", transfers.c.response_id == generation.response_id
            )
        )
        assert row.status == "cancelled"
        assert sum(capture.amount for capture in captures) == (row.cost or 0)
        assert len(captures) == (1 if row.cost else 0)
        if policy == "drain" or pieces > len(BATCHES) - 1:
            assert (row.input, row.cache_read, row.output, row.counted) == (40, 60, 24, "provider")
            assert shop.provider.sent == len(BATCHES)
        else:
            heard = sum(map(len, WORDS[: max(0, pieces - 2)]))
            counted = (0, 0, 0, "nobody") if pieces == 1 else (40, 60, max(1, -(-heard // 4)), "estimated")
            assert (row.input, row.cache_read, row.output, row.counted) == counted
            assert shop.provider.sent <= pieces + 2  # the provider was told to stop


@pytest.mark.parametrize("policy", CALLERS)
async def test_a_surface_that_is_left_anywhere_settles_once(database: Database, policy: str):
    """The stream as the client reads it: closed after each of its pieces, or read to the end."""
    whole = 0
    for pieces in range(30):
        shop = Shop(database, Provider())
        generation = await shop.generator.open(CALL, CALLERS[policy], surface="responses")
        stream = Responses(shop.generator).sse(generation)
        read = [piece async for _, piece in _some(stream, pieces)]
        await stream.aclose()
        if not read:  # a generator that never began closes nothing: its surface leaves for it
            await generation.leave()
        await shop.gone()
        (row,) = await shop.read(sa.select(usage).where(usage.c.response_id == generation.response_id))
        if b"response.completed" in b"".join(read):
            whole += 1
            assert (row.status, row.output) == ("completed", 24)
        else:
            assert row.status == "cancelled"
            assert row.output == 24 or policy == "cancel"
    assert whole


@pytest.mark.parametrize("policy", CALLERS)
@pytest.mark.parametrize("at", [3, 7])
async def test_a_provider_that_breaks_or_falls_silent_without_a_client_is_paid_for_what_came(
    database: Database, policy: str, at: int
):
    """Draining ends with the provider, or when its time is over."""
    impatient = Caller("key_1", org_id="a", policy=CallerPolicy(on_disconnect="drain", drain_seconds=0))
    for provider in (Provider(broken=at), Provider(silent=at)):
        shop = Shop(database, provider)
        generation = await shop.generator.open(CALL, CALLERS[policy] if provider.broken else impatient, surface="x")
        with contextlib.suppress(asyncio.CancelledError):
            async with generation:
                await anext(generation.batches)
                raise asyncio.CancelledError
        await shop.generator.close()
        (row,) = await shop.read(sa.select(usage).where(usage.c.response_id == generation.response_id))
        assert (row.status, row.input, row.counted) == ("cancelled", 40, "estimated")


@pytest.mark.parametrize("policy", CALLERS)
async def test_leaving_before_the_answer_begins_gives_everything_back(database: Database, policy: str):
    """Or, where it is read on, pays for the answer that came."""
    shop = Shop(database, Provider())
    opening = asyncio.create_task(shop.generator.open(CALL, CALLERS[policy], surface="responses"))
    async with asyncio.timeout(30):
        while not shop.provider.sent:  # noqa: ASYNC110 - one of many passes
            await asyncio.sleep(0.001)
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        generation = await opening
        await generation.leave()
    await shop.gone()
    rows = await shop.read(sa.select(usage))
    assert [row.output for row in rows] in ([[], [0], [1]] if policy == "cancel" else [[24]])


async def test_a_slow_client_of_a_drained_stream_holds_the_provider_back(database: Database):
    """What waits is bounded, and nothing is lost."""
    from services.generation import draining

    provider = Provider()
    shop = Shop(database, provider)
    original, draining.WAITING_MAX = draining.WAITING_MAX, 2
    try:
        async with await shop.generator.open(CALL, CALLERS["drain"], surface="responses") as generation:
            for _ in range(20):
                await asyncio.sleep(0)
            assert provider.sent <= 6
            texts = [
                event.text async for batch in generation.batches for event in batch if isinstance(event, TextDelta)
            ]
            await generation.settle()
    finally:
        draining.WAITING_MAX = original
    assert texts == WORDS


async def _some(stream: AsyncIterator[bytes], count: int) -> AsyncIterator[tuple[int, bytes]]:
    for number in range(count):
        try:
            yield number, await anext(stream)
        except StopAsyncIteration:
            return
