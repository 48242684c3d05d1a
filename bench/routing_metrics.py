"""What live metrics cost: CPU per recorded attempt, per read and per closed minute; memory of a busy year.

python -m bench.routing_metrics [--assert]      # --assert: fails over the targets
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Final

from services.routing.breaker import Breakers, Circuit
from services.routing.metric import parse
from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.levels import DAY, HOUR, MINUTE
from services.routing.metrics.live import LiveMetrics
from services.routing.metrics.sharing import Sharing, open_store

RECORD_US, READ_US = 5.0, 20.0
"""The targets."""

ROUNDS: Final = 5
PER_MINUTE: Final = 60
KEY: Final = Key("gpt-5.4", "openai")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def attempts(count: int, rng: random.Random) -> list[Observation]:
    """A provider as it is: log-normal times, one attempt in fifty fails."""
    seen = []
    for _ in range(count):
        ttft = rng.lognormvariate(-0.7, 0.5)
        outcome = Outcome.OK if rng.random() > 0.02 else Outcome.RATE_LIMITED
        seen.append(
            Observation(outcome, ttft + rng.lognormvariate(1, 0.6), ttft, rng.randrange(9000), rng.randrange(900))
        )
    return seen


def cpu_us(work: Callable[[], object], count: int) -> float:
    """Microseconds of CPU per piece, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = process_time()
        work()
        best = min(best, process_time() - began)
    return best / count * 1e6


def busy(metrics: LiveMetrics, clock: Clock, days: float, step: int, seen: list[Observation]) -> None:
    """Traffic in every `step` seconds."""
    rng = random.Random(2)
    for _ in range(int(days * DAY / step)):
        clock.now += step
        for each in rng.sample(seen, PER_MINUTE):
            metrics.record(KEY, each)
        metrics.close()
        while metrics.fold():
            pass
        metrics.take(10_000)


def recording(seen: list[Observation]) -> float:
    """Attempts of fifty offers in turn."""
    metrics = LiveMetrics(clock=Clock())
    keys = [Key(f"m{number % 10}", f"p{number // 10}") for number in range(50)]

    def work() -> None:
        for number, each in enumerate(seen):
            metrics.record(keys[number % 50], each)

    return cpu_us(work, len(seen))


def closing(metrics: LiveMetrics, clock: Clock, seen: list[Observation]) -> float:
    """Minutes of `seen`, of a key with a long history."""
    total = 0.0
    for _ in range(200):
        clock.now += MINUTE
        for each in seen:
            metrics.record(KEY, each)
        clock.now += MINUTE
        began = process_time()
        metrics.close()
        while metrics.fold():
            pass
        metrics.take(10_000)
        total += process_time() - began
    return total / 200 * 1e6


def reading(metrics: LiveMetrics, name: str, interval: int) -> tuple[float, float]:
    """A read from the cache, and one that has to merge the window first."""
    metric = parse(name, param="sort")

    def warm() -> None:
        for _ in range(5000):
            metrics.view().value(KEY.model, KEY.provider, metric, interval)

    def cold() -> None:
        for _ in range(20):
            metrics._windows.clear()  # noqa: SLF001 - as if its time had passed
            metrics.view().value(KEY.model, KEY.provider, metric, interval)

    return cpu_us(warm, 5000), cpu_us(cold, 20)


def breaking() -> float:
    breakers, circuit = Breakers(random.Random(1)), Circuit("openai/gpt-5.4", "gateway")

    def work() -> None:
        for number in range(20_000):
            attempt = breakers.of(circuit, number).allow(number)
            assert attempt is not None
            attempt.succeeded(number)
            attempt.abandoned()

    return cpu_us(work, 20_000)


async def restart(clock: Clock, seen: list[Observation]) -> tuple[int, float, float]:
    """A year of one busy key: bytes in the file, seconds of CPU to load it, kilobytes in memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = random.Random(3)
        metrics = LiveMetrics(clock=clock)
        store = open_store(folder, None, writer="before")
        for minute in range(365 * 24 * 3):  # one minute in twenty: the buckets of a year, in bearable time
            clock.now += 20 * MINUTE
            for each in rng.sample(seen, PER_MINUTE):
                metrics.record(KEY, each)
            metrics.close()
            while metrics.fold():
                pass
            if minute % 500 == 0:
                store.append(minute, metrics.take(10_000))
                store.compact(clock.now)
        store.append(minute + 1, metrics.take(10_000))
        store.compact(clock.now)
        store.close()
        size = os.stat(folder / "metrics.db").st_size  # noqa: PTH116 - nothing waits for this
        del metrics
        tracemalloc.start()
        fresh = LiveMetrics(clock=clock)
        sharing = Sharing(fresh, open_store(folder, None, writer="after"), clock=clock, random=random.Random(1))
        await sharing.turn()
        kilobytes = tracemalloc.get_traced_memory()[0] / 1024
        tracemalloc.stop()
        await sharing.close()
        again = LiveMetrics(clock=clock)
        sharing = Sharing(again, open_store(folder, None, writer="again"), clock=clock, random=random.Random(1))
        began = process_time()
        await sharing.turn()
        seconds = process_time() - began
        await sharing.close()
        return size, seconds, kilobytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assert", action="store_true", dest="check", help="fail when a target is missed")
    arguments = parser.parse_args()
    seen = attempts(20_000, random.Random(1))
    record = recording(seen)
    print(f"record an attempt            {record:8.2f} us   (target {RECORD_US:.0f})")
    print(f"ask and tell the breaker     {breaking():8.2f} us")
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    busy(metrics, clock, 40, HOUR, seen)
    busy(metrics, clock, 0.5, MINUTE, seen)
    print("close a minute of a key, beside the requests:")
    for count in (1, PER_MINUTE, 1000):
        print(f"  of {count:4} attempts           {closing(metrics, clock, seen[:count]):8.0f} us")
    warmest = 0.0
    for name in ("p95_latency", "avg_e2e_latency", "uptime"):
        for interval in (900, DAY, 365 * DAY):
            warm, cold = reading(metrics, name, interval)
            warmest = max(warmest, warm)
            print(
                f"read {name:15} {interval / DAY:6.2f} d {warm:8.2f} us   (target {READ_US:.0f}; window merged anew {cold:.0f})"
            )
    size, seconds, kilobytes = asyncio.run(restart(Clock(), seen))
    print(f"a busy year of one key       {kilobytes:8.0f} kB in memory, {size / 1024:.0f} kB of file")
    print(f"  loaded in                  {seconds * 1e3:8.0f} ms")
    missed = record > RECORD_US or warmest > READ_US
    if missed:
        print("a target is missed")
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
