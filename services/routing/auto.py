"""`auto`: the model is chosen too. Hard filters, a band of quality by how hard the call looks, then a score.

difficulty   0…1 from what can be seen without a model: length, code, tools, reasoning asked for, depth of the conversation
band         quality tiers that fit: an easy call does not need the best model, a hard one must not get a small one
score        weighted sum of quality, predicted cost, latency and uptime, each scaled to 0…1 within the band;
             `routing.model.sort` moves the weight to what it names

The choice is deterministic for a snapshot and sticky: a conversation's later turns have the same prefix, and what is
warm comes first. No model is called here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, log1p
from typing import Final

from services.catalog.schema import Model, Target
from services.ports import Band
from services.routing import metric
from services.routing.affinity import prefix_of
from services.routing.exclusion import exclusion
from services.routing.needs import Needs
from services.routing.order import predicted_cost
from services.routing.policy import Policy
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call, Message, Text

CHOICES_MAX: Final = 5
NEWEST: Final = 32
"""So many models of each quality tier are looked at, however large the catalogue is."""

LATENCY: Final = metric.parse("p50_latency", param="routing.model.sort")
UPTIME: Final = metric.parse("uptime", param="routing.model.sort")
_CODE: Final = ("```", "def ", "class ", "SELECT ", "function ", "{\n", "=>", "#include")
_WEIGHTS: Final = {"quality": 0.4, "cost": 0.35, "latency": 0.15, "uptime": 0.1}
_SORT_WEIGHT: Final = 0.6

_Candidate = tuple[Model, Target]


@dataclass(frozen=True, slots=True)
class Choice:
    """What `auto` stands for in one call. models: slugs, best first, at most five. scores: of each, 0 to 1."""

    band: Band
    models: Sequence[str] = ()
    scores: Sequence[float] = ()


def choose(call: Call, needs: Needs, policy: Policy, snapshot: Snapshot) -> Choice:
    """The models to try. None when none can serve the call."""
    hard = difficulty(call, needs)
    band = Band(round(hard, 4), *_tiers(hard))
    fitting = _fitting(band, call, needs, policy, snapshot)
    if not fitting:
        return Choice(band)
    prefix = prefix_of(call)
    warm = snapshot.warm(prefix) if prefix is not None else None
    costs = [predicted_cost(target, needs, snapshot) for _, target in fitting]
    known = [cost for cost in costs if cost is not inf]
    cheapest, dearest = (min(known), max(known)) if known else (0.0, 1.0)
    weights = _weights(policy)
    scored = []
    for (model, target), cost in zip(fitting, costs, strict=True):
        parts = {
            "quality": (model.tier or 0) / 5,
            "cost": 0.0 if cost is inf else 1 - (cost - cheapest) / ((dearest - cheapest) or 1),
            "latency": _scaled(snapshot.health.value(target, LATENCY, policy.interval_s), 5.0),
            "uptime": _or(snapshot.health.value(target, UPTIME, policy.interval_s), 0.9),
        }
        score = sum(weights[name] * value for name, value in parts.items())
        scored.append((target.id != warm, -score, model.id))
    best = sorted(scored)[:CHOICES_MAX]
    return Choice(band, [slug for _, _, slug in best], [-score for _, score, _ in best])


def difficulty(call: Call, needs: Needs) -> float:
    """0: a greeting. 1: a long agentic coding task."""
    text = _last_text(call)
    score = min(0.35, log1p(needs.input_tokens) / 30)
    score += 0.2 if any(word in text for word in _CODE) else 0.0
    score += min(0.2, 0.1 + len(call.tools) / 100) if needs.tools else 0.0
    score += 0.25 if needs.reasoning else 0.0
    score += min(0.15, needs.turns / 40)
    return min(1.0, score)


def _fitting(band: Band, call: Call, needs: Needs, policy: Policy, snapshot: Snapshot) -> list[_Candidate]:
    """What can serve the call: the newest models of the band, else the newest of all, else any."""
    inside: list[Model] = []
    outside: list[Model] = []
    for tier, models in snapshot.catalog.tiers.items():
        (inside if band.tier_min <= tier <= band.tier_max else outside).extend(models[:NEWEST])
    for models in (inside, outside, snapshot.catalog.pool):
        if found := _able(models, call, needs, policy, snapshot):
            return found
    return []


def _able(models: Iterable[Model], call: Call, needs: Needs, policy: Policy, snapshot: Snapshot) -> list[_Candidate]:
    """Each model with its first offer that can serve the call."""
    found: list[_Candidate] = []
    for model in models:
        for target in snapshot.catalog.resolve(model.id):
            if exclusion(target, call, needs, policy, snapshot) is None:
                found.append((model, target))
                break
    return found


def _tiers(hard: float) -> tuple[int, int]:
    if hard < 0.25:
        return 2, 3
    if hard < 0.55:
        return 3, 4
    return 4, 5


def _weights(policy: Policy) -> dict[str, float]:
    named = {"cost": "cost", "performance": "quality", "uptime": "uptime"}
    if policy.model_sort is None:
        return _WEIGHTS
    favoured = named.get(policy.model_sort.family, "latency")
    rest = 1 - _WEIGHTS[favoured]
    return {
        name: _SORT_WEIGHT if name == favoured else weight * (1 - _SORT_WEIGHT) / rest
        for name, weight in _WEIGHTS.items()
    }


def _scaled(value: float | None, worst: float) -> float:
    return 0.5 if value is None else max(0.0, 1 - value / worst)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _last_text(call: Call) -> str:
    for item in reversed(call.items):
        if isinstance(item, Message) and item.role == "user":
            return "".join(part.text for part in item.content if isinstance(part, Text))[:20_000]
    return ""
