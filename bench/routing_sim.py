"""A simulated day of mixed traffic over changing latency, prices and outages, with the real planner, failover, breakers and
metrics; nothing else is real.

python -m bench.routing_sim [--hours 24] [--rate 1] [--seed 1] [--assert]      # --assert: fails over the targets

A provider that fails half of the time or more, says nothing or limits everybody counts as broken. Judged are
success    of calls for which a provider that is not broken exists
cost       of calls by `cost`, against the cheapest provider that is not broken at that moment
latency    of calls by a latency metric, against the fastest that is not broken at that moment, by their true medians

A share of the calls names a provider, as most clients do; that is also what keeps every provider measured.
"""

import argparse
import asyncio
import math
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

from bench.sim_world import HOUR, START, Place, Prices, Providers, SimulatedLoop, catalog_of, places, simulate
from services.errors import GatewayError
from services.ports import Plan
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.routing.plan import plan
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call, Message, Text
from services.vocabulary.routing import Routing
from services.vocabulary.usage import Usage

SUCCESS_MIN: Final = 0.9995
COST_MAX: Final = 1.02
LATENCY_MAX: Final = 1.05

LATENCIES: Final = ("avg_latency", "p50_latency", "p75_latency")
MIX: Final = {"performance": 0.2, "cost": 0.25, "latency": 0.25, "pinned": 0.3}
SLOT_S: Final = 900.0


@dataclass
class Slot:
    """A quarter of an hour. Sums of what was paid or waited, and of the best there was."""

    calls: int = 0
    served: int = 0
    hopeless: int = 0
    asked: int = 0
    paid: float = 0.0
    cheapest: float = 0.0
    waited: float = 0.0
    fastest: float = 0.0


@dataclass
class Day:
    """What came of it."""

    slots: list[Slot]
    by_metric: dict[str, tuple[float, float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @property
    def success(self) -> float:
        served = sum(slot.served for slot in self.slots)
        return served / max(1, sum(slot.calls - slot.hopeless for slot in self.slots))

    @property
    def cost(self) -> float:
        return sum(slot.paid for slot in self.slots) / max(1e-9, sum(slot.cheapest for slot in self.slots))

    @property
    def latency(self) -> float:
        return sum(slot.waited for slot in self.slots) / max(1e-9, sum(slot.fastest for slot in self.slots))

    @property
    def good(self) -> bool:
        return self.success >= SUCCESS_MIN and self.cost <= COST_MAX and self.latency <= LATENCY_MAX


class Simulation:
    """One day. rate: calls per second on average; more by day than by night."""

    def __init__(self, hours: float, rate: float, seed: int) -> None:
        self._random = Random(seed)
        self._hours = hours
        self._rate = rate
        self._loop = SimulatedLoop()
        self._places = {place.id: place for place in places(8, hours, self._random)}
        names = list(self._places)
        self._offers = {f"m{n}": self._random.sample(names, size) for n, size in enumerate((8, 6, 4))}
        self._catalog = catalog_of(self._offers)
        self._prices = Prices(self._places)
        self._metrics = LiveMetrics(clock=self._loop.time)
        self._health = LiveHealth(self._metrics, Breakers(self._random), self._loop.time)
        self._failover = Failover(Providers(self._places, self._random), self._health)
        self.day = Day([Slot() for _ in range(math.ceil(hours * HOUR / SLOT_S))])

    def run(self) -> Day:
        simulate(self._traffic(), self._loop)
        return self.day

    async def _traffic(self) -> None:
        calls: set[asyncio.Task[None]] = set()
        folding = asyncio.ensure_future(self._fold())
        while (now := self._loop.time()) < START + self._hours * HOUR:
            task = asyncio.ensure_future(self._call())
            calls.add(task)
            task.add_done_callback(calls.discard)
            busy = 1 - 0.6 * math.cos(2 * math.pi * (now - START) / (24 * HOUR))
            await asyncio.sleep(self._random.expovariate(self._rate * busy))
        await asyncio.gather(*calls)
        folding.cancel()

    async def _fold(self) -> None:
        """What the sharing of metrics does beside the requests."""
        while True:
            await asyncio.sleep(30)
            self._metrics.close()
            while self._metrics.fold():
                pass
            self._metrics.take(10_000)

    async def _call(self) -> None:
        began = self._loop.time()
        kind = self._random.choices(list(MIX), list(MIX.values()))[0]
        sort = self._random.choice(LATENCIES) if kind == "latency" else kind if kind != "pinned" else None
        model = self._random.choice(list(self._offers))
        call = Call(
            model=f"{self._random.choice(self._offers[model])}/{model}" if kind == "pinned" else model,
            items=[Message("user", [Text("x" * self._random.randrange(40, 8000))])],
            max_output_tokens=self._random.randrange(20, 800),
            stream=True,
            routing=Routing(sort=sort),
        )
        healthy = [self._places[name] for name in self._offers[model] if self._places[name].healthy(began)]
        slot = self.day.slots[int((began - START) // SLOT_S)]
        slot.calls += 1
        slot.hopeless += not healthy
        try:
            served, asked = await self._answer(call)
        except GatewayError as error:
            if healthy:
                self.day.errors[f"{type(error).__name__} ({kind})"] += 1
            return
        slot.served += bool(healthy)
        slot.asked += asked
        if not healthy:
            return
        if kind == "cost":
            usage = Usage(input=1000, output=200)
            slot.paid += served.rate(began) * usage.total
            slot.cheapest += min(place.rate(began) for place in healthy) * usage.total
        elif sort in LATENCIES:
            best = min(place.latency(began) for place in healthy)
            slot.waited += served.latency(began)
            slot.fastest += best
            waited, fastest = self.day.by_metric.get(sort, (0.0, 0.0))
            self.day.by_metric[sort] = waited + served.latency(began), fastest + best

    async def _answer(self, call: Call) -> tuple[Place, int]:
        began = self._loop.time()
        made = self._plan(call)
        opening = await self._failover.open(made.targets, call)
        usage = None
        async for _ in opening.batches:
            if usage is None:
                self.day.waits.append(self._loop.time() - began)
                usage = Usage(input=1000, output=call.max_output_tokens or 0)
        opening.attempt.finished(usage)
        return self._places[opening.target.provider.id], opening.asked

    def _plan(self, call: Call) -> Plan:
        now = datetime.fromtimestamp(self._loop.time(), UTC)
        return plan(call, Snapshot(self._catalog, self._prices, self._health, now))


def plot(day: Day, height: int = 6) -> str:
    """How much dearer and slower than the best, quarter of an hour by quarter, and where calls failed over or failed."""
    step = max(1, len(day.slots) // 96)
    columns = [day.slots[start : start + step] for start in range(0, len(day.slots), step)]
    over = {
        "dearer than the cheapest": [_ratio(each, "paid", "cheapest") for each in columns],
        "slower than the fastest": [_ratio(each, "waited", "fastest") for each in columns],
    }
    lines = []
    for name, values in over.items():
        top = max(0.1, *values)
        lines.append(f"{name}, up to {top:.0%}")
        for level in range(height, 0, -1):
            lines.append("  |" + "".join("█" if value >= top * (level - 0.5) / height else " " for value in values))
        lines.append("  +" + "-" * len(values))
    marks = [
        "x" if _lost(each) else ":" if _extra(each) > 0.1 else "." if _extra(each) > 0 else " " for each in columns
    ]
    lines += ["calls: . some failed over, : more than a tenth, x one failed", "   " + "".join(marks)]
    return "\n".join(lines)


def _ratio(slots: list[Slot], had: str, best: str) -> float:
    whole = sum(getattr(slot, best) for slot in slots)
    return sum(getattr(slot, had) for slot in slots) / whole - 1 if whole else 0.0


def _lost(slots: list[Slot]) -> bool:
    return any(slot.served < slot.calls - slot.hopeless for slot in slots)


def _extra(slots: list[Slot]) -> float:
    served = sum(slot.served for slot in slots)
    return sum(slot.asked for slot in slots) / served - 1 if served else 0.0


def report(day: Day) -> str:
    calls = sum(slot.calls for slot in day.slots)
    hopeless = sum(slot.hopeless for slot in day.slots)
    waits = sorted(day.waits)
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    lines = [
        plot(day),
        "",
        f"calls                {calls}, {hopeless} of them with nobody to serve them",
        f"success              {day.success:.4%}   (target {SUCCESS_MIN:.2%}) {dict(day.errors) or ''}",
        f"cost / cheapest      {day.cost:.4f}     (target {COST_MAX})",
        f"latency / fastest    {day.latency:.4f}     (target {LATENCY_MAX})",
        *(f"  by {name:16} {waited / fastest:.4f}" for name, (waited, fastest) in sorted(day.by_metric.items())),
        f"first token          p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits[-1]:.1f} s, failed attempts included",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=1.0, help="calls per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--assert", action="store_true", dest="check", help="fail when a target is missed")
    arguments = parser.parse_args()
    day = Simulation(arguments.hours, arguments.rate, arguments.seed).run()
    print(report(day))
    return int(arguments.check and not day.good)


if __name__ == "__main__":
    sys.exit(main())
