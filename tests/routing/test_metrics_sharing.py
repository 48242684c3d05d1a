"""Workers that share what they measure: restarts, late comers, and a store that is away."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
import structlog

from services.routing.metrics import sharing
from services.routing.metrics.bucket import Row
from services.routing.metrics.levels import DAY, HOUR, MINUTE
from services.routing.metrics.live import LiveMetrics
from services.routing.metrics.sharing import EVERY_S, LOAD_ANEW_S, Sharing, open_store
from services.routing.metrics.store import Read, Store
from tests.routing.metrics_kit import KEY, Clock, failed, ok, picture, value


class Worker:
    """One process of a gateway."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.metrics = LiveMetrics(clock=clock)
        self.sharing = Sharing(self.metrics, store, clock=clock, random=Random(1))


class Start:
    """Starts workers over one store."""

    def __init__(self, folder: Path, url: str | None, clock: Clock) -> None:
        self.clock = clock
        self._folder, self._url, self._number = folder, url, 0

    def __call__(self) -> Worker:
        self._number += 1
        return Worker(open_store(self._folder, self._url, writer=f"w{self._number}"), self.clock)


@pytest.fixture(params=["sqlite", "redis"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    url = None
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushall()
    return Start(tmp_path, url, Clock())


async def close(*workers: Worker) -> None:
    for worker in workers:
        await worker.sharing.close()


async def test_workers_see_each_others_minutes_after_a_turn(start: Start):
    """Values over all of them, the same in each."""
    one, two = start(), start()
    for worker in (one, two):
        await worker.sharing.turn()
    for _ in range(5):
        one.metrics.record(KEY, ok(1.0))
        two.metrics.record(KEY, failed())
        start.clock.now += MINUTE
        for worker in (one, two):
            await worker.sharing.turn()
    start.clock.now += EVERY_S
    await one.sharing.turn()
    assert value(one.metrics, "total_requests") == value(two.metrics, "total_requests") == 10
    assert picture(one.metrics) == picture(two.metrics)
    await close(one, two)


async def test_a_restart_forgets_nothing(start: Start):
    """A worker that was stopped properly, and those that come after it, know all, the last minute too."""
    one = start()
    await one.sharing.turn()
    for number in range(50):
        one.metrics.record(KEY, ok(0.1 + number))
        start.clock.now += 7 * MINUTE
        await one.sharing.turn()
    one.metrics.record(KEY, ok(7.0))
    await close(one)
    two = start()
    await two.sharing.turn()
    assert value(two.metrics, "total_requests", DAY) == 51
    start.clock.now += EVERY_S
    assert picture(two.metrics) == picture(one.metrics)
    await close(two)


async def test_a_kill_loses_only_the_running_minute(start: Start):
    """What was closed and written before is there."""
    killed = start()
    for _ in range(3):
        killed.metrics.record(KEY, ok())
        start.clock.now += MINUTE
        await killed.sharing.turn()
    killed.metrics.record(KEY, ok())
    survivor = start()
    await survivor.sharing.turn()
    assert value(survivor.metrics, "total_requests") == 3
    await close(survivor)
    killed.sharing._store.close()


async def test_a_worker_that_slept_loads_anew(start: Start):
    """While it slept others have moved minutes that it never read; afterwards it knows them, and its own, once."""
    sleeper, other = start(), start()
    for worker in (sleeper, other):
        worker.metrics.record(KEY, ok())
        await worker.sharing.turn()
    sleeper.metrics.record(KEY, ok())
    for _ in range(40):
        start.clock.now += 10 * MINUTE
        other.metrics.record(KEY, ok())
        await other.sharing.turn()
    other.sharing._store.compact(start.clock.now)
    start.clock.now += max(MINUTE, LOAD_ANEW_S - 40 * 10 * MINUTE)
    late = start()
    for worker in (other, sleeper, late):
        await worker.sharing.turn()
    start.clock.now += 60
    assert value(sleeper.metrics, "total_requests", 12 * HOUR) == 43
    assert value(late.metrics, "total_requests", 12 * HOUR) == 43
    await close(sleeper, other, late)


async def test_turns_compact_now_and_then(start: Start):
    """Without anyone's doing the store stays small."""
    one = start()
    for _ in range(300):
        one.metrics.record(KEY, ok())
        start.clock.now += MINUTE
        await one.sharing.turn()
        if start.clock.now % HOUR == 0 and hasattr(one.sharing._store, "_redis"):
            one.sharing._store._redis.delete("concentrate:metrics:1:compacting")  # as if its time had passed
    read = one.sharing._store.load()
    assert len(read.rows) < 200
    await close(one)


class Away:
    """A store that can be away."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.batches: list[int] = []
        self.away = False
        self.closed = False

    def load(self) -> Read:
        self._check()
        return Read(list(self.rows), "")

    def append(self, batch: int, rows: Sequence[Row]) -> None:
        self._check()
        self.batches.append(batch)
        self.rows += rows

    def since(self, cursor: str) -> Read:
        self._check()
        return Read([], cursor)

    def compact(self, now: float) -> None:
        self._check()

    def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.away:
            raise OSError("away")


async def test_an_outage_of_the_store_is_logged_once_and_loses_nothing():
    """The worker goes on with its own numbers, and writes them when the store is back."""
    clock, store = Clock(), Away()
    worker = Worker(store, clock)
    await worker.sharing.turn()
    store.away = True
    with structlog.testing.capture_logs() as lines:
        for _ in range(90):
            worker.metrics.record(KEY, ok())
            clock.now += MINUTE
            await worker.sharing.turn()
    assert [line["event"] for line in lines] == ["metrics are not shared"]
    assert value(worker.metrics, "total_requests", 90 * MINUTE) == 90
    store.away = False
    await worker.sharing.turn()
    assert len(store.rows) == 90
    assert store.batches == [1, 2]  # the one that failed again and again, then what came since
    clock.now += 60
    assert value(worker.metrics, "total_requests", 2 * HOUR) == 90
    await worker.sharing.close()
    assert store.closed


async def test_memory_is_pruned_also_without_a_store():
    """An outage of hours leaves no more minutes in memory than any window reads."""
    clock, store = Clock(), Away()
    store.away = True
    worker = Worker(store, clock)
    for _ in range(500):
        worker.metrics.record(KEY, ok())
        clock.now += MINUTE
        await worker.sharing.turn()
    assert len(worker.metrics._series[KEY]._levels[0]) < 120
    await worker.sharing.close()


async def test_a_store_that_is_away_at_the_end_does_not_keep_the_gateway():
    """Closing is never refused."""
    store = Away()
    worker = Worker(store, Clock())
    worker.metrics.record(KEY, ok())
    store.away = True
    with structlog.testing.capture_logs() as lines:
        await worker.sharing.close()
    assert [line["event"] for line in lines] == ["the last metrics are lost"]
    assert store.closed


async def test_rows_that_cannot_be_read_are_left_out():
    """One log line, and all others count."""
    store, clock = Away(), Clock()
    other = Worker(store, clock)
    other.metrics.record(KEY, ok())
    clock.now += MINUTE
    await other.sharing.turn()
    store.rows.insert(0, Row(0, int(clock.now), KEY, b"\xc1"))
    worker = Worker(store, clock)
    with structlog.testing.capture_logs() as lines:
        await worker.sharing.turn()
    assert [line["rows"] for line in lines] == [1]
    assert value(worker.metrics, "total_requests") == 1


class Slow(Away):
    """A store whose writes take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = threading.Event()
        self.go_on = threading.Event()

    def append(self, batch: int, rows: Sequence[Row]) -> None:
        self.writing.set()
        self.go_on.wait(10)
        super().append(batch, rows)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)


async def test_closing_waits_for_the_turn_under_way(monkeypatch: pytest.MonkeyPatch):
    """A write is neither torn nor repeated, and requests go on meanwhile."""
    monkeypatch.setattr(sharing, "EVERY_S", 0.001)
    store, clock = Slow(), Clock()
    worker = Worker(store, clock)
    worker.metrics.record(KEY, ok())
    clock.now += MINUTE
    worker.sharing.start()
    await until(store.writing.is_set)
    worker.metrics.record(KEY, ok())
    closing = asyncio.create_task(worker.sharing.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    store.go_on.set()
    await closing
    assert len(store.rows) == 2
    assert store.closed


async def test_turns_go_on_after_a_mistake(monkeypatch: pytest.MonkeyPatch):
    """Whatever goes wrong in one turn is logged, and the next one is taken."""
    monkeypatch.setattr(sharing, "EVERY_S", 0.001)
    store = Away()
    worker = Worker(store, Clock())
    calls = 0

    def broken() -> Read:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RuntimeError("a mistake")
        return Read([], "")

    monkeypatch.setattr(store, "load", broken)
    with structlog.testing.capture_logs() as lines:
        worker.sharing.start()
        await until(lambda: calls == 3)
        await worker.sharing.close()
    assert [line["log_level"] for line in lines] == ["error", "error"]
