"""Why a plan is as it is: the numbers that its order was made of, read from the same snapshot."""

from collections.abc import Sequence
from math import inf

from services.catalog.schema import Target
from services.ports import Candidate, Explanation, Score
from services.routing import auto, order
from services.routing.needs import Needs
from services.routing.policy import COST, Policy
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call


def explanation(
    targets: Sequence[Target],
    call: Call,
    needs: Needs,
    policy: Policy,
    snapshot: Snapshot,
    pin: Target | None,
    choice: auto.Choice | None,
) -> Explanation:
    """One candidate per target, in the same order."""
    fits = dict(zip(choice.models, choice.scores, strict=True)) if choice is not None else {}
    candidates = []
    for target in targets:
        model = snapshot.catalog.slug(target)
        tier = snapshot.catalog.models[model].tier if target.listed else None
        nanos = order.predicted_cost(target, needs, snapshot)
        cost = None if nanos is inf else nanos / 1e9
        score = Score(
            sort=_sort_value(target, tier, cost, policy, snapshot),
            quality=tier,
            latency=snapshot.health.value(target, auto.LATENCY, policy.interval_s),
            uptime=snapshot.health.value(target, auto.UPTIME, policy.interval_s),
            auto=fits.get(model),
        )
        rests = snapshot.health.open_until(target) is not None
        preferred = "" if rests else order.preference(target, call, pin, snapshot)
        candidates.append(Candidate(target.id, cost, preferred, score, rests, bool(target.credential)))
    usage = needs.usage
    band = choice.band if choice is not None else None
    return Explanation(candidates, policy.sort.name, policy.interval_s, usage.input, usage.output, band)


def _sort_value(
    target: Target, tier: int | None, cost: float | None, policy: Policy, snapshot: Snapshot
) -> float | None:
    if policy.sort.family == COST.family:
        return cost
    if not policy.sort.live:
        return None if tier is None else float(tier)
    return snapshot.health.value(target, policy.sort, policy.interval_s)
