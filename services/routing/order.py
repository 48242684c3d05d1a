"""In which order the offers of one model are tried.

First what the call is bound to: reasoning sealed by a provider goes back to it, because another would have to drop it; a
prefix that was sent before goes where it is warm. Then the caller's sort. Offers whose metric is unknown come after those
that have one, cheapest first; so with no metrics at all the cheapest is first. Equal ones keep the catalogue's order.
"""

from collections.abc import Sequence
from math import inf

from services.catalog.schema import Target
from services.routing.affinity import prefix_of
from services.routing.needs import Needs
from services.routing.policy import Policy
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call, Reasoning


def ordered(offers: Sequence[Target], call: Call, needs: Needs, policy: Policy, snapshot: Snapshot) -> list[Target]:
    """The offers, best first."""
    if len(offers) < 2:
        return list(offers)
    bound = _sealed_by(call)
    prefix = prefix_of(call)
    warm = snapshot.warm(prefix) if prefix is not None else None
    keyed = [
        (target.provider.id != bound, target.id != warm, *_key(target, needs, policy, snapshot), position)
        for position, target in enumerate(offers)
    ]
    return [offers[key[-1]] for key in sorted(keyed)]


def reason(call: Call, policy: Policy, pin: Target | None) -> str:
    """What decided, in words."""
    bound = _sealed_by(call)
    said = (pin and f"{pin.id} asked for", f"sort={policy.sort.name}", bound and f"reasoning sealed by {bound}")
    return ", ".join(part for part in said if part)


def _key(target: Target, needs: Needs, policy: Policy, snapshot: Snapshot) -> tuple[bool, float, float]:
    """(metric unknown, metric or price with the best lowest, price)."""
    metric = policy.sort
    if metric.name == "performance":
        return False, 0.0, 0.0  # the same model is equally good everywhere; the catalogue's order stands
    price = predicted_cost(target, needs, snapshot)
    if metric.name == "cost":
        return price is inf, price if metric.best == "min" else -price, 0.0
    value = snapshot.health.value(target, metric, policy.interval_s)
    if value is None:
        return True, price, 0.0
    return False, value if metric.best == "min" else -value, price


def predicted_cost(target: Target, needs: Needs, snapshot: Snapshot) -> float:
    """Nano-dollars of this call as predicted; infinite without a price."""
    cost = snapshot.prices.cost(target, needs.usage, snapshot.now)
    return inf if cost is None else cost.total


def _sealed_by(call: Call) -> str | None:
    """The provider that sealed the latest reasoning of the conversation."""
    for item in reversed(call.items):
        if isinstance(item, Reasoning) and item.seal is not None and item.seal.provider:
            return item.seal.provider
    return None
