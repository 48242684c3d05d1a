"""Why a target cannot or must not serve a call: one function, one reason each, in the order in which they are told."""

from dataclasses import dataclass

from services.adapters import carry
from services.adapters.registry import DIALECTS
from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, PermissionDenied
from services.ports import ExclusionReason
from services.routing import limits
from services.routing.needs import Needs
from services.routing.policy import Policy
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call
from services.vocabulary.routing import MaxPrice
from services.vocabulary.usage import Usage

_MILLION = Usage(input=1_000_000), Usage(output=1_000_000)


@dataclass(frozen=True, slots=True)
class Why:
    """A reason. `error`: what the caller gets when nothing else is left and this is why."""

    reason: ExclusionReason
    detail: str
    error: GatewayError | None = None


def exclusion(target: Target, call: Call, needs: Needs, policy: Policy, snapshot: Snapshot) -> Why | None:
    """Why this target is out; None: it is in."""
    provider = target.provider
    if (said := policy.access.refusal(target)) is not None:
        return Why("NOT_ALLOWED", said, PermissionDenied(f"{target.id}: {said}.", model=target.id))
    if policy.only and provider.id not in policy.only:
        return Why("NOT_ALLOWED", "not in the caller's list of providers")
    if provider.id in policy.ignore:
        return Why("NOT_ALLOWED", "the caller ignores this provider")
    if policy.zdr and not target.zdr:
        return Why("NOT_ZDR", "no zero data retention")
    if policy.max_price is not None and not _affordable(target, policy.max_price, snapshot):
        return Why("TOO_EXPENSIVE", "over the caller's max_price, or without a price")
    if (error := limits.refusal(needs.demand, target)) is not None:
        return Why("LACKS_FEATURE", error.message, error)
    if (lacks := _lacks(target, needs)) is not None:
        return Why("LACKS_FEATURE", lacks)
    if policy.require_parameters and (lost := _losses(target, call)):
        return Why("LOSES_PARAMETER", f"cannot carry {', '.join(lost)}")
    if snapshot.health.open_until(target) is not None:
        return Why("RESTING", "resting after failures")
    return None


def _lacks(target: Target, needs: Needs) -> str | None:
    """Features that may be given up, where the model is known not to have them."""
    facts = target.facts
    if needs.web_search and facts.web_search is False:
        return "no web search"
    if needs.reasoning and facts.efforts == []:
        return "does not reason"
    if needs.sampling and facts.temperature is False:
        return "takes no sampling parameters"
    return None


def _affordable(target: Target, limit: MaxPrice, snapshot: Snapshot) -> bool:
    """Whether both rates are known and within the limits, in dollars per million tokens."""
    for usage, most in zip(_MILLION, (limit.input, limit.output), strict=True):
        if most is not None:
            cost = snapshot.prices.cost(target, usage, snapshot.now)
            if cost is None or cost.total > most * 1e9:
                return False
    return True


def _losses(target: Target, call: Call) -> list[str]:
    """What the target's format would lose: asked of the dialect itself, which is pure."""
    dialect = DIALECTS.get(target.dialect)
    if dialect is None:
        return []
    try:
        prepared, losses = carry.prepare(call, target, dialect.name, "")
        return sorted({loss.param for loss in (*losses, *dialect.request(prepared, target).losses)})
    except InvalidRequest as error:
        return [error.param or "the request"]
