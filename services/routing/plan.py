"""Which targets a call may go to, in which order: a pure function of the call and the catalogue."""

from services.catalog.catalog import Catalog
from services.errors import InvalidRequest
from services.ports import Plan
from services.routing.limits import Demand, refusal
from services.vocabulary.call import Call

AUTO = "auto"


def plan(call: Call, catalog: Catalog, *, unlisted: bool) -> Plan:
    """Targets for the call's model that can take it, best first.

    unlisted: whether models without a row may be asked for by provider. Raises `ModelNotFound` with the nearest names, and
    `InvalidRequest` for what cannot be a model id, or, when no target can take the call, for what the first one cannot.
    """
    if call.model == AUTO:
        raise InvalidRequest("This gateway does not choose a model for `auto` yet; name one.", param="model")
    targets = catalog.resolve(call.model, unlisted=unlisted)
    demand = Demand(call)
    refusals = [refusal(demand, target) for target in targets]
    able = [target for target, refused in zip(targets, refusals, strict=True) if refused is None]
    if not able and refusals[0] is not None:
        raise refusals[0]
    return Plan(able)
