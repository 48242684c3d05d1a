"""The stores: one suite for the file and for Redis, and what only one of them has."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from services.routing.metrics.bucket import FORMAT, Row, merge_encoded, stored
from services.routing.metrics.levels import DAY, HOUR, LEVELS, MINUTE
from services.routing.metrics.live import LiveMetrics
from services.routing.metrics.sharing import open_store
from services.routing.metrics.sqlite_store import SqliteStore
from services.routing.metrics.store import Store, due_before
from tests.routing.metrics_kit import KEY, NOON, Clock, folded, ok, picture

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "redis"])
def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens writers of one store."""
    url = None
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushall()
    numbers, stores = count(), []

    def open_writer() -> Store:
        stores.append(open_store(tmp_path, url, writer=f"worker-{next(numbers)}"))
        return stores[-1]

    yield open_writer
    for store in stores:
        store.close()


def minutes(amount: int, *, at: float = NOON, key=KEY, every: int = MINUTE) -> list[Row]:
    """Rows as a worker makes them, one answer in each."""
    clock = Clock(at)
    metrics = LiveMetrics(clock=clock)
    for number in range(amount):
        metrics.record(key, ok(0.1 + number % 10))
        clock.now += every
        folded(metrics)
    return metrics.take(10_000)


def requests(rows: list[Row]) -> int:
    return sum(sum(stored(row.bucket).outcomes.values()) for row in rows)


def test_an_empty_store_has_nothing(open_one: Open):
    """And can be read on from."""
    store = open_one()
    read = store.load()
    assert read.rows == []
    assert store.since(read.cursor).rows == []
    store.compact(NOON)
    assert store.load().rows == []


def test_what_was_appended_is_loaded_by_whoever_comes_later(open_one: Open):
    """The newest first; also by a writer that was there before under another id."""
    rows = minutes(5)
    open_one().append(1, rows)
    assert open_one().load().rows == rows[::-1]


def test_each_reads_what_the_others_append_and_not_its_own(open_one: Open):
    """Once, in order, from where it was."""
    one, two, three = open_one(), open_one(), open_one()
    cursor_one, cursor_two, cursor_three = (store.load().cursor for store in (one, two, three))
    rows = minutes(7)
    one.append(1, rows[:3])
    two.append(1, rows[3:5])
    assert one.since(cursor_one).rows == rows[3:5]
    assert two.since(cursor_two).rows == rows[:3]
    read = three.since(cursor_three)
    assert read.rows == rows[:5]
    one.append(2, rows[5:])
    assert three.since(read.cursor).rows == rows[5:]
    assert three.since(three.since(read.cursor).cursor).rows == []


def test_many_rows_are_read_whole(open_one: Open):
    """More than one page of any reader."""
    one, two = open_one(), open_one()
    cursor = two.load().cursor
    rows = minutes(5) * 700
    one.append(1, rows)
    assert two.since(cursor).rows == rows
    assert len(two.load().rows) == len(rows)


def test_a_redis_that_was_paused_adds_a_batch_once(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The client gives up and comes again; the server wakes up and does both."""
    import redis

    from services.routing.metrics import redis_store

    monkeypatch.setattr(redis_store, "_WAIT_S", 0.1)
    store, reader = (open_store(tmp_path, redis_url, writer=name) for name in ("paused", "reader"))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        pid = client.info()["process_id"]
    rows = minutes(3)
    store.append(1, rows[:1])
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="Redis"):
                store.append(2, rows[1:2])
    finally:
        os.kill(pid, signal.SIGCONT)
    store.append(2, rows[1:2])
    store.append(3, rows[2:])
    assert reader.load().rows == rows[::-1]
    store.close()
    reader.close()


def test_keys_are_kept_as_they_are(open_one: Open):
    """Models and regions may hold anything."""
    keys = [KEY._replace(model=model) for model in ("a/b", "a:b@c", "日本語", "a\0b", "'; --", "x" * 500)]
    rows = [row for key in keys for row in minutes(1, key=key._replace(region="eu-1"))]
    store = open_one()
    store.append(1, rows)
    assert {row.key for row in store.load().rows} == {row.key for row in rows}


def test_what_grows_old_moves_to_coarser_levels_and_says_the_same(open_one: Open):
    """Compacting changes no value of any window, then or after a restart, and keeps the store small."""
    clock = Clock()
    writer, store = LiveMetrics(clock=clock), open_one()
    for number in range(300):
        clock.now += 13 * MINUTE if number % 40 else 30 * DAY
        writer.record(KEY, ok(0.1 + number % 7))
        clock.now += MINUTE
        folded(writer)
        store.append(number + 1, writer.take(10))
        if number % 60 == 59:
            _unlock(store)
            store.compact(clock.now)
            reader = LiveMetrics(clock=clock)
            for row in open_one().load().rows:
                reader.merge(row)
            writer.prune()
            assert picture(reader) == picture(writer)
    rows = store.load().rows
    assert len(rows) < 100
    assert max(row.level for row in rows) == len(LEVELS) - 1


def test_compacting_twice_or_by_two_at_once_counts_nothing_twice(open_one: Open):
    """Every worker compacts; each row moves once."""
    for number in range(4):
        open_one().append(1, minutes(30, at=NOON + number * MINUTE, every=20 * MINUTE))
    now = NOON + 3 * DAY
    threads = [threading.Thread(target=open_one().compact, args=(now,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    open_one().compact(now)
    rows = open_one().load().rows
    assert requests(rows) == 120
    assert min(row.level for row in rows) > 0


def test_late_rows_join_what_has_moved_before(open_one: Open):
    """A worker that was asleep appends minutes whose neighbours are in a coarser bucket already."""
    store = open_one()
    store.append(1, minutes(20))
    store.compact(NOON + 8 * HOUR)
    assert {row.level for row in store.load().rows} == {1}
    store.append(2, minutes(20))
    _unlock(store)
    store.compact(NOON + 8 * HOUR)
    rows = store.load().rows
    assert len(rows) == 2
    assert requests(rows) == 40


def test_what_is_older_than_a_year_is_deleted(open_one: Open):
    """The store does not grow for ever."""
    store = open_one()
    store.append(1, minutes(3))
    for age in (HOUR, 5 * HOUR, DAY, 5 * DAY, 30 * DAY, 300 * DAY, 400 * DAY):
        _unlock(store)
        store.compact(NOON + age)
        assert bool(store.load().rows) == (age < 366 * DAY)


def test_a_row_that_cannot_be_read_keeps_nobody_from_compacting(open_one: Open):
    """It goes when its time comes, and its neighbours of another key stay."""
    store = open_one()
    store.append(1, [Row(0, int(NOON), KEY, b"\xc1 no bucket"), *minutes(3, key=KEY._replace(region="eu"))])
    store.compact(NOON + HOUR * 4)
    assert requests(store.load().rows) == 3


def test_moving_begins_where_no_window_reads_any_more():
    """Nothing moves out of a level that a window of that level may still need."""
    for index, level in enumerate(LEVELS):
        for now in range(int(NOON), int(NOON) + 2 * DAY, 997):
            before = due_before(index, now)
            assert before <= level.start(now - level.reach_s)
            if index + 1 < len(LEVELS):
                assert before % LEVELS[index + 1].span_s == 0


def _unlock(store: Store) -> None:
    """Ends the time in which Redis keeps other compactions away."""
    if not isinstance(store, SqliteStore):
        store._redis.delete(f"concentrate:metrics:{FORMAT}:compacting")  # type: ignore[attr-defined]


_WRITER = """
import sys
from pathlib import Path
from services.routing.metrics.sqlite_store import SqliteStore
from tests.routing.test_metrics_stores import minutes
store = SqliteStore(Path(sys.argv[1]), writer=sys.argv[2])
rows, batch = minutes(20), 0
while True:
    batch += 1
    store.append(batch, rows)
    print("appended", flush=True)
"""


def test_killed_writers_lose_nothing_that_was_appended(tmp_path: Path):
    """Four processes open a new file at once, write, and are killed in the middle of it."""
    file = tmp_path / "metrics.db"
    command = [sys.executable, "-c", _WRITER, str(file)]
    writers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    appended = 0
    for writer in writers:
        assert writer.stdout is not None
        for _ in range(5):
            assert writer.stdout.readline() == "appended\n"
    for writer in writers:
        writer.kill()
        rest, _ = writer.communicate()
        appended += 5 + rest.count("appended")
    store = SqliteStore(file, writer="reader")
    batches, odd = divmod(len(store.load().rows), 20)
    store.close()
    assert odd == 0, "a batch is there whole or not at all"
    assert appended <= batches <= appended + len(writers)


def test_a_file_of_another_version_is_emptied(tmp_path: Path):
    """Bins of another error bound cannot be merged; measurements are not worth a migration."""
    store = SqliteStore(tmp_path / "metrics.db", writer="a")
    store.append(1, minutes(1))
    store._database.execute("PRAGMA user_version = 999")
    store.close()
    store = SqliteStore(tmp_path / "metrics.db", writer="b")
    assert store.load().rows == []
    store.close()


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path):
    """OSError, not an error of SQLite's."""
    (tmp_path / "metrics.db").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="the metrics file"):
        open_store(tmp_path, None, writer="a")


def test_a_redis_that_is_not_there_is_an_os_error_at_first_use(redis_url: str, tmp_path: Path):
    """A gateway starts without it."""
    del redis_url  # only asks for the client
    store = open_store(tmp_path, f"unix://{tmp_path}/nobody", writer="a")
    for use in (
        store.load,
        lambda: store.append(1, minutes(1)),
        lambda: store.since("0-0"),
        lambda: store.compact(NOON),
    ):
        with pytest.raises(OSError, match="Redis"):
            use()
    store.close()


def test_a_redis_url_that_is_none_is_refused(redis_url: str, tmp_path: Path):
    """ValueError, for the settings to report."""
    del redis_url
    with pytest.raises(ValueError, match="Redis URL"):
        open_store(tmp_path, "localhost:6379", writer="a")


def test_merging_one_bucket_is_that_bucket():
    """The encoding is canonical enough to be compared in these tests."""
    (row,) = minutes(1)
    assert merge_encoded([row.bucket]) == row.bucket


def test_many_open_a_new_file_at_once(tmp_path: Path):
    """None fails because another one has it locked."""
    go = threading.Barrier(6)

    def opened(number: int) -> str:
        go.wait()
        return str(SqliteStore(tmp_path / f"{number // 6}.db", writer=str(number)).load().rows)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(opened, range(60))) == {"[]"}
