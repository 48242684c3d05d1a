"""The ledger's rules, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.billing.ledger import budgets, funds
from services.billing.ledger.operations import Granted, Released, Settled
from services.billing.ledger.posting import must_last, post
from services.billing.ledger.tables import holds, transfers
from services.errors import Conflict, InsufficientCredits, InvalidRequest, NotFound
from services.storage.database import Database
from tests.billing.ledger_kit import CENT, DAY_MS, NOON_MS, check, release, reserve, settle
from tests.storage.kit import KINDS, opened, url_of


class Ledger:
    """A database with the account `org:a`, and operations on it one at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.group = database.writer.driven_group(post, durable=must_last)

    async def do(self, operation):
        return await self.group.submit(operation)

    async def run(self, work):
        return await self.database.writer.submit(work)

    async def account(self, id: str = "org:a") -> tuple[int, int]:
        found = await self.run(lambda c: funds.find_account(c, id))
        return found.balance, found.held

    async def kinds(self) -> list[tuple[str, int]]:
        query = (
            sa.select(transfers.c.kind, transfers.c.amount)
            .where(transfers.c.response_id != "")
            .order_by(transfers.c.id)
        )
        return [tuple(row) for row in await self.run(lambda c: c.execute(query).all())]


@pytest.fixture(params=KINDS)
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with opened(tmp_path, url_of(request)) as database:
        ledger = Ledger(database)
        await ledger.run(lambda c: funds.top_up(c, "org:a", 100 * CENT, key="1", now_ms=NOON_MS))
        yield ledger
        with database.begin() as connection:
            check(connection)


async def test_what_is_held_comes_back_but_for_what_was_used(ledger: Ledger):
    """A hold moves no money; its capture does, once."""
    assert await ledger.do(reserve("r1", 30 * CENT)) == Granted(30 * CENT)
    assert await ledger.account() == (100 * CENT, 30 * CENT)
    assert await ledger.do(settle("r1", 12 * CENT)) == Settled(12 * CENT, 0)
    assert await ledger.account() == (88 * CENT, 0)
    assert await ledger.account("house:revenue") == (12 * CENT, 0)
    assert await ledger.kinds() == [("capture", 12 * CENT), ("hold", 30 * CENT)]


async def test_settling_again_changes_nothing(ledger: Ledger):
    """Whatever the second bill says, alone or together with others."""
    await ledger.do(reserve("r1", 30 * CENT))
    await ledger.do(settle("r1", 12 * CENT))
    with pytest.raises(IntegrityError):
        await ledger.do(settle("r1", 20 * CENT))
    bills = [settle("r2", CENT), settle("r1", 12 * CENT), settle("r3", CENT), settle("r3", CENT)]
    results = await asyncio.gather(*map(ledger.do, bills), return_exceptions=True)
    assert [isinstance(result, IntegrityError) for result in results] == [False, True, False, True]
    assert await ledger.account() == (86 * CENT, 0)


async def test_a_call_that_was_not_answered_costs_nothing(ledger: Ledger):
    """Its hold is given back once."""
    await ledger.do(reserve("r1", 30 * CENT))
    assert await ledger.do(release("r1")) == Released(30 * CENT)
    assert await ledger.do(release("r1")) == Released(0)
    assert await ledger.account() == (100 * CENT, 0)


async def test_what_cannot_be_paid_is_refused_by_name(ledger: Ledger):
    """With how much it may cost and how much there is."""
    await ledger.do(reserve("r1", 99 * CENT))
    with pytest.raises(InsufficientCredits) as refused:
        await ledger.do(reserve("r2", 2 * CENT))
    assert refused.value.message == (
        "This call may cost $0.02, and the balance of the organisation has $0.01 left. Add credits to continue."
    )
    with pytest.raises(InsufficientCredits, match=r"the balance of the organisation has \$0.00 left"):
        await ledger.do(reserve("r3", 1, account="org:unknown"))
    assert await ledger.do(reserve("r4", 0, account="org:unknown")) == Granted(0)  # what is free needs no credit


async def test_an_answer_that_costs_more_takes_what_is_left_and_the_house_bears_the_rest(ledger: Ledger):
    """Never what others hold, and never more than there is."""
    await ledger.do(reserve("r1", 40 * CENT))
    await ledger.do(reserve("r2", 50 * CENT))
    assert await ledger.do(settle("r1", 45 * CENT)) == Settled(45 * CENT, 0)
    assert await ledger.do(settle("r2", 80 * CENT)) == Settled(55 * CENT, 25 * CENT)
    assert await ledger.account() == (0, 0)
    assert await ledger.account("house:shortfall") == (-25 * CENT, 0)
    assert await ledger.account("house:revenue") == (125 * CENT, 0)


async def test_a_settlement_after_the_hold_expired_still_posts_once(ledger: Ledger):
    """From what is left then."""
    await ledger.do(reserve("r1", 60 * CENT))
    await ledger.do(release("r1", expired=True))
    await ledger.do(reserve("r2", 70 * CENT))
    assert await ledger.do(settle("r1", 50 * CENT)) == Settled(30 * CENT, 20 * CENT)
    with pytest.raises(IntegrityError):
        await ledger.do(settle("r1", 50 * CENT))
    assert await ledger.account() == (70 * CENT, 70 * CENT)


async def test_an_account_without_a_limit_owes(ledger: Ledger):
    """Nothing is held, all is recorded."""
    await ledger.run(lambda c: funds.open_account(c, "org:free", metered=False, now_ms=NOON_MS))
    assert await ledger.do(reserve("r1", 900 * CENT, account="org:free")) == Granted(0, unlimited=True)
    assert await ledger.do(settle("r1", 500 * CENT, account="org:free")) == Settled(500 * CENT, 0)
    assert await ledger.account("org:free") == (-500 * CENT, 0)
    with pytest.raises(Conflict, match=r"\$5.00 more than it has"):
        await ledger.run(lambda c: funds.set_metered(c, "org:free", metered=True))


async def test_a_call_without_a_limit_gets_a_share_of_what_is_left(ledger: Ledger):
    """A quarter, so that a second one gets some too; at least what is worth while; at last all there is."""
    flexible = {"flexible": True, "least": 10 * CENT, "minimum": 3 * CENT}
    granted = [(await ledger.do(reserve(f"r{n}", 400 * CENT, **flexible))).amount for n in range(5)]
    assert granted == [25 * CENT, 75 * CENT // 4, 14_0625_000, 10_546_8750, 10 * CENT]
    for n in range(5, 7):
        granted.append((await ledger.do(reserve(f"r{n}", 400 * CENT, **flexible))).amount)
    assert granted[5] == 10 * CENT
    assert sum(granted) <= 100 * CENT
    last = await ledger.do(reserve("r7", 400 * CENT, **flexible | {"minimum": CENT}))
    assert sum(granted) + last.amount == 100 * CENT
    with pytest.raises(InsufficientCredits, match="may cost at least"):
        await ledger.do(reserve("r8", 400 * CENT, **flexible))


async def test_budgets_of_all_scopes_hold_and_the_tightest_is_named(ledger: Ledger):
    """Organisation, team, user and key; what is reserved counts as what is spent."""
    scopes = ("org:a", "team:t", "user:u", "key:k")
    for scope, period, cents in (
        ("org:a", "total", 90),
        ("team:t", "month", 60),
        ("user:u", "week", 50),
        ("key:k", "day", 40),
    ):
        await ledger.run(lambda c, s=scope, p=period, n=cents: budgets.put(c, s, p, n * CENT, now_ms=NOON_MS))
    assert await ledger.do(reserve("r1", 30 * CENT, scopes=scopes)) == Granted(30 * CENT)
    with pytest.raises(InsufficientCredits) as refused:
        await ledger.do(reserve("r2", 20 * CENT, scopes=scopes))
    assert refused.value.message == (
        "This call may cost $0.20, and the daily spending cap of this key ($0.40) has $0.10 left."
        " It begins anew at 2026-11-24 00:00 UTC."
    )
    assert await ledger.do(reserve("r3", 20 * CENT, scopes=scopes[:3])) == Granted(20 * CENT)  # another key
    with pytest.raises(
        InsufficientCredits, match=r"the weekly budget of the user \(\$0.50\) has \$0.00 left.*2026-11-30"
    ):
        await ledger.do(reserve("r4", CENT, scopes=scopes[:3]))
    await ledger.do(settle("r1", 10 * CENT, scopes=scopes))
    states = {state.scope: state for state in await ledger.run(lambda c: budgets.of(c, scopes, NOON_MS))}
    assert {scope: (state.spent // CENT, state.held // CENT) for scope, state in states.items()} == {
        "org:a": (10, 20), "team:t": (10, 20), "user:u": (10, 20), "key:k": (10, 0),
    }  # fmt: skip
    assert states["org:a"].refreshes_ms is None


async def test_a_cap_begins_anew_with_its_period(ledger: Ledger):
    """A call that began before midnight counts for the day it began in."""
    scopes = ("key:k",)
    await ledger.run(lambda c: budgets.put(c, "key:k", "day", 40 * CENT, now_ms=NOON_MS))
    await ledger.do(reserve("r1", 40 * CENT, scopes=scopes))
    tomorrow = NOON_MS + DAY_MS
    assert await ledger.do(reserve("r2", 40 * CENT, scopes=scopes, now=tomorrow)) == Granted(40 * CENT)
    await ledger.do(settle("r1", 40 * CENT, scopes=scopes, now=tomorrow))
    await ledger.do(settle("r2", 15 * CENT, scopes=scopes, began=tomorrow, now=tomorrow))
    (state,) = await ledger.run(lambda c: budgets.of(c, scopes, tomorrow))
    assert (state.spent, state.held) == (15 * CENT, 0)
    (later,) = await ledger.run(lambda c: budgets.of(c, scopes, tomorrow + DAY_MS))
    assert (later.spent, later.period_start_ms) == (0, NOON_MS + 2 * DAY_MS - DAY_MS // 2)


async def test_a_cap_is_never_passed_by_an_answer_that_costs_more(ledger: Ledger):
    """The house bears what the cap does not, though the account has it."""
    await ledger.run(lambda c: budgets.put(c, "key:k", "total", 40 * CENT, now_ms=NOON_MS))
    await ledger.do(reserve("r1", 30 * CENT, scopes=("key:k",)))
    assert await ledger.do(settle("r1", 50 * CENT, scopes=("key:k",))) == Settled(40 * CENT, 10 * CENT)


async def test_thresholds_are_told_once_in_a_period(ledger: Ledger):
    """As rows, when what was spent passes them."""
    await ledger.run(lambda c: budgets.put(c, "key:k", "day", 50 * CENT, now_ms=NOON_MS, thresholds=(100, 50, 80)))
    for n, cents in enumerate((20, 10, 15, 5)):
        await ledger.do(reserve(f"r{n}", cents * CENT, scopes=("key:k",)))
        await ledger.do(settle(f"r{n}", cents * CENT, scopes=("key:k",)))
    told = await ledger.run(lambda c: budgets.events(c, ["key:k"]))
    assert [(event.percent, event.spent // CENT, event.limit // CENT) for event in told] == [
        (100, 50, 50),
        (80, 45, 50),
        (50, 30, 50),
    ]


async def test_a_budget_that_is_new_counts_what_its_period_has_used(ledger: Ledger):
    """A cap set at noon knows of the morning, and calls under way do not fail it."""
    await ledger.do(settle("r1", 30 * CENT))
    await ledger.do(reserve("r2", 30 * CENT, scopes=("key:key_1",)))
    state = await ledger.run(lambda c: budgets.put(c, "key:key_1", "day", 35 * CENT, now_ms=NOON_MS + 1))
    assert (state.spent, state.held) == (30 * CENT, 0)
    assert await ledger.do(settle("r2", 20 * CENT, scopes=("key:key_1",))) == Settled(20 * CENT, 0)
    with pytest.raises(InsufficientCredits):
        await ledger.do(reserve("r3", CENT, scopes=("key:key_1",)))
    assert await ledger.run(lambda c: budgets.delete(c, "key:key_1", "day"))
    assert await ledger.do(reserve("r3", CENT, scopes=("key:key_1",))) == Granted(CENT)


async def test_transfers_of_the_same_key_are_one(ledger: Ledger):
    """And a key used for something else is a conflict."""
    first = await ledger.run(lambda c: funds.top_up(c, "org:b", 5 * CENT, key="x", now_ms=NOON_MS))
    again = await ledger.run(lambda c: funds.top_up(c, "org:b", 5 * CENT, key="x", now_ms=NOON_MS + 9))
    assert first == again
    with pytest.raises(Conflict, match=r"of \$0.05"):
        await ledger.run(lambda c: funds.top_up(c, "org:b", 6 * CENT, key="x", now_ms=NOON_MS))
    await ledger.run(lambda c: funds.adjust(c, "org:b", -2 * CENT, key="x", now_ms=NOON_MS, description="mistake"))
    assert await ledger.account("org:b") == (3 * CENT, 0)
    await ledger.do(reserve("r1", 2 * CENT, account="org:b"))
    with pytest.raises(InsufficientCredits, match="not held for calls"):
        await ledger.run(lambda c: funds.adjust(c, "org:b", -2 * CENT, key="y", now_ms=NOON_MS, description="mistake"))


async def test_a_refund_gives_back_no_more_than_was_charged(ledger: Ledger):
    """In parts, each once."""
    await ledger.do(settle("r1", 30 * CENT))
    part = await ledger.run(lambda c: funds.refund(c, "r1", 10 * CENT, key="1", now_ms=NOON_MS))
    assert part == await ledger.run(lambda c: funds.refund(c, "r1", 10 * CENT, key="1", now_ms=NOON_MS))
    assert part.description == "Refund - m"
    with pytest.raises(InvalidRequest, match=r"\$0.20 of what r1 cost"):
        await ledger.run(lambda c: funds.refund(c, "r1", 21 * CENT, key="2", now_ms=NOON_MS))
    rest = await ledger.run(lambda c: funds.refund(c, "r1", None, key="2", now_ms=NOON_MS))
    assert rest.amount == 20 * CENT
    assert await ledger.account() == (100 * CENT, 0)
    with pytest.raises(NotFound):
        await ledger.run(lambda c: funds.refund(c, "r2", None, key="1", now_ms=NOON_MS))


async def test_the_statement_has_what_was_paid_page_by_page(ledger: Ledger):
    """Newest first; holds are not in it."""
    for n in range(4):
        await ledger.do(reserve(f"r{n}", 5 * CENT))
        await ledger.do(settle(f"r{n}", n * CENT, now=NOON_MS + n))
    first = await ledger.run(lambda c: funds.statement(c, "org:a", limit=2))
    assert [(row.description, row.signed) for row in first] == [
        ("API usage - m", -3 * CENT),
        ("API usage - m", -2 * CENT),
    ]
    rest = await ledger.run(lambda c: funds.statement(c, "org:a", after=first[-1].id))
    assert [(row.kind, row.signed // CENT) for row in rest] == [("capture", -1), ("top_up", 100)]
    with pytest.raises(NotFound):
        await ledger.run(lambda c: funds.statement(c, "org:b", after=first[-1].id))


@pytest.mark.parametrize("settled", [True, False])
async def test_a_batch_is_as_good_as_one_after_the_other(ledger: Ledger, settled: bool):
    """Fifty orders in one transaction share what there is."""
    orders = [reserve(f"r{n}", 3 * CENT) for n in range(50)]
    results = await asyncio.gather(*map(ledger.do, orders), return_exceptions=True)
    granted = [order for order, result in zip(orders, results, strict=True) if isinstance(result, Granted)]
    assert len(granted) == 33
    work = [settle(order.response_id, CENT) if settled else release(order.response_id) for order in granted]
    await asyncio.gather(*map(ledger.do, work))
    assert await ledger.account() == (67 * CENT if settled else 100 * CENT, 0)
    assert await ledger.run(lambda c: c.execute(sa.select(sa.func.count()).select_from(holds)).scalar()) == 0
