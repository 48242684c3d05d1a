"""The request's wishes, checked against the catalogue, and what is settled for its caller: which providers, in which order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.catalog.catalog import Catalog
from services.errors import InvalidRequest
from services.routing import interval, metric
from services.routing.access import OPEN, Access, access_of
from services.routing.metric import Best, Metric
from services.vocabulary.caller import CallerPolicy
from services.vocabulary.routing import MaxPrice, Routing

PERFORMANCE: Final = metric.parse("performance", param="routing.provider.sort")
COST: Final = metric.parse("cost", param="routing.provider.sort")


@dataclass(frozen=True, slots=True)
class Policy:
    """Wishes in the planner's words. only: provider ids, empty for all. interval_s: the window of live metrics.

    access: what the caller may use at all. own: providers that the caller has credentials of its own for.
    """

    sort: Metric = PERFORMANCE
    interval_s: int = interval.DEFAULT_S
    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    max_price: MaxPrice | None = None
    require_parameters: bool = False
    zdr: bool = False
    model_sort: Metric | None = None
    access: Access = OPEN
    own: frozenset[str] = frozenset()


DEFAULT: Final = Policy()
_NOTHING_SETTLED: Final = CallerPolicy()
_NO_WISHES: Final = Routing()


def policy_of(routing: Routing | None, catalog: Catalog, settled: CallerPolicy = _NOTHING_SETTLED) -> Policy:
    """The policy of a call. Raises `InvalidRequest` for a metric, interval or provider that does not exist."""
    if routing is None:
        if not (settled.zdr or settled.access or settled.byok):
            return DEFAULT
        routing = _NO_WISHES
    strategy: Best | None = None if routing.highest is None else "max" if routing.highest else "min"
    return Policy(
        sort=metric.parse(routing.sort, param=routing.path("routing.provider.sort"), strategy=strategy)
        if routing.sort
        else PERFORMANCE,
        interval_s=interval.parse(routing.interval, param=routing.path("routing.provider.interval"))
        if routing.interval
        else interval.DEFAULT_S,
        only=_providers(routing.only, catalog, routing.path("routing.provider.only")),
        ignore=_providers(routing.ignore, catalog, "routing.provider.ignore"),
        max_price=routing.max_price,
        require_parameters=routing.require_parameters,
        zdr=routing.zdr or settled.zdr,
        model_sort=metric.parse(routing.model_sort, param="routing.model.sort") if routing.model_sort else None,
        access=access_of(settled.access, catalog),
        own=frozenset(credential.provider for credential in settled.byok),
    )


def _providers(names: Iterable[str], catalog: Catalog, param: str) -> frozenset[str]:
    found = set()
    for name in names:
        provider = catalog.provider(name)
        if provider is None and not catalog.knows_provider(name):
            known = ", ".join(sorted(catalog.providers))
            raise InvalidRequest(f"There is no provider {name[:40]!r}; configured are {known}.", param=param)
        if provider is not None:
            found.add(provider.id)
    return frozenset(found or names)  # a known provider that is not configured leaves nothing, not everything
