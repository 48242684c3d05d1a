"""In which order the offers of one model are tried.

First what the call is bound to: reasoning sealed by a provider goes back to it, because another would have to drop it; a
prefix that was sent before goes where it is warm. Then the caller's sort. Offers whose metric is unknown come after those
that have one, cheapest first; so with no metrics at all the cheapest is first. Among equal ones a provider that the caller
has its own credentials for is first, then the cheapest; else the catalogue's order stands.
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
        (target.provider.id != bound, target.id != warm, *sort_key(target, needs, policy, snapshot), position)
        for position, target in enumerate(offers)
    ]
    return [offers[key[-1]] for key in sorted(keyed)]


def reason(call: Call, policy: Policy, pin: Target | None) -> str:
    """What decided, in words."""
    bound = _sealed_by(call)
    said = (pin and f"{pin.id} asked for", f"sort={policy.sort.name}", bound and f"reasoning sealed by {bound}")
    return ", ".join(part for part in said if part)


def sort_key(target: Target, needs: Needs, policy: Policy, snapshot: Snapshot) -> tuple[bool, float, bool, float]:
    """(metric unknown, metric or price with the best lowest, no credential of the caller's own, price)."""
    metric = policy.sort
    theirs = target.provider.id not in policy.own
    if metric.name == "performance":
        return False, 0.0, theirs, 0.0  # the same model is equally good everywhere; the catalogue's order stands
    price = predicted_cost(target, needs, snapshot)
    if metric.name == "cost":
        return price is inf, price if metric.best == "min" else -price, theirs, 0.0
    value = snapshot.health.value(target, metric, policy.interval_s)
    if value is None:
        return True, price, theirs, 0.0
    return False, value if metric.best == "min" else -value, theirs, price


def predicted_cost(target: Target, needs: Needs, snapshot: Snapshot) -> float:
    """Nano-dollars of this call as predicted; infinite without a price."""
    cost = snapshot.prices.cost(target, needs.usage, snapshot.now)
    return inf if cost is None else cost.total


def preference(target: Target, call: Call, pin: Target | None, snapshot: Snapshot) -> str:
    """Why the target comes before the sort; empty when it does not."""
    if pin is not None and target.id == pin.id:
        return "asked for"
    if target.provider.id == _sealed_by(call):
        return "sealed the reasoning"
    prefix = prefix_of(call)
    return "prompt is cached" if prefix is not None and snapshot.warm(prefix) == target.id else ""


def _sealed_by(call: Call) -> str | None:
    """The provider that sealed the latest reasoning of the conversation."""
    for item in reversed(call.items):
        if isinstance(item, Reasoning) and item.seal is not None and item.seal.provider:
            return item.seal.provider
    return None
