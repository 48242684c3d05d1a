"""A day of a made-up world on a clock of its own: providers whose latency drifts, whose prices change and who break.

Time passes only when everybody waits for it, so a day takes as long as its work. What happens when is drawn from a seed.
"""

import asyncio
import math
import selectors
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final, Literal

from services.catalog.catalog import Catalog
from services.catalog.reading import Rows
from services.catalog.schema import Auth, Model, Offer, Provider, Target
from services.errors import ProviderFailed
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Finished, Opened, TextDelta, UsageReported
from services.vocabulary.usage import Usage

START: Final = 1_795_392_000.0  # a midnight, UTC
HOUR: Final = 3600.0
Trouble = Literal["down", "silent", "throttled", "flaky", "slow"]
TROUBLES: Final[tuple[Trouble, ...]] = ("down", "silent", "throttled", "flaky", "slow")
BROKEN: Final = frozenset({"down", "silent", "throttled", "flaky"})
FAILS_BY_CHANCE: Final = 0.002
SLOWER: Final = 6.0


class _Jump(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Instead of waiting, moves the clock."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not found and timeout is not None:
            self.now += timeout
        return found


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at `START` and passes when nothing else is to be done."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-6  # a float of this size holds no less, and time would stand still before a timer

    def time(self) -> float:
        return self._jump.now


def simulate(work: Coroutine[Any, Any, None], loop: SimulatedLoop) -> None:
    """Runs the work to its end, in simulated time."""
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@dataclass(frozen=True)
class Incident:
    """Something wrong from one moment to another."""

    begin: float
    end: float
    kind: Trouble


@dataclass(frozen=True)
class Place:
    """A provider. ttft: usual seconds to the first token; swing, phase: how that changes with the hour of the day.

    prices: dollars per million input tokens (output costs five times as much), each from a moment on.
    """

    id: str
    ttft: float
    swing: float
    phase: float
    prices: Sequence[tuple[float, float]]
    incidents: Sequence[Incident]

    def trouble(self, at: float) -> Incident | None:
        return next((each for each in self.incidents if each.begin <= at < each.end), None)

    def healthy(self, at: float) -> bool:
        found = self.trouble(at)
        return found is None or found.kind not in BROKEN

    def latency(self, at: float) -> float:
        """The median time to the first token, now."""
        found = self.trouble(at)
        slow = SLOWER if found is not None and found.kind == "slow" else 1.0
        return slow * self.ttft * (1 + self.swing * math.sin(2 * math.pi * ((at - START) / (24 * HOUR) + self.phase)))

    def rate(self, at: float) -> float:
        return [dollars for begin, dollars in self.prices if begin <= at][-1]


def places(count: int, hours: float, random: Random) -> list[Place]:
    """Providers with some incidents in every eight hours each, and a change of price in some of them."""
    made = []
    for number in range(count):
        base = random.uniform(1, 4)
        prices = [(START, base)]
        if random.random() < 0.5:
            prices.append((START + random.uniform(0.2, 0.8) * hours * HOUR, base * random.uniform(0.5, 1.8)))
        incidents, at = [], START + random.uniform(0.1, 4) * HOUR
        while at < START + hours * HOUR:
            incidents.append(Incident(at, at + random.uniform(120, 1500), random.choice(TROUBLES)))
            at = incidents[-1].end + random.expovariate(1 / (5 * HOUR)) + 300
        made.append(
            Place(f"p{number}", random.uniform(0.3, 1.5), random.uniform(0, 0.3), random.random(), prices, incidents)
        )
    return made


class Providers:
    """Answers as the places do at the time. Implements `ports.Adapters`."""

    def __init__(self, by_id: Mapping[str, Place], random: Random) -> None:
        self._places = by_id
        self._random = random

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        """A stream: the first token, some more time, the end."""
        loop = asyncio.get_running_loop()
        place = self._places[target.provider.id]
        incident = place.trouble(loop.time())
        match incident.kind if incident is not None else None:
            case "down":
                await asyncio.sleep(0.02)
                raise _failed(target, "unavailable")
            case "silent":
                await asyncio.sleep(900)
            case "throttled" if self._random.random() < 0.9:
                await asyncio.sleep(0.05)
                raise _failed(target, "rate_limited", retry_after=self._random.randrange(2, 20))
            case "flaky" if self._random.random() < 0.35:
                await asyncio.sleep(0.2)
                raise _failed(target, "failed")
        if self._random.random() < FAILS_BY_CHANCE:
            raise _failed(target, "failed")
        await asyncio.sleep(place.latency(loop.time()) * self._random.lognormvariate(0, 0.35))
        yield [Opened(target.provider.id, "")]
        yield [TextDelta("Hi")]
        output = call.max_output_tokens or 1
        await asyncio.sleep(output / 80)
        yield [UsageReported(Usage(input=len(call.model), output=output)), Finished("stop")]


def _failed(target: Target, kind: str, retry_after: int | None = None) -> ProviderFailed:
    return ProviderFailed(f"{target.id} is in trouble.", model=target.id, kind=kind, retry_after=retry_after)


class Prices:
    """What the places charge. Implements `snapshot.Prices`."""

    def __init__(self, by_id: Mapping[str, Place]) -> None:
        self._places = by_id

    def cost(self, target: Target, usage: Usage, at: datetime) -> Cost | None:
        """Nano-dollars."""
        rate = self._places[target.provider.id].rate(at.timestamp())
        return Cost(int((usage.input + 5 * usage.output) * rate * 1000))


def catalog_of(offers: Mapping[str, Sequence[str]]) -> Catalog:
    """`offers` says model -> providers."""
    names = sorted({name for each in offers.values() for name in each})
    rows = Rows(
        [Provider(name, name, "openai_chat", f"https://{name}.example", auth=Auth("none")) for name in names],
        [Model(id, "author", "2026-01-01", [Offer(name) for name in each], tier=3) for id, each in offers.items()],
    )
    return Catalog(rows)
