"""A small world to plan in: providers, offers, prices and health as a test wants them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.catalog.catalog import Catalog
from services.catalog.reading import Rows
from services.catalog.schema import Auth, Facts, Model, Offer, Provider, Target
from services.ports import Plan
from services.routing.metric import Metric
from services.routing.plan import plan
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage
from tests.responses.kit import call_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Health:
    """Values by (provider, metric name); providers that rest, until when."""

    def __init__(
        self,
        values: Mapping[tuple[str, str], float] | None = None,
        resting: Mapping[str, float] | None = None,
    ) -> None:
        self.values = values or {}
        self.resting = resting or {}

    def value(self, target: Target, metric: Metric, interval_s: int) -> float | None:
        return self.values.get((target.provider.id, metric.name))

    def open_until(self, target: Target) -> float | None:
        return self.resting.get(target.provider.id)


class Prices:
    """Dollars per million tokens by provider; unknown ones have no price."""

    def __init__(self, dollars: Mapping[str, float] | None = None) -> None:
        self.dollars = dollars or {}

    def cost(self, target: Target, usage: Usage, at: datetime) -> Cost | None:
        rate = self.dollars.get(target.provider.id)
        return None if rate is None else Cost(int(rate * 1000 * usage.total))


def provider(id: str) -> Provider:
    return Provider(id, id.title(), "openai_responses", f"https://{id}.test", auth=Auth("none"), aliases=[f"{id}-ai"])


def world(
    offers: Mapping[str, Mapping[str, Facts]],
    *,
    health: Health | None = None,
    prices: Prices | None = None,
    zdr: frozenset[str] = frozenset(),
    tiers: Mapping[str, int] | None = None,
    warm: str | None = None,
    unlisted: bool = False,
) -> Snapshot:
    """A snapshot in which `offers` says model -> provider -> facts, best first."""
    names = sorted({name for by_provider in offers.values() for name in by_provider})
    rows = Rows(
        [provider(name) for name in names],
        [
            Model(
                id,
                "author",
                "2026-01-01",
                [
                    Offer(name, facts=facts, zdr="https://x.test" if name in zdr else None)
                    for name, facts in each.items()
                ],
                tier=(tiers or {}).get(id),
            )
            for id, each in offers.items()
        ],
    )
    return Snapshot(Catalog(rows), prices or Prices(), health or Health(), NOW, unlisted, lambda _: warm)


def planned(snapshot: Snapshot, **body: Any) -> Plan:
    return plan(call_of(**{"model": "m", **body}), snapshot)


def ids(snapshot: Snapshot, **body: Any) -> list[str]:
    return [target.id for target in planned(snapshot, **body).targets]


def snapshot_of(catalog: Catalog, *, unlisted: bool = False) -> Snapshot:
    return Snapshot(catalog, Prices(), Health(), NOW, unlisted)


def plan_in(call: Call, catalog: Catalog) -> Plan:
    return plan(call, snapshot_of(catalog))
