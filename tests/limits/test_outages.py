"""Redis stopped, paused, slow, full and forgetful: each row of docs/outages.md that is about it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import redis
import structlog
from structlog.testing import capture_logs

from bench.slow import Proxy
from services.errors import Overloaded, RateLimited
from services.limits import shared
from services.limits.buckets import remaining
from services.limits.limiter import BucketLimiter
from services.limits.shared import SharedStore
from services.vocabulary.call import Call
from tests.limits.kit import ANN, Clock, accounts_of, an_account, key_limits, local_store, on_uvloop
from tests.redis_server import redis_server

CALL = Call(model="sandbox/echo", items=[])
BUDGET_S = 0.1  # more than in earnest (5 ms), because a busy machine is late itself
GONE, BACK = "rate limits are not shared", "rate limits are shared again"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is sure of a server that is back sooner than in earnest."""
    monkeypatch.setattr(shared, "PROBE_EVERY_S", 0.02)
    monkeypatch.setattr(shared, "START_S", 20.0)
    structlog.reset_defaults()


@asynccontextmanager
async def limiting(url: str, *scopes, replicas: int = 1, on_outage: str = "local") -> AsyncIterator[BucketLimiter]:
    """A limiter as a worker has it, whose own buckets stand still."""
    together = accounts_of(*scopes, on_outage=on_outage)
    alone = accounts_of(*scopes, on_outage=on_outage, share=replicas)
    store = SharedStore(url, process="me", budget_s=BUDGET_S)
    limiter = BucketLimiter(together, local_store(Clock()), store, alone=alone)
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.close()


async def admitted(limiter: BucketLimiter, times: int) -> int:
    """How many of so many requests are let in."""
    count = 0
    for _ in range(times):
        try:
            (await limiter.admit(CALL, ANN, input_tokens=1)).settle(None)
            count += 1
        except RateLimited:
            pass
    return count


async def slowest_s(limiter: BucketLimiter, times: int = 100) -> float:
    """The longest that one of so many requests waits to be let in, when they come one by one, but for what the loop was late."""
    late, longest = Lateness(), 0.0
    async with late:
        for _ in range(times):
            begun, before = time.perf_counter(), late.seconds
            (await limiter.admit(CALL, ANN, input_tokens=1)).settle(None)
            longest = max(longest, time.perf_counter() - begun - (late.seconds - before))
            await asyncio.sleep(0.001)
    return longest


class Lateness:
    """How much longer than it should a task has slept that does nothing else. `seconds`: in all, so far."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> None:
        self._sleeping = asyncio.create_task(self._sleep())

    async def __aexit__(self, *_: object) -> None:
        self._sleeping.cancel()

    async def _sleep(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            self.seconds += time.perf_counter() - begun - 0.005


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event for everything
            await asyncio.sleep(0.01)


def store(limiter: BucketLimiter) -> SharedStore:
    assert limiter._shared is not None
    return limiter._shared


@pytest.mark.parametrize("how", ["stopped", "paused", "slow", "frozen"])
@on_uvloop
async def test_without_redis_each_replica_limits_its_share(how: str, tmp_path: Path):
    """No request waits longer than its budget, one line says that it is gone and one that it is back; then it counts again."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(redis_server(tmp_path))
        server = stack.enter_context(redis.Redis.from_url(url))
        pid = server.info("server")["process_id"]
        proxy = await stack.enter_async_context(Proxy(tmp_path, url).serving())
        logs = stack.enter_context(capture_logs())
        scopes = key_limits(requests_per_minute=1000)
        limiter = await stack.enter_async_context(limiting(proxy.url, scopes, replicas=4))
        assert await admitted(limiter, 10) == 10
        if how == "stopped":
            server.shutdown(nosave=True)
        elif how == "paused":
            server.client_pause(3000)
        elif how == "slow":
            proxy.delay_s = 3 * BUDGET_S
        else:
            os.kill(pid, signal.SIGSTOP)
        assert await slowest_s(limiter) < 1.5 * BUDGET_S
        assert not store(limiter).up
        assert 145 <= await admitted(limiter, 300) <= 150, "a quarter of the limit, of which 100 and some are used"
        assert [entry["event"] for entry in logs] == [GONE]
        if how == "stopped":
            stack.enter_context(redis_server(tmp_path))
        elif how == "slow":
            proxy.delay_s = 0
        elif how == "frozen":
            os.kill(pid, signal.SIGCONT)
        await until(lambda: store(limiter).up)
        assert await admitted(limiter, 10) == 10
        assert [entry["event"] for entry in logs] == [GONE, BACK]


@on_uvloop
async def test_what_may_not_be_let_in_unchecked_is_refused(tmp_path: Path):
    """By the setting, or by the limits of any scope; with a time to come again."""
    for scopes, on_outage in (((), "refuse"), ((key_limits(on_outage="refuse"),), "local")):
        async with limiting(f"unix://{tmp_path}/nobody", *scopes, on_outage=on_outage) as limiter:
            with pytest.raises(Overloaded) as refused:
                await limiter.admit(CALL, ANN, input_tokens=1)
            assert refused.value.retry_after == 1


@on_uvloop
async def test_a_redis_that_does_not_answer_does_not_keep_a_worker_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It limits by itself until Redis is there, and what is settled after the end is no error."""
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as server:
        monkeypatch.setattr(shared, "START_S", 0.1)
        pid = server.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        async with limiting(url) as limiter:
            late = await limiter.admit(CALL, ANN, input_tokens=1)
            assert not store(limiter).up
            os.kill(pid, signal.SIGCONT)
            await until(lambda: store(limiter).up)
        late.settle(None)


@on_uvloop
async def test_a_redis_that_is_full_is_not_asked(tmp_path: Path):
    """It answers reads, and would admit everything; as soon as it takes writes it is asked again."""
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as server, capture_logs() as logs:
        async with limiting(url, key_limits(requests_per_minute=5)) as limiter:
            server.config_set("maxmemory", 1)
            assert await admitted(limiter, 8) == 5
            assert "OOM" in logs[0]["error"]
            server.config_set("maxmemory", 0)
            await until(lambda: store(limiter).up)
            assert await admitted(limiter, 8) == 5


@on_uvloop
async def test_a_redis_that_has_forgotten_the_scripts_is_told_them_again(tmp_path: Path):
    """After a restart, or SCRIPT FLUSH."""
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as server:
        async with limiting(url) as limiter:
            server.script_flush()
            assert await admitted(limiter, 3) == 3
            await until(lambda: store(limiter).up)
            assert await admitted(limiter, 3) == 3


@on_uvloop
async def test_what_was_taken_too_late_is_used_or_given_back(redis_url: str, tmp_path: Path):
    """A request that went on without Redis has used it, but holds no lease; one whose client has left has used nothing."""
    bucket = [an_account(requests=10, at_once=5, name="key:late")]
    async with Proxy(tmp_path, redis_url).serving() as proxy:
        shared_store = SharedStore(proxy.url, process="me", budget_s=BUDGET_S)
        await shared_store.start()
        with redis.Redis.from_url(redis_url) as server:
            server.delete(*bucket[0].keys)
            proxy.delay_s = 3 * BUDGET_S
            with pytest.raises(shared.OutOfReach):
                await shared_store.take(bucket, (1, 0, 0))
            shared_store._budget_s = 60
            leaving = asyncio.create_task(shared_store.take(bucket, (1, 0, 0)))
            await until(lambda: server.zcard(bucket[0].keys[1]) == 2)
            leaving.cancel()
            shared_store._budget_s = BUDGET_S
            proxy.delay_s = 0
            await until(lambda: not server.exists(bucket[0].keys[1]))
            taken, _ = await shared_store.take(bucket, (1, 0, 0))
            assert (remaining(taken.used[0][0], 10), list(taken.places)) == (8, [1])
        await shared_store.close()


@on_uvloop
async def test_the_leases_of_a_dead_process_run_out(redis_url: str):
    """Those of one that lives are renewed for as long as its requests take."""
    bucket = [an_account(at_once=2, name="key:leases")]
    dead, alive = (SharedStore(redis_url, process=name, budget_s=5, lease_ms=1000) for name in ("dead", "alive"))
    await dead.start()
    await alive.start()
    (first, _), (second, _) = await dead.take(bucket, (1, 0, 0)), await alive.take(bucket, (1, 0, 0))
    assert first.admitted
    assert second.admitted
    await dead.close()
    assert not (await alive.take(bucket, (1, 0, 0)))[0].admitted
    async with asyncio.timeout(20):
        while not (await alive.take(bucket, (1, 0, 0)))[0].admitted:
            await asyncio.sleep(0.05)
            alive.renew()
    assert not (await alive.take(bucket, (1, 0, 0)))[0].admitted
    await alive.close()


@on_uvloop
async def test_a_late_answer_lets_in_no_more_than_there_was(redis_url: str, tmp_path: Path):
    """A replica that does not hear from Redis goes on from where it was, for its share of the limit if there are several."""
    async with Proxy(tmp_path, redis_url).serving() as proxy:
        for replicas, left in ((1, 4), (2, 2)):
            with redis.Redis.from_url(redis_url) as server:
                server.flushall()
            async with limiting(proxy.url, key_limits(requests_per_minute=10), replicas=replicas) as limiter:
                assert await admitted(limiter, 6) == 6
                proxy.delay_s = 3 * BUDGET_S
                assert await admitted(limiter, 10) == left
                proxy.delay_s = 0
