"""A process that takes from a bucket as fast as it is let: `python -m tests.limits.replica WHERE LIMIT SECONDS [AT_ONCE]`.

For so many seconds, and on until it has been refused.

WHERE is a Redis URL or a file. It waits for a line on stdin, and prints how many were admitted and when the first and the
last was. With AT_ONCE it gives nothing back and ends only when it is killed.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from services.limits.local import LocalStore
from services.limits.shared import SharedStore
from services.limits.table import Table
from tests.limits.kit import an_account

BURST = 400
PACE_S = 0.004


def now() -> int:
    return time.time_ns() // 1_000_000


async def run(where: str, limit: int, seconds: float, at_once: int) -> None:
    bucket = [an_account(requests=limit, at_once=at_once, name="key:replicas")]
    local = shared = None
    if where.startswith("unix://"):
        shared = SharedStore(where, process=f"replica-{now()}-{id(bucket)}", budget_s=5)
        await shared.start()
        while not shared.up:  # noqa: ASYNC110 - a busy machine takes longer than `start` waits
            await asyncio.sleep(0.01)
    else:
        local = LocalStore(Table(Path(where), processes=8), now, dead_after_ms=500)

    async def take() -> bool:
        if shared is not None:
            return (await shared.take(bucket, (1, 0, 0)))[0].admitted
        assert local is not None
        local.beat()
        return (await local.take(bucket, (1, 0, 0))).admitted

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    times: list[int] = []
    end = time.monotonic() + seconds
    tries = refused = 0
    while time.monotonic() < end or not refused:
        before = now()
        if await take():
            times.append(before)
        else:
            refused += 1
        tries += 1
        await asyncio.sleep(0 if tries < BURST else PACE_S)
    admitted = {"admitted": len(times), "first": times[0] if times else None, "last": now()}
    sys.stdout.write(json.dumps(admitted) + "\n")
    sys.stdout.flush()
    if at_once >= 0:
        while True:
            if local is not None:
                local.beat()
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(run(arguments[0], int(arguments[1]), float(arguments[2]), int(arguments[3]) if arguments[3:] else -1))
