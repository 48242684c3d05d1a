"""The buckets, on a clock set by hand, to the token: in a table of this machine and in Redis, which decide alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from services.limits.buckets import PARTS, drained, fits, full_in_ms, remaining, wait_ms
from services.limits.local import Change
from services.limits.shared import SharedStore
from services.limits.standing import Taken
from tests.limits.kit import NOON, Clock, an_account, local_store, on_uvloop

MINUTE = 60_000
limits = st.one_of(st.integers(1, 20), st.sampled_from([7, 60, 61, 1000, 59_999, 60_000, 60_001, 10**6, 10**11]))


@given(limits, st.lists(st.tuples(st.integers(0, 2 * MINUTE), st.integers(1, 30)), max_size=40))
def test_over_any_time_no_more_is_admitted_than_a_bucketful_and_what_flows_in(limit, steps):
    """The sum of what is admitted in any interval is at most the capacity plus rate times length, to the token."""
    used, at, now = 0, 0, 0
    admitted: list[tuple[int, int]] = []
    for pause, amount in steps:
        now += pause
        used, at = drained(used, limit, now - at), now
        if fits(used, amount, limit):
            used += amount * PARTS
            admitted.append((now, amount))
        else:
            assert amount > remaining(used, limit), "and nothing that there is room for is refused"
    for first, (begin, _) in enumerate(admitted):
        total = 0
        for end, amount in admitted[first:]:
            total += amount
            assert total * MINUTE <= limit * MINUTE + limit * (end - begin)


@given(
    st.integers(1, 200),
    st.lists(st.tuples(st.integers(0, MINUTE), st.integers(1, 200), st.integers(0, 400)), max_size=30),
)
def test_corrections_keep_the_rate_over_any_time_that_ends_with_an_admission(limit, steps):
    """What was really used, debts and all, stays within the bound whenever somebody is let in."""
    used, at, now = 0, 0, 0
    events: list[tuple[int, int]] = []
    for pause, reserved, really in steps:
        now += pause
        used, at = drained(used, limit, now - at), now
        if not fits(used, reserved, limit):
            continue
        used += reserved * PARTS
        events.append((now, reserved))
        for first in range(len(events)):
            total = sum(amount for _, amount in events[first:])
            assert total * MINUTE <= limit * MINUTE + limit * (now - events[first][0])
        used = max(0, used - (reserved - really) * PARTS)
        events.append((now, really - reserved))


@given(st.integers(1, 10**6), st.integers(0, 10**12), st.integers(1, 10**6))
def test_a_wait_is_exactly_long_enough(limit, used, amount):
    """A millisecond earlier the tokens would not be there yet."""
    amount = min(amount, limit)
    wait = wait_ms(used, amount, limit)
    assert fits(drained(used, limit, wait), amount, limit)
    assert wait == 0 or not fits(drained(used, limit, wait - 1), amount, limit)
    full = full_in_ms(used, limit)
    assert drained(used, limit, full) == 0
    assert full == 0 or drained(used, limit, full - 1) > 0


# ---- stores ----------------------------------------------------------------------------------------------------------


class Local:
    """The table, behind one interface with Redis."""

    def __init__(self, clock: Clock) -> None:
        self.store = local_store(clock)

    async def take(self, accounts, charge) -> tuple[Taken, bytes]:
        return await self.store.take(accounts, charge), b""

    async def give(self, changes, lease) -> None:
        self.store.give(changes)


class Shared:
    """Redis, on the clock of the test."""

    def __init__(self, store: SharedStore) -> None:
        self.store = store

    async def take(self, accounts, charge) -> tuple[Taken, bytes]:
        return await self.store.take(accounts, charge)

    async def give(self, changes, lease) -> None:
        self.store.give(changes, lease)


@asynccontextmanager
async def opened(kind: str, clock: Clock, redis_url: str) -> AsyncIterator[Local | Shared]:
    if kind == "local":
        yield Local(clock)
        return
    store = SharedStore(redis_url, process="test", budget_s=5, clock=clock)
    await store.start()
    try:
        yield Shared(store)
    finally:
        await store.close()


@pytest.fixture(params=["local", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "local":
        return ""
    found = request.getfixturevalue("redis_url")
    import redis

    with redis.Redis.from_url(found) as client:
        client.flushall()
    return found


@on_uvloop
async def test_a_bucket_is_empty_after_a_minutes_worth_and_fills_evenly(kind: str, url: str):
    """60 a minute: 60 at once, then one each second, to the millisecond."""
    clock, bucket = Clock(), [an_account(requests=60)]
    async with opened(kind, clock, url) as store:
        answers = [(await store.take(bucket, (1, 0, 0)))[0].admitted for _ in range(61)]
        assert answers == [True] * 60 + [False]
        clock.now += 999
        assert not (await store.take(bucket, (1, 0, 0)))[0].admitted
        clock.now += 1
        assert (await store.take(bucket, (1, 0, 0)))[0].admitted
        assert not (await store.take(bucket, (1, 0, 0)))[0].admitted
        clock.now += 10 * MINUTE
        answers = [(await store.take(bucket, (1, 0, 0)))[0].admitted for _ in range(61)]
        assert answers == [True] * 60 + [False]


@on_uvloop
async def test_all_accounts_are_charged_or_none(kind: str, url: str):
    """A request that the organisation refuses costs its key nothing."""
    clock = Clock()
    key, organisation = an_account(requests=10, name="key:a"), an_account(input=100, name="organisation:a")
    async with opened(kind, clock, url) as store:
        assert (await store.take([key, organisation], (1, 90, 0)))[0].admitted
        taken, _ = await store.take([key, organisation], (1, 90, 0))
        assert not taken.admitted
        assert [remaining(used[0], 10) for used in taken.used[:1]] == [9]
        assert (await store.take([key, organisation], (1, 10, 0)))[0].admitted


@on_uvloop
async def test_corrections_are_paid_back_or_owed(kind: str, url: str):
    """A short answer frees what was reserved for it; a long one is a debt that the next ones wait for."""
    clock, bucket = Clock(), an_account(output=100)
    async with opened(kind, clock, url) as store:
        _, lease = await store.take([bucket], (1, 0, 100))
        await store.give([Change(bucket, (0, 0, 60), True)], lease)
        _, lease = await store.take([bucket], (1, 0, 60))
        await store.give([Change(bucket, (0, 0, -100), True)], lease)  # 200 in all
        assert not (await store.take([bucket], (1, 0, 1)))[0].admitted
        clock.now += MINUTE
        assert not (await store.take([bucket], (1, 0, 1)))[0].admitted
        clock.now += 600
        assert (await store.take([bucket], (1, 0, 1)))[0].admitted


@on_uvloop
async def test_places_are_freed_by_those_who_leave(kind: str, url: str):
    """Two at once: the third must wait for one of them, and time alone frees nothing that is still renewed."""
    clock, places = Clock(), an_account(at_once=2)
    async with opened(kind, clock, url) as store:
        (_, one), (second, _) = [await store.take([places], (1, 0, 0)) for _ in range(2)]
        assert list(second.places) == [2]
        assert not (await store.take([places], (1, 0, 0)))[0].admitted
        await store.give([Change(places, (0, 0, 0), True)], one)
        assert (await store.take([places], (1, 0, 0)))[0].admitted


@on_uvloop
async def test_a_limit_of_zero_lets_nothing_in(kind: str, url: str):
    """And a limit of another kind is not asked about what is not used."""
    clock = Clock()
    async with opened(kind, clock, url) as store:
        assert not (await store.take([an_account(requests=0)], (1, 0, 0)))[0].admitted
        assert (await store.take([an_account(output=0, name="key:b")], (1, 10, 0)))[0].admitted
        assert not (await store.take([an_account(at_once=0, name="key:c")], (1, 0, 0)))[0].admitted


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "give", "wait"]),
        st.tuples(st.integers(0, 2), st.integers(-50, 120), st.integers(-50, 120)),
        st.integers(1, 40_000),
    ),
    max_size=25,
)
some_limits = st.sampled_from([-1, 0, 1, 7, 60, 100, 10**11])


@settings(max_examples=40)
@given(st.lists(st.tuples(some_limits, some_limits, some_limits), min_size=1, max_size=3), steps)
def test_python_and_redis_decide_alike(redis_url: str, limits, steps):
    """The same takes, corrections and pauses: the same answers, and the same left, to the part of a token."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    async def run() -> None:
        clock = Clock(NOON)
        accounts = [an_account(*each, name=f"key:{number}") for number, each in enumerate(limits)]
        async with opened("redis", clock, redis_url) as shared:
            local = Local(clock)
            for action, amounts, pause in steps:
                if action == "wait":
                    clock.now += pause
                elif action == "take":
                    charge = tuple(map(abs, amounts))
                    assert (await local.take(accounts, charge))[0] == (await shared.take(accounts, charge))[0]
                else:
                    changes = [Change(account, amounts, False) for account in accounts]
                    await local.give(changes, b"")
                    await shared.give(changes, b"x")

    uvloop.run(run())
