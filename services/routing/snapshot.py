"""What a plan is made from: the state of the world at one moment, read-only. Planning is a pure function of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.catalog.catalog import Catalog
from services.catalog.schema import Target
from services.routing.metric import Metric
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage


class Prices(Protocol):
    """Prices of targets."""

    def cost(self, target: Target, usage: Usage, at: datetime) -> Cost | None:
        """What an answer of this usage costs; None when it has no price."""
        ...


class Health(Protocol):
    """Live metrics, and which targets are resting."""

    def value(self, target: Target, metric: Metric, interval_s: int) -> float | None:
        """The metric over the last seconds; None: nothing was measured."""
        ...

    def open_until(self, target: Target) -> float | None:
        """Unix time until which the target's circuit breaker keeps it out; None: it may be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment. unlisted: whether models without a row may be asked for. now: UTC.

    warm: which target a repeated prefix was last sent to, by the call's prefix hash. brought: providers that can only be asked
    with a credential of the caller's own.
    """

    catalog: Catalog
    prices: Prices
    health: Health
    now: datetime
    unlisted: bool = False
    warm: Callable[[str], str | None] = lambda _: None
    brought: frozenset[str] = frozenset()
