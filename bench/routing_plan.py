"""What a plan costs: CPU for a model with ten offers, in catalogues of different sizes, with real prices and live metrics.

python -m bench.routing_plan [--assert]      # --assert: fails over the targets
"""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from time import process_time
from typing import Final

from services.billing.pricing import Pricing
from services.catalog.catalog import Catalog
from services.catalog.reading import Rows
from services.catalog.schema import Auth, Facts, Model, Offer, PriceRow, Provider, Rates
from services.routing.breaker import Breakers
from services.routing.health import LiveHealth
from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.live import LiveMetrics
from services.routing.plan import plan
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call, FunctionTool, Message, Text
from services.vocabulary.routing import Routing

PLAN_US: Final = 100.0
AUTO_US: Final = 1000.0
GROWTH_MAX: Final = 1.5
"""The targets: a plan, one for `auto`, and how much more a plan may cost in the largest catalogue than in the smallest."""

SIZES: Final = (10, 200, 2000)
OFFERS: Final = 10
ROUNDS: Final = 7

_SAID: Final = [Message("user", [Text("Tell me how circuit breakers differ from retries. " * 8)])]
_TOOLS: Final = [FunctionTool(f"tool_{n}", parameters=None) for n in range(8)]

CALLS: Final[Mapping[str, Call]] = {
    "as the catalogue orders": Call(model="m0", items=_SAID),
    "by cost": Call(model="m0", items=_SAID, routing=Routing(sort="cost")),
    "by p95_latency": Call(model="m0", items=_SAID, routing=Routing(sort="p95_latency", interval="1h")),
    "one provider asked for": Call(model="p5/m0", items=_SAID),
    "tools, lists and a price": Call(
        model="m0", items=_SAID, tools=_TOOLS, routing=Routing(sort="cost", only=["p1", "p2", "p3"], ignore=["p4"])
    ),
    "auto": Call(model="auto", items=_SAID),
}


def snapshot_of(models: int) -> Snapshot:
    """So many models, each with ten offers that have prices and were measured."""
    names = [f"p{n}" for n in range(OFFERS)]
    rows = Rows(
        [Provider(name, name, "openai_chat", f"https://{name}.example", auth=Auth("none")) for name in names],
        [
            Model(
                f"m{n}",
                "author",
                f"20{10 + n % 16}-01-01",
                [Offer(name) for name in names],
                facts=Facts(context=200_000, max_output=32_000, images=True, tools=True),
                tier=1 + n % 5,
            )
            for n in range(models)
        ],
        [
            PriceRow(name, f"m{n}", Rates(1 + Decimal(cents) / 100, Decimal(5)), source="https://a.example")
            for n in range(models)
            for cents, name in enumerate(names)
        ],
    )
    now = datetime(2026, 11, 23, tzinfo=UTC)
    metrics = LiveMetrics(clock=now.timestamp)
    random = Random(1)
    for name in names:
        for _ in range(200):
            ttft = random.lognormvariate(-0.7, 0.5)
            metrics.record(Key("m0", name), Observation(Outcome.OK, 2 + ttft, ttft, 100, 100))
    health = LiveHealth(metrics, Breakers(random), now.timestamp)
    return Snapshot(Catalog(rows), Pricing(rows.prices), health, now)


def cpu_us(call: Call, snapshot: Snapshot, count: int) -> float:
    """Microseconds of CPU per plan, the best of some rounds."""
    plan(call, snapshot)
    best = float("inf")
    for _ in range(ROUNDS):
        began = process_time()
        for _ in range(count):
            plan(call, snapshot)
        best = min(best, process_time() - began)
    return best / count * 1e6


def measured(sizes: tuple[int, ...] = SIZES, *, count: int = 300) -> dict[str, list[float]]:
    """Per kind of call, what it costs in each size of catalogue."""
    snapshots = [snapshot_of(size) for size in sizes]
    return {name: [cpu_us(call, each, count) for each in snapshots] for name, call in CALLS.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assert", action="store_true", dest="check", help="fail when a target is missed")
    arguments = parser.parse_args()
    print(f"{'models':28}" + "".join(f"{size:>10}" for size in SIZES))
    missed = False
    for name, costs in measured().items():
        target = AUTO_US if name == "auto" else PLAN_US
        print(f"{name:28}" + "".join(f"{cost:7.1f} us" for cost in costs) + f"   (target {target:.0f})")
        missed |= max(costs) > target or (name != "auto" and costs[-1] > GROWTH_MAX * costs[0])
    if missed:
        print("a target is missed")
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
