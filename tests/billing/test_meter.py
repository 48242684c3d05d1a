"""The meter over the ledger: what is held for a call, what it is told, and what happens without a database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
import pytest
import sqlalchemy as sa

from services.billing.ledger import budgets, funds
from services.billing.ledger.lease import Lease
from services.billing.ledger.tables import holds, transfers
from services.billing.meter import LedgerMeter
from services.billing.pricing import Pricing
from services.billing.usage_tables import usage
from services.catalog.catalog import load
from services.catalog.schema import Facts, Target
from services.errors import Conflict, InsufficientCredits, Overloaded, PermissionDenied
from services.ports import Hold, Order, Outcome
from services.storage.database import Database
from services.vocabulary.caller import Caller
from services.vocabulary.usage import Usage
from tests.billing.ledger_kit import CENT, NOON_MS, Clock, check
from tests.storage.kit import opened

CALLER = Caller("key_1", org_id="a", user_id="u")
PROVIDERS = load().providers
TARGET = Target(
    PROVIDERS["openai"], "openai_responses", "gpt-5.4", "gpt-5.4", Facts(context=400_000, max_output=128_000)
)
FREE = Target(PROVIDERS["sandbox"], "sandbox", "echo", "echo")
UNPRICED = msgspec.structs.replace(TARGET, model="x", upstream="no-such-model")
# gpt-5.4 costs $2.50 per million tokens of input and $15 of output.


def order(id: str, *, targets: list[Target] | None = None, tokens: int = 1000, limit: int | None = None) -> Order:
    return Order(id, "responses", "auto", targets or [TARGET], tokens, limit)


def outcome(id: str, used: Usage | None, *, target: Target = TARGET, **other) -> Outcome:
    fields = {"estimated": False, "status": "completed", "streamed": True, "attempts": 1} | other
    return Outcome(
        id, "responses", "auto", target, used, began_at=NOON_MS / 1000, first_content_ms=4.6, total_ms=9.4, **fields
    )


class Till:
    """A meter with a dollar in the account."""

    def __init__(self, database: Database, clock: Clock, **options) -> None:
        self.database, self.clock = database, clock
        self.lease = Lease(database, clock=clock, random=Random(1))
        self.meter = LedgerMeter(database, Pricing(), clock=clock, lease=self.lease, **options)

    async def run(self, work):
        return await self.database.writer.submit(work)

    async def count(self, table) -> int:
        return await self.run(lambda c: c.execute(sa.select(sa.func.count()).select_from(table)).scalar())

    async def account(self) -> tuple[int, int]:
        found = await self.run(lambda c: funds.find_account(c, "org:a"))
        return found.balance, found.held


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with opened(tmp_path, None) as database:
        till = Till(database, Clock())
        await till.run(lambda c: funds.top_up(c, "org:a", 100 * CENT, key="1", now_ms=NOON_MS))
        await till.meter.start()
        yield till
        await till.meter.close()
        with database.begin() as connection:
            check(connection)


async def test_a_call_holds_its_worst_case_and_pays_what_it_used(till: Till):
    """Input with a margin as the dearest class of input, and all the output it may have."""
    hold = await till.meter.hold(order("r1", limit=1000), CALLER)
    assert hold == Hold("r1", (1250 + 64) * 2500 + 1000 * 15_000)
    assert await till.account() == (100 * CENT, hold.amount)
    cost = await till.meter.settle(outcome("r1", Usage(input=900, cache_read=100, output=200, reasoning=50)), CALLER)
    assert cost is not None
    assert cost.total == 900 * 2500 + 100 * 250 + 200 * 15_000
    assert await till.account() == (100 * CENT - cost.total, 0)


async def test_the_dearest_target_decides(till: Till):
    """Whoever answers, the hold is enough."""
    cheap = msgspec.structs.replace(TARGET, model="gpt-5.4-nano", upstream="gpt-5.4-nano")
    both = await till.meter.hold(order("r1", targets=[cheap, TARGET, FREE], limit=100), CALLER)
    one = await till.meter.hold(order("r2", targets=[TARGET], limit=100), CALLER)
    assert both.amount == one.amount


async def test_without_a_limit_of_its_own_a_call_is_limited_by_the_credit(till: Till):
    """A quarter of a dollar at $15 per million tokens, less the prompt."""
    hold = await till.meter.hold(order("r1"), CALLER)
    assert hold.amount == 25 * CENT
    assert hold.max_output_tokens == (25 * CENT - 1314 * 2500) // 15_000
    await till.run(lambda c: funds.top_up(c, "org:a", 10_000 * CENT, key="2", now_ms=NOON_MS))
    assert (await till.meter.hold(order("r2"), CALLER)).max_output_tokens is None  # it pays for all the model can write


async def test_a_limit_that_cannot_be_paid_is_refused(till: Till):
    """The client named it, so nobody may lower it."""
    with pytest.raises(InsufficientCredits, match=r"may cost \$1.923285"):
        await till.meter.hold(order("r1", limit=128_000), CALLER)


async def test_settling_again_gives_the_same_cost_and_no_second_bill(till: Till):
    """Also later, when prices may be others."""
    first = await till.meter.settle(outcome("r1", Usage(input=10)), CALLER)
    till.clock.ms += 10**10
    assert await till.meter.settle(outcome("r1", Usage(input=10)), CALLER) == first
    assert await till.count(usage) == 1


async def test_a_request_leaves_one_row_of_what_it_was(till: Till):
    """With classes, cost, prices and times, and never a word of it."""
    used = Usage(input=1, cache_read=2, cache_write_5m=3, output=5, reasoning=6, web_searches=0, tier="flex")
    await till.meter.settle(outcome("r1", used, status="cancelled", estimated=True, attempts=2), CALLER)
    row = (await till.run(lambda c: c.execute(sa.select(usage)).one()))._mapping
    assert {name: row[name] for name in ("org_id", "team_id", "user_id", "key_id", "surface", "requested")} == {
        "org_id": "a", "team_id": "", "user_id": "u", "key_id": "key_1", "surface": "responses", "requested": "auto",
    }  # fmt: skip
    assert (row["provider"], row["model"], row["tier"], row["status"], row["counted"]) == (
        "openai", "gpt-5.4", "flex", "cancelled", "estimated",
    )  # fmt: skip
    assert (row["ttft_ms"], row["total_ms"], row["attempts"], bool(row["streamed"]), bool(row["byok"])) == (
        5,
        9,
        2,
        True,
        False,
    )
    assert sum(msgspec.json.decode(row["parts"]).values()) == row["cost"]


async def test_what_is_free_is_not_held_and_is_recorded(till: Till):
    """It needs no credit at all."""
    nobody = Caller("key_2", org_id="broke")
    assert await till.meter.hold(order("r1", targets=[FREE]), nobody) == Hold("r1")
    cost = await till.meter.settle(outcome("r1", Usage(output=5), target=FREE), nobody)
    assert cost is not None
    assert cost.total == 0
    assert (await till.count(transfers), await till.count(usage)) == (1, 1)


async def test_an_answer_without_a_price_or_a_count_is_recorded_without_a_cost(till: Till):
    """None is no zero."""
    assert await till.meter.settle(outcome("r1", Usage(output=5), target=UNPRICED), CALLER) is None
    assert await till.meter.settle(outcome("r2", None), CALLER) is None
    rows = await till.run(lambda c: c.execute(sa.select(usage.c.cost, usage.c.counted)).all())
    assert [tuple(row) for row in rows] == [(None, "provider"), (None, "nobody")]


async def test_a_model_without_a_price_serves_only_whom_nothing_limits(till: Till, tmp_path: Path):
    """Unless the operator allows it, or let unlisted models pass."""
    with pytest.raises(PermissionDenied, match="has no price"):
        await till.meter.hold(order("r1", targets=[UNPRICED]), CALLER)
    assert (await till.meter.hold(order("r2", targets=[UNPRICED, TARGET], limit=9), CALLER)).unpriced == [UNPRICED.id]
    unlisted = msgspec.structs.replace(UNPRICED, listed=False)
    assert await till.meter.hold(order("r3", targets=[unlisted]), CALLER) == Hold("r3")
    await till.run(lambda c: funds.open_account(c, "org:house", metered=False, now_ms=NOON_MS))
    assert await till.meter.hold(order("r4", targets=[UNPRICED]), Caller("k", org_id="house")) == Hold("r4")
    allowing = Till(till.database, till.clock, unpriced="allow")
    assert await allowing.meter.hold(order("r5", targets=[UNPRICED]), CALLER) == Hold("r5")


async def test_that_nothing_limits_is_remembered_for_a_second(till: Till):
    """Then a new cap is seen."""
    boss = Caller("k", org_id="house")
    await till.run(lambda c: funds.open_account(c, "org:house", metered=False, now_ms=NOON_MS))
    assert (await till.meter.hold(order("r1", limit=9), boss)).amount == 0
    await till.run(lambda c: budgets.put(c, "key:k", "day", 100 * CENT, now_ms=NOON_MS))
    assert (await till.meter.hold(order("r2", limit=9), boss)).amount == 0
    till.clock.ms += 1001
    assert (await till.meter.hold(order("r3", limit=9), boss)).amount > 0


async def test_what_a_client_does_not_wait_for_is_given_back(till: Till):
    """It left while the hold was under way."""
    holding = asyncio.create_task(till.meter.hold(order("r1", limit=9), CALLER))
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await asyncio.gather(*till.meter._later)
    assert await till.account() == (100 * CENT, 0)


async def test_a_response_id_is_held_for_once(till: Till):
    """A second order of the same id is refused."""
    await till.meter.hold(order("r1", limit=9), CALLER)
    with pytest.raises(Conflict):
        await till.meter.hold(order("r1", limit=9), CALLER)


async def test_holds_of_a_process_that_died_expire(till: Till):
    """When its lease has run out, also one that keeps no books itself; not while it is alive. Its late settlement still posts."""
    dead = Till(till.database, till.clock)
    await dead.lease.renew()
    await dead.meter.hold(order("r1", limit=9), CALLER)
    await till.meter.hold(order("r2", limit=9), CALLER)
    await till.meter.renew("elsewhere")
    await till.meter.hold(msgspec.structs.replace(order("r3", limit=9), lease="elsewhere"), CALLER)
    till.clock.ms += 30_000
    await till.lease.renew()
    assert await till.lease.sweep(till.meter._group) == 0
    till.clock.ms += 31_000
    assert await till.lease.sweep(till.meter._group) == 2
    assert await till.count(holds) == 1
    await till.meter.void("r2", CALLER)
    assert await till.account() == (100 * CENT, 0)
    cost = await dead.meter.settle(outcome("r1", Usage(input=10)), CALLER)
    assert cost is not None
    assert await till.account() == (100 * CENT - cost.total, 0)


async def test_no_hold_outlives_its_time_whatever_its_process_does(till: Till):
    """An hour, even under a lease that is renewed."""
    await till.meter.hold(order("r1", limit=9), CALLER)
    till.clock.ms += 3600 * 1000 + 1
    await till.lease.renew()
    assert await till.lease.sweep(till.meter._group) == 1


async def test_without_a_database_paying_calls_are_refused_and_settled_later(
    till: Till, monkeypatch: pytest.MonkeyPatch
):
    """Free ones go on; an answer that was made is not lost for its bill."""
    await till.meter.hold(order("r1", limit=9), CALLER)
    submit = till.meter._group.submit
    away = True

    async def sometimes(work, *, patience_s=5.0):
        if away:
            raise Overloaded("The database is not available.")
        return await submit(work, patience_s=patience_s)

    monkeypatch.setattr(till.meter._group, "submit", sometimes)
    monkeypatch.setattr("services.billing.meter._AGAIN_S", 0.01)
    with pytest.raises(Overloaded):
        await till.meter.hold(order("r2", limit=9), CALLER)
    with pytest.raises(Overloaded):
        await till.meter.settle(outcome("r1", Usage(input=100)), CALLER)
    assert (await till.meter.settle(outcome("r3", Usage(output=1), target=FREE), CALLER)) is not None
    away = False
    await asyncio.gather(*till.meter._later)
    assert await till.account() == (100 * CENT - 250_000, 0)
    assert await till.count(usage) == 2
