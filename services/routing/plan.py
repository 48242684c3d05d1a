"""Which targets a call may go to, in which order, and why not the others: a pure function of the call and a snapshot.

1. The models: the one asked for, then the caller's fallbacks; `auto` stands for those `auto.py` ranks.
2. Their offers. `provider/model` begins with that one; the model's other offers follow for when it fails.
3. What cannot or must not serve the call is excluded, with a reason (exclusion.py).
4. The rest is ordered (order.py): where the call's sealed reasoning comes from, where its prefix is warm, then the sort.
5. What rests after failures comes last, for when all others have failed: who may be asked soonest first.

When no offer has all that is asked, less important features are given up, one after the other, and reported as losses:
sampling parameters, then reasoning, then web search. Tools, schemas, images and files are never given up. Whoever names a
provider wants it more than these, so it keeps its place where giving them up lets it serve.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from services.adapters import carry
from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, NoZdrRoute
from services.ports import Excluded, Plan
from services.routing import auto, order
from services.routing.exclusion import exclusion
from services.routing.explaining import explanation
from services.routing.needs import Feature, Needs
from services.routing.policy import Policy, policy_of
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call, Native, WebSearchTool
from services.vocabulary.caller import CallerPolicy
from services.vocabulary.event import Loss

AUTO = "auto"
ALL_REST: Final = "every offer rests after failures; one call at a time asks whether it works again"

_GIVE_UP: Final[tuple[tuple[Feature, Loss], ...]] = (
    ("sampling", Loss("temperature", "dropped", "No model that can serve the rest takes sampling parameters.")),
    ("reasoning", Loss("reasoning", "dropped", "No model that can serve the rest reasons.")),
    ("web_search", Loss("tools", "dropped", "No model that can serve the rest searches the web.")),
)
_NOTHING_SETTLED: Final = CallerPolicy()
_ALL: Final = frozenset(feature for feature, _ in _GIVE_UP)


def plan(call: Call, snapshot: Snapshot, settled: CallerPolicy = _NOTHING_SETTLED, *, explain: bool = False) -> Plan:
    """Targets for the call, best first. `settled`: what holds for all calls of its caller. `explain`: the plan says why.

    Raises `ModelNotFound` with the nearest names, `InvalidRequest` for a wrong routing wish and for a call that no offer
    can serve (naming the parameter), `NoZdrRoute`, and `PermissionDenied` where the caller may use none of the offers.
    """
    policy = policy_of(call.routing, snapshot.catalog, settled)
    needs = Needs(call)
    models = [call.model, *(call.routing.fallbacks if call.routing is not None else ())]
    choice = auto.choose(call, needs, policy, snapshot) if AUTO in models else None
    found = [target for model in models for target in _offers(model, choice, call, needs, policy, snapshot)]
    found = [carry.own_lane(call, target) for target in found]
    offers = [each for target in found for each in _ways(target, settled, snapshot)]
    pin = None
    if _pinned(call.model, snapshot) is not None:  # the same, in the format of this call's lane
        pin = found[0] if found[0].provider.id not in snapshot.brought else offers[0]
    made = _first_that_fits(call, offers, pin, needs, policy, snapshot)
    if not explain:
        return made
    why = explanation(made.targets, call, needs, policy, snapshot, pin, choice)
    return msgspec.structs.replace(made, explanation=why)


def _first_that_fits(
    call: Call, offers: Sequence[Target], pin: Target | None, needs: Needs, policy: Policy, snapshot: Snapshot
) -> Plan:
    """The plan that gives up least."""
    first = pin if pin is not None and _would_serve(pin, call, policy, snapshot) else None
    given_up: list[Feature] = []
    losses: list[Loss] = []
    all_rest: Plan | None = None
    for feature, loss in ((None, None), *_GIVE_UP):
        if feature is not None and loss is not None:
            if not needs.has(feature):
                continue
            given_up.append(feature)
            losses.append(loss)
            needs = Needs(call, frozenset(given_up))
        kept, resting, excluded = _sift(offers, call, needs, policy, snapshot)
        resting.sort(key=lambda each: snapshot.health.open_until(each) or 0.0)
        if kept and (first is None or first in kept):
            targets = _without_doubles([*kept, *resting])
            return Plan(targets, excluded, list(losses), order.reason(call, policy, pin))
        if resting and all_rest is None:
            all_rest = Plan(_without_doubles(resting), excluded, list(losses), ALL_REST)
    if all_rest is not None:
        return all_rest
    raise _no_route(call, offers, policy, snapshot)


def stripped(call: Call, losses: Sequence[Loss]) -> Call:
    """The call without what the plan gave up."""
    for loss in losses:
        match loss.param:
            case "temperature":
                native = _without(call.native, "temperature", "top_p")
                call = msgspec.structs.replace(call, temperature=None, top_p=None, native=native)
            case "reasoning":
                native = _without(call.native, "reasoning", "reasoning_effort", "thinking")
                call = msgspec.structs.replace(call, reasoning=None, native=native)
            case "tools":
                tools = [tool for tool in call.tools if not isinstance(tool, WebSearchTool)]
                call = msgspec.structs.replace(call, tools=tools, native=None)
    return call


def _without(native: Native | None, *names: str) -> Native | None:
    """The client's own body without fields, by the names they have in any format."""
    if native is None:
        return None
    fields = {name: raw for name, raw in native.fields.items() if name not in names}
    return msgspec.structs.replace(native, fields=fields)


def _offers(
    model: str, choice: auto.Choice | None, call: Call, needs: Needs, policy: Policy, snapshot: Snapshot
) -> Iterator[Target]:
    """The offers of one model, in the order to try them."""
    if model == AUTO and choice is not None:
        for slug in choice.models:
            yield from order.ordered(snapshot.catalog.resolve(slug), call, needs, policy, snapshot)
        return
    found = snapshot.catalog.resolve(model, unlisted=snapshot.unlisted)
    if len(found) == 1:
        pin, others = found[0], snapshot.catalog.alternatives(found[0])
        yield pin
        found = [target for target in others if target is not pin]
    yield from order.ordered(found, call, needs, policy, snapshot)


def _pinned(model: str, snapshot: Snapshot) -> Target | None:
    """The target that the caller names, where the model has others too."""
    found = () if model == AUTO else snapshot.catalog.resolve(model, unlisted=snapshot.unlisted)
    return found[0] if len(found) == 1 and len(snapshot.catalog.alternatives(found[0])) > 1 else None


def _would_serve(pin: Target, call: Call, policy: Policy, snapshot: Snapshot) -> bool:
    """Whether the target could serve the call without what may be given up."""
    return exclusion(pin, call, Needs(call, _ALL), policy, snapshot) is None


def _sift(
    offers: Sequence[Target], call: Call, needs: Needs, policy: Policy, snapshot: Snapshot
) -> tuple[list[Target], list[Target], list[Excluded]]:
    """Those that may be asked, those that only their rest keeps out, and the others."""
    kept, resting, excluded = [], [], []
    for target in offers:
        why = exclusion(target, call, needs, policy, snapshot)
        if why is None:
            kept.append(target)
        elif why.reason == "RESTING":
            resting.append(target)
        else:
            excluded.append(Excluded(target.id, why.reason, why.detail))
    return kept, resting, excluded


def _ways(target: Target, settled: CallerPolicy, snapshot: Snapshot) -> Iterator[Target]:
    """The same target with each of the caller's own credentials for its provider, and with the gateway's if it has one."""
    for each in settled.byok:
        if each.provider == target.provider.id:
            yield msgspec.structs.replace(target, credential=each.id)
    if target.provider.id not in snapshot.brought:
        yield target


def _without_doubles(targets: Sequence[Target]) -> list[Target]:
    return list({(target.id, target.credential): target for target in targets}.values())


def _no_route(call: Call, offers: Sequence[Target], policy: Policy, snapshot: Snapshot) -> GatewayError:
    """Why nothing is left, in the words of what is nearest to a route."""
    needs = Needs(call)
    reasons = [(target, exclusion(target, call, needs, policy, snapshot)) for target in offers]
    if offers and all(why is not None and why.reason == "NOT_ZDR" for _, why in reasons):
        return NoZdrRoute("Zero data retention is asked for, and no provider of this model grants it.")
    if (error := next((why.error for _, why in reasons if why is not None and why.error), None)) is not None:
        return error
    if not offers:
        return InvalidRequest("No model that is configured here can serve this request.", param="model")
    told = "; ".join(f"{target.id}: {why.detail}" for target, why in reasons if why is not None)
    return InvalidRequest(f"No provider is left for this request: {told}.", param="routing")
