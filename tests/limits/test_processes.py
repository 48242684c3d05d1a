"""Several processes at once, on one machine through memory and on many through Redis: together they get one limit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.limits.local import LocalStore
from services.limits.table import Table
from tests.gateway import ROOT
from tests.limits.kit import an_account
from tests.limits.replica import now

REPLICAS = 3
LIMIT = 600
SECONDS = float(os.environ.get("LIMITS_LOAD_SECONDS", "1"))


def start(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    command = [sys.executable, "-m", "tests.limits.replica", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)


def go(processes: list[subprocess.Popen[str]]) -> list[dict[str, int]]:
    """Has them all begin together; what each says at the end."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [json.loads(process.stdout.readline()) for process in processes if process.stdout]


@pytest.mark.parametrize("where", ["memory", "redis"])
def test_three_processes_together_never_get_more_than_the_limit(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
):
    """Under load, each asking for all of it: what one bucket holds and what flows in, and no less than it holds."""
    place = str(tmp_path / "table") if where == "memory" else request.getfixturevalue("redis_url")
    processes = [start(place, LIMIT, SECONDS) for _ in range(REPLICAS)]
    try:
        said = go(processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    total = sum(each["admitted"] for each in said)
    lasted = max(each["last"] for each in said) - min(each["first"] for each in said if each["first"])
    flowed = LIMIT * (lasted + 2) / 60_000
    assert LIMIT <= total <= LIMIT + flowed, said


async def test_the_places_of_a_worker_that_is_killed_come_free(tmp_path: Path):
    """A while after its heart stops; until then they are its own."""
    file = tmp_path / "table"
    victim = start(file, 1000, 0.2, 2)
    try:
        (said,) = go([victim])
        assert said["admitted"] == 2
        clock = [now()]
        store = LocalStore(Table(file, processes=8), lambda: clock[0], dead_after_ms=60_000)
        bucket = [an_account(requests=1000, at_once=2, name="key:replicas")]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert not (await store.take(bucket, (1, 0, 0))).admitted
        clock[0] = now() + 60_001
        assert (await store.take(bucket, (1, 0, 0))).admitted
    finally:
        victim.kill()
        victim.communicate()


async def test_a_new_worker_begins_with_no_places_taken(tmp_path: Path):
    """Though it has the number of a dead one; and what was used of the buckets is still used."""
    clock = [now()]
    bucket = [an_account(requests=5, at_once=3)]

    def opened() -> LocalStore:
        return LocalStore(Table(tmp_path / "table", processes=1), lambda: clock[0], dead_after_ms=100)

    store = opened()
    assert [(await store.take(bucket, (1, 0, 0))).admitted for _ in range(4)] == [True, True, True, False]
    clock[0] += 101
    after = opened()
    assert [(await after.take(bucket, (1, 0, 0))).admitted for _ in range(4)] == [True, True, False, False]


async def test_a_process_that_is_stopped_with_the_table_stops_nobody(tmp_path: Path):
    """The others wait for a moment and then go on without its leave."""
    one, other = Table(tmp_path / "table", processes=2), Table(tmp_path / "table", processes=2)
    store = LocalStore(one, now)
    assert other.try_lock()
    assert (await store.take([an_account(requests=5)], (1, 0, 0))).admitted


async def test_where_a_set_is_full_the_least_used_row_makes_room(tmp_path: Path):
    """More accounts than the table holds: those that are used most are still exact."""
    clock = [now()]
    table = Table(None, processes=1)
    table._sets = 1
    store = LocalStore(table, lambda: clock[0])
    busy = [an_account(requests=10, name="key:busy")]
    assert [(await store.take(busy, (1, 0, 0))).admitted for _ in range(11)] == [True] * 10 + [False]
    for number in range(100):
        assert (await store.take([an_account(requests=1000, name=f"key:{number}")], (1, 0, 0))).admitted
    assert not (await store.take(busy, (1, 0, 0))).admitted
